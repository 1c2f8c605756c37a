//! What this node knows of the peers of others: who is in its own rooms there, as their nodes tell it.
//!
//! **Invariant:** only a peer's own node says where it is, in the order in which it happened; what a node told is replaced whole
//! whenever something may be missing, and goes with its node. A room that nobody of this node is in is not known here, so that
//! what a node knows grows with its own sockets and not with the cluster.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use mesh_protocol::http::{AuditParty, Policy};
use mesh_protocol::ids::{PeerId, RoomId, UserId};
use mesh_protocol::signal::{Peer, PeerInRoom, PeerLeft, ServerMessage, Share};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, oneshot};

use super::{Hub, LiveRoom};
use crate::bus::{BusEvent, NodeId, Presence, Route};
use crate::ws::codec::Frame;
use crate::ws::event::event;

/// How long somebody who enters waits for what other nodes have. One that is slower tells it afterwards.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Rooms of one question, and peers of one answer: neither becomes too large for the bus.
const ROOMS_AT_ONCE: usize = 200;
const PEERS_AT_ONCE: usize = 1_000;
/// A peer of another node.
pub(super) struct Elsewhere {
    pub(super) card: Peer,
    pub(super) node: NodeId,
}

/// What a node told, against what was known of it.
#[derive(Default)]
struct Difference {
    joined: Vec<Peer>,
    changed: Vec<Peer>,
    left: Vec<Peer>,
    /// Somebody here has seen the room, and is told.
    shown: bool,
}

impl LiveRoom {
    /// The nodes that have somebody in the room; `None` while not all have been asked.
    pub(super) fn nodes(&self) -> Option<Vec<NodeId>> {
        let inside = self.read();
        inside.is_whole.then(|| inside.nodes.clone())
    }

    /// Tells a node what is here, and from now on what changes.
    fn tell_all_to(&self, node: NodeId) {
        let mut inside = self.write();
        if !inside.nodes.contains(&node) {
            inside.nodes.push(node);
        }
        let mut peers: Vec<Peer> = inside.cards().collect();
        let of_here = |share: &&Share| inside.present.contains_key(&share.peer_id);
        let mut shares: Vec<Share> = inside.shares.iter().filter(of_here).cloned().collect();
        let more_peers = peers.split_off(peers.len().min(PEERS_AT_ONCE));
        let more_shares = shares.split_off(shares.len().min(PEERS_AT_ONCE));
        let send = |presence| self.bus.send(&[node], &BusEvent::Presence(presence));
        let room_id = self.id().clone();
        send(Presence::Is {
            room_id,
            peers,
            shares,
        });
        for peer in more_peers {
            let room_id = self.id().clone();
            send(Presence::Seen { room_id, peer });
        }
        for share in more_shares {
            let room_id = self.id().clone();
            send(Presence::Shared { room_id, share });
        }
    }

    /// What a node has, in place of what it told before; and whether it was not known to be in the room.
    fn replace(&self, node: NodeId, peers: Vec<Peer>, shares: Vec<Share>) -> (Difference, bool) {
        let mut inside = self.write();
        let mut difference = Difference {
            shown: inside.shown,
            ..Difference::default()
        };
        let new = !inside.nodes.contains(&node);
        let told: HashSet<PeerId> = peers.iter().map(|peer| peer.peer_id.clone()).collect();
        let gone = |id: &PeerId, known: &Elsewhere| known.node == node && !told.contains(id);
        for (_, known) in inside.elsewhere.extract_if(|id, known| gone(id, known)) {
            difference.left.push(known.card);
        }
        for card in peers {
            let id = card.peer_id.clone();
            if inside.present.contains_key(&id) {
                // It goes on here, which that node learns now.
                continue;
            }
            let known = inside.elsewhere.insert(
                id,
                Elsewhere {
                    card: card.clone(),
                    node,
                },
            );
            match known {
                None => difference.joined.push(card),
                Some(known) if known.card != card => difference.changed.push(card),
                Some(_) => {}
            }
        }
        let kept: Vec<Share> = inside
            .shares
            .drain(..)
            .filter(|share| !told.contains(&share.peer_id))
            .filter(|share| !difference.left.iter().any(|peer| peer.peer_id == share.peer_id))
            .collect();
        inside.shares = kept;
        inside.shares.extend(shares);
        (difference, new)
    }

