//! Which calls ring, and which of them were missed. Decided here and by nobody's word: no answer within 30 s, or a caller
//! who hung up or went away before one, or a node that was stopped meanwhile, unless the caller goes on at another one, where it rings on.
//!
//! Sans-IO: the time is passed in. Bound: 10,000 that ring at once; a further one is not watched.

use std::collections::HashMap;

use mesh_protocol::ids::{PeerId, RoomId, SessionId, UserId};
use serde::{Deserialize, Serialize};

use super::{Audience, Happening, What};

/// How long a call rings, in milliseconds.
const RINGS_MS: u64 = 30_000;
const MOST: usize = 10_000;

/// A call that rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) session_id: SessionId,
    pub(super) room_id: RoomId,
    pub(super) caller: PeerId,
    /// `None`: the whole room is called.
    pub(super) target: Option<PeerId>,
    pub(super) author: UserId,
    pub(super) author_name: String,
    pub(super) to: Audience,
}

impl From<Call> for Happening {
    fn from(call: Call) -> Self {
        Self {
            what: What::CallMissed(call.session_id),
            room_id: call.room_id,
            author: call.author,
            author_name: call.author_name,
            to: call.to,
            mentions: Vec::new(),
        }
    }
}

/// A call whose caller goes on at another node.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moving {
    call: Call,
    /// How long it rings yet, in milliseconds: the clocks of two nodes may differ.
    left: u64,
}

/// The calls that ring, each with the time until which it does. A session is known by its id and its caller, as in the hub;
/// somebody may be called on several of their devices, and one of these answers for all.
#[derive(Default)]
pub(super) struct Calls(HashMap<Key, (Call, u64)>);

type Key = (SessionId, PeerId, Option<PeerId>);

impl Calls {
    /// Asking again for the same session rings no longer.
    pub(super) fn requested(&mut self, call: Call, now: u64) {
        self.ring(call, now + RINGS_MS);
    }

    fn ring(&mut self, call: Call, until: u64) {
        let key = (call.session_id.clone(), call.caller.clone(), call.target.clone());
        if self.0.len() < MOST || self.0.contains_key(&key) {
            self.0.entry(key).or_insert((call, until));
        }
    }

    /// Those of a caller who goes on at another node.
    pub(super) fn hand_over(&mut self, caller: &PeerId, now: u64) -> Vec<Moving> {
        self.0
            .extract_if(|_, (call, _)| call.caller == *caller)
            .map(|(_, (call, until))| Moving {
                call,
                left: until.saturating_sub(now),
            })
            .collect()
    }

    /// Those of a caller who goes on here.
    pub(super) fn take_over(&mut self, moving: Vec<Moving>, now: u64) {
        for Moving { call, left } in moving {
            self.ring(call, now + left.min(RINGS_MS));
        }
    }

    /// Whoever was called accepted.
    pub(super) fn accepted(&mut self, session: &SessionId, by: &PeerId) {
        self.answered(session, by, |_| true);
    }

    /// The one who was called declined. One of a room leaves the call to the others.
    pub(super) fn declined(&mut self, session: &SessionId, by: &PeerId) {
        self.answered(session, by, |call| call.target.is_some());
    }

    fn answered(&mut self, session: &SessionId, by: &PeerId, counts: impl Fn(&Call) -> bool) {
        let answered: Vec<Call> = self
            .0
            .values()
            .filter(|(call, _)| counts(call) && call.is_answered_by(session, by))
            .map(|(call, _)| call.clone())
            .collect();
        self.0
            .retain(|_, (call, _)| !answered.iter().any(|one| one.rings_for_the_same(call)));
    }

    /// A party ended it: a call that still rang is missed where that was the caller.
    pub(super) fn ended(&mut self, session: &SessionId, by: &PeerId) -> Vec<Call> {
        self.declined(session, by);
        self.take(|(call, _)| call.session_id == *session && call.caller == *by)
    }

    /// Those that nobody answers any more: their time is over, or the caller is not `there`.
    pub(super) fn missed(&mut self, now: u64, there: impl Fn(&RoomId, &PeerId) -> bool) -> Vec<Call> {
        self.take(|(call, until)| *until <= now || !there(&call.room_id, &call.caller))
    }

    /// Those that ring.
    pub(super) fn all(&mut self) -> Vec<Call> {
        self.take(|_| true)
    }

    /// Removes them; of those that rang on several devices of somebody, one.
    fn take(&mut self, over: impl Fn(&(Call, u64)) -> bool) -> Vec<Call> {
        let mut taken: Vec<Call> = Vec::new();
        for (_, (call, _)) in self.0.extract_if(|_, ringing| over(ringing)) {
            if !taken.iter().any(|one| one.rings_for_the_same(&call)) {
                taken.push(call);
            }
        }
        taken
    }
}

