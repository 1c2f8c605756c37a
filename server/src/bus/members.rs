//! Which other nodes are there. Sans-IO: the time is passed in.
//!
//! Whoever is heard of has a lease; who is not heard of until its end is gone, and what it had with it. A node that is itself cut
//! off hears nobody, and does not conclude from that that everybody has died.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::NodeId;

/// How often each node lets itself be heard.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// A node that was not heard of for so long is gone.
pub const LEASE: Duration = Duration::from_secs(7);
/// The same while this node is cut off from all: as long as a client is waited for.
pub const LEASE_WHILE_CUT_OFF: Duration = Duration::from_secs(120);

/// What a node says of itself to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) version: u8,
    pub(super) node: NodeId,
    /// Unix milliseconds of its start by its own clock: the oldest node is everybody's.
    pub(super) since: u64,
    /// It has clients: who first hears of it now has missed what these did.
    pub(super) serving: bool,
    pub(super) leaving: bool,
}

const PAST: usize = 1_024;

struct Member {
    since: u64,
    met_serving: bool,
    heard: Instant,
}

/// The others.
pub(super) struct Members {
    others: HashMap<NodeId, Member>,
    /// Those that were taken for gone: one that comes back has missed what happened. Bounded by [`PAST`].
    past: HashSet<NodeId>,
    /// Since when this node is connected, or cut off.
    connected: bool,
    changed: Instant,
}

impl Members {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            others: HashMap::new(),
            past: HashSet::new(),
            connected: false,
            changed: now,
        }
    }

    /// A node was heard; whether that is news.
    pub(super) fn heard(&mut self, node: NodeId, hello: Option<&Hello>, now: Instant) -> bool {
        let mut news = false;
        let member = self.others.entry(node).or_insert_with(|| {
            news = true;
            Member {
                since: u64::MAX,
                met_serving: hello.is_some_and(|hello| hello.serving),
                heard: now,
            }
        });
        member.heard = now;
        if let Some(hello) = hello {
            member.since = hello.since;
        }
        news
    }

    /// It said goodbye; whether it was there.
    pub(super) fn left(&mut self, node: NodeId) -> bool {
        self.others.remove(&node).is_some()
    }

    pub(super) fn connected(&mut self, connected: bool, now: Instant) {
        if self.connected != connected {
            (self.connected, self.changed) = (connected, now);
        }
    }

    /// Those whose lease is over.
    pub(super) fn lapsed(&mut self, now: Instant) -> Vec<NodeId> {
        let lease = if self.connected {
            LEASE
        } else {
            LEASE_WHILE_CUT_OFF
        };
        // Nobody could be heard before.
        let listening = if self.connected { Some(self.changed) } else { None };
        let over = |member: &Member| {
            let since = listening.map_or(member.heard, |since| since.max(member.heard));
            now.saturating_duration_since(since) >= lease
        };
        let lapsed: Vec<_> = self
            .others
            .iter()
            .filter(|(_, member)| over(member))
            .map(|(node, _)| *node)
            .collect();
        for node in &lapsed {
            self.others.remove(node);
            if self.past.len() < PAST {
                self.past.insert(*node);
            }
        }
        lapsed
    }

    /// Whether something was missed before this node heard of it: it was taken for gone, or had clients already. Told once.
    pub(super) fn was_missed(&mut self, node: NodeId) -> bool {
        let serving = self.others.get_mut(&node).map(|member| &mut member.met_serving);
        self.past.remove(&node) | serving.is_some_and(std::mem::take)
    }

    pub(super) fn all(&self) -> Vec<NodeId> {
        self.others.keys().copied().collect()
    }

    /// The node that has been there longest, where that is another one.
    pub(super) fn older(&self, own: NodeId, since: u64) -> Option<NodeId> {
        let oldest = self
            .others
            .iter()
            .map(|(node, member)| (member.since, *node))
            .min()?;
        (oldest < (since, own)).then_some(oldest.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(node: NodeId, since: u64) -> Hello {
        Hello {
            version: 1,
            node,
            since,
            serving: false,
            leaving: false,
        }
    }

    #[test]
    fn who_had_clients_before_it_was_heard_of_was_missed() {
        let (mut members, now) = (Members::new(Instant::now()), Instant::now());
        let (new, old) = (NodeId(1), NodeId(2));
        members.heard(new, Some(&hello(new, 1)), now);
        let serving = Hello {
            serving: true,
            ..hello(old, 1)
        };
        members.heard(old, Some(&serving), now);
        assert!(!members.was_missed(new));
        assert!(members.was_missed(old) && !members.was_missed(old));
    }

    #[test]
    fn a_silent_node_is_gone_after_its_lease_and_an_own_cut_is_no_death() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut members = Members::new(begin);
        members.connected(true, begin);
        let other = NodeId::random();
        assert!(members.heard(other, Some(&hello(other, 1)), at(0)) && !members.heard(other, None, at(1)));
        assert_eq!(members.lapsed(at(7)), []);
        members.connected(false, at(5));
        assert_eq!(members.lapsed(at(100)), [], "this node is cut off");
        members.connected(true, at(100));
        assert_eq!(members.lapsed(at(106)), [], "it has just begun to listen again");
        assert!(!members.was_missed(other));
        assert_eq!(members.lapsed(at(107)), [other]);
        assert!(members.was_missed(other) && !members.was_missed(other));
        assert!(members.heard(other, None, at(111)));
        members.connected(false, at(111));
        assert_eq!(members.lapsed(at(231)), [other], "not for ever");
    }

    #[test]
    fn the_oldest_is_the_same_for_all() {
        let now = Instant::now();
        let (a, b) = (NodeId(1), NodeId(2));
        let mut of_a = Members::new(now);
        of_a.heard(b, Some(&hello(b, 5)), now);
        let mut of_b = Members::new(now);
        of_b.heard(a, Some(&hello(a, 5)), now);
        assert_eq!((of_a.older(a, 5), of_b.older(b, 5)), (None, Some(a)));
        of_a.heard(b, Some(&hello(b, 4)), now);
        assert_eq!(of_a.older(a, 5), Some(b));
    }
}
