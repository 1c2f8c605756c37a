//! Folders that this daemon shares: announced to a room, asked for by its members, opened, ended.
//!
//! Owns the table of [`FolderShare`]s. To share a folder with a room is the consent: its members are let in without a
//! question, and what they may do is decided by what they say first: [`browse`] looks, [`files`] takes and puts.
//!
//! **Invariant**: whoever is in a folder is out of it as soon as the share ends: every session waits for [`FolderShare::stop`] as
//! well as for its frames.

mod browse;
mod files;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesh_peer::session::{Accepted, OpenSession, SessionControl, open_as_answerer};
use mesh_peer::transport::FrameSender;
use mesh_protocol::capability::Feature;
use mesh_protocol::channel::{Bye, FolderOpen, Frame};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::{RoomId, ShareId};
use mesh_protocol::limits::{HELLO_TIMEOUT, MAX_NAME_CHARS};
use mesh_protocol::signal::{Reason, ShareNotice, TransferRequest};
use tokio::sync::broadcast;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::consent::plain;
use super::ipc::FolderStatus;
use super::terminals::Asking;
use super::{Core, SHARE_STOP_WITHIN};
use crate::disk::SharedFolder;
use crate::exit::{Failure, Outcome};

/// Folders at once.
const MAX_FOLDERS: usize = 16;
/// Sentences that wait for a terminal that shows them; older ones are dropped.
const SENTENCES: usize = 32;
const STOPPED: &str = "the owner stopped sharing this folder";

/// One shared folder.
#[derive(Debug)]
pub(super) struct FolderShare {
    pub(super) share_id: ShareId,
    pub(super) room_id: RoomId,
    pub(super) room: String,
    pub(super) folder: Arc<SharedFolder>,
    /// Whether others may put files into it.
    pub(super) drop: bool,
    /// Ends every session in it.
    pub(super) stop: CancellationToken,
    told: broadcast::Sender<String>,
    /// Who is in it. Held for map operations only.
    visitors: Mutex<BTreeMap<u64, String>>,
}

impl FolderShare {
    pub(super) fn label(&self) -> &str {
        self.folder.label()
    }

    pub(super) fn status(&self) -> FolderStatus {
        FolderStatus {
            share_id: self.share_id.to_string(),
            room: self.room.clone(),
            label: self.label().to_owned(),
            drop: self.drop,
            visitors: self.visitors().values().cloned().collect(),
        }
    }

    /// What happens in it, from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<String> {
        self.told.subscribe()
    }

    fn visitors(&self) -> MutexGuard<'_, BTreeMap<u64, String>> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notice(&self) -> ShareNotice {
        ShareNotice {
            room_id: self.room_id.clone(),
            cap_token: None,
            share_id: self.share_id.clone(),
            label: self.label().to_owned(),
        }
    }

    fn tell(&self, core: &Core, sentence: String) {
        // Nobody may be listening.
        let _ = self.told.send(sentence.clone());
        core.tell(sentence);
    }
}

/// All shared folders. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Folders {
    /// Held for map operations only.
    table: Arc<Mutex<BTreeMap<ShareId, Arc<FolderShare>>>>,
}

impl Folders {
    fn table(&self) -> MutexGuard<'_, BTreeMap<ShareId, Arc<FolderShare>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<Arc<FolderShare>> {
        self.table().values().cloned().collect()
    }
}

impl Core {
    /// Opens a folder and announces it to the room.
    pub(super) fn share_folder(
        &self,
        (room_id, room): (&RoomId, &str),
        path: &Path,
        label: Option<String>,
        drop: bool,
        hidden: bool,
    ) -> Outcome<Arc<FolderShare>> {
        if self.folders.all().len() >= MAX_FOLDERS {
            return Err(Failure::general(format!(
                "{MAX_FOLDERS} folders are shared already: `mesh stop` one of them first."
            )));
        }
        let own_name = || path.file_name().map(|name| name.to_string_lossy().into_owned());
        let label: String = plain(&label.or_else(own_name).unwrap_or_else(|| "folder".to_owned()))
            .replace(':', " ")
            .chars()
            .take(MAX_NAME_CHARS)
            .collect();
        let taken = |share: &Arc<FolderShare>| share.room_id == *room_id && share.label() == label;
        if self.folders.all().iter().any(taken) {
            return Err(Failure::usage(format!(
                "A folder \"{label}\" is shared in {room} already: give this one another `--name`."
            )));
        }
        let folder = SharedFolder::open(path, &label, hidden).map_err(|error| {
            Failure::general(format!(
                "The folder {} cannot be shared: {error}.",
                path.display()
            ))
        })?;
        let share = Arc::new(FolderShare {
            share_id: uuid::Uuid::new_v4()
                .to_string()
                .parse()
                .map_err(Failure::general)?,
            room_id: room_id.clone(),
            room: room.to_owned(),
            folder: Arc::new(folder),
            drop,
            stop: self.stop.child_token(),
            told: broadcast::channel(SENTENCES).0,
            visitors: Mutex::default(),
        });
        self.folders.table().insert(share.share_id.clone(), share.clone());
        self.announce_folder(&share, true);
        Ok(share)
    }

