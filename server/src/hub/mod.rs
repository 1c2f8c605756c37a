//! Who is connected to this node: live peers, the rooms they have joined, the sessions between them; and who is in these rooms on
//! other nodes ([`elsewhere`]).
//!
//! All in memory and all bounded by the number of sockets. Delivers what the bus carries; asks nobody and stores nothing.
//! **Invariant:** a peer is in a live room only while its user is a member (`BusEvent::MemberGone` takes it out), and no
//! lock is held while another part is called, other than to queue something for other nodes. Locks nest in one order: `one_at_a_time`,
//! `rooms`, then one room.

mod chat_seen;
mod elsewhere;
mod hand_over;
mod peer;
mod rights;
mod room;
pub mod sessions;
pub mod tickets;
pub mod tokens;

pub use hand_over::{HandedOver, RoomThere};
pub use peer::{LivePeer, SocketPlace};
pub use rights::Rights;
pub use room::{LiveRoom, Loser, ShareRefused, Standing, Whereabouts};

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mesh_protocol::error_code::close;
use mesh_protocol::ids::{DeviceId, PeerId, RoomId, SessionId, UserId};
use mesh_protocol::signal::{PeerInRoom, PeerLeft, Revoked, ServerMessage};
use parking_lot::{Mutex, RwLock};

use crate::auth::random;
use crate::auth::sign_ins::SignIns;
use crate::auth::throttle::Throttle;
use crate::bus::{Bus, BusEvent, Listener, NodeId, Route};
use crate::clock::Clock;
use crate::store::SignInId;
use crate::ws::codec::Frame;
use crate::ws::event::event;
use crate::ws::outbound::Attachment;
use elsewhere::Others;
use sessions::{Ended, Opening, SessionChange, Sessions, TooMany};
use tokens::Tokens;

/// How often a node that goes looks whether others have all of its peers.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// By an identifier that the server has made: nobody chooses it so that it collides with others.
type ById<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The live state of this node.
pub struct Hub {
    clock: Arc<dyn Clock>,
    /// What follows from an event (a peer left, a session ended) concerns the peers of other nodes too.
    bus: Arc<dyn Bus>,
    sign_ins: Arc<SignIns>,
    throttle: Arc<Throttle>,
    others: Others,
    /// Who hears that somebody of another node answered a call.
    answers: OnceLock<Box<dyn CallAnswers>>,
    /// Bounded by the sockets; removed when a socket ends.
    peers: RwLock<ById<PeerId, Arc<LivePeer>>>,
    /// Removed with its last peer.
    rooms: RwLock<ById<RoomId, Arc<LiveRoom>>>,
    /// Sockets of each user; removed at zero.
    places: Arc<Mutex<HashMap<UserId, usize>>>,
    /// Who is a party of what.
    pub sessions: Sessions,
    /// What was issued and taken back.
    pub tokens: Tokens,
}

/// Who keeps count of calls that ring.
pub trait CallAnswers: Send + Sync {
    fn accepted(&self, session: &SessionId, by: &PeerId);
    fn ended(&self, session: &SessionId, by: &PeerId);
}

impl Hub {
    /// An empty one.
    pub fn new(
        clock: Arc<dyn Clock>,
        bus: Arc<dyn Bus>,
        sign_ins: Arc<SignIns>,
        throttle: Arc<Throttle>,
    ) -> Self {
        Self {
            clock,
            bus,
            sign_ins,
            throttle,
            others: Others::default(),
            answers: OnceLock::new(),
            peers: RwLock::default(),
            rooms: RwLock::default(),
            places: Arc::default(),
            sessions: Sessions::default(),
            tokens: Tokens::default(),
        }
    }

    /// Tells `answers` what happens on other nodes.
    pub(crate) fn tell_answers(&self, answers: Box<dyn CallAnswers>) {
        let _ = self.answers.set(answers);
    }

