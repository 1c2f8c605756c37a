//! One who looks into a shared folder: lists, searches, previews, and hears of changes.
//!
//! Questions are answered one after the other, each in as many frames as it takes; the path holds back whoever does not
//! read. To look is a lease of [`LEASE`], renewed as a terminal's view is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesh_peer::session::OpenSession;
use mesh_peer::transport::FrameSender;
use mesh_protocol::capability::Capability;
use mesh_protocol::channel::{
    FolderChanged, FolderData, FolderEntries, FolderEntry, FolderFailed, FolderOpened, FolderPreviewed, Frame,
};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{LEASE, MAX_CHANNEL_DATA};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Core, FolderShare, STOPPED, bye};
use crate::daemon::terminals::Asking;
use crate::disk::{Listing, SharedError, SharedFolder, Watchable};
use crate::notice::What;

/// How long a search may take.
const SEARCH_WITHIN: Duration = Duration::from_secs(5);
/// The least time between two words about changes.
const CHANGES_EVERY: Duration = Duration::from_millis(300);
/// What the entries of one frame take as JSON.
const FRAME_ENTRIES: usize = 60_000;

/// Why the viewer has to go.
type Cut = (ChannelCode, &'static str);

pub(super) async fn serve(core: &Core, share: &Arc<FolderShare>, session: OpenSession, asking: &Asking) {
    let OpenSession {
        frames_tx,
        mut frames_rx,
        judge,
        control,
        ..
    } = session;
    share.tell(
        core,
        format!(
            "{} looks into \"{}\" in {}.",
            asking.who,
            share.label(),
            asking.room
        ),
    );
    let (who, room) = (asking.who.clone(), asking.room.clone());
    core.notices.tell(&What::LooksIntoFolder { who, room });
    let opened = Frame::FolderOpened(FolderOpened {
        label: share.label().to_owned(),
        drop: share.drop,
        size: 0,
        count: 0,
    });
    // One word is enough: the viewer lists again.
    let (to_changes, mut changes) = mpsc::channel(1);
    let mut watch = Watch::new(to_changes);
    let mut lapse = Instant::now() + LEASE;
    let mut quiet_until = Instant::now();
    let work = async {
        let _ = frames_tx.send(opened.encode()).await;
        loop {
            let message = tokio::select! {
                message = frames_rx.recv() => message,
                () = sleep_until(lapse) => {
                    return Some((ChannelCode::LeaseLapsed, "the permission to look was not renewed"));
                }
                Some(()) = async { sleep_until(quiet_until).await; changes.recv().await } => {
                    quiet_until = Instant::now() + CHANGES_EVERY;
                    let changed = Frame::FolderChanged(FolderChanged { path: watch.path.clone() });
                    let _ = frames_tx.send(changed.encode()).await;
                    continue;
                }
            };
            match Frame::decode(&message?) {
                Ok(Frame::Renew(renew)) => {
                    if judge
                        .judge(&renew.cap_token, Capability::ShareFolder)
                        .await
                        .is_ok()
                    {
                        lapse = Instant::now() + LEASE;
                    }
                }
                Ok(frame) => answer(&share.folder, &frames_tx, &mut watch, frame).await?,
                Err(_) => return Some((ChannelCode::Protocol, "not a frame")),
            }
        }
    };
    let cut: Option<Cut> = tokio::select! {
        biased;
        () = share.stop.cancelled() => Some((ChannelCode::Stopped, STOPPED)),
        cut = work => cut,
    };
    if let Some((code, detail)) = cut {
        bye(frames_tx, control, code, detail).await;
    }
}

/// Answers one question. `None` once nobody reads any more, or for what is no question: the session ends.
async fn answer(
    folder: &Arc<SharedFolder>,
    frames: &FrameSender,
    watch: &mut Watch,
    question: Frame,
) -> Option<()> {
    let (id, answered) = match question {
        Frame::FolderList(ask) => {
            // Watched before it is read, so that no change falls between.
            let beneath = on_disk(folder, ask.path.clone(), |folder, path| folder.watchable(&path)).await;
            let listing = match beneath {
                Ok(beneath) => {
                    watch.turn_to(beneath, ask.path.clone());
                    on_disk(folder, ask.path, |folder, path| folder.list(&path)).await
                }
                Err(error) => Err(error),
            };
            match listing {
                Ok(listing) => (ask.id, send_listing(frames, ask.id, listing).await),
                Err(error) => (ask.id, Err(error)),
            }
        }
        Frame::FolderSearch(ask) => {
            let until = std::time::Instant::now() + SEARCH_WITHIN;
            let (path, text) = (ask.path, ask.text);
            let found = on_disk(folder, path, move |folder, path| {
                folder.search(&path, &text, until)
            })
            .await;
            match found {
                Ok(listing) => (ask.id, send_listing(frames, ask.id, listing).await),
                Err(error) => (ask.id, Err(error)),
            }
        }
        Frame::FolderPreview(ask) => {
            let preview = on_disk(folder, ask.path, |folder, path| folder.preview(&path)).await;
            match preview {
                Ok(preview) => {
                    let head = Frame::FolderPreviewed(FolderPreviewed {
                        id: ask.id,
                        media_type: preview.media_type.to_owned(),
                        size: u32::try_from(preview.bytes.len()).unwrap_or(u32::MAX),
                        more: preview.more,
                    });
                    frames.send(head.encode()).await.ok()?;
                    let bytes = Bytes::from(preview.bytes);
                    for from in (0..bytes.len()).step_by(MAX_CHANNEL_DATA) {
                        let part = bytes.slice(from..bytes.len().min(from + MAX_CHANNEL_DATA));
                        let data = FolderData {
                            id: ask.id,
                            bytes: part,
                        };
                        frames.send(Frame::FolderData(data).encode()).await.ok()?;
                    }
                    (ask.id, Ok(Some(())))
                }
                Err(error) => (ask.id, Err(error)),
            }
        }
        // Nothing else is asked here.
        _ => return None,
    };
    match answered {
        Ok(sent) => sent,
        Err(error) => {
            let failed = FolderFailed {
                id,
                code: error.code(),
                detail: error.to_string(),
            };
            frames.send(Frame::FolderFailed(failed).encode()).await.ok()
        }
    }
}

/// `Ok(None)` once nobody reads any more.
async fn send_listing(frames: &FrameSender, id: u32, listing: Listing) -> Result<Option<()>, SharedError> {
    let Listing { entries, more } = listing;
    let mut rest = entries.into_iter().peekable();
    loop {
        let (mut part, mut room) = (Vec::new(), FRAME_ENTRIES);
        while let Some(entry) = rest.next_if(|entry| json_len(entry) <= room) {
            room -= json_len(&entry);
            part.push(entry);
        }
        let last = rest.peek().is_none();
        let frame = Frame::FolderEntries(FolderEntries {
            id,
            entries: part,
            last,
            more: last && more,
        });
        if frames.send(frame.encode()).await.is_err() {
            return Ok(None);
        }
        if last {
            return Ok(Some(()));
        }
    }
}

/// An allowed path has no controls; of what is left, only a quotation mark takes two bytes in JSON.
fn json_len(entry: &FolderEntry) -> usize {
    entry.path.len() + entry.path.matches('"').count() + 100
}

/// Disks may be slow: not on the threads of sockets.
async fn on_disk<T: Send + 'static>(
    folder: &Arc<SharedFolder>,
    path: String,
    work: impl FnOnce(&SharedFolder, String) -> Result<T, SharedError> + Send + 'static,
) -> Result<T, SharedError> {
    let folder = folder.clone();
    let shown = path.clone();
    tokio::task::spawn_blocking(move || work(&folder, path))
        .await
        .unwrap_or_else(|error| Err(SharedError::Io(shown, std::io::Error::other(error))))
}

/// The watch over the folder that was listed last.
struct Watch {
    watcher: Option<RecommendedWatcher>,
    path: String,
    /// Where the system can, it is watched by the name of its descriptor, which no swap of a folder for a link can turn elsewhere.
    watched: Option<Watchable>,
}

impl Watch {
    fn new(changes: mpsc::Sender<()>) -> Self {
        let told = move |event: notify::Result<notify::Event>| {
            // That somebody reads is no change; our own listing does.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = changes.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(told)
            .inspect_err(|error| tracing::warn!(%error, "changes of a folder cannot be watched"))
            .ok();
        Self {
            watcher,
            path: String::new(),
            watched: None,
        }
    }

    fn turn_to(&mut self, folder: Watchable, path: String) {
        let Some(watcher) = &mut self.watcher else { return };
        if let Some(before) = self.watched.take() {
            let _ = watcher.unwatch(&before.by);
        }
        if let Err(error) = watcher.watch(&folder.by, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, "changes of a folder cannot be watched");
        }
        (self.path, self.watched) = (path, Some(folder));
    }
}
