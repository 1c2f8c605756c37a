//! The terminals that this daemon holds: who asks finds the right one, and each has one task that owns it.
//!
//! Owns the table of [`ShareHandle`]s. The task of a share is in [`super::share`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mesh_peer::transport::FrameSender;
use mesh_protocol::channel::{Frame, TermAsk, TermSize};
use mesh_protocol::ids::{DeviceId, PeerId, RoomId, ShareId};
use tokio::sync::{mpsc, oneshot};

use super::ipc::ShareStatus;
use crate::exit::{Failure, Outcome};

/// Commands that wait for the task of a share; whoever has another waits. The task never waits for any of them.
pub(super) const COMMANDS: usize = 64;

/// What the task of a share is told.
#[derive(Debug)]
pub(super) enum Command {
    /// A session was opened. `number` tells two sessions of one peer apart: the later replaces the earlier.
    Attach {
        peer: PeerId,
        number: u64,
        name: String,
        device: Option<DeviceId>,
        /// Whether it may ask to decide in the owner's place.
        may_decide: bool,
        frames: FrameSender,
    },
    Detach {
        peer: PeerId,
        number: u64,
    },
    Frame {
        peer: PeerId,
        frame: Frame,
    },
    RenewView {
        peer: PeerId,
    },
    RenewControl {
        peer: PeerId,
    },
    /// The owner agreed; answered with the epoch, or `None` when the viewer has gone.
    Grant {
        peer: PeerId,
        reply: oneshot::Sender<Option<u32>>,
    },
    Release {
        peer: PeerId,
    },
    /// The owner lets this viewer decide in their place, or not any more.
    Decides {
        peer: PeerId,
        number: u64,
        decides: bool,
    },
    /// A question for a viewer that decides.
    Ask {
        peer: PeerId,
        question: TermAsk,
    },
    Withdraw {
        peer: PeerId,
        id: u64,
    },
    /// Answered with whether this viewer's answer to that question counts.
    TakeAnswer {
        peer: PeerId,
        id: u64,
        reply: oneshot::Sender<bool>,
    },
    AttachLocal {
        local: mpsc::Sender<LocalEvent>,
        size: TermSize,
        reply: oneshot::Sender<u64>,
    },
    LocalInput {
        bytes: Bytes,
    },
    LocalResize {
        size: TermSize,
    },
    Repaint {
        id: u64,
    },
    DetachLocal {
        id: u64,
    },
    TakeBack,
    /// Stops showing what happens, or goes on.
    Pause {
        paused: bool,
    },
    /// Records into a new file, or ends the recording.
    Record {
        file: Option<PathBuf>,
        number: u64,
        reply: oneshot::Sender<Outcome>,
    },
    /// Ends the view of everybody of this name; answered with their names and devices.
    Eject {
        who: String,
        reply: oneshot::Sender<Vec<(String, Option<DeviceId>)>>,
    },
    Status {
        reply: oneshot::Sender<ShareStatus>,
    },
    Stop,
}

/// What an attached terminal of the owner is told.
#[derive(Clone, Debug)]
pub(super) enum LocalEvent {
    Output(Bytes),
    Viewers(Vec<String>),
    Control(Option<String>),
    State {
        paused: bool,
        recording: bool,
    },
    Exited(Option<i32>),
    /// The share was ended by its owner.
    Stopped,
}

/// A share, from outside its task.
#[derive(Clone, Debug)]
pub(super) struct ShareHandle {
    pub(super) share_id: ShareId,
    pub(super) room_id: RoomId,
    pub(super) label: String,
    /// Started by its owner, rather than on a request.
    pub(super) explicit: bool,
    pub(super) commands: mpsc::Sender<Command>,
    /// Devices that the owner has let in, for shares that were not started by the owner.
    approved: Arc<Mutex<Vec<DeviceId>>>,
    /// Devices that the owner sent away: asked about again, whoever started the share.
    ejected: Arc<Mutex<Vec<DeviceId>>>,
}

impl ShareHandle {
    pub(super) fn new(
        share_id: ShareId,
        room_id: RoomId,
        label: String,
        explicit: bool,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self {
            share_id,
            room_id,
            label,
            explicit,
            commands,
            approved: Arc::default(),
            ejected: Arc::default(),
        }
    }

    /// Whether this device may watch without another question.
    pub(super) fn is_open_to(&self, device: Option<&DeviceId>) -> bool {
        let approved = self.approved.lock().unwrap_or_else(PoisonError::into_inner);
        let let_in = self.explicit || device.is_some_and(|device| approved.contains(device));
        drop(approved);
        let ejected = self.ejected.lock().unwrap_or_else(PoisonError::into_inner);
        let_in && !device.is_some_and(|device| ejected.contains(device))
    }

