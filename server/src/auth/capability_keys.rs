//! The keys that sign capabilities, and how they change.
//!
//! A new key is published [`LEAD`] before it signs, and an old one until its last token has died, so that a rotation is
//! noticed by nobody. They are kept in `capability.key` of the data directory, one line each: the seed, and the second from
//! which it signs. That file is the truth: a running server looks at it every few seconds, so that the operator's command
//! needs no restart. Whoever changes it holds `capability.lock` meanwhile.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh_protocol::capability::{CapabilityError, CapabilitySigner, CapabilityVerifier, Claims, Jwk, Jwks};
use mesh_protocol::limits::CLOCK_LEEWAY;
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};

use super::keys::{KeyError, write_private};

/// A key signs for so long, then a new one is made.
pub const ROTATE_AFTER: Duration = Duration::from_secs(90 * 24 * 3_600);
/// From the publication of a key to its first use. Peers ask again for a key they do not know, at most every 10 s.
pub const LEAD: Duration = Duration::from_secs(60);
/// The longest life of a token that `MESH_CAP_TTL` allows.
pub const LONGEST_TOKEN: Duration = Duration::from_secs(3_600);

const FILE: &str = "capability.key";
const LOCK: &str = "capability.lock";

/// A key as the file has it.
#[derive(Clone, PartialEq, Eq)]
struct Stored {
    seed: [u8; 32],
    /// Unix seconds.
    signs_from: u64,
}

impl Stored {
    fn new(signs_from: u64) -> Self {
        Self {
            seed: rand::random(),
            signs_from,
        }
    }

    /// Its `kid` is derived from it, so that another key never has the same name.
    fn signer(&self) -> Result<CapabilitySigner, CapabilityError> {
        let public = CapabilitySigner::from_seed("", &self.seed)?.jwk().x.clone();
        let kid = URL_SAFE_NO_PAD.encode(&Sha256::digest(public.as_bytes())[..9]);
        CapabilitySigner::from_seed(&kid, &self.seed)
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and not used yet.
    Waiting,
    Signing,
    /// Signs no more; its last tokens are still good.
    Ending,
}

/// What may be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    pub kid: String,
    /// Unix seconds.
    pub signs_from: u64,
    pub state: KeyState,
}

/// Why a key is replaced before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new one is published first, the old one stays for its last tokens.
    Orderly,
    /// Somebody else may have the old ones: they are good for nothing from now on.
    Compromised,
}

/// Oldest first, never empty.
struct KeySet {
    stored: Vec<Stored>,
    signers: Vec<CapabilitySigner>,
    jwks: Jwks,
    verifier: CapabilityVerifier,
}

impl KeySet {
    fn new(stored: Vec<Stored>) -> Result<Self, KeyError> {
        let signers: Vec<_> = stored.iter().map(Stored::signer).collect::<Result<_, _>>()?;
        let keys: Vec<Jwk> = signers.iter().map(|signer| signer.jwk().clone()).collect();
        let jwks = Jwks { keys };
        Ok(Self {
            stored,
            verifier: CapabilityVerifier::from_jwks(&jwks),
            signers,
            jwks,
        })
    }

    fn lacks_one_of(&self, before: &Self) -> bool {
        before.stored.iter().any(|key| !self.stored.contains(key))
    }
}

/// The youngest key that signs already; before the time of all of them the first, since a clock may be wrong.
fn signing(stored: &[Stored], now: u64) -> usize {
    stored.iter().rposition(|key| key.signs_from <= now).unwrap_or(0)
}

/// Takes away what has died and adds what is due; whether anything changed.
fn bring_up_to_date(stored: &mut Vec<Stored>, now: u64) -> bool {
    let before = stored.len();
    let kept = (LONGEST_TOKEN + CLOCK_LEEWAY).as_secs();
    while stored.get(1).is_some_and(|next| next.signs_from + kept <= now) {
        stored.remove(0);
    }
    let mut changed = stored.len() != before;
    let due = |last: &Stored| last.signs_from.saturating_add(ROTATE_AFTER.as_secs()) <= now;
    if stored.last().is_some_and(due) {
        stored.push(Stored::new(now + LEAD.as_secs()));
        changed = true;
    }
    changed
}

/// The keys of a running server.
pub struct CapabilityKeys {
    dir: PathBuf,
    /// Held to take or replace the handle.
    set: RwLock<Arc<KeySet>>,
    /// How often a key was dropped: what it signed and somebody remembers as verified counts no more.
    dropped: AtomicU64,
}

impl CapabilityKeys {
    /// Reads the keys; where there are none, the first is made.
    pub fn open(data_dir: &Path, now: u64) -> Result<Self, KeyError> {
        let stored = change(data_dir, |stored| {
            if stored.is_empty() {
                stored.push(Stored::new(now));
                return true;
            }
            bring_up_to_date(stored, now)
        })?;
        Ok(Self {
            dir: data_dir.to_owned(),
            set: RwLock::new(Arc::new(KeySet::new(stored)?)),
            dropped: AtomicU64::new(0),
        })
    }

