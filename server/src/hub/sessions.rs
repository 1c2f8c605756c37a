//! Which peers are parties of which session, so that only they may answer, ask for its capability, and end it.
//!
//! A session is known by its id **and** its requester: whoever opens another one under a borrowed id gains nothing.
//! Bound: 256 of one requester, 100,000 in all; a further request is refused. An entry goes when its requester or its only
//! other party disconnects, some time after its end, or after a day without a message.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::ids::{PeerId, RoomId, SessionId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

const PER_REQUESTER: usize = 256;
const IN_ALL: usize = 100_000;
/// Answers to one request that was made to a room.
const ANSWERERS: usize = 256;
/// Seconds that an entry stays without a message.
const IDLE: u64 = 24 * 3_600;
/// Seconds that an ended entry stays, for messages that cross the end.
const AFTER_END: u64 = 60;
/// Seconds that a revoked entry stays, so that it is not opened anew.
const AFTER_REVOCATION: u64 = 3_600;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Open,
    Revoked,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    room_id: RoomId,
    feature: Feature,
    requester: PeerId,
    /// `None`: the request was made to the room.
    target: Option<PeerId>,
    /// Who accepted a request made to the room.
    answerers: Vec<PeerId>,
    state: State,
    /// Unix seconds.
    until: u64,
}

impl Session {
    fn parties(&self) -> Vec<PeerId> {
        [&self.requester]
            .into_iter()
            .chain(&self.target)
            .chain(&self.answerers)
            .cloned()
            .collect()
    }

    /// Whether `sender` may say something about it to `to` (or to the room).
    fn admits(&self, sender: &PeerId, to: Option<&PeerId>) -> bool {
        let as_requester = *sender == self.requester
            && match (to, &self.target) {
                (Some(to), Some(target)) => to == target,
                _ => true,
            };
        let as_answerer = *sender != self.requester
            && to.is_none_or(|to| *to == self.requester)
            && self.target.as_ref().is_none_or(|target| target == sender);
        as_requester || as_answerer
    }
}

/// A session that was taken back, and whom that concerns.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub session_id: SessionId,
    pub room_id: RoomId,
    pub parties: Vec<PeerId>,
}

/// What a message changed, for the node of the other party. The room is told beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change")]
pub enum SessionChange {
    Opened {
        session_id: SessionId,
        feature: Feature,
        requester: PeerId,
        target: Option<PeerId>,
    },
    Accepted {
        session_id: SessionId,
        by: PeerId,
        to: Option<PeerId>,
    },
    Ended {
        session_id: SessionId,
        by: PeerId,
        to: Option<PeerId>,
    },
    Revoked {
        session_id: SessionId,
        parties: Vec<PeerId>,
    },
}

/// A session that moves with one of its parties to another node.
#[derive(Debug, Serialize, Deserialize)]
pub struct Moving {
    session_id: SessionId,
    session: Session,
}

/// There are too many sessions already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// A request that opens a session.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    pub room_id: &'a RoomId,
    pub session_id: &'a SessionId,
    pub feature: Feature,
    pub requester: &'a PeerId,
    pub target: Option<&'a PeerId>,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<SessionId, Vec<Session>>,
    /// Sessions that name the peer: the work of a disconnection is bounded by what the peer did.
    of_peer: HashMap<PeerId, Vec<SessionId>>,
    count: usize,
    revoked: usize,
}

/// The sessions of this node's peers.
#[derive(Default)]
pub struct Sessions {
    /// Held for a lookup or a change; nothing waits under it.
    table: Mutex<Table>,
    /// As many as in the table: most messages need not look.
    revoked: AtomicUsize,
}

impl Sessions {
    /// Records a request. Asking again for the same session renews it.
    pub fn open(&self, opening: &Opening<'_>, now: u64) -> Result<(), TooMany> {
        let mut table = self.table.lock();
        let same = |s: &&mut Session| {
            s.requester == *opening.requester
                && s.target.as_ref() == opening.target
                && s.room_id == *opening.room_id
        };
        let known = table
            .by_id
            .get_mut(opening.session_id)
            .and_then(|list| list.iter_mut().find(same));
        if let Some(session) = known {
            session.until = now + IDLE;
            return Ok(());
        }
        let own = table.of_peer.get(opening.requester).map_or(0, Vec::len);
        if own >= PER_REQUESTER || table.count >= IN_ALL {
            return Err(TooMany);
        }
        let session = Session {
            room_id: opening.room_id.clone(),
            feature: opening.feature,
            requester: opening.requester.clone(),
            target: opening.target.cloned(),
            answerers: Vec::new(),
            state: State::Open,
            until: now + IDLE,
        };
        for peer in session.parties() {
            table
                .of_peer
                .entry(peer)
                .or_default()
                .push(opening.session_id.clone());
        }
        table
            .by_id
            .entry(opening.session_id.clone())
            .or_default()
            .push(session);
        table.count += 1;
        Ok(())
    }