    fn drop_node(&self, node: NodeId) -> Difference {
        let (difference, _) = self.replace(node, Vec::new(), Vec::new());
        self.write().nodes.retain(|known| *known != node);
        difference
    }

    /// Whether a message of the chat is to be sent to the peers here.
    pub(super) fn note_chat(&self, seq: u64) -> bool {
        self.write().chat.note(seq)
    }

    /// The room's last message, as the first who came in read it.
    pub fn begin_chat(&self, last: u64) {
        self.write().chat.begin(last);
    }

    /// The last message of the chat with nothing missing before it.
    pub fn chat_upto(&self) -> Option<u64> {
        self.read().chat.upto()
    }

    /// The chat was read from the store up to this message.
    pub fn chat_filled(&self, to: u64) {
        self.write().chat.filled(to);
    }
}

/// A peer of another node, in however many rooms.
struct Known {
    card: Peer,
    node: NodeId,
    rooms: usize,
}

/// Who waits until which nodes have answered.
type Asks = HashMap<u64, (HashSet<NodeId>, oneshot::Sender<()>)>;

/// The hub's part of it.
#[derive(Default)]
pub(super) struct Others {
    /// Those in rooms of this node. Written with what a room knows, one change at a time.
    peers: RwLock<HashMap<PeerId, Known>>,
    /// Held while something of another node is taken over, or a room is forgotten: both change what is known of many peers.
    pub(super) one_at_a_time: Mutex<()>,
    asks: Mutex<Asks>,
    /// Something is missing that only the store can tell.
    damaged: Notify,
    /// Peers that another node is asked to hand over, and what followed them before they are here. Bounded by the sockets that
    /// come back at the same time, each while its node is asked.
    pub(super) expected: Mutex<HashMap<PeerId, Vec<Frame>>>,
}

impl Hub {
    /// The node of a peer that is on another one, as far as a room of this node knows.
    pub fn node_of(&self, peer: &PeerId) -> Option<NodeId> {
        self.others.peers.read().get(peer).map(|known| known.node)
    }

    /// Somebody who is connected here, or elsewhere to a room of this node.
    pub fn party(&self, id: &PeerId) -> Option<AuditParty> {
        if let Some(peer) = self.peer(id) {
            return Some(crate::audit::peer(&peer));
        }
        let peers = self.others.peers.read();
        let card = &peers.get(id)?.card;
        Some(AuditParty {
            user_id: card.user_id.clone(),
            name: card.name.clone(),
            device_id: Some(card.device_id.clone()),
            peer_id: Some(id.clone()),
        })
    }

    /// Whose a peer is, wherever it is connected.
    pub fn user_of(&self, id: &PeerId) -> Option<UserId> {
        Some(self.party(id)?.user_id)
    }

    /// Waits until something is missing that only the store can tell.
    pub async fn damaged(&self) {
        self.others.damaged.notified().await;
    }

    /// The rooms that somebody of this node is in.
    pub fn live_rooms(&self) -> Vec<Arc<LiveRoom>> {
        self.rooms.read().values().cloned().collect()
    }

    /// A frame for each peer here that is in a room with peers of other nodes.
    pub fn tell_rooms_with_others(&self, frame: impl Fn(&PeerId) -> Frame) {
        let mut told = HashSet::new();
        for room in self.live_rooms() {
            if room.read().nodes.is_empty() {
                continue;
            }
            for peer in room.peers() {
                if told.insert(peer.id.clone()) {
                    peer.outbound.push(frame(&peer.id));
                }
            }
        }
    }

    /// The policy of a room as the store has it: what it allows no more ends.
    pub fn take_policy(&self, room: &LiveRoom, policy: &Policy) {
        self.narrow(room, room.set_policy(policy), "policy_changed");
    }

    /// Asks the other nodes who is in the room, where they were not asked yet, and waits for them.
    pub async fn complete(&self, room: &LiveRoom) {
        if room.read().is_whole {
            return;
        }
        let nodes: HashSet<NodeId> = self.bus.nodes().into_iter().collect();
        if !nodes.is_empty() {
            let (ask, (done, answered)) = (rand::random(), oneshot::channel());
            let to: Vec<_> = nodes.iter().copied().collect();
            self.others.asks.lock().insert(ask, (nodes, done));
            let question = Presence::Ask {
                rooms: vec![room.id().clone()],
                ask,
            };
            self.bus.send(&to, &BusEvent::Presence(question));
            let _ = tokio::time::timeout(ANSWER_WITHIN, answered).await;
            self.others.asks.lock().remove(&ask);
        }
        room.write().is_whole = true;
    }

