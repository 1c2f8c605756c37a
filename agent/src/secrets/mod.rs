//! Where the key of this device and its sign-in are kept: in the system's secret store, else in files that only their owner can
//! read.
//!
//! Owns [`SecretStore`] and the choice. A store is used where it is there, open, and lets this agent in without asking the
//! person anything: nothing here ever waits for somebody. The files of the state say which it is, so that a secret that was
//! put into a store is never taken for one that is missing.

#[cfg(any(target_os = "macos", windows))]
mod keychain;
#[cfg(all(target_os = "linux", feature = "desktop"))]
mod secret_service;

use std::path::Path;

use futures_util::future::BoxFuture;

use crate::config::Secret;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    DeviceKey,
    Session,
}

impl Item {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceKey => "device-key",
            Self::Session => "session",
        }
    }

    /// For the person who looks into their store.
    pub const fn label(self) -> &'static str {
        match self {
            Self::DeviceKey => "Mesh: the key of this device",
            Self::Session => "Mesh: the sign-in of this device",
        }
    }
}

/// Why a store did not do it: words for a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// A secret store of the system, open.
pub trait SecretStore: Send + Sync {
    /// For people.
    fn name(&self) -> &'static str;
    /// `None` where there is no such secret.
    fn get(&self, item: Item) -> BoxFuture<'_, Result<Option<Secret>, StoreError>>;
    /// Replaces what is there.
    fn set<'a>(&'a self, item: Item, secret: &'a Secret) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Also where there is none.
    fn delete(&self, item: Item) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// What this machine's store is called where none can be asked.
pub const STORE: &str = "the system's secret store";

/// The store of this session for the agent whose state is in this folder, or why there is none to use.
pub async fn system(state: &Path) -> Result<Box<dyn SecretStore>, StoreError> {
    #[cfg(all(target_os = "linux", feature = "desktop"))]
    return secret_service::open(state).await;
    #[cfg(any(target_os = "macos", windows))]
    return keychain::open(state);
    #[cfg(not(any(target_os = "macos", windows, all(target_os = "linux", feature = "desktop"))))]
    {
        let _ = state;
        Err(StoreError("this program was built without one".to_owned()))
    }
}

/// Puts a secret there and makes sure that it can be had back.
pub(crate) async fn put(store: &dyn SecretStore, item: Item, secret: &Secret) -> Result<(), StoreError> {
    store.set(item, secret).await?;
    match store.get(item).await? {
        Some(found) if found == *secret => Ok(()),
        _ => Err(StoreError(
            "it gives back something else than it was given".to_owned(),
        )),
    }
}
