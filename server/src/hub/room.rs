//! One room with at least one live peer: who is there, how, and what is offered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::http::{DeviceKind, Policy, Role};
use mesh_protocol::ids::{PeerId, RoomId, ShareId, UserId};
use mesh_protocol::signal::{Peer, Share, Status};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::chat_seen::ChatSeen;
use super::elsewhere::Elsewhere;
use super::{ById, LivePeer, Rights, RoomThere};
use crate::bus::{Bus, BusEvent, NodeId, Presence};
use crate::ws::codec::Frame;

/// Shares that one peer may announce in a room; a further one is refused.
const SHARES_PER_PEER: usize = 16;

pub(super) struct Present {
    peer: Arc<LivePeer>,
    status: Status,
    offers: Vec<Feature>,
    /// Its socket is gone and may come back: it is shown as away.
    absent: bool,
    /// `None` until the store has told it: nothing is allowed before.
    role: Option<Role>,
    /// What the policy lets that role ask for.
    rights: Rights,
    /// Whether others have heard of it.
    announced: bool,
}

impl Present {
    pub(super) fn card(&self) -> Peer {
        let status = if self.absent { Status::Away } else { self.status };
        self.peer.card(status, self.offers.clone())
    }
}

#[derive(Default)]
pub(super) struct Inside {
    pub(super) present: ById<PeerId, Present>,
    /// Of the peers here and elsewhere.
    pub(super) shares: Vec<Share>,
    /// `None` until the first who came in has read it.
    policy: Option<Policy>,
    /// Who is there on other nodes, as these tell it.
    pub(super) elsewhere: HashMap<PeerId, Elsewhere>,
    /// The nodes that have somebody in the room: they are told what changes here.
    pub(super) nodes: Vec<NodeId>,
    /// The other nodes were asked, and answered.
    pub(super) is_whole: bool,
    /// Somebody has seen who is there.
    pub(super) shown: bool,
    /// Which messages of the chat the peers here were sent, where other nodes send some.
    pub(super) chat: ChatSeen,
}

impl Inside {
    /// Those that others have heard of.
    pub(super) fn cards(&self) -> impl Iterator<Item = Peer> {
        let announced = self.present.values().filter(|present| present.announced);
        announced.map(Present::card)
    }

    /// Looks again at what everybody may ask for. Returns who may ask for less than before.
    fn weigh(&mut self) -> Vec<Loser> {
        let policy = self.policy.as_ref();
        let mut losers = Vec::new();
        for (peer, present) in &mut self.present {
            let before = std::mem::replace(&mut present.rights, rights(policy, present.role));
            let lost = before.without(present.rights);
            if !lost.is_empty() {
                losers.push(Loser {
                    peer: peer.clone(),
                    lost: lost.iter().collect(),
                });
            }
        }
        losers
    }
}

fn rights(policy: Option<&Policy>, role: Option<Role>) -> Rights {
    let Some((policy, role)) = policy.zip(role) else {
        return Rights::default();
    };
    let allowed = |c: &Capability| policy.allows(role, *c);
    Capability::ALL.into_iter().filter(allowed).collect()
}

/// A peer that may ask for less than before.
#[derive(Debug, PartialEq, Eq)]
pub struct Loser {
    pub peer: PeerId,
    pub lost: Vec<Capability>,
}

/// Why a share was not announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareRefused {
    /// Another peer announced one of that id.
    Taken,
    /// The peer has too many.
    TooMany,
}

/// Where somebody of a room is.
pub enum Whereabouts {
    Here(Arc<LivePeer>),
    /// On another node.
    Elsewhere,
}

/// What one peer may ask for in a room, for as long as nothing has changed there.
pub struct Standing {
    room: Arc<LiveRoom>,
    rights: Rights,
    as_of: u64,
}

impl Standing {
    /// Of a peer that has joined.
    pub(super) fn of(peer: &PeerId, room: Arc<LiveRoom>) -> Option<Self> {
        let inside = room.read();
        let rights = inside.present.get(peer)?.rights;
        let as_of = room.changes.load(Ordering::Acquire);
        drop(inside);
        Some(Self { room, rights, as_of })
    }

    /// Whether it is still true, and of the room of that id.
    pub fn holds_in(&self, room: &str) -> bool {
        self.room.id.as_str() == room && self.room.changes.load(Ordering::Acquire) == self.as_of
    }

    /// The room, and the rights in it.
    pub fn get(&self) -> (Arc<LiveRoom>, Rights) {
        (self.room.clone(), self.rights)
    }
}

