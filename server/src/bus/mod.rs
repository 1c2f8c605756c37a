//! How what happens reaches whoever must know, on this node or another.
//!
//! Whoever acts publishes and never looks at sockets; the hub of each node listens and delivers to its own. A cluster
//! replaces the implementation and no caller. [`LocalBus`] is a call; [`NatsBus`] also carries to other nodes, and is
//! allowed to lose: it says so ([`Listener::lost`]), and what was lost is asked for anew or read from the database.

mod link;
mod local;
mod members;
mod nats;
mod wire;

pub use local::LocalBus;
pub use members::{LEASE, LEASE_WHILE_CUT_OFF};
pub use nats::{BusError, NatsBus, Serve};
pub use wire::VERSION;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Weak;

use mesh_protocol::http::{Policy, Role};
use mesh_protocol::ids::{DeviceId, PeerId, RoomId, ShareId, UserId};
use mesh_protocol::signal::{Peer, Share};
use serde::{Deserialize, Serialize};

use crate::hub::sessions::SessionChange;
use crate::store::SignInId;
pub use crate::ws::codec::Frame;

/// One run of one server process. Another start is another node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(u64);

impl NodeId {
    /// Characters of its text.
    pub const LENGTH: usize = 12;

    /// A new one.
    pub fn random() -> Self {
        Self(rand::random::<u64>() >> 16)
    }

    /// The node that a text begins with, where it was made by [`NodeId::tag`].
    pub fn of_tag(text: &str) -> Option<Self> {
        let (tag, _) = text.split_once('-')?;
        tag.parse().ok()
    }

    /// `text` so that [`NodeId::of_tag`] tells the node.
    pub fn tag(self, text: &str) -> String {
        format!("{self}-{text}")
    }

    fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A text of another length is no number of so many bits.
        let padded = if text.len() == Self::LENGTH { text } else { "" };
        u64::from_str_radix(padded, 16).map(Self)
    }
}

/// Something that happened. Frames are serialised once and shared.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is")]
pub enum BusEvent {
    /// A frame for every live peer of a room.
    Room {
        room_id: RoomId,
        #[serde(skip)]
        frame: Frame,
    },
    /// A stored chat message for every live peer of a room.
    Chat {
        room_id: RoomId,
        seq: u64,
        #[serde(skip)]
        frame: Frame,
    },
    /// A frame for one peer.
    Peer {
        peer_id: PeerId,
        #[serde(skip)]
        frame: Frame,
    },
    /// A sign-in ended: its sockets close with 4401.
    SignInEnded { sign_in: SignInId },
    /// Somebody has another name: their peers show it.
    Renamed { user_id: UserId, name: String },
    /// A user is no longer a member: their peers leave, their sessions there end.
    MemberGone {
        room_id: RoomId,
        user_id: UserId,
        reason: Cow<'static, str>,
    },
    /// Someone is a member in this role from now on: the room is told, and what the role allows no more ends.
    MemberChanged {
        room_id: RoomId,
        user_id: UserId,
        role: Role,
        #[serde(skip)]
        frame: Frame,
    },
    /// The room has this policy from now on: the room is told, and what it allows no more ends.
    RoomChanged {
        room_id: RoomId,
        policy: Policy,
        #[serde(skip)]
        frame: Frame,
    },
    /// A frame for the owners and moderators of a room.
    Moderators {
        room_id: RoomId,
        #[serde(skip)]
        frame: Frame,
    },
    /// A frame for every live peer of a user.
    User {
        user_id: UserId,
        #[serde(skip)]
        frame: Frame,
    },
    /// The room was deleted: everyone leaves.
    RoomGone { room_id: RoomId },
    /// The server goes away: every socket of this node is told and closed with 1012.
    Drain {
        #[serde(skip)]
        frame: Frame,
    },
    /// What a message changed about a session whose other party may be on another node.
    Session { room_id: RoomId, change: SessionChange },
    /// A device has connected anew: nobody waits for what it was before.
    DeviceBack { device_id: DeviceId },
    /// A sign-in failed: guesses count wherever they were made.
    GuessFailed {
        name_key: String,
        address: std::net::IpAddr,
    },
    /// Between nodes only: who is in which room.
    Presence(Presence),
}

