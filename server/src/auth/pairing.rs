//! Devices that wait for somebody to let them in (RFC 8628): who asks, under which code, and what was answered.
//!
//! In memory, since a code lives five minutes and strangers must not cause writes: after a restart a device asks anew.
//! Sans-IO: the time is passed in. Bound: 10 of one network, 1,000 in all; a further one is refused. Codes are kept
//! hashed, the user's code with a secret of this process, as its 34 bits could be guessed from a plain hash.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use mesh_protocol::http::DeviceIntro;
use mesh_protocol::limits::{PAIRING_INTERVAL, PAIRING_SLOW_DOWN, PAIRING_TTL};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::random;
use super::throttle::Throttle;
use crate::store::{SignInId, TokenHash};

/// RFC 8628, section 6.1: no vowels, so that no words come about, and nothing that looks like another letter.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;
const PER_NETWORK: usize = 10;
const IN_ALL: usize = 1_000;

/// Too many devices wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// What a device gets when it asks.
pub struct Codes {
    pub device_code: String,
    /// With a hyphen in its middle.
    pub user_code: String,
}

/// A device that asks, as it is shown to whoever has its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    pub device: DeviceIntro,
    pub address: IpAddr,
    /// Unix milliseconds.
    pub expires_at: u64,
}

/// What a device that polls is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Poll {
    Pending,
    /// It polled before its interval was over, which is longer from now on.
    SlowDown,
    /// Its time is over, or there never was such a code.
    Expired,
    Declined,
    /// Let in under this sign-in. Told once.
    Approved {
        device: DeviceIntro,
        by: SignInId,
    },
}

enum Answer {
    None,
    Declined,
    Approved(SignInId),
}

struct Waiting {
    asking: Asking,
    user_code: TokenHash,
    answer: Answer,
    interval_ms: u64,
    /// Unix milliseconds before which it must not poll again.
    not_before: u64,
}

#[derive(Default)]
struct Table {
    by_device_code: HashMap<TokenHash, Waiting>,
    /// Those without an answer: a code counts once.
    by_user_code: HashMap<TokenHash, TokenHash>,
}

/// The devices that ask this node.
pub struct Pairings {
    secret: [u8; 32],
    /// Held for a lookup or a change.
    table: Mutex<Table>,
    wrong_codes: Throttle,
}

impl Default for Pairings {
    fn default() -> Self {
        Self {
            secret: rand::random(),
            table: Mutex::default(),
            wrong_codes: Throttle::default(),
        }
    }
}

impl Pairings {
    /// Takes up a device. Its first poll may come at once.
    pub fn ask(&self, device: DeviceIntro, address: IpAddr, now_ms: u64) -> Result<Codes, TooMany> {
        let mut table = self.table.lock();
        table.drop_expired(now_ms);
        let own = table
            .by_device_code
            .values()
            .filter(|waiting| network(waiting.asking.address) == network(address));
        if table.by_device_code.len() >= IN_ALL || own.count() >= PER_NETWORK {
            return Err(TooMany);
        }
        let (letters, user_code) = loop {
            let letters = new_letters();
            let hash = self.hash(&letters);
            if !table.by_user_code.contains_key(&hash) {
                break (letters, hash);
            }
        };
        let device_code = random::token();
        let key = random::hash(&device_code);
        let asking = Asking {
            device,
            address,
            expires_at: now_ms + millis(PAIRING_TTL),
        };
        let waiting = Waiting {
            asking,
            user_code,
            answer: Answer::None,
            interval_ms: millis(PAIRING_INTERVAL),
            not_before: now_ms,
        };
        table.by_device_code.insert(key, waiting);
        table.by_user_code.insert(user_code, key);
        let (first, second) = letters.split_at(LENGTH / 2);
        Ok(Codes {
            device_code,
            user_code: format!("{first}-{second}"),
        })
    }

