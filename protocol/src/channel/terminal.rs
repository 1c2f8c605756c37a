//! Frames of a terminal session.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::ids::PeerId;

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TermSize {
    pub cols: u16,
    pub rows: u16,
}

/// `10`: one part of the screen and scrollback as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermSnapshot {
    /// Reset the viewer before writing this part.
    pub first: bool,
    /// Nothing follows; TERM_OUT goes on from `seq`.
    pub last: bool,
    pub size: TermSize,
    /// The output position that the whole snapshot stands for.
    pub seq: u64,
    pub bytes: Bytes,
}

/// `11`: output of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermOut {
    /// Position of the first byte.
    pub seq: u64,
    pub bytes: Bytes,
}

/// `12`: input to the shell.
#[derive(Clone, PartialEq, Eq)]
pub struct TermIn {
    /// The grant that it is typed under.
    pub epoch: u32,
    pub bytes: Bytes,
}

impl std::fmt::Debug for TermIn {
    /// What is typed may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TermIn")
            .field("epoch", &self.epoch)
            .field("len", &self.bytes.len())
            .finish()
    }
}

/// `13`: from the host the size as it is (epoch 0), from the holder of control a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermResize {
    pub epoch: u32,
    pub size: TermSize,
}

/// `14`: who controls now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermLease {
    pub holder: Option<PeerId>,
    /// The holder's name; empty when nobody holds it.
    pub name: String,
    pub epoch: u32,
    /// Whether the receiver of this frame is the holder.
    pub you: bool,
    /// Whether the receiver of this frame may ask to answer for the host's owner, by [`TermDecide`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub may_decide: bool,
}

/// `15`: the viewer has shown everything before this position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermAck {
    pub seq: u64,
}

/// `16`: the shell ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermExit {
    /// The exit status; null when a signal ended it.
    pub code: Option<i32>,
}

/// `17`: who watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermViewers {
    pub viewers: Vec<TermViewer>,
}

/// `18`: what the host does with what is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermState {
    /// Nothing more is shown for now; a snapshot comes first when it goes on.
    pub paused: bool,
    /// What viewers see is kept by the host.
    pub recording: bool,
}

/// `19`: whether this viewer answers what the host's owner is asked. From the viewer it is a wish, from the host how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermDecide {
    pub decides: bool,
}

/// `1a`: a question to the host's owner, to a viewer that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermAsk {
    #[cfg_attr(test, ts(type = "number"))]
    pub id: u64,
    /// What is asked for.
    pub capability: Capability,
    /// The person that asks, and the device in brackets.
    pub who: String,
    /// The room that they ask in.
    pub room: String,
}

/// `1b`: that question was answered elsewhere, taken back, or ran out of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermWithdrawn {
    #[cfg_attr(test, ts(type = "number"))]
    pub id: u64,
}

/// `1c`: what a viewer that decides says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermAnswer {
    #[cfg_attr(test, ts(type = "number"))]
    pub id: u64,
    pub answer: ConsentAnswer,
}

/// An answer of somebody who is asked for consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub enum ConsentAnswer {
    Yes,
    No,
    /// Yes, and for this person always.
    AlwaysPerson,
    /// Yes, and for whoever asks in this room.
    AlwaysRoom,
    /// No, and for this person never.
    NeverPerson,
}

impl ConsentAnswer {
    /// Whether it is a yes.
    pub const fn allows(self) -> bool {
        matches!(self, Self::Yes | Self::AlwaysPerson | Self::AlwaysRoom)
    }
}

/// One viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct TermViewer {
    pub peer_id: PeerId,
    pub name: String,
}