/// What nodes tell each other about who is where. Each is about the peers of the node that sends it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "presence")]
pub enum Presence {
    /// Tell what you have in these rooms, and from now on what changes there.
    Ask {
        rooms: Vec<RoomId>,
        ask: u64,
    },
    /// Everything that was asked for has been told.
    Told {
        ask: u64,
    },
    /// All that I have in the room, in place of what was told before.
    Is {
        room_id: RoomId,
        peers: Vec<Peer>,
        shares: Vec<Share>,
    },
    /// The peer is so, there.
    Seen {
        room_id: RoomId,
        peer: Peer,
    },
    /// The peer is there no more.
    Gone {
        room_id: RoomId,
        peer_id: PeerId,
    },
    Shared {
        room_id: RoomId,
        share: Share,
    },
    Unshared {
        room_id: RoomId,
        peer_id: PeerId,
        share_id: ShareId,
    },
    /// Nobody of mine is in the room: nothing of it concerns me.
    Left {
        room_id: RoomId,
    },
}

impl BusEvent {
    fn frame(&self) -> Option<&Frame> {
        match self {
            Self::Room { frame, .. }
            | Self::Chat { frame, .. }
            | Self::Peer { frame, .. }
            | Self::MemberChanged { frame, .. }
            | Self::RoomChanged { frame, .. }
            | Self::Moderators { frame, .. }
            | Self::User { frame, .. }
            | Self::Drain { frame } => Some(frame),
            _ => None,
        }
    }

    fn frame_mut(&mut self) -> Option<&mut Frame> {
        match self {
            Self::Room { frame, .. }
            | Self::Chat { frame, .. }
            | Self::Peer { frame, .. }
            | Self::MemberChanged { frame, .. }
            | Self::RoomChanged { frame, .. }
            | Self::Moderators { frame, .. }
            | Self::User { frame, .. }
            | Self::Drain { frame } => Some(frame),
            _ => None,
        }
    }
}

/// Which other nodes an event concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    None,
    One(NodeId),
    Some(Vec<NodeId>),
    /// Whoever is there.
    All,
}

/// Whoever delivers events to the peers of this node.
pub trait Listener: Send + Sync {
    /// Never blocks. May publish what follows, and holds no lock while it does.
    fn deliver(&self, event: &BusEvent);
    /// Which other nodes it concerns. Asked after it was delivered here.
    fn route(&self, event: &BusEvent) -> Route;
    /// An event of another node, in that node's order.
    fn arrived(&self, from: NodeId, event: BusEvent);
    /// Another node is there: what it has is to be asked for. Where `damaged`, something that it sent is missing.
    fn lost(&self, node: NodeId, damaged: bool);
    /// Another node has ended, or was not heard of for too long.
    fn gone(&self, node: NodeId);
}

/// Carries events between whoever acts and the listeners of all nodes.
pub trait Bus: Send + Sync {
    /// Never blocks and never fails: what cannot be delivered is the receiver's loss, who is told by a close code, or who
    /// finds that something is missing. Events of one publisher arrive in order.
    fn publish(&self, event: BusEvent);
    /// The same for the listener of this node alone: for what every node finds out by itself.
    fn here(&self, event: BusEvent);
    /// Every event from now on, in the publisher's task or one of the bus. Weak: the listener owns the bus.
    fn subscribe(&self, listener: Weak<dyn Listener>);

    /// For some other nodes. May be called under a lock of the listener.
    fn send(&self, _to: &[NodeId], _event: &BusEvent) {}
    /// This node, where there may be others.
    fn node(&self) -> Option<NodeId> {
        None
    }
    /// The others that are there.
    fn nodes(&self) -> Vec<NodeId> {
        Vec::new()
    }
    /// Whether the others can be reached.
    fn is_whole(&self) -> bool {
        true
    }
}