    /// Which other nodes an event concerns.
    pub(super) fn nodes_for(&self, event: &BusEvent) -> Route {
        match event {
            BusEvent::Room { room_id, .. }
            | BusEvent::Chat { room_id, .. }
            | BusEvent::Session { room_id, .. } => match self.room(room_id).and_then(|room| room.nodes()) {
                Some(nodes) if nodes.is_empty() => Route::None,
                Some(nodes) => Route::Some(nodes),
                None => Route::All,
            },
            BusEvent::Peer { peer_id, .. } => self.node_of(peer_id).map_or(Route::None, Route::One),
            BusEvent::Drain { .. } | BusEvent::Presence(_) => Route::None,
            BusEvent::SignInEnded { .. }
            | BusEvent::Renamed { .. }
            | BusEvent::MemberGone { .. }
            | BusEvent::MemberChanged { .. }
            | BusEvent::RoomChanged { .. }
            | BusEvent::Moderators { .. }
            | BusEvent::User { .. }
            | BusEvent::RoomGone { .. }
            | BusEvent::DeviceBack { .. }
            | BusEvent::GuessFailed { .. } => Route::All,
        }
    }

    /// Asks a node for everything that it has in rooms of this one.
    pub(super) fn ask_node(&self, node: NodeId) {
        let rooms: Vec<RoomId> = self.rooms.read().keys().cloned().collect();
        for rooms in rooms.chunks(ROOMS_AT_ONCE) {
            let question = Presence::Ask {
                rooms: rooms.to_vec(),
                ask: 0,
            };
            self.bus.send(&[node], &BusEvent::Presence(question));
        }
    }

    pub(super) fn tell_damage(&self) {
        self.others.damaged.notify_one();
    }

    /// What another node tells of its peers.
    pub(super) fn presence(&self, from: NodeId, presence: Presence) {
        let one = self.others.one_at_a_time.lock();
        match presence {
            Presence::Ask { rooms, ask } => {
                for room in rooms.iter().filter_map(|room| self.room(room)) {
                    room.tell_all_to(from);
                }
                self.bus
                    .send(&[from], &BusEvent::Presence(Presence::Told { ask }));
            }
            Presence::Told { ask } => self.answered(from, Some(ask)),
            Presence::Is {
                room_id,
                peers,
                shares,
            } => {
                let Some(room) = self.room(&room_id) else {
                    self.bus
                        .send(&[from], &BusEvent::Presence(Presence::Left { room_id }));
                    return;
                };
                for peer in &peers {
                    self.drop_moved(&room, &peer.peer_id);
                }
                let (difference, new) = room.replace(from, peers, shares);
                if new {
                    // It is told in turn.
                    room.tell_all_to(from);
                }
                self.take_over(&room, from, difference);
                self.drop_if_empty(&room);
            }
            Presence::Seen { room_id, peer } => {
                let Some(room) = self.room(&room_id) else { return };
                let id = peer.peer_id.clone();
                self.drop_moved(&room, &id);
                let seen = Elsewhere {
                    card: peer.clone(),
                    node: from,
                };
                let known = {
                    let mut inside = room.write();
                    if inside.present.contains_key(&id) {
                        // It goes on here, which that node learns now.
                        return;
                    }
                    inside.elsewhere.insert(id, seen)
                };
                self.note_peer(from, peer, known.is_none());
                self.drop_if_empty(&room);
            }
            Presence::Gone { room_id, peer_id } => {
                let Some(room) = self.room(&room_id) else { return };
                let removed = {
                    let mut inside = room.write();
                    let there = inside
                        .elsewhere
                        .get(&peer_id)
                        .is_some_and(|known| known.node == from);
                    if there {
                        inside.shares.retain(|share| share.peer_id != peer_id);
                        inside.elsewhere.remove(&peer_id);
                    }
                    there
                };
                if removed {
                    self.drop_peer(&peer_id);
                }
            }
            Presence::Shared { room_id, share } => {
                let Some(room) = self.room(&room_id) else { return };
                let mut inside = room.write();
                let known = inside
                    .shares
                    .iter()
                    .find(|known| known.share_id == share.share_id);
                // The same id at the same moment on two nodes: each keeps its own.
                if known.is_none_or(|known| known.peer_id == share.peer_id) {
                    inside.shares.retain(|known| known.share_id != share.share_id);
                    inside.shares.push(share);
                }
            }
            Presence::Unshared {
                room_id,
                peer_id,
                share_id,
            } => {
                let Some(room) = self.room(&room_id) else { return };
                let other = |share: &Share| share.share_id != share_id || share.peer_id != peer_id;
                room.write().shares.retain(other);
            }
            Presence::Left { room_id } => {
                let Some(room) = self.room(&room_id) else { return };
                let difference = room.drop_node(from);
                self.take_over(&room, from, difference);
            }
        }
        drop(one);
    }