/// A live room.
pub struct LiveRoom {
    id: RoomId,
    /// Tells other nodes.
    pub(super) bus: Arc<dyn Bus>,
    /// Read for messages, written at joins and leaves. Nothing that could wait happens under it; what other nodes must know is
    /// queued for them under it, so that they learn of changes in the order in which they happened.
    inside: RwLock<Inside>,
    /// How often it was written.
    changes: AtomicU64,
}

impl LiveRoom {
    pub(super) fn new(id: RoomId, bus: Arc<dyn Bus>) -> Self {
        Self {
            id,
            bus,
            inside: RwLock::default(),
            changes: AtomicU64::new(0),
        }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Inside> {
        self.inside.read()
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Inside> {
        let inside = self.inside.write();
        self.changes.fetch_add(1, Ordering::Release);
        inside
    }

    /// Its id.
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// Where the peer is, if it has joined.
    pub fn find(&self, peer: &PeerId) -> Option<Whereabouts> {
        let inside = self.read();
        match inside.present.get(peer) {
            Some(present) => Some(Whereabouts::Here(present.peer.clone())),
            None => inside
                .elsewhere
                .contains_key(peer)
                .then_some(Whereabouts::Elsewhere),
        }
    }

    /// Whether the peer has joined and is one of this node.
    pub fn has_here(&self, peer: &PeerId) -> bool {
        self.read().present.contains_key(peer)
    }

    /// Who looks at the room: has a page in it that is not away. An agent looks at nothing.
    pub fn watchers(&self) -> HashSet<UserId> {
        let looks = |p: &&Present| p.peer.kind == DeviceKind::Page && !p.absent && p.status != Status::Away;
        let inside = self.read();
        let watching = inside.present.values().filter(looks);
        let here = watching.map(|present| present.peer.user_id.clone());
        let looks = |p: &&Elsewhere| p.card.kind == DeviceKind::Page && p.card.status != Status::Away;
        let watching = inside.elsewhere.values().filter(looks);
        here.chain(watching.map(|peer| peer.card.user_id.clone()))
            .collect()
    }

    /// Everyone who has joined on this node.
    pub fn peers(&self) -> Vec<Arc<LivePeer>> {
        self.read()
            .present
            .values()
            .map(|present| present.peer.clone())
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read().present.is_empty()
    }

    pub(super) fn add(&self, peer: Arc<LivePeer>) -> bool {
        let mut inside = self.write();
        let mut new = false;
        inside.present.entry(peer.id.clone()).or_insert_with(|| {
            new = true;
            Present {
                peer,
                status: Status::Online,
                offers: Vec::new(),
                absent: false,
                role: None,
                rights: Rights::default(),
                announced: false,
            }
        });
        new
    }

    /// `None` where the peer was not there, else whether the room is empty now.
    pub(super) fn remove(&self, peer: &PeerId) -> Option<bool> {
        let mut inside = self.write();
        let removed = inside.present.remove(peer)?;
        inside.shares.retain(|share| share.peer_id != *peer);
        if removed.announced {
            self.tell(&inside, || Presence::Gone {
                room_id: self.id.clone(),
                peer_id: peer.clone(),
            });
        }
        Some(inside.present.is_empty())
    }

    /// One frame for everyone; nobody waits for anybody.
    pub(super) fn send(&self, frame: &Frame) {
        for present in self.read().present.values() {
            present.peer.outbound.push(frame.clone());
        }
    }

    /// The same for those who may let people in.
    pub(super) fn send_to_moderators(&self, frame: &Frame) {
        let inside = self.read();
        for present in inside
            .present
            .values()
            .filter(|p| p.role >= Some(Role::Moderator))
        {
            present.peer.outbound.push(frame.clone());
        }
    }

    /// What a peer read from the store when it came in; what an event has told since is newer, and stays.
    pub fn settle(&self, peer: &PeerId, role: Role, policy: &Policy) {
        let mut inside = self.write();
        inside.policy.get_or_insert_with(|| policy.clone());
        if let Some(present) = inside.present.get_mut(peer) {
            present.role.get_or_insert(role);
        }
        // Nobody loses by what was not known before.
        inside.weigh();
    }

    /// The user has this role from now on. Returns whoever may ask for less.
    pub(super) fn set_role(&self, user: &UserId, role: Role) -> Vec<Loser> {
        let mut inside = self.write();
        for present in inside.present.values_mut().filter(|p| p.peer.user_id == *user) {
            present.role = Some(role);
        }
        inside.weigh()
    }

    /// The room has this policy from now on. Returns whoever may ask for less.
    pub(super) fn set_policy(&self, policy: &Policy) -> Vec<Loser> {
        let mut inside = self.write();
        inside.policy = Some(policy.clone());
        inside.weigh()
    }

    /// The role of a peer of this node, once it is known.
    pub fn role_of(&self, peer: &PeerId) -> Option<Role> {
        self.read().present.get(peer)?.role
    }

    /// Shows the room as it is to a peer, before anything that happens after.
    pub fn show<T>(&self, show: impl FnOnce(Vec<Peer>, Vec<Share>) -> T) -> T {
        let mut inside = self.write();
        inside.shown = true;
        let here = inside.present.values().map(Present::card);
        let elsewhere = inside.elsewhere.values().map(|peer| peer.card.clone());
        show(here.chain(elsewhere).collect(), inside.shares.clone())
    }

    /// The peer as the room sees it, from now on everywhere.
    pub fn announce(&self, peer: &PeerId) -> Option<Peer> {
        let mut inside = self.write();
        inside.present.get_mut(peer)?.announced = true;
        self.tell_seen(&inside, peer)
    }

    fn tell(&self, inside: &Inside, presence: impl FnOnce() -> Presence) {
        if !inside.nodes.is_empty() {
            self.bus.send(&inside.nodes, &BusEvent::Presence(presence()));
        }
    }

    fn tell_seen(&self, inside: &Inside, peer: &PeerId) -> Option<Peer> {
        let present = inside.present.get(peer)?;
        let card = present.card();
        if present.announced {
            self.tell(inside, || Presence::Seen {
                room_id: self.id.clone(),
                peer: card.clone(),
            });
        }
        Some(card)
    }

    /// Changes how a peer is, and returns how it is seen now.
    pub fn set_presence(&self, peer: &PeerId, status: Status, offers: Vec<Feature>) -> Option<Peer> {
        let mut inside = self.write();
        let present = inside.present.get_mut(peer)?;
        present.status = status;
        present.offers = offers;
        self.tell_seen(&inside, peer)
    }

    /// Something of the peer itself has changed: how it is seen now.
    pub(super) fn seen_again(&self, peer: &PeerId) -> Option<Peer> {
        self.tell_seen(&self.write(), peer)
    }

    /// How a peer is here, for the node that it goes on at.
    pub(super) fn there(&self, peer: &PeerId) -> Option<RoomThere> {
        let inside = self.read();
        let present = inside.present.get(peer)?;
        let own = inside.shares.iter().filter(|share| share.peer_id == *peer);
        Some(RoomThere {
            room_id: self.id.clone(),
            status: present.status,
            offers: present.offers.clone(),
            shares: own.cloned().collect(),
        })
    }

    /// Notes whether a peer has a socket; where that is news, returns how it is seen now.
    pub fn set_absent(&self, peer: &PeerId, absent: bool) -> Option<Peer> {
        let mut inside = self.write();
        let present = inside.present.get_mut(peer)?;
        if std::mem::replace(&mut present.absent, absent) == absent {
            return None;
        }
        self.tell_seen(&inside, peer)
    }

    /// Announces a share; announced again, it gets the new label.
    pub fn add_share(&self, share: Share) -> Result<(), ShareRefused> {
        let mut inside = self.write();
        if let Some(known) = inside
            .shares
            .iter_mut()
            .find(|known| known.share_id == share.share_id)
        {
            if known.peer_id != share.peer_id {
                return Err(ShareRefused::Taken);
            }
            *known = share.clone();
            self.tell_shared(&inside, share);
            return Ok(());
        }
        if inside
            .shares
            .iter()
            .filter(|known| known.peer_id == share.peer_id)
            .count()
            >= SHARES_PER_PEER
        {
            return Err(ShareRefused::TooMany);
        }
        inside.shares.push(share.clone());
        self.tell_shared(&inside, share);
        Ok(())
    }

    fn tell_shared(&self, inside: &Inside, share: Share) {
        self.tell(inside, || Presence::Shared {
            room_id: self.id.clone(),
            share,
        });
    }

    /// Takes a share back; whether it was this peer's.
    pub fn remove_share(&self, peer: &PeerId, share: &ShareId) -> bool {
        let mut inside = self.write();
        let before = inside.shares.len();
        inside
            .shares
            .retain(|known| known.share_id != *share || known.peer_id != *peer);
        let removed = inside.shares.len() < before;
        if removed {
            self.tell(&inside, || Presence::Unshared {
                room_id: self.id.clone(),
                peer_id: peer.clone(),
                share_id: share.clone(),
            });
        }
        removed
    }
}
