//! How what happens reaches whoever must know, on this node or another.
//!
//! Whoever acts publishes and never looks at sockets; the hub of each node listens and delivers to its own. A cluster
//! replaces the implementation and no caller.

mod local;

pub use local::LocalBus;

use std::sync::Weak;

use mesh_protocol::http::{Policy, Role};
use mesh_protocol::ids::{PeerId, RoomId, UserId};

use crate::store::SignInId;
use crate::ws::codec::Frame;

/// Something that happened. Frames are serialised once and shared.
#[derive(Clone, Debug)]
pub enum BusEvent {
    /// A frame for every live peer of a room.
    Room { room_id: RoomId, frame: Frame },
    /// A frame for one peer.
    Peer { peer_id: PeerId, frame: Frame },
    /// A sign-in ended: its sockets close with 4401.
    SignInEnded { sign_in: SignInId },
    /// A user is no longer a member: their peers leave, their sessions there end.
    MemberGone {
        room_id: RoomId,
        user_id: UserId,
        reason: &'static str,
    },
    /// Someone is a member in this role from now on: the room is told, and what the role allows no more ends.
    MemberChanged {
        room_id: RoomId,
        user_id: UserId,
        role: Role,
        frame: Frame,
    },
    /// The room has this policy from now on: the room is told, and what it allows no more ends.
    RoomChanged {
        room_id: RoomId,
        policy: Policy,
        frame: Frame,
    },
    /// A frame for the owners and moderators of a room.
    Moderators { room_id: RoomId, frame: Frame },
    /// A frame for every live peer of a user.
    User { user_id: UserId, frame: Frame },
    /// The room was deleted: everyone leaves.
    RoomGone { room_id: RoomId },
    /// The server goes away: every socket is told and closed with 1012.
    Drain { frame: Frame },
}

/// Whoever delivers events to the peers of this node.
pub trait Listener: Send + Sync {
    /// Never blocks. May publish what follows, and holds no lock while it does.
    fn deliver(&self, event: &BusEvent);
}

/// Carries events between whoever acts and the listeners of all nodes.
pub trait Bus: Send + Sync {
    /// Never blocks and never fails: what cannot be delivered is the receiver's loss, who is told by a close code.
    /// Events of one publisher arrive in order.
    fn publish(&self, event: BusEvent);
    /// Every event from now on, in the publisher's task or one of the bus. Weak: the listener owns the bus.
    fn subscribe(&self, listener: Weak<dyn Listener>);
}