    /// The owner sent this device away.
    fn send_away(&self, device: DeviceId) {
        let mut approved = self.approved.lock().unwrap_or_else(PoisonError::into_inner);
        approved.retain(|known| *known != device);
        drop(approved);
        let mut ejected = self.ejected.lock().unwrap_or_else(PoisonError::into_inner);
        if !ejected.contains(&device) {
            ejected.push(device);
        }
    }

    /// Ends the view of everybody of this name (`Bob`, or `Bob (laptop)`), who has to ask again; gives their names.
    pub(super) async fn eject(&self, who: &str) -> Vec<String> {
        let (reply, gone) = oneshot::channel();
        let who = who.to_owned();
        let _ = self.commands.send(Command::Eject { who, reply }).await;
        let mut names = Vec::new();
        for (name, device) in gone.await.unwrap_or_default() {
            names.push(name);
            device.into_iter().for_each(|device| self.send_away(device));
        }
        names
    }

    /// Records into a new file, or ends the recording.
    pub(super) async fn record(&self, file: Option<PathBuf>, number: u64) -> Outcome {
        let (reply, done) = oneshot::channel();
        let command = Command::Record { file, number, reply };
        let _ = self.commands.send(command).await;
        done.await
            .unwrap_or_else(|_| Err(Failure::general("The terminal has ended.")))
    }

    /// The owner let this device in.
    pub(super) fn approve(&self, device: DeviceId) {
        let mut ejected = self.ejected.lock().unwrap_or_else(PoisonError::into_inner);
        ejected.retain(|known| *known != device);
        drop(ejected);
        let mut approved = self.approved.lock().unwrap_or_else(PoisonError::into_inner);
        if !approved.contains(&device) {
            approved.push(device);
        }
    }

    /// Whether the share is over.
    pub(super) fn is_over(&self) -> bool {
        self.commands.is_closed()
    }

    pub(super) async fn status(&self) -> Option<ShareStatus> {
        let (reply, status) = oneshot::channel();
        self.commands.send(Command::Status { reply }).await.ok()?;
        let mut status = status.await.ok()?;
        status.share_id = self.share_id.to_string();
        Some(status)
    }

    /// Ends the share and waits until its task is over, at most `within`.
    pub(super) async fn stop(&self, within: Duration) {
        let ended = async {
            let _ = self.commands.send(Command::Stop).await;
            self.commands.closed().await;
        };
        let _ = tokio::time::timeout(within, ended).await;
    }
}

/// All shares. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares {
    /// Held for map operations only.
    table: Arc<Mutex<BTreeMap<ShareId, ShareHandle>>>,
}

impl Shares {
    fn table(&self) -> MutexGuard<'_, BTreeMap<ShareId, ShareHandle>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, share: ShareHandle) {
        self.table().insert(share.share_id.clone(), share);
    }

    pub(super) fn remove(&self, share: &ShareId) {
        self.table().remove(share);
    }

    pub(super) fn all(&self) -> Vec<ShareHandle> {
        self.table()
            .values()
            .filter(|share| !share.is_over())
            .cloned()
            .collect()
    }

    /// A label that no other share has: `bash`, then `bash 2`.
    pub(super) fn label(&self, wanted: &str) -> String {
        let shares = self.all();
        let free = |label: &String| shares.iter().all(|share| share.label != *label);
        let numbered = (2..).map(|number| format!("{wanted} {number}"));
        std::iter::once(wanted.to_owned())
            .chain(numbered)
            .find(free)
            .unwrap_or_default()
    }

    /// The terminals of this label or id; without one, all.
    pub(super) fn named(&self, wanted: Option<&str>) -> Vec<ShareHandle> {
        let mut shares = self.all();
        shares.retain(|share| {
            wanted.is_none_or(|wanted| share.share_id.as_str() == wanted || share.label == wanted)
        });
        shares
    }

    pub(super) fn in_room(&self, room: &RoomId) -> Vec<ShareHandle> {
        self.all()
            .into_iter()
            .filter(|share| share.room_id == *room)
            .collect()
    }

    /// The share that a request means: the one it names, else the one that its owner started in that room, else one that
    /// was started there on an earlier request.
    pub(super) fn wanted(&self, room: &RoomId, share: Option<&ShareId>) -> Option<ShareHandle> {
        let mut candidates = self.in_room(room);
        match share {
            Some(wanted) => candidates.into_iter().find(|share| share.share_id == *wanted),
            None => {
                candidates.sort_by_key(|share| !share.explicit);
                candidates.into_iter().next()
            }
        }
    }
}
