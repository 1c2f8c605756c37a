//! The server's published keys, so that a peer judges capabilities by itself.
//!
//! Owns the cache. Keys are fetched when a token names one that is not known, at most every few seconds: whoever makes
//! up key names cannot make this device hammer the server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mesh_protocol::capability::{CapabilityError, CapabilityVerifier, Claims, Jwks};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{ApiError, ControlPlane};

/// The least time between two fetches.
const FETCH_EVERY: Duration = Duration::from_secs(5);

/// Why a token could not be judged, or was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It was judged, and is not good.
    #[error(transparent)]
    Refused(#[from] CapabilityError),
    /// Its key is not known here and the published ones could not be fetched.
    #[error(transparent)]
    Fetch(#[from] ApiError),
}

/// The published keys of one server; cheap to clone, all clones share the cache.
#[derive(Clone, Debug)]
pub struct Keys {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None`: these keys are all there ever are.
    control: Option<ControlPlane>,
    cached: Mutex<Cached>,
    /// One fetch at a time; whoever waits finds what the one before brought. A fetch ends within 10 s.
    fetching: Semaphore,
}

#[derive(Debug, Default)]
struct Cached {
    verifier: Arc<CapabilityVerifier>,
    fetched: Option<Instant>,
}

impl Keys {
    /// The keys that this server publishes; nothing is fetched yet.
    pub fn new(control: ControlPlane) -> Self {
        Self::with(Some(control), CapabilityVerifier::default())
    }

    /// These keys and no others.
    pub fn fixed(jwks: &Jwks) -> Self {
        Self::with(None, CapabilityVerifier::from_jwks(jwks))
    }

    fn with(control: Option<ControlPlane>, verifier: CapabilityVerifier) -> Self {
        let cached = Mutex::new(Cached {
            verifier: Arc::new(verifier),
            fetched: None,
        });
        Self {
            inner: Arc::new(Inner {
                control,
                cached,
                fetching: Semaphore::new(1),
            }),
        }
    }

    /// Fetches now, so that the first session need not wait.
    pub async fn refresh(&self) -> Result<(), ApiError> {
        let Some(control) = &self.inner.control else {
            return Ok(());
        };
        // Never closed; a fetch without the permit would only be a fetch too many.
        let _permit = self.inner.fetching.acquire().await.ok();
        self.fetch(control).await
    }

    /// The signature, the form and the time of a token; `now` in Unix seconds. What it is good for is
    /// [`Claims::check`].
    pub async fn verify(&self, token: &str, now: u64) -> Result<Claims, KeysError> {
        Ok(self.verifier_for(token).await?.verify(token, now)?)
    }

    /// The newest keys, fetched again if the one that signed `token` is not among them.
    pub async fn verifier_for(&self, token: &str) -> Result<Arc<CapabilityVerifier>, ApiError> {
        let verifier = self.cached().0;
        let Some(control) = self
            .inner
            .control
            .as_ref()
            .filter(|_| !verifier.knows_key_of(token))
        else {
            return Ok(verifier);
        };
        let _permit = self.inner.fetching.acquire().await.ok();
        let (verifier, fetched) = self.cached();
        let recent = fetched.is_some_and(|at| at.elapsed() < FETCH_EVERY);
        if recent || verifier.knows_key_of(token) {
            return Ok(verifier);
        }
        self.fetch(control).await?;
        Ok(self.cached().0)
    }

    fn cached(&self) -> (Arc<CapabilityVerifier>, Option<Instant>) {
        let cached = self.inner.cached.lock().unwrap_or_else(PoisonError::into_inner);
        (cached.verifier.clone(), cached.fetched)
    }

    async fn fetch(&self, control: &ControlPlane) -> Result<(), ApiError> {
        let jwks = control.jwks().await?;
        let verifier = Arc::new(CapabilityVerifier::from_jwks(&jwks));
        *self.inner.cached.lock().unwrap_or_else(PoisonError::into_inner) = Cached {
            verifier,
            fetched: Some(Instant::now()),
        };
        Ok(())
    }
}
