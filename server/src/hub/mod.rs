//! Who is connected to this node: live peers, the rooms they have joined, the sessions between them.
//!
//! All in memory and all bounded by the number of sockets. Delivers what the bus carries; asks nobody and stores nothing.
//! **Invariant:** a peer is in a live room only while its user is a member (`BusEvent::MemberGone` takes it out), and no
//! lock is held while another part is called. Locks nest in one order: `rooms`, then one room.

mod peer;
mod room;
pub mod sessions;
pub mod tickets;
pub mod tokens;

pub use peer::{LivePeer, SocketPlace};
pub use room::{LiveRoom, Loser, ShareRefused};

use std::collections::HashMap;
use std::sync::Arc;

use mesh_protocol::error_code::close;
use mesh_protocol::ids::{DeviceId, PeerId, RoomId, SessionId, UserId};
use mesh_protocol::signal::{PeerInRoom, PeerLeft, Revoked, ServerMessage};
use parking_lot::{Mutex, RwLock};

use crate::auth::sign_ins::SignIns;
use crate::bus::{Bus, BusEvent, Listener};
use crate::clock::Clock;
use crate::store::SignInId;
use crate::ws::codec::Frame;
use crate::ws::event::event;
use crate::ws::outbound::Attachment;
use sessions::{Ended, Sessions};
use tokens::Tokens;

/// The live state of this node.
pub struct Hub {
    clock: Arc<dyn Clock>,
    /// What follows from an event (a peer left, a session ended) concerns the peers of other nodes too.
    bus: Arc<dyn Bus>,
    sign_ins: Arc<SignIns>,
    /// Bounded by the sockets; removed when a socket ends.
    peers: RwLock<HashMap<PeerId, Arc<LivePeer>>>,
    /// Removed with its last peer.
    rooms: RwLock<HashMap<RoomId, Arc<LiveRoom>>>,
    /// Sockets of each user; removed at zero.
    places: Arc<Mutex<HashMap<UserId, usize>>>,
    /// Who is a party of what.
    pub sessions: Sessions,
    /// What was issued and taken back.
    pub tokens: Tokens,
}