impl Call {
    fn is_answered_by(&self, session: &SessionId, by: &PeerId) -> bool {
        self.session_id == *session
            && self.caller != *by
            && self.target.as_ref().is_none_or(|target| target == by)
    }

    fn rings_for_the_same(&self, other: &Self) -> bool {
        self.session_id == other.session_id && self.caller == other.caller && self.to == other.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<T: std::str::FromStr<Err = mesh_protocol::ids::InvalidId>>(text: &str) -> T {
        text.parse().unwrap()
    }

    fn call(caller: &str, target: Option<&str>) -> Call {
        Call {
            session_id: id("s"),
            room_id: id("r"),
            caller: id(caller),
            target: target.map(id),
            author: id("alice"),
            author_name: "Alice".into(),
            to: Audience::Members,
        }
    }

    fn ringing(target: Option<&str>) -> Calls {
        let mut calls = Calls::default();
        calls.requested(call("a", target), 0);
        calls
    }

    const THERE: fn(&RoomId, &PeerId) -> bool = |_, _| true;

    #[test]
    fn a_call_is_missed_after_thirty_seconds_and_once() {
        let mut calls = ringing(Some("b"));
        calls.requested(call("a", Some("b")), 20_000);
        assert_eq!(calls.missed(29_999, THERE), []);
        assert_eq!(calls.missed(30_000, THERE), [call("a", Some("b"))]);
        assert_eq!(calls.missed(90_000, THERE), []);
    }

    #[test]
    fn an_answer_by_who_was_called_counts_and_no_other() {
        for answer in [Calls::accepted, Calls::declined] {
            let mut calls = ringing(Some("b"));
            answer(&mut calls, &id("s"), &id("c"));
            answer(&mut calls, &id("s"), &id("a"));
            answer(&mut calls, &id("other"), &id("b"));
            assert_eq!(calls.0.len(), 1);
            answer(&mut calls, &id("s"), &id("b"));
            assert!(calls.0.is_empty());
        }
    }

    #[test]
    fn one_of_a_room_accepts_for_all_and_declines_for_oneself() {
        let mut calls = ringing(None);
        calls.declined(&id("s"), &id("b"));
        assert_eq!(calls.0.len(), 1);
        calls.accepted(&id("s"), &id("c"));
        assert!(calls.0.is_empty());
    }

    #[test]
    fn hanging_up_or_going_away_before_an_answer_is_a_missed_call() {
        assert_eq!(
            ringing(Some("b")).ended(&id("s"), &id("a")),
            [call("a", Some("b"))]
        );
        let mut declined = ringing(Some("b"));
        assert_eq!(declined.ended(&id("s"), &id("b")), []);
        assert!(declined.0.is_empty());
        let mut answered = ringing(Some("b"));
        answered.accepted(&id("s"), &id("b"));
        assert_eq!(answered.ended(&id("s"), &id("a")), []);
        assert_eq!(ringing(Some("b")).missed(1, |_, _| false).len(), 1);
    }

    #[test]
    fn a_borrowed_session_id_ends_nobody_elses_call() {
        let mut calls = ringing(Some("b"));
        calls.requested(call("m", Some("x")), 0);
        assert_eq!(calls.ended(&id("s"), &id("m")), [call("m", Some("x"))]);
        assert_eq!(calls.missed(30_000, THERE), [call("a", Some("b"))]);
    }

    #[test]
    fn one_of_somebodys_devices_answers_for_all_and_a_call_to_several_is_missed_once() {
        let devices = || {
            let mut calls = ringing(Some("b1"));
            calls.requested(call("a", Some("b2")), 0);
            calls
        };
        for answer in [Calls::accepted, Calls::declined] {
            let mut calls = devices();
            answer(&mut calls, &id("s"), &id("b2"));
            assert!(calls.0.is_empty());
        }
        assert_eq!(devices().missed(30_000, THERE).len(), 1);
        assert_eq!(devices().ended(&id("s"), &id("a")).len(), 1);
    }

    #[test]
    fn the_calls_of_who_goes_on_at_another_node_ring_on_there_as_long_as_they_would_have() {
        let mut calls = ringing(Some("b"));
        calls.requested(call("other", Some("b")), 0);
        let moving = serde_json::to_string(&calls.hand_over(&id("a"), 10_000)).unwrap();
        assert_eq!(calls.all(), [call("other", Some("b"))]);
        // Its clock shows something else.
        let mut there = Calls::default();
        there.take_over(serde_json::from_str(&moving).unwrap(), 5_000);
        assert_eq!(there.missed(24_999, THERE), []);
        assert_eq!(there.missed(25_000, THERE), [call("a", Some("b"))]);
    }

    #[test]
    fn what_rings_is_bounded() {
        let mut calls = Calls::default();
        for n in 0..MOST + 5 {
            calls.requested(call(&format!("p{n}"), None), 0);
        }
        assert_eq!(calls.0.len(), MOST);
    }
}