    /// Whether `sender` is a party of a session of such a feature in the room, towards `to`.
    pub fn is_party(
        &self,
        room: &RoomId,
        session: &SessionId,
        sender: &PeerId,
        to: Option<&PeerId>,
        feature: impl Fn(Feature) -> bool,
        now: u64,
    ) -> bool {
        let mut table = self.table.lock();
        let Some(list) = table.by_id.get_mut(session) else {
            return false;
        };
        let mut party = false;
        for found in list.iter_mut() {
            if found.state == State::Open
                && found.until > now
                && found.room_id == *room
                && feature(found.feature)
                && found.admits(sender, to)
            {
                found.until = found.until.max(now + IDLE);
                party = true;
            }
        }
        party
    }

    /// `sender` accepted: from now on it may have the capability of the feature, towards the requester.
    pub fn accepted(&self, room: &RoomId, session: &SessionId, sender: &PeerId, to: Option<&PeerId>) {
        let mut table = self.table.lock();
        let Table { by_id, of_peer, .. } = &mut *table;
        for found in by_id.get_mut(session).into_iter().flatten() {
            let fits = found.room_id == *room && found.requester != *sender && found.admits(sender, to);
            if fits
                && found.target.is_none()
                && !found.answerers.contains(sender)
                && found.answerers.len() < ANSWERERS
            {
                found.answerers.push(sender.clone());
                of_peer.entry(sender.clone()).or_default().push(session.clone());
            }
        }
    }

    /// An orderly end by a party: the entry stays a little for what crosses it. One answerer's end leaves a request that
    /// was made to a room to the others.
    pub fn ended(&self, room: &RoomId, session: &SessionId, sender: &PeerId, to: Option<&PeerId>, now: u64) {
        let mut table = self.table.lock();
        for found in table.by_id.get_mut(session).into_iter().flatten() {
            let whole = found.target.is_some() || (found.requester == *sender && to.is_none());
            if found.room_id == *room && whole && found.admits(sender, to) {
                found.until = found.until.min(now + AFTER_END);
            }
        }
    }

    /// What was done on another node, whose peer did it. Its bounds were looked at there; what is too much here is not known here.
    pub fn apply(&self, room: &RoomId, change: &SessionChange, now: u64) {
        match change {
            SessionChange::Opened {
                session_id,
                feature,
                requester,
                target,
            } => {
                let opening = Opening {
                    room_id: room,
                    session_id,
                    feature: *feature,
                    requester,
                    target: target.as_ref(),
                };
                let _ = self.open(&opening, now);
            }
            SessionChange::Accepted { session_id, by, to } => {
                self.accepted(room, session_id, by, to.as_ref())
            }
            SessionChange::Ended { session_id, by, to } => self.ended(room, session_id, by, to.as_ref(), now),
            SessionChange::Revoked { session_id, parties } => {
                let same = |of: &RoomId, known: &[PeerId]| {
                    of == room && known.iter().any(|party| parties.contains(party))
                };
                self.revoke(session_id, same, now);
            }
        }
    }

    /// The feature of a session that `answerer` is the answering end of, towards `requester`.
    pub fn answering(
        &self,
        room: &RoomId,
        session: &SessionId,
        answerer: &PeerId,
        requester: &PeerId,
        now: u64,
    ) -> Option<Feature> {
        let table = self.table.lock();
        let answers = |s: &&Session| {
            s.state == State::Open
                && s.until > now
                && s.room_id == *room
                && s.requester == *requester
                && (s.target.as_ref() == Some(answerer) || s.answerers.contains(answerer))
        };
        table.by_id.get(session)?.iter().find(answers).map(|s| s.feature)
    }

    /// Whether the session between `sender` and `to` was taken back.
    pub fn is_revoked(&self, session: &SessionId, sender: &PeerId, to: Option<&PeerId>) -> bool {
        if self.revoked.load(Ordering::Acquire) == 0 {
            return false;
        }
        let table = self.table.lock();
        let revoked = |s: &Session| s.state == State::Revoked && s.admits(sender, to);
        table
            .by_id
            .get(session)
            .is_some_and(|list| list.iter().any(revoked))
    }

    /// Takes a session back for whoever `may` (given its room and its parties).
    pub fn revoke(
        &self,
        session: &SessionId,
        may: impl Fn(&RoomId, &[PeerId]) -> bool,
        now: u64,
    ) -> Vec<Ended> {
        self.take_back(session, |s| may(&s.room_id, &s.parties()), now)
    }