    /// Takes a folder back: its sessions end now, and the room is told.
    pub(super) fn end_folder(&self, share: &Arc<FolderShare>) {
        if self.folders.table().remove(&share.share_id).is_some() {
            share.stop.cancel();
            self.announce_folder(share, false);
            self.tell(format!(
                "The folder \"{}\" is not shared any more.",
                share.label()
            ));
        }
    }

    fn announce_folder(&self, share: &Arc<FolderShare>, started: bool) {
        let (core, notice) = (self.clone(), share.notice());
        self.tasks.spawn(async move {
            core.announce(Feature::Folder, notice, started).await;
            core.tell_presence().await;
        });
    }

    /// After a reconnect, or on entering a room: what is shared there.
    pub(super) fn announce_folders_again(&self, room_id: &RoomId) {
        for share in self.folders.all() {
            if share.room_id == *room_id {
                let core = self.clone();
                self.tasks
                    .spawn(async move { core.announce(Feature::Folder, share.notice(), true).await });
            }
        }
    }
}

/// `share.folder.request`: judged and opened; then the session is served until its end.
pub(super) async fn requested(core: Core, asking: Asking, request: TransferRequest) {
    let Some(session_id) = request.session_id.clone() else {
        return;
    };
    let refuse = async |reason| {
        core.decline(
            Feature::Folder,
            &request.room_id,
            &asking.peer,
            &session_id,
            reason,
        )
        .await;
    };
    let share = request.share_id.as_ref();
    let share = share.and_then(|id| core.folders.table().get(id).cloned());
    let Some(share) = share.filter(|share| share.room_id == request.room_id) else {
        return refuse(Reason::Unsupported).await;
    };
    let token = request.cap_token.as_deref();
    let route = match core
        .judge(Feature::Folder, &request.room_id, &asking, &session_id, token)
        .await
    {
        Ok(route) => route,
        Err(Some(reason)) => return refuse(reason).await,
        Err(None) => return,
    };
    let accepted = Accepted {
        room_id: request.room_id.clone(),
        remote: asking.peer.clone(),
        feature: Feature::Folder,
    };
    let opened = tokio::select! {
        opened = open_as_answerer(&core.context, accepted, route) => opened,
        () = share.stop.cancelled() => return refuse(Reason::Cancelled).await,
    };
    match opened {
        Ok(open) => serve(&core, &share, open, &asking).await,
        Err(error) => tracing::info!(%error, who = asking.who, "a session about a folder did not open"),
    }
}

async fn serve(core: &Core, share: &Arc<FolderShare>, mut session: OpenSession, asking: &Asking) {
    let _live = core.count_live();
    let _visit = Visit::new(core, share, &asking.who);
    let first = tokio::select! {
        first = timeout(HELLO_TIMEOUT, session.frames_rx.recv()) => first,
        () = share.stop.cancelled() => return bye(session.frames_tx, session.control, ChannelCode::Stopped, STOPPED).await,
    };
    let Ok(Some(first)) = first else { return };
    match Frame::decode(&first) {
        Ok(Frame::FolderOpen(FolderOpen::Browse)) => browse::serve(core, share, session, asking).await,
        Ok(Frame::FolderOpen(FolderOpen::Pull { paths })) => {
            files::pull(core, share, session, asking, paths).await;
        }
        Ok(Frame::FolderOpen(FolderOpen::Put { path, size, count })) => {
            files::put(core, share, session, asking, (path, size, count)).await;
        }
        _ => {
            let why = "the first frame says what the session is for";
            bye(session.frames_tx, session.control, ChannelCode::Protocol, why).await;
        }
    }
}

/// The orderly end: what was sent arrives, then this.
async fn bye(frames: FrameSender, control: SessionControl, code: ChannelCode, detail: &str) {
    let last = Frame::Bye(Bye {
        code,
        detail: detail.to_owned(),
    });
    let said = async {
        let _ = frames.send(last.encode()).await;
        drop(frames);
        control.finish().await;
    };
    let within = if code == ChannelCode::Stopped {
        SHARE_STOP_WITHIN
    } else {
        Duration::from_secs(5)
    };
    let _ = timeout(within, said).await;
}

/// Somebody is in the folder for as long as this lives.
struct Visit<'a> {
    share: &'a FolderShare,
    number: u64,
}

impl<'a> Visit<'a> {
    fn new(core: &Core, share: &'a FolderShare, who: &str) -> Self {
        let number = core.number();
        share.visitors().insert(number, who.to_owned());
        Self { share, number }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.share.visitors().remove(&self.number);
    }
}