    /// The device that shows this code and has no answer yet. The code may be written in any case, with or without hyphen.
    pub fn asking(&self, user_code: &str, now_ms: u64) -> Option<Asking> {
        let table = self.table.lock();
        let key = table.by_user_code.get(&self.hash(&letters_of(user_code)?))?;
        let waiting = table.by_device_code.get(key)?;
        (waiting.asking.expires_at > now_ms).then(|| waiting.asking.clone())
    }

    /// Lets the device in under a sign-in, or declines; whether there was such a code.
    pub fn answer(&self, user_code: &str, by: Option<SignInId>, now_ms: u64) -> bool {
        let Some(letters) = letters_of(user_code) else {
            return false;
        };
        let mut table = self.table.lock();
        let Some(key) = table.by_user_code.remove(&self.hash(&letters)) else {
            return false;
        };
        let Some(waiting) = table.by_device_code.get_mut(&key) else {
            return false;
        };
        if waiting.asking.expires_at <= now_ms {
            return false;
        }
        waiting.answer = by.map_or(Answer::Declined, Answer::Approved);
        true
    }

    /// A device asks what became of it.
    pub fn poll(&self, device_code: &str, now_ms: u64) -> Poll {
        let key = random::hash(device_code);
        let mut table = self.table.lock();
        let Some(waiting) = table.by_device_code.get_mut(&key) else {
            return Poll::Expired;
        };
        if waiting.asking.expires_at <= now_ms {
            table.remove(&key);
            return Poll::Expired;
        }
        let early = now_ms < waiting.not_before;
        if early {
            waiting.interval_ms += millis(PAIRING_SLOW_DOWN);
        }
        waiting.not_before = now_ms + waiting.interval_ms;
        if early {
            return Poll::SlowDown;
        }
        if matches!(waiting.answer, Answer::None) {
            return Poll::Pending;
        }
        match table.remove(&key) {
            Some(Waiting {
                answer: Answer::Approved(by),
                asking,
                ..
            }) => Poll::Approved {
                device: asking.device,
                by,
            },
            _ => Poll::Declined,
        }
    }

    /// Entered codes are counted by user, so that nobody finds a code that a stranger's device shows.
    pub fn wrong_codes(&self) -> &Throttle {
        &self.wrong_codes
    }

    /// Drops what has expired.
    pub fn sweep(&self, now_ms: u64) {
        self.table.lock().drop_expired(now_ms);
        self.wrong_codes.sweep();
    }

    fn hash(&self, letters: &str) -> TokenHash {
        let digest = Sha256::new().chain_update(self.secret).chain_update(letters);
        TokenHash(digest.finalize().into())
    }
}

impl Table {
    fn remove(&mut self, key: &TokenHash) -> Option<Waiting> {
        let waiting = self.by_device_code.remove(key)?;
        if self.by_user_code.get(&waiting.user_code) == Some(key) {
            self.by_user_code.remove(&waiting.user_code);
        }
        Some(waiting)
    }