    /// An id for a new peer. Where there are other nodes, it says which one made it.
    pub fn new_peer_id(&self) -> PeerId {
        let id: PeerId = random::id();
        match self.bus.node() {
            None => id,
            Some(node) => node.tag(id.as_str()).parse().unwrap_or(id),
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
        let peer = self.peer_of_resume(token, sign_in)?;
        let attachment = peer.outbound.resume(seen)?;
        self.show_absent(&peer, false);
        Some((peer, attachment))
    }

    /// Waits until other nodes have taken over everybody of this one, which goes.
    pub async fn handed_over(&self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        while self.socket_count() > 0 {
            ticks.tick().await;
        }
    }

    /// A device connects anew: what it was before is not waited for any longer, wherever that was.
    pub fn device_back(&self, device: &DeviceId) {
        self.forget_absent(device);
        if self.bus.node().is_some() {
            self.bus.publish(BusEvent::DeviceBack {
                device_id: device.clone(),
            });
        }
    }

    /// The peers of a device that have no socket are not waited for any longer.
    fn forget_absent(&self, device: &DeviceId) {
        for peer in self.peers_that(|peer| peer.device_id == *device) {
            if peer.outbound.end_detached() {
                self.disconnect(&peer);
            }
        }
    }

    fn show_absent(&self, peer: &LivePeer, absent: bool) {
        for room in peer.rooms() {
            if let Some(card) = room.set_absent(&peer.id, absent) {
                self.show_changed(&room, card);
            }
        }
    }

    /// Tells the room how a peer in it is shown from now on.
    pub fn show_changed(&self, room: &LiveRoom, peer: mesh_protocol::signal::Peer) {
        let room_id = room.id().clone();
        let changed = ServerMessage::PresenceChanged(PeerInRoom {
            room_id: room_id.clone(),
            peer,
        });
        let frame = event(&*self.clock, room_id.as_str(), changed);
        self.bus.publish(BusEvent::Room { room_id, frame });
    }

    fn rename(&self, peer: &LivePeer, name: &str) {
        peer.rename(name);
        for room in peer.rooms() {
            if let Some(card) = room.seen_again(&peer.id) {
                self.show_changed(&room, card);
            }
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
        self.room(id).filter(|room| room.has_here(peer))
    }

    /// What this peer may ask for in the live room of that id, which it has joined.
    pub fn standing(&self, id: &str, peer: &PeerId) -> Option<Standing> {
        Standing::of(peer, self.rooms.read().get(id).cloned()?)
    }

    /// Puts a peer into a room; whether it was not there before.
    pub fn enter(&self, id: &RoomId, peer: &Arc<LivePeer>) -> (Arc<LiveRoom>, bool) {
        let mut rooms = self.rooms.write();
        let room = rooms
            .entry(id.clone())
            .or_insert_with(|| Arc::new(LiveRoom::new(id.clone(), self.bus.clone())))
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
            let _one = self.others.one_at_a_time.lock();
            self.drop_if_empty(room);
        }
        self.bus.publish(BusEvent::Room {
            room_id: room.id().clone(),
            frame: self.left(room.id(), peer),
        });
        true
    }

    /// Called with `one_at_a_time` held.
    fn drop_if_empty(&self, room: &Arc<LiveRoom>) {
        let mut rooms = self.rooms.write();
        if rooms
            .get(room.id())
            .is_some_and(|live| Arc::ptr_eq(live, room) && live.is_empty())
        {
            rooms.remove(room.id());
            self.forget_room(room);
        }
    }

    /// Ends sessions: every live party is told to cut the connection.
    pub fn tell_ended(&self, ended: Vec<Ended>, reason: &str) {
        for Ended {
            session_id,
            room_id,
            parties,
        } in ended
        {
            let change = SessionChange::Revoked {
                session_id: session_id.clone(),
                parties: parties.clone(),
            };
            self.tell_session(&room_id, || change);
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

    /// Records a request, also on the node of whoever is asked.
    pub fn open_session(&self, opening: &Opening<'_>, now: u64) -> Result<(), TooMany> {
        self.sessions.open(opening, now)?;
        self.tell_session(opening.room_id, || SessionChange::Opened {
            session_id: opening.session_id.clone(),
            feature: opening.feature,
            requester: opening.requester.clone(),
            target: opening.target.cloned(),
        });
        Ok(())
    }

    /// Records that `by` accepted, also on the node of whoever asked.
    pub fn accept_session(&self, room: &RoomId, session: &SessionId, by: &PeerId, to: Option<&PeerId>) {
        self.sessions.accepted(room, session, by, to);
        self.tell_session(room, || SessionChange::Accepted {
            session_id: session.clone(),
            by: by.clone(),
            to: to.cloned(),
        });
    }

    /// Records an orderly end, also on the node of the other party.
    pub fn end_session(
        &self,
        room: &RoomId,
        session: &SessionId,
        by: &PeerId,
        to: Option<&PeerId>,
        now: u64,
    ) {
        self.sessions.ended(room, session, by, to, now);
        self.tell_session(room, || SessionChange::Ended {
            session_id: session.clone(),
            by: by.clone(),
            to: to.cloned(),
        });
    }

    fn tell_session(&self, room: &RoomId, change: impl FnOnce() -> SessionChange) {
        if self.bus.node().is_some() {
            self.bus.publish(BusEvent::Session {
                room_id: room.clone(),
                change: change(),
            });
        }
    }

    /// Forgets what has expired. Called every few seconds.
    pub fn sweep(&self) {
        let now = self.clock.now();
        self.sessions.sweep(now);
        self.tokens.sweep(now);
        let now_ms = self.clock.now_ms();
        for peer in self.peers_that(|peer| peer.expires_at <= now_ms) {
            self.end_socket(&peer);
        }
        for peer in self.peers_that(|peer| peer.outbound.expire(now)) {
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

    /// Of this node; the lock is free again where they are used.
    fn peers_that(&self, wanted: impl Fn(&LivePeer) -> bool) -> Vec<Arc<LivePeer>> {
        let peers = self.peers.read();
        peers.values().filter(|peer| wanted(peer)).cloned().collect()
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
            BusEvent::Chat { room_id, seq, frame } => {
                if let Some(room) = self.room(room_id)
                    && (self.bus.node().is_none() || room.note_chat(*seq))
                {
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
                for peer in self.peers_that(|peer| peer.sign_in == *sign_in) {
                    self.end_socket(&peer);
                }
            }
            BusEvent::Renamed { user_id, name } => {
                self.sign_ins.forget_user(user_id);
                for peer in self.peers_that(|peer| peer.user_id == *user_id) {
                    self.rename(&peer, name);
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
                    peer.outbound.send_away(self.bus.node().is_some());
                }
            }
            // Done here already, by whoever publishes it.
            BusEvent::Session { .. } | BusEvent::DeviceBack { .. } | BusEvent::GuessFailed { .. } => {}
            BusEvent::Presence(_) => {}
        }
    }

    fn route(&self, event: &BusEvent) -> Route {
        self.nodes_for(event)
    }

    fn arrived(&self, from: NodeId, event: BusEvent) {
        match event {
            BusEvent::Presence(presence) => self.presence(from, presence),
            BusEvent::Session { room_id, change } => {
                self.sessions.apply(&room_id, &change, self.clock.now());
                match (&change, self.answers.get()) {
                    (SessionChange::Accepted { session_id, by, .. }, Some(answers)) => {
                        answers.accepted(session_id, by);
                    }
                    (SessionChange::Ended { session_id, by, .. }, Some(answers)) => {
                        answers.ended(session_id, by);
                    }
                    _ => {}
                }
            }
            BusEvent::DeviceBack { device_id } => self.forget_absent(&device_id),
            BusEvent::Peer { peer_id, frame } => self.follow(&peer_id, frame),
            BusEvent::GuessFailed { name_key, address } => self.throttle.failed(&name_key, address),
            other => self.deliver(&other),
        }
    }

    fn lost(&self, node: NodeId, damaged: bool) {
        self.ask_node(node);
        if damaged {
            self.tell_damage();
        }
    }

    fn gone(&self, node: NodeId) {
        self.drop_node(node);
    }
}
