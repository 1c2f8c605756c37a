//! Passwords: argon2id with the parameters of OWASP, never more than two at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// m = 19 MiB, t = 2, p = 1.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// At most this many at once, so that a burst of sign-ins takes neither all memory nor every core.
const AT_ONCE: usize = 2;
/// Those that wait beyond are refused with `THROTTLED`.
const WAITING: usize = 256;

/// Too many sign-ins wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("too many sign-ins at once")]
    Busy,
    #[error("the password could not be hashed")]
    Failed,
}

/// How much was hashed since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashing {
    pub in_all: usize,
    /// The most that ever ran at the same time.
    pub most_at_once: usize,
}

#[derive(Default)]
struct Load {
    in_all: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Hashes and checks passwords on blocking threads.
#[derive(Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Checked in place of the hash of a user that does not exist, so that both take as long.
    dummy: Arc<str>,
    load: Arc<Load>,
}

fn argon2() -> Argon2<'static> {
    // The parameters are constants within the allowed range.
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    let salt = rand::random::<[u8; 16]>();
    let hash = argon2()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|_| PasswordError::Failed)?;
    Ok(hash.to_string())
}

impl Passwords {
    /// Prepares the dummy hash, which takes as long as one sign-in.
    pub async fn new() -> Result<Self, PasswordError> {
        let dummy = tokio::task::spawn_blocking(|| hash_now(&super::random::token()));
        Ok(Self {
            running: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            dummy: dummy.await.map_err(|_| PasswordError::Failed)??.into(),
            load: Arc::default(),
        })
    }

    /// The PHC string to be stored.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let password = password.to_owned();
        self.run(|| true, move || hash_now(&password))
            .await?
            .unwrap_or(Err(PasswordError::Failed))
    }

    /// Whether the password is the right one. `stored` is `None` for a user that does not exist or has no password: then
    /// the answer is `false` after the same work. `admit` is asked once more before the work begins, since a burst may
    /// have waited here together; refused, the answer is `None`.
    pub async fn verify(
        &self,
        password: &str,
        stored: Option<&str>,
        admit: impl FnOnce() -> bool,
    ) -> Result<Option<bool>, PasswordError> {
        let known = stored.is_some();
        let hash: Arc<str> = stored.map_or_else(|| self.dummy.clone(), Arc::from);
        let password = password.to_owned();
        let matches = move || {
            PasswordHash::new(&hash)
                .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
        };
        Ok(self.run(admit, matches).await?.map(|matched| matched && known))
    }

    /// How much was hashed, checks included.
    pub fn hashing(&self) -> Hashing {
        Hashing {
            in_all: self.load.in_all.load(Ordering::Relaxed),
            most_at_once: self.load.most.load(Ordering::Relaxed),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        admit: impl FnOnce() -> bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, PasswordError> {
        let _place = self
            .waiting
            .clone()
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let turn = self
            .running
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| PasswordError::Busy)?;
        if !admit() {
            return Ok(None);
        }
        // The turn goes along: a caller that gives up does not free it before the work is done.
        let load = self.load.clone();
        let work = tokio::task::spawn_blocking(move || {
            load.in_all.fetch_add(1, Ordering::Relaxed);
            let now = load.now.fetch_add(1, Ordering::Relaxed) + 1;
            load.most.fetch_max(now, Ordering::Relaxed);
            let result = work();
            load.now.fetch_sub(1, Ordering::Relaxed);
            drop(turn);
            result
        });
        work.await.map(Some).map_err(|_| PasswordError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_has_the_agreed_parameters_and_fits_its_password_only() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(
            passwords.verify("correct horse", Some(&hash), || true).await,
            Ok(Some(true))
        );
        assert_eq!(
            passwords.verify("wrong", Some(&hash), || true).await,
            Ok(Some(false))
        );
        assert_eq!(
            passwords.verify("correct horse", None, || true).await,
            Ok(Some(false))
        );
        assert_eq!(
            passwords.verify("correct horse", Some(&hash), || false).await,
            Ok(None)
        );
    }
}