impl Hub {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>, bus: Arc<dyn Bus>, sign_ins: Arc<SignIns>) -> Self {
        Self {
            clock,
            bus,
            sign_ins,
            peers: RwLock::default(),
            rooms: RwLock::default(),
            places: Arc::default(),
            sessions: Sessions::default(),
            tokens: Tokens::default(),
        }
    }

    /// A place for one more socket of the user; `None` where there are `most` already.
    pub fn place(&self, user: &UserId, most: usize) -> Option<SocketPlace> {
        SocketPlace::take(&self.places, user, most)
    }

    /// A peer has connected.
    pub fn connect(&self, peer: Arc<LivePeer>) {
        self.peers.write().insert(peer.id.clone(), peer);
    }

    /// A socket has ended. Its peer leaves everything, unless another socket goes on for it already, or the socket `broke`
    /// and one may: then it is away for the others.
    pub fn release(&self, peer: &LivePeer, attachment: Attachment, broke: bool) {
        if !peer.outbound.detach(attachment, self.clock.now()) {
            return;
        }
        if broke {
            self.show_absent(peer, true);
        } else if peer.outbound.end_detached() {
            self.disconnect(peer);
        }
    }

    /// Goes on for a peer of this sign-in, whose client has `seen` so many messages after the welcome.
    pub fn resume(&self, token: &str, seen: u64, sign_in: &SignInId) -> Option<(Arc<LivePeer>, Attachment)> {
        let (id, secret) = token.split_once('.')?;
        let peer = self.peer(&id.parse().ok()?)?;
        if !peer.admits(secret, sign_in) {
            return None;
        }
        let attachment = peer.outbound.resume(seen)?;
        self.show_absent(&peer, false);
        Some((peer, attachment))
    }

    /// The peers of a device that have no socket are not waited for any longer.
    pub fn forget_absent(&self, device: &DeviceId) {
        let of = |peer: &&Arc<LivePeer>| peer.device_id == *device;
        let absent: Vec<_> = self.peers.read().values().filter(of).cloned().collect();
        for peer in absent {
            if peer.outbound.end_detached() {
                self.disconnect(&peer);
            }
        }
    }

    fn show_absent(&self, peer: &LivePeer, absent: bool) {
        for room in peer.rooms() {
            let Some(card) = room.set_absent(&peer.id, absent) else {
                continue;
            };
            let changed = ServerMessage::PresenceChanged(PeerInRoom {
                room_id: room.id().clone(),
                peer: card,
            });
            self.bus.publish(BusEvent::Room {
                room_id: room.id().clone(),
                frame: event(&*self.clock, room.id().as_str(), changed),
            });
        }
    }

    /// A peer is gone: it leaves every room, and the rooms are told.
    fn disconnect(&self, peer: &LivePeer) {
        self.peers.write().remove(&peer.id);
        for room in peer.take_rooms() {
            self.leave(&room, peer);
        }
        self.sessions.forget(&peer.id);
    }

    /// A live peer of this node.
    pub fn peer(&self, id: &PeerId) -> Option<Arc<LivePeer>> {
        self.peers.read().get(id).cloned()
    }

    /// How many sockets there are.
    pub fn socket_count(&self) -> usize {
        self.peers.read().len()
    }

    /// How many rooms somebody has joined.
    pub fn room_count(&self) -> usize {
        self.rooms.read().len()
    }

    /// The live room, where at least one peer has joined it.
    pub fn room(&self, id: &RoomId) -> Option<Arc<LiveRoom>> {
        self.rooms.read().get(id).cloned()
    }

    /// The live room, where this peer has joined it.
    pub fn room_with(&self, id: &RoomId, peer: &PeerId) -> Option<Arc<LiveRoom>> {
        self.room(id).filter(|room| room.has(peer))
    }

    /// Puts a peer into a room; whether it was not there before.
    pub fn enter(&self, id: &RoomId, peer: &Arc<LivePeer>) -> (Arc<LiveRoom>, bool) {
        let mut rooms = self.rooms.write();
        let room = rooms
            .entry(id.clone())
            .or_insert_with(|| Arc::new(LiveRoom::new(id.clone())))
            .clone();
        let new = room.add(peer.clone());
        if new {
            peer.add_room(room.clone());
        }
        (room, new)
    }

    /// Takes a peer out of a room and tells those who remain; whether it was there.
    pub fn leave(&self, room: &Arc<LiveRoom>, peer: &LivePeer) -> bool {
        let Some(empty) = room.remove(&peer.id) else {
            return false;
        };
        peer.remove_room(room.id());
        if empty {
            let mut rooms = self.rooms.write();
            if rooms
                .get(room.id())
                .is_some_and(|live| Arc::ptr_eq(live, room) && live.is_empty())
            {
                rooms.remove(room.id());
            }
        }
        self.bus.publish(BusEvent::Room {
            room_id: room.id().clone(),
            frame: self.left(room.id(), peer),
        });
        true
    }

    /// Ends sessions: every live party is told to cut the connection.
    pub fn tell_ended(&self, ended: Vec<Ended>, reason: &str) {
        for Ended {
            session_id, parties, ..
        } in ended
        {
            self.tell_revoked(&session_id, None, &parties, reason);
        }
    }

    /// Sends `cap.revoked` to the parties.
    pub fn tell_revoked(
        &self,
        session: &SessionId,
        jti: Option<mesh_protocol::ids::TokenId>,
        parties: &[PeerId],
        reason: &str,
    ) {
        for id in parties {
            let payload = Revoked {
                session_id: session.clone(),
                jti: jti.clone(),
                reason: reason.to_owned(),
            };
            let frame = event(&*self.clock, id.as_str(), ServerMessage::CapRevoked(payload));
            self.bus.publish(BusEvent::Peer {
                peer_id: id.clone(),
                frame,
            });
        }
    }

    /// Forgets what has expired. Called every few seconds.
    pub fn sweep(&self) {
        let now = self.clock.now();
        self.sessions.sweep(now);
        self.tokens.sweep(now);
        let now_ms = self.clock.now_ms();
        let over: Vec<_> = self
            .peers
            .read()
            .values()
            .filter(|p| p.expires_at <= now_ms)
            .cloned()
            .collect();
        for peer in over {
            self.end_socket(&peer);
        }
        let gone: Vec<_> = self
            .peers
            .read()
            .values()
            .filter(|peer| peer.outbound.expire(now))
            .cloned()
            .collect();
        for peer in gone {
            self.disconnect(&peer);
        }
    }

    fn left(&self, room: &RoomId, peer: &LivePeer) -> Frame {
        let payload = PeerLeft {
            room_id: room.clone(),
            peer_id: peer.id.clone(),
            user_id: peer.user_id.clone(),
        };
        event(&*self.clock, room.as_str(), ServerMessage::RoomLeft(payload))
    }

    /// The peer learns that it has left, and what it had open there ends at both ends.
    fn expel(&self, room: &Arc<LiveRoom>, peer: &LivePeer, reason: &str) {
        self.tell_ended(
            self.sessions.end_of(&peer.id, Some(room.id()), self.clock.now()),
            reason,
        );
        peer.outbound.push(self.left(room.id(), peer));
        self.leave(room, peer);
    }

    /// Ends what peers asked for and may ask for no more.
    fn narrow(&self, room: &LiveRoom, losers: Vec<Loser>, reason: &str) {
        for Loser { peer, lost } in losers {
            let ended = self
                .sessions
                .end_requested(&peer, room.id(), &lost, self.clock.now());
            self.tell_ended(ended, reason);
        }
    }

    fn end_socket(&self, peer: &LivePeer) {
        self.tell_ended(
            self.sessions.end_of(&peer.id, None, self.clock.now()),
            "sign_in_ended",
        );
        peer.outbound.close(close::SESSION_ENDED, "session ended");
    }

    fn peers_of(&self, room: &LiveRoom, user: &UserId) -> Vec<Arc<LivePeer>> {
        room.peers()
            .into_iter()
            .filter(|peer| peer.user_id == *user)
            .collect()
    }
}