    /// A node has gone, and its peers with it.
    pub(super) fn drop_node(&self, node: NodeId) {
        let one = self.others.one_at_a_time.lock();
        self.answered(node, None);
        for room in self.live_rooms() {
            let difference = room.drop_node(node);
            self.take_over(&room, node, difference);
        }
        drop(one);
    }

    /// A room of this node has gone: nobody tells what happens there any more.
    pub(super) fn forget_room(&self, room: &LiveRoom) {
        let (nodes, peers) = {
            let mut inside = room.write();
            (
                std::mem::take(&mut inside.nodes),
                std::mem::take(&mut inside.elsewhere),
            )
        };
        if !nodes.is_empty() {
            let room_id = room.id().clone();
            self.bus
                .send(&nodes, &BusEvent::Presence(Presence::Left { room_id }));
        }
        for peer in peers.keys() {
            self.drop_peer(peer);
        }
    }

    fn answered(&self, node: NodeId, ask: Option<u64>) {
        let mut asks = self.others.asks.lock();
        let mut whole = Vec::new();
        for (id, (waiting, _)) in asks.iter_mut() {
            if ask.is_none_or(|ask| ask == *id) {
                waiting.remove(&node);
                if waiting.is_empty() {
                    whole.push(*id);
                }
            }
        }
        for id in whole {
            if let Some((_, done)) = asks.remove(&id) {
                let _ = done.send(());
            }
        }
    }

    /// Notes a difference, and tells the peers here of it.
    fn take_over(&self, room: &LiveRoom, node: NodeId, difference: Difference) {
        let Difference {
            joined,
            changed,
            left,
            shown,
        } = difference;
        let in_room = |peer: &Peer| PeerInRoom {
            room_id: room.id().clone(),
            peer: peer.clone(),
        };
        let mut messages: Vec<ServerMessage> = Vec::new();
        for peer in left {
            self.drop_peer(&peer.peer_id);
            messages.push(ServerMessage::RoomLeft(PeerLeft {
                room_id: room.id().clone(),
                peer_id: peer.peer_id,
                user_id: peer.user_id,
            }));
        }
        for peer in changed {
            messages.push(ServerMessage::PresenceChanged(in_room(&peer)));
            self.note_peer(node, peer, false);
        }
        for peer in joined {
            messages.push(ServerMessage::RoomJoined(in_room(&peer)));
            self.note_peer(node, peer, true);
        }
        if shown {
            for message in messages {
                room.send(&event(&*self.clock, room.id().as_str(), message));
            }
        }
    }

    fn note_peer(&self, node: NodeId, card: Peer, in_one_more: bool) {
        let mut peers = self.others.peers.write();
        let id = card.peer_id.clone();
        let known = peers.entry(id).or_insert_with(|| Known {
            card: card.clone(),
            node,
            rooms: 0,
        });
        (known.card, known.node) = (card, node);
        known.rooms += usize::from(in_one_more);
    }

    pub(super) fn drop_peer(&self, id: &PeerId) {
        let mut peers = self.others.peers.write();
        if let Some(known) = peers.get_mut(id) {
            known.rooms = known.rooms.saturating_sub(1);
            if known.rooms == 0 {
                peers.remove(id);
                drop(peers);
                // Unless it goes on here.
                if self.peer(id).is_none() {
                    self.sessions.forget(id);
                }
            }
        }
    }
}
