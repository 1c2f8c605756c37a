//! One room with at least one live peer: who is there, how, and what is offered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::http::{DeviceKind, Policy, Role};
use mesh_protocol::ids::{PeerId, RoomId, ShareId, UserId};
use mesh_protocol::signal::{Peer, Share, Status};
use parking_lot::RwLock;

use super::LivePeer;
use crate::ws::codec::Frame;

/// Shares that one peer may announce in a room; a further one is refused.
const SHARES_PER_PEER: usize = 16;

struct Present {
    peer: Arc<LivePeer>,
    status: Status,
    offers: Vec<Feature>,
    /// Its socket is gone and may come back: it is shown as away.
    absent: bool,
    /// `None` until the store has told it: nothing is allowed before.
    role: Option<Role>,
}

impl Present {
    fn card(&self) -> Peer {
        let status = if self.absent { Status::Away } else { self.status };
        self.peer.card(status, self.offers.clone())
    }
}

#[derive(Default)]
struct Inside {
    present: HashMap<PeerId, Present>,
    shares: Vec<Share>,
    /// `None` until the first who came in has read it.
    policy: Option<Policy>,
}

impl Inside {
    fn allowed(&self, role: Option<Role>) -> Vec<Capability> {
        let (Some(policy), Some(role)) = (&self.policy, role) else {
            return Vec::new();
        };
        let allowed = |c: &Capability| policy.allows(role, *c);
        Capability::ALL.into_iter().filter(allowed).collect()
    }

    /// Who may ask for less after the change than before it.
    fn losers(&mut self, change: impl FnOnce(&mut Self)) -> Vec<Loser> {
        let before: Vec<_> = self
            .present
            .iter()
            .map(|(id, present)| (id.clone(), self.allowed(present.role)))
            .collect();
        change(self);
        let mut losers = Vec::new();
        for (peer, mut lost) in before {
            let allowed = self.allowed(self.present.get(&peer).and_then(|present| present.role));
            lost.retain(|c| !allowed.contains(c));
            if !lost.is_empty() {
                losers.push(Loser { peer, lost });
            }
        }
        losers
    }
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

/// A live room.
pub struct LiveRoom {
    id: RoomId,
    /// Read for every message, written at joins and leaves. Nothing that could wait happens under it.
    inside: RwLock<Inside>,
}

impl LiveRoom {
    pub(super) fn new(id: RoomId) -> Self {
        Self {
            id,
            inside: RwLock::default(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// Whether the peer has joined.
    pub fn has(&self, peer: &PeerId) -> bool {
        self.inside.read().present.contains_key(peer)
    }

    /// Who looks at the room: has a page in it that is not away. An agent looks at nothing.
    pub fn watchers(&self) -> HashSet<UserId> {
        let looks = |p: &&Present| p.peer.kind == DeviceKind::Page && !p.absent && p.status != Status::Away;
        let inside = self.inside.read();
        let watching = inside.present.values().filter(looks);
        watching.map(|present| present.peer.user_id.clone()).collect()
    }

    /// Everyone who has joined.
    pub fn peers(&self) -> Vec<Arc<LivePeer>> {
        self.inside
            .read()
            .present
            .values()
            .map(|present| present.peer.clone())
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inside.read().present.is_empty()
    }

    pub(super) fn add(&self, peer: Arc<LivePeer>) -> bool {
        let mut inside = self.inside.write();
        let mut new = false;
        inside.present.entry(peer.id.clone()).or_insert_with(|| {
            new = true;
            Present {
                peer,
                status: Status::Online,
                offers: Vec::new(),
                absent: false,
                role: None,
            }
        });
        new
    }

    /// `None` where the peer was not there, else whether the room is empty now.
    pub(super) fn remove(&self, peer: &PeerId) -> Option<bool> {
        let mut inside = self.inside.write();
        inside.present.remove(peer)?;
        inside.shares.retain(|share| share.peer_id != *peer);
        Some(inside.present.is_empty())
    }

    /// One frame for everyone; nobody waits for anybody.
    pub(super) fn send(&self, frame: &Frame) {
        for present in self.inside.read().present.values() {
            present.peer.outbound.push(frame.clone());
        }
    }

    /// The same for those who may let people in.
    pub(super) fn send_to_moderators(&self, frame: &Frame) {
        let inside = self.inside.read();
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
        let mut inside = self.inside.write();
        inside.policy.get_or_insert_with(|| policy.clone());
        if let Some(present) = inside.present.get_mut(peer) {
            present.role.get_or_insert(role);
        }
    }

    /// The user has this role from now on. Returns whoever may ask for less.
    pub(super) fn set_role(&self, user: &UserId, role: Role) -> Vec<Loser> {
        self.inside.write().losers(|inside| {
            for present in inside.present.values_mut().filter(|p| p.peer.user_id == *user) {
                present.role = Some(role);
            }
        })
    }

    /// The room has this policy from now on. Returns whoever may ask for less.
    pub(super) fn set_policy(&self, policy: &Policy) -> Vec<Loser> {
        self.inside
            .write()
            .losers(|inside| inside.policy = Some(policy.clone()))
    }

    /// Whether the peer's role may ask for the capability.
    pub fn allows(&self, peer: &PeerId, capability: Capability) -> bool {
        let inside = self.inside.read();
        let role = inside.present.get(peer).and_then(|present| present.role);
        let policy = inside.policy.as_ref();
        policy
            .zip(role)
            .is_some_and(|(policy, role)| policy.allows(role, capability))
    }

    /// Shows the room as it is to a peer, before anything that happens after.
    pub fn show<T>(&self, show: impl FnOnce(Vec<Peer>, Vec<Share>) -> T) -> T {
        let inside = self.inside.read();
        show(
            inside.present.values().map(Present::card).collect(),
            inside.shares.clone(),
        )
    }

    /// The peer as the room sees it.
    pub fn card(&self, peer: &PeerId) -> Option<Peer> {
        self.inside.read().present.get(peer).map(Present::card)
    }

    /// Changes how a peer is, and returns how it is seen now.
    pub fn set_presence(&self, peer: &PeerId, status: Status, offers: Vec<Feature>) -> Option<Peer> {
        let mut inside = self.inside.write();
        let present = inside.present.get_mut(peer)?;
        present.status = status;
        present.offers = offers;
        Some(present.card())
    }

    /// Notes whether a peer has a socket; where that is news, returns how it is seen now.
    pub fn set_absent(&self, peer: &PeerId, absent: bool) -> Option<Peer> {
        let mut inside = self.inside.write();
        let present = inside.present.get_mut(peer)?;
        let news = std::mem::replace(&mut present.absent, absent) != absent;
        news.then(|| present.card())
    }

    /// Announces a share; announced again, it gets the new label.
    pub fn add_share(&self, share: Share) -> Result<(), ShareRefused> {
        let mut inside = self.inside.write();
        if let Some(known) = inside
            .shares
            .iter_mut()
            .find(|known| known.share_id == share.share_id)
        {
            if known.peer_id != share.peer_id {
                return Err(ShareRefused::Taken);
            }
            *known = share;
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
        inside.shares.push(share);
        Ok(())
    }

    /// Takes a share back; whether it was this peer's.
    pub fn remove_share(&self, peer: &PeerId, share: &ShareId) -> bool {
        let mut inside = self.inside.write();
        let before = inside.shares.len();
        inside
            .shares
            .retain(|known| known.share_id != *share || known.peer_id != *peer);
        inside.shares.len() < before
    }
}
