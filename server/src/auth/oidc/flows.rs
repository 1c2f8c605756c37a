//! Sign-ins that are under way at the provider: what was asked, in which browser, until when.
//!
//! In memory, since one lives ten minutes and strangers must not cause writes: after a restart one starts anew. Sans-IO: the
//! time is passed in. Bound: 50 of one network, 5,000 in all; past it the oldest of them gives its place, so that those that
//! nobody ever finished keep nobody out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use mesh_protocol::http::DeviceIntro;
use openidconnect::{Nonce, PkceCodeVerifier};
use parking_lot::Mutex;

use crate::auth::pairing::network;
use crate::auth::random;
use crate::store::{SignInId, TokenHash};

/// How long somebody may take at the provider.
pub const FLOW_TTL: Duration = Duration::from_secs(600);
const FLOW_TTL_MS: u64 = 600_000;
const PER_NETWORK: usize = 50;
const IN_ALL: usize = 5_000;

/// What the person wants there.
pub enum Purpose {
    /// To sign in; with an invitation, also to make an account where there is none and to enter its room.
    SignIn { invite: Option<TokenHash> },
    /// To let the account of this session sign in so from now on.
    Link { by: SignInId },
}

/// What was asked at the start.
pub struct Asked {
    pub purpose: Purpose,
    pub device: Option<DeviceIntro>,
    /// An address of this server.
    pub return_to: String,
}

/// What only this server knows about a request to the provider.
pub struct Secrets {
    pub nonce: Nonce,
    pub verifier: PkceCodeVerifier,
}

struct Flow {
    asked: Asked,
    secrets: Secrets,
    /// What the cookie of the browser that began holds, hashed.
    browser: TokenHash,
    address: IpAddr,
    expires_at: u64,
    /// Tells which is older in the same millisecond.
    number: u64,
}

/// The sign-ins under way at this node.
#[derive(Default)]
pub struct Flows {
    /// Held for a lookup or a change.
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_state: HashMap<TokenHash, Flow>,
    begun: u64,
}

impl Flows {
    /// Takes up a sign-in under the `state` of its request. Returns what the browser's cookie is to hold.
    pub fn begin(&self, state: &str, asked: Asked, secrets: Secrets, address: IpAddr, now_ms: u64) -> String {
        let cookie = random::token();
        let mut table = self.table.lock();
        table.by_state.retain(|_, flow| flow.expires_at > now_ms);
        let network_of = |flow: &Flow| network(flow.address) == network(address);
        if table.by_state.values().filter(|flow| network_of(flow)).count() >= PER_NETWORK {
            table.drop_oldest(network_of);
        }
        if table.by_state.len() >= IN_ALL {
            table.drop_oldest(|_| true);
        }
        table.begun += 1;
        let flow = Flow {
            asked,
            secrets,
            browser: random::hash(&cookie),
            address,
            expires_at: now_ms + FLOW_TTL_MS,
            number: table.begun,
        };
        table.by_state.insert(random::hash(state), flow);
        cookie
    }

    /// Uses a sign-in up, where it was begun by the browser with this cookie. Another browser changes nothing.
    pub fn take(&self, state: &str, cookie: &str, now_ms: u64) -> Option<(Asked, Secrets)> {
        let key = random::hash(state);
        let mut table = self.table.lock();
        let flow = table.by_state.get(&key)?;
        if flow.browser != random::hash(cookie) || flow.expires_at <= now_ms {
            return None;
        }
        let flow = table.by_state.remove(&key)?;
        Some((flow.asked, flow.secrets))
    }

    /// Drops what has expired.
    pub fn sweep(&self, now_ms: u64) {
        self.table
            .lock()
            .by_state
            .retain(|_, flow| flow.expires_at > now_ms);
    }
}

impl Table {
    fn drop_oldest(&mut self, of: impl Fn(&Flow) -> bool) {
        let candidates = self.by_state.iter().filter(|(_, flow)| of(flow));
        let oldest = candidates
            .min_by_key(|(_, flow)| flow.number)
            .map(|(key, _)| *key);
        if let Some(key) = oldest {
            self.by_state.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(flows: &Flows, state: &str, address: &str, now_ms: u64) -> String {
        let asked = Asked {
            purpose: Purpose::SignIn { invite: None },
            device: None,
            return_to: "http://mesh/".into(),
        };
        let secrets = Secrets {
            nonce: Nonce::new("n".into()),
            verifier: PkceCodeVerifier::new("v".into()),
        };
        flows.begin(state, asked, secrets, address.parse().unwrap(), now_ms)
    }

    #[test]
    fn a_flow_is_good_once_in_its_own_browser_and_for_ten_minutes() {
        let flows = Flows::default();
        let (one, two) = (
            begin(&flows, "one", "127.0.0.1", 0),
            begin(&flows, "two", "127.0.0.1", 0),
        );
        assert!(flows.take("one", &two, 1).is_none() && flows.take("one", "", 1).is_none());
        assert!(flows.take("three", &one, 1).is_none());
        assert!(
            flows.take("one", &one, 1).is_some(),
            "another browser used nothing up"
        );
        assert!(flows.take("one", &one, 1).is_none());
        assert!(flows.take("two", &two, FLOW_TTL_MS).is_none());
    }

    #[test]
    fn flows_are_bounded_and_the_oldest_go_first() {
        let flows = Flows::default();
        let first = begin(&flows, "first", "192.0.2.1", 0);
        let other = begin(&flows, "other", "198.51.100.1", 0);
        for n in 0..PER_NETWORK {
            begin(&flows, &format!("s{n}"), "192.0.2.1", 0);
        }
        assert!(
            flows.take("first", &first, 1).is_none(),
            "the oldest of its network"
        );
        assert_eq!(flows.table.lock().by_state.len(), PER_NETWORK + 1);
        for n in 0..IN_ALL as u32 {
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + (n << 8)).to_string();
            begin(&flows, &format!("t{n}"), &address, 0);
        }
        assert_eq!(flows.table.lock().by_state.len(), IN_ALL);
        assert!(flows.take("other", &other, 1).is_none());
        flows.sweep(FLOW_TTL_MS);
        assert!(flows.table.lock().by_state.is_empty());
    }
}
