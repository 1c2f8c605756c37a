//! Time of a connection: the stack's clock, the timers of everything, and what follows when one is due.
//!
//! Owns no state: these are the steps of [`Driver`] that read the clock. When they are taken is decided by its caller.

use std::time::{Duration, Instant};

use rtc::sansio::Protocol;

use super::datagrams::feed_repaired;
use super::{Driver, NOT_HEARD};
use crate::rtc::ConnectionEvent;
use crate::rtc::channel::Channel;
use crate::rtc::repair::Repair;
use crate::rtc::turn::Turn;

/// How often the stack looks at its candidate pairs while it connects.
pub(super) const ICE_CHECK_EVERY: Duration = Duration::from_millis(200);
/// How many times the clock of the stack is put forward; see [`Driver::hasten`].
const HASTENED: u32 = 8;

/// Timers fired before everything else gets its turn.
const TIMERS_PER_STEP: usize = 4;

impl Driver {
    /// The time on the stack's clock.
    pub(in crate::rtc) fn stack_now(&self) -> Instant {
        Instant::now() + self.ahead
    }

    /// Lets the stack act at once on what it heard while it connects.
    ///
    /// It looks at its candidate pairs every 200 ms only, and has no way to be asked earlier: the pair that answered
    /// would wait that long for its nomination. Time is an input here, so the stack's clock is put forward to its next
    /// look. It stays ahead; only differences matter to it. The number of times is bounded, so that the waits that
    /// prefer direct pairs over relayed ones keep their meaning.
    pub(super) fn hasten(&mut self) {
        if !std::mem::take(&mut self.ice_heard) || self.ice_connected || self.hastened == HASTENED {
            return;
        }
        let now = self.stack_now();
        let Some(next) = self.pc.poll_timeout() else {
            return;
        };
        let early = next.saturating_duration_since(now);
        if early <= ICE_CHECK_EVERY {
            self.ahead += early;
            self.hastened += 1;
            self.handle_stack_timeout();
            self.pump();
        }
    }

    pub(super) fn handle_stack_timeout(&mut self) {
        let now = self.stack_now();
        if let Err(error) = self.pc.handle_timeout(now) {
            self.end(format!("the connection broke: {error}"));
        }
    }

    pub(super) fn fire_timers(&mut self) {
        for _ in 0..TIMERS_PER_STEP {
            if self.pc.poll_timeout().is_none_or(|at| at > self.stack_now()) {
                break;
            }
            self.handle_stack_timeout();
            self.pump();
        }
        let now = Instant::now();
        let sockets = &mut self.sockets;
        self.probes.handle_timeout(now, |socket, server, request| {
            if let Some(socket) = sockets.get_mut(socket) {
                socket.queue(server, request);
            }
        });
        if let Some(repair) = &mut self.repair {
            repair.handle_timeout(now);
            if let Some(route) = self.route {
                feed_repaired(&mut self.pc, repair, now + self.ahead, route);
            }
        }
        for turn in &mut self.turns {
            if turn.next_timeout().is_some_and(|at| at <= now) {
                turn.handle_timeout(now);
            }
        }
        while let Some((_, relay)) = self.held_relays.pop_front_if(|(at, _)| *at <= now) {
            self.add_to_stack(relay);
        }
        if !self.gathered
            && self.tasks.is_empty()
            && self.probes.is_empty()
            && !self.turns.iter().any(Turn::pending)
        {
            self.gathered = true;
            self.announce(ConnectionEvent::EndOfCandidates);
            if self.config.relay_only
                && self.channel.is_none()
                && self.turns.iter().all(|turn| turn.relayed().is_none())
            {
                self.end("no TURN server gave a relay, and only relayed connections are allowed");
            }
        }
        if self.open_deadline.is_some_and(|at| at <= now) {
            self.end(if self.ice_connected {
                "the other device did not complete the handshake; its certificate may not be the one announced"
            } else {
                "the connection was not ready within 30 seconds"
            });
        }
        if self.recover_until.is_some_and(|at| at <= now) {
            self.end(NOT_HEARD);
        }
        if self.channel.is_none() && self.peer_is_gone() {
            self.end("the other device broke off the handshake");
        }
        let Some(channel) = &self.channel else { return };
        if channel.deadline().is_some_and(|at| at <= now) || (channel.closing() && self.peer_is_gone()) {
            self.end("closed after everything was delivered");
        }
        if self.next_stats <= now {
            self.publish();
        }
    }

    pub(super) fn next_timeout(&mut self) -> Instant {
        let now = Instant::now();
        let far = now + Duration::from_secs(3600);
        let stack = self.pc.poll_timeout().and_then(|at| at.checked_sub(self.ahead));
        let turns = self.turns.iter_mut().filter_map(Turn::next_timeout).min();
        let channel = self.channel.as_ref().and_then(Channel::deadline);
        let stats = self.channel.as_ref().map(|_| self.next_stats);
        let repair = self.repair.as_ref().and_then(Repair::next_timeout);
        [
            stack,
            repair,
            self.paced_until,
            self.probes.next_timeout(),
            self.held_relays.front().map(|(at, _)| *at),
            turns,
            channel,
            stats,
            self.open_deadline,
            self.recover_until,
        ]
        .into_iter()
        .flatten()
        .fold(far, Instant::min)
    }
}