impl Listener for Hub {
    fn deliver(&self, event: &BusEvent) {
        match event {
            BusEvent::Room { room_id, frame } => {
                if let Some(room) = self.room(room_id) {
                    room.send(frame);
                }
            }
            BusEvent::Peer { peer_id, frame } => {
                if let Some(peer) = self.peer(peer_id) {
                    peer.outbound.push(frame.clone());
                }
            }
            BusEvent::SignInEnded { sign_in } => {
                self.sign_ins.forget(sign_in);
                let ended: Vec<_> = self
                    .peers
                    .read()
                    .values()
                    .filter(|p| p.sign_in == *sign_in)
                    .cloned()
                    .collect();
                for peer in ended {
                    self.end_socket(&peer);
                }
            }
            BusEvent::MemberGone {
                room_id,
                user_id,
                reason,
            } => {
                let Some(room) = self.room(room_id) else { return };
                for peer in self.peers_of(&room, user_id) {
                    self.expel(&room, &peer, reason);
                }
            }
            BusEvent::MemberChanged {
                room_id,
                user_id,
                role,
                frame,
            } => {
                let Some(room) = self.room(room_id) else { return };
                self.narrow(&room, room.set_role(user_id, *role), "role_changed");
                room.send(frame);
            }
            BusEvent::RoomChanged {
                room_id,
                policy,
                frame,
            } => {
                let Some(room) = self.room(room_id) else { return };
                self.narrow(&room, room.set_policy(policy), "policy_changed");
                room.send(frame);
            }
            BusEvent::Moderators { room_id, frame } => {
                if let Some(room) = self.room(room_id) {
                    room.send_to_moderators(frame);
                }
            }
            BusEvent::User { user_id, frame } => {
                for peer in self.peers.read().values().filter(|p| p.user_id == *user_id) {
                    peer.outbound.push(frame.clone());
                }
            }
            BusEvent::RoomGone { room_id } => {
                let Some(room) = self.room(room_id) else { return };
                for peer in room.peers() {
                    self.expel(&room, &peer, "room_deleted");
                }
            }
            BusEvent::Drain { frame } => {
                for peer in self.peers.read().values() {
                    peer.outbound.push(frame.clone());
                    peer.outbound.close(close::RESTART, "server is going away");
                }
            }
        }
    }
}
