//! macOS and Windows: the Keychain and the Credential Manager, by `keyring`.

use std::path::Path;

use futures_util::future::BoxFuture;
use keyring::v1::{Entry, Error};

use super::{Item, SecretStore, StoreError};
use crate::config::Secret;

/// The application's name there.
const SERVICE: &str = "mesh-agent";

struct Keychain {
    /// Tells agents of one person apart.
    state: String,
}

pub(super) fn open(state: &Path) -> Result<Box<dyn SecretStore>, StoreError> {
    let state = state.display().to_string();
    if let Err(error) = Entry::store_status() {
        return Err(StoreError(error.to_string()));
    }
    Ok(Box::new(Keychain { state }))
}

impl Keychain {
    /// The library waits for the system, so it does that on a thread for waiting.
    fn with<T: Send + 'static>(
        &self,
        item: Item,
        work: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<Option<T>, StoreError>> {
        let name = format!("{} of {}", item.as_str(), self.state);
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || {
                match Entry::new(SERVICE, &name).and_then(|entry| work(&entry)) {
                    Ok(done) => Ok(Some(done)),
                    Err(Error::NoEntry) => Ok(None),
                    Err(error) => Err(StoreError(error.to_string())),
                }
            });
            done.await.map_err(|error| StoreError(error.to_string()))?
        })
    }
}

impl SecretStore for Keychain {
    fn name(&self) -> &'static str {
        if cfg!(windows) {
            "the Credential Manager"
        } else {
            "the Keychain"
        }
    }

    fn get(&self, item: Item) -> BoxFuture<'_, Result<Option<Secret>, StoreError>> {
        let found = self.with(item, Entry::get_password);
        Box::pin(async move { Ok(found.await?.map(Secret::new)) })
    }

    fn set<'a>(&'a self, item: Item, secret: &'a Secret) -> BoxFuture<'a, Result<(), StoreError>> {
        let secret = secret.clone();
        let set = self.with(item, move |entry| entry.set_password(secret.expose()));
        Box::pin(async move { set.await.map(drop) })
    }

    fn delete(&self, item: Item) -> BoxFuture<'_, Result<(), StoreError>> {
        let deleted = self.with(item, Entry::delete_credential);
        Box::pin(async move { deleted.await.map(drop) })
    }
}