    fn drop_expired(&mut self, now_ms: u64) {
        let over =
            |(key, waiting): (&TokenHash, &Waiting)| (waiting.asking.expires_at <= now_ms).then_some(*key);
        let keys: Vec<_> = self.by_device_code.iter().filter_map(over).collect();
        for key in keys {
            self.remove(&key);
        }
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What one subscriber has: an address, or for IPv6 a network of 64 bits.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

fn new_letters() -> String {
    // 2^64 is no multiple of 20^8: some codes are likelier by one part in 10^8, which helps nobody.
    let mut number = rand::random::<u64>();
    let mut letter = || {
        let letter = LETTERS[usize::try_from(number % 20).unwrap_or_default()];
        number /= 20;
        char::from(letter)
    };
    (0..LENGTH).map(|_| letter()).collect()
}

/// The letters of a code as a person typed it.
fn letters_of(typed: &str) -> Option<String> {
    let letters: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| c.to_ascii_uppercase())
        .take(LENGTH + 1)
        .collect();
    let right = letters.len() == LENGTH && letters.bytes().all(|b| LETTERS.contains(&b));
    right.then_some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_protocol::http::DeviceKind;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn device() -> DeviceIntro {
        DeviceIntro {
            name: "Desk".into(),
            kind: DeviceKind::Agent,
            key: None,
        }
    }

    #[test]
    fn a_code_is_eight_clear_letters_however_it_is_typed() {
        let pairings = Pairings::default();
        let codes = pairings.ask(device(), HERE, 0).unwrap();
        assert_eq!(codes.user_code.len(), 9);
        assert!(codes.user_code.bytes().all(|b| b == b'-' || LETTERS.contains(&b)));
        let loose = codes.user_code.to_lowercase().replace('-', " ");
        assert_eq!(pairings.asking(&loose, 1).unwrap().device, device());
        for wrong in ["", "BCDF", "BCDF-GHJA", "BCDFGHJKL", "ÄÖÜ", &codes.device_code] {
            assert_eq!(pairings.asking(wrong, 1), None, "{wrong}");
        }
    }

    #[test]
    fn an_approval_is_told_once_and_a_code_counts_once() {
        let pairings = Pairings::default();
        let by = SignInId("s".into());
        let codes = pairings.ask(device(), HERE, 0).unwrap();
        assert_eq!(pairings.poll(&codes.device_code, 0), Poll::Pending);
        assert!(pairings.answer(&codes.user_code, Some(by.clone()), 1));
        assert!(!pairings.answer(&codes.user_code, None, 1));
        assert_eq!(pairings.asking(&codes.user_code, 1), None);
        let approved = Poll::Approved { device: device(), by };
        assert_eq!(pairings.poll(&codes.device_code, 2_000), approved);
        assert_eq!(pairings.poll(&codes.device_code, 9_000), Poll::Expired);
        let declined = pairings.ask(device(), HERE, 0).unwrap();
        assert!(pairings.answer(&declined.user_code, None, 1));
        assert_eq!(pairings.poll(&declined.device_code, 1), Poll::Declined);
    }

    #[test]
    fn impatience_costs_five_seconds_each_time() {
        let pairings = Pairings::default();
        let codes = pairings.ask(device(), HERE, 0).unwrap();
        let poll = |now| pairings.poll(&codes.device_code, now);
        assert_eq!(poll(0), Poll::Pending);
        assert_eq!(poll(1_999), Poll::SlowDown);
        assert_eq!(poll(1_999 + 6_999), Poll::SlowDown);
        assert_eq!(poll(1_999 + 6_999 + 12_000), Poll::Pending);
    }

    #[test]
    fn five_minutes_are_all() {
        let pairings = Pairings::default();
        let codes = pairings.ask(device(), HERE, 0).unwrap();
        assert!(pairings.asking(&codes.user_code, 299_999).is_some());
        assert_eq!(pairings.asking(&codes.user_code, 300_000), None);
        assert!(!pairings.answer(&codes.user_code, Some(SignInId("s".into())), 300_000));
        assert_eq!(pairings.poll(&codes.device_code, 300_000), Poll::Expired);
    }

    #[test]
    fn waiting_devices_are_bounded_by_network_and_in_all() {
        let pairings = Pairings::default();
        let ask = |address: &str, now| pairings.ask(device(), address.parse().unwrap(), now).is_ok();
        for n in 0..PER_NETWORK {
            assert!(ask(&format!("2001:db8::{n:x}"), 0));
        }
        assert!(!ask("2001:db8::ffff", 0) && ask("2001:db8:0:1::1", 0));
        assert!(
            ask("2001:db8::ffff", 300_000),
            "the expired ones give their places back"
        );
        let taken =
            (0..IN_ALL as u32 * 2).filter(|n| ask(&std::net::Ipv4Addr::from(n << 8).to_string(), 300_000));
        assert_eq!(taken.count(), IN_ALL - 1);
        pairings.sweep(600_000);
        let table = pairings.table.lock();
        assert!(table.by_device_code.is_empty() && table.by_user_code.is_empty());
    }
}
