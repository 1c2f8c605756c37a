//! WebSocket tickets: what a page puts into the URL in place of its session.
//!
//! In memory: a ticket lives 30 s. Bound: 20,000; past it the expired ones go, and then a further one is refused.

use std::collections::HashMap;

use mesh_protocol::limits::{CLOCK_LEEWAY, TICKET_TTL};
use parking_lot::Mutex;

use crate::auth::random;
use crate::store::{SignInId, TokenHash};

const MOST: usize = 20_000;

/// Too many tickets are out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The tickets of this node.
#[derive(Default)]
pub struct Tickets {
    /// Held for an insertion or a removal.
    out: Mutex<HashMap<TokenHash, (SignInId, u64)>>,
}

impl Tickets {
    /// A ticket and the Unix second in which it expires.
    pub fn issue(&self, sign_in: SignInId, now: u64) -> Result<(String, u64), TooMany> {
        let ticket = random::token();
        let exp = now + TICKET_TTL.as_secs();
        let mut out = self.out.lock();
        if out.len() >= MOST {
            out.retain(|_, (_, exp)| *exp >= now);
        }
        if out.len() >= MOST {
            return Err(TooMany);
        }
        out.insert(random::hash(&ticket), (sign_in, exp));
        Ok((ticket, exp))
    }

    /// Uses a ticket up. One from a time to come is none: the clock was set back, and nobody knows how old it is.
    pub fn take(&self, ticket: &str, now: u64) -> Option<SignInId> {
        let (sign_in, exp) = self.out.lock().remove(&random::hash(ticket))?;
        let issued = exp - TICKET_TTL.as_secs();
        (issued.saturating_sub(CLOCK_LEEWAY.as_secs())..=exp)
            .contains(&now)
            .then_some(sign_in)
    }

    /// Drops what has expired.
    pub fn sweep(&self, now: u64) {
        self.out.lock().retain(|_, (_, exp)| *exp >= now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_for_thirty_seconds() {
        let tickets = Tickets::default();
        let sign_in = SignInId("s".into());
        let (ticket, exp) = tickets.issue(sign_in.clone(), 100).unwrap();
        assert_eq!(exp, 130);
        assert_eq!(tickets.take(&ticket, 130), Some(sign_in.clone()));
        assert_eq!(tickets.take(&ticket, 100), None);
        for (now, good) in [(131, false), (95, true), (94, false)] {
            let (ticket, _) = tickets.issue(sign_in.clone(), 100).unwrap();
            assert_eq!(tickets.take(&ticket, now).is_some(), good, "{now}");
        }
    }
}