    fn set(&self) -> Arc<KeySet> {
        self.set.read().clone()
    }

    /// Signs with the key of this moment.
    pub fn sign(&self, claims: &Claims, now: u64) -> Result<String, CapabilityError> {
        let set = self.set();
        let signer = set.signers.get(signing(&set.stored, now));
        signer.ok_or(CapabilityError::Key)?.sign(claims)
    }

    /// The signature, the form and the time of a token.
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, CapabilityError> {
        self.set().verifier.verify(token, now)
    }

    /// Every key whose tokens are good, or will be.
    pub fn published(&self) -> Jwks {
        self.set().jwks.clone()
    }

    /// Grows whenever a key was dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Acquire)
    }

    /// Reads the file again, makes a new key where one is due, and drops those that have died; whether the keys changed. Does
    /// blocking I/O.
    pub fn refresh(&self, now: u64) -> Result<bool, KeyError> {
        let mut stored = read(&self.dir)?;
        if stored.is_empty() || bring_up_to_date(&mut stored.clone(), now) {
            // Under the lock from the start: another process may have done it meanwhile.
            stored = change(&self.dir, |stored| {
                if stored.is_empty() {
                    // The file is gone: what is known goes on.
                    stored.clone_from(&self.set().stored);
                    return true;
                }
                bring_up_to_date(stored, now)
            })?;
        }
        let before = self.set();
        if stored == before.stored {
            return Ok(false);
        }
        let after = Arc::new(KeySet::new(stored)?);
        let dropped = after.lacks_one_of(&before);
        *self.set.write() = after;
        if dropped {
            self.dropped.fetch_add(1, Ordering::Release);
        }
        Ok(true)
    }
}

/// Replaces the key before its time. A running server takes it over within seconds.
pub fn rotate(data_dir: &Path, how: Rotation, now: u64) -> Result<Vec<KeyInfo>, KeyError> {
    let stored = change(data_dir, |stored| {
        match how {
            Rotation::Compromised => *stored = vec![Stored::new(now)],
            // One that waits already is the next.
            Rotation::Orderly if stored.last().is_some_and(|last| last.signs_from > now) => return false,
            Rotation::Orderly if stored.is_empty() => stored.push(Stored::new(now)),
            Rotation::Orderly => stored.push(Stored::new(now + LEAD.as_secs())),
        }
        true
    })?;
    info(&stored, now)
}

/// The keys as they are, oldest first.
pub fn list(data_dir: &Path, now: u64) -> Result<Vec<KeyInfo>, KeyError> {
    info(&read(data_dir)?, now)
}

fn info(stored: &[Stored], now: u64) -> Result<Vec<KeyInfo>, KeyError> {
    let current = signing(stored, now);
    let one = |(at, key): (usize, &Stored)| {
        Ok(KeyInfo {
            kid: key.signer()?.jwk().kid.clone(),
            signs_from: key.signs_from,
            state: match at.cmp(&current) {
                std::cmp::Ordering::Less => KeyState::Ending,
                std::cmp::Ordering::Equal => KeyState::Signing,
                std::cmp::Ordering::Greater => KeyState::Waiting,
            },
        })
    };
    stored.iter().enumerate().map(one).collect()
}

/// None where there is no file.
fn read(dir: &Path) -> Result<Vec<Stored>, KeyError> {
    let path = dir.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&path)(error)),
    };
    let stored: Option<Vec<_>> = text.lines().map(parse).collect();
    match stored {
        Some(stored) if !stored.is_empty() => Ok(stored),
        _ => Err(KeyError::Malformed(path.display().to_string())),
    }
}

/// A seed without a time is from a version that had one key for ever.
fn parse(line: &str) -> Option<Stored> {
    let (seed, signs_from) = line.trim().split_once(' ').unwrap_or((line.trim(), "0"));
    Some(Stored {
        seed: URL_SAFE_NO_PAD.decode(seed).ok()?.try_into().ok()?,
        signs_from: signs_from.parse().ok()?,
    })
}

/// Reads, changes and, where `change` says so, writes, with every other writer locked out.
fn change(dir: &Path, change: impl FnOnce(&mut Vec<Stored>) -> bool) -> Result<Vec<Stored>, KeyError> {
    let path = dir.join(LOCK);
    let lock = File::create(&path).map_err(failed(&path))?;
    lock.lock().map_err(failed(&path))?;
    let mut stored = read(dir)?;
    if change(&mut stored) {
        let line = |key: &Stored| format!("{} {}\n", URL_SAFE_NO_PAD.encode(key.seed), key.signs_from);
        let text: String = stored.iter().map(line).collect();
        let path = dir.join(FILE);
        write_private(&path, &text).map_err(failed(&path))?;
    }
    Ok(stored)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.display().to_string();
    move |source| KeyError::Io { path, source }
}

#[cfg(test)]
#[path = "capability_keys_tests.rs"]
mod tests;