    /// Takes back what the peer asked for in a room by a capability that it has `lost`. A terminal that may not be
    /// controlled any more ends whole: it can be opened again to look on.
    pub fn end_requested(&self, peer: &PeerId, room: &RoomId, lost: &[Capability], now: u64) -> Vec<Ended> {
        let needs = |s: &Session| {
            lost.contains(&s.feature.capability())
                || s.feature == Feature::Terminal && lost.contains(&Capability::TerminalControl)
        };
        let concerned = |s: &Session| s.requester == *peer && s.room_id == *room && needs(s);
        let ids = self.table.lock().of_peer.get(peer).cloned().unwrap_or_default();
        ids.iter()
            .flat_map(|id| self.take_back(id, concerned, now))
            .collect()
    }

    fn take_back(&self, id: &SessionId, concerned: impl Fn(&Session) -> bool, now: u64) -> Vec<Ended> {
        let mut table = self.table.lock();
        let Table { by_id, revoked, .. } = &mut *table;
        let mut ended = Vec::new();
        for found in by_id.get_mut(id).into_iter().flatten() {
            if found.state == State::Open && concerned(found) {
                found.state = State::Revoked;
                *revoked += 1;
                found.until = now + AFTER_REVOCATION;
                ended.push(Ended {
                    session_id: id.clone(),
                    room_id: found.room_id.clone(),
                    parties: found.parties(),
                });
            }
        }
        self.revoked.store(table.revoked, Ordering::Release);
        ended
    }

    /// Takes back everything that the peer is a party of, in one room or in all.
    pub fn end_of(&self, peer: &PeerId, room: Option<&RoomId>, now: u64) -> Vec<Ended> {
        let ids = self.table.lock().of_peer.get(peer).cloned().unwrap_or_default();
        let mut ended = Vec::new();
        for id in ids {
            let concerned = |in_room: &RoomId, parties: &[PeerId]| {
                room.is_none_or(|room| room == in_room) && parties.contains(peer)
            };
            ended.extend(self.revoke(&id, concerned, now));
        }
        ended
    }

    /// What a peer that moves to another node is a party of.
    pub fn of_peer(&self, peer: &PeerId) -> Vec<Moving> {
        let table = self.table.lock();
        let ids = table.of_peer.get(peer).into_iter().flatten();
        let all = ids.flat_map(|id| {
            table
                .by_id
                .get(id)
                .into_iter()
                .flatten()
                .map(move |session| (id, session))
        });
        all.filter(|(_, session)| session.parties().contains(peer))
            .map(|(id, session)| Moving {
                session_id: id.clone(),
                session: session.clone(),
            })
            .collect()
    }

    /// Takes over what another node knew, where it is not known.
    pub fn take_over(&self, moving: Vec<Moving>) {
        let mut table = self.table.lock();
        for Moving { session_id, session } in moving {
            let list = table.by_id.entry(session_id.clone()).or_default();
            let same =
                |known: &Session| known.requester == session.requester && known.target == session.target;
            if list.iter().any(same) {
                continue;
            }
            let parties = session.parties();
            let revoked = usize::from(session.state == State::Revoked);
            list.push(session);
            table.count += 1;
            table.revoked += revoked;
            for party in parties {
                table.of_peer.entry(party).or_default().push(session_id.clone());
            }
        }
        self.revoked.store(table.revoked, Ordering::Release);
    }

    /// The peer is gone. What it requested, or was the only target of, goes with it.
    pub fn forget(&self, peer: &PeerId) {
        let mut table = self.table.lock();
        let ids = table.of_peer.remove(peer).unwrap_or_default();
        for id in &ids {
            table.drop_where(id, |s| s.requester == *peer || s.target.as_ref() == Some(peer));
            for session in table.by_id.get_mut(id).into_iter().flatten() {
                session.answerers.retain(|answerer| answerer != peer);
            }
        }
        self.revoked.store(table.revoked, Ordering::Release);
    }

    /// Drops what has expired.
    pub fn sweep(&self, now: u64) {
        let mut table = self.table.lock();
        let over = |list: &Vec<Session>| list.iter().any(|s| s.until <= now);
        let ids: Vec<_> = table
            .by_id
            .iter()
            .filter(|(_, list)| over(list))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            table.drop_where(&id, |s| s.until <= now);
        }
        self.revoked.store(table.revoked, Ordering::Release);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.table.lock().count
    }
}

impl Table {
    fn drop_where(&mut self, id: &SessionId, over: impl Fn(&Session) -> bool) {
        let Some(list) = self.by_id.get_mut(id) else {
            return;
        };
        let mut named = Vec::new();
        list.retain(|session| {
            let gone = over(session);
            if gone {
                self.count -= 1;
                self.revoked -= usize::from(session.state == State::Revoked);
                named.extend(session.parties());
            }
            !gone
        });
        if list.is_empty() {
            self.by_id.remove(id);
        }
        for peer in named {
            if let Some(ids) = self.of_peer.get_mut(&peer) {
                if let Some(at) = ids.iter().position(|known| known == id) {
                    ids.swap_remove(at);
                }
                if ids.is_empty() {
                    self.of_peer.remove(&peer);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
