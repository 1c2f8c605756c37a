//! A peer goes on at another node: its client came back there.
//!
//! The old node gives what the client lacks, where the peer is and how, its sessions and tokens; from that moment it sends after it what
//! rooms still tell it here. The new node enters the rooms, by which the other nodes learn where the peer is, the old one too, which
//! then lets go of it. What came both ways is passed on once (`ws::outbound`). Where the new node does not finish, the old one
//! takes the peer for gone after ten seconds.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_protocol::signal::{Share, Status};
use serde::{Deserialize, Serialize};

use super::sessions::Moving;
use super::tokens::TokensOfPeer;
use super::{Hub, LivePeer, LiveRoom};
use crate::bus::{BusEvent, Frame, NodeId};
use crate::store::SignInId;

/// What follows a peer before it is here; past it there is a gap, and the client is told to begin anew.
const FOLLOWED: usize = 256;

/// Everything that goes on.
#[derive(Serialize, Deserialize)]
pub struct HandedOver {
    /// What the client lacks, in order, as base64.
    frames: Vec<String>,
    pub rooms: Vec<RoomThere>,
    sessions: Vec<Moving>,
    tokens: TokensOfPeer,
}

/// How the peer is in one room.
#[derive(Serialize, Deserialize)]
pub struct RoomThere {
    pub room_id: RoomId,
    pub status: Status,
    pub offers: Vec<Feature>,
    pub shares: Vec<Share>,
}

impl HandedOver {
    /// What the client lacks.
    pub fn frames(&self) -> Option<Vec<Frame>> {
        let decode = |text: &String| {
            STANDARD
                .decode(text)
                .ok()
                .map(|bytes| Frame::of_bytes(bytes.into()))
        };
        self.frames.iter().map(decode).collect()
    }
}

impl Hub {
    /// What lets a client go on as this peer after a cut, together with its sign-in: the peer, a secret, and where it is.
    pub fn resume_token(&self, peer: &LivePeer) -> String {
        match self.bus.node() {
            None => peer.resume_token(),
            Some(node) => format!("{}.{node}", peer.resume_token()),
        }
    }

    /// The peer and the node of a resume token.
    pub fn place_of_resume(token: &str) -> Option<(PeerId, NodeId)> {
        let mut parts = token.split('.');
        let (peer, _, node) = (parts.next()?, parts.next()?, parts.next()?);
        Some((peer.parse().ok()?, node.parse().ok()?))
    }

    /// The peer of this node that a resume token of this sign-in names.
    pub(super) fn peer_of_resume(&self, token: &str, sign_in: &SignInId) -> Option<Arc<LivePeer>> {
        let (id, rest) = token.split_once('.')?;
        let secret = rest.split_once('.').map_or(rest, |(secret, _)| secret);
        let peer = self.peer(&id.parse().ok()?)?;
        peer.admits(secret, sign_in).then_some(peer)
    }

    /// Hands a peer of this node over to another one.
    pub fn hand_over(&self, token: &str, seen: u64, sign_in: &SignInId, to: NodeId) -> Option<HandedOver> {
        let peer = self.peer_of_resume(token, sign_in)?;
        let (bus, peer_id) = (self.bus.clone(), peer.id.clone());
        let follow = move |frame: &Frame| {
            let event = BusEvent::Peer {
                peer_id: peer_id.clone(),
                frame: frame.clone(),
            };
            bus.send(&[to], &event);
        };
        let frames = peer
            .outbound
            .move_away(seen, Box::new(follow), self.clock.now())?;
        let rooms: Vec<RoomThere> = peer
            .rooms()
            .iter()
            .filter_map(|room| room.there(&peer.id))
            .collect();
        if rooms.is_empty() {
            self.peers.write().remove(&peer.id);
        }
        Some(HandedOver {
            frames: frames
                .iter()
                .map(|frame| STANDARD.encode(frame.bytes()))
                .collect(),
            rooms,
            sessions: self.sessions.of_peer(&peer.id),
            tokens: self.tokens.of_peer(&peer.id),
        })
    }

    /// A peer may come: what follows it is kept until then.
    pub fn expect(&self, peer: &PeerId) {
        self.others.expected.lock().insert(peer.clone(), Vec::new());
    }

    /// It does not come.
    pub fn expect_no_more(&self, peer: &PeerId) {
        self.others.expected.lock().remove(peer);
    }

    /// It has come. `false` where more followed it than is kept.
    pub fn arrive(&self, peer: &Arc<LivePeer>, handed: HandedOver) -> bool {
        self.sessions.take_over(handed.sessions);
        self.tokens.take_over(handed.tokens);
        let mut expected = self.others.expected.lock();
        let Some(followed) = expected
            .remove(&peer.id)
            .filter(|followed| followed.len() < FOLLOWED)
        else {
            return false;
        };
        for frame in followed {
            peer.outbound.push(frame);
        }
        self.peers.write().insert(peer.id.clone(), peer.clone());
        true
    }

    /// A frame of another node for a peer here, or one that is on its way here.
    pub(super) fn follow(&self, id: &PeerId, frame: Frame) {
        if let Some(peer) = self.peer(id) {
            peer.outbound.push(frame);
            return;
        }
        let mut expected = self.others.expected.lock();
        if let Some(followed) = expected.get_mut(id) {
            if followed.len() < FOLLOWED {
                followed.push(frame);
            }
            return;
        }
        drop(expected);
        // It may have come in between.
        if let Some(peer) = self.peer(id) {
            peer.outbound.push(frame);
        }
    }

    /// A peer that came from another node is in the room, and no longer there.
    pub fn is_here(&self, room: &LiveRoom, id: &PeerId) {
        let _one = self.others.one_at_a_time.lock();
        if room.write().elsewhere.remove(id).is_some() {
            self.drop_peer(id);
        }
    }

    /// Another node has a peer that this one handed over: it is here no more, which nobody needs to be told.
    pub(super) fn drop_moved(&self, room: &LiveRoom, id: &PeerId) {
        let Some(peer) = self.peer(id).filter(|peer| peer.outbound.has_moved()) else {
            return;
        };
        room.write().present.remove(id);
        peer.remove_room(room.id());
        if peer.rooms().is_empty() {
            self.peers.write().remove(id);
        }
    }
}
