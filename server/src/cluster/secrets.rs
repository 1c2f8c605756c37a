//! The keys that all nodes share: those that sign capabilities, and the one by which push services know the server.
//!
//! They are kept in the database, sealed under a key that is derived from `MESH_JWT_SECRET`, which all nodes have: who reads the
//! database alone, or a backup of it, has none of them. The files of each data directory are the node's working copies, so that
//! everything that reads and changes them is as it is on one node. What changed in one copy since it was last the same goes into the
//! database, unless another node was faster; anything else comes from there.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use sha2::Sha256;

use crate::auth::keys::write_private;
use crate::config::Secret;
use crate::store::{Store, StoreError};

const FILES: [&str; 2] = ["capability.key", "push.key"];
const NONCE: usize = 12;
/// Two nodes that change the same key at the same time: one wins at once.
const ATTEMPTS: usize = 5;

/// Why the keys are not shared; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error(
        "the keys in the database were sealed under another MESH_JWT_SECRET: give this node the one that the others have"
    )]
    OtherSecret,
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("other nodes change the keys all the time")]
    Busy,
}

/// See the module.
pub struct SharedKeys {
    store: Arc<dyn Store>,
    dir: PathBuf,
    cipher: Aes256Gcm,
    /// What both were when they were last the same.
    last: HashMap<&'static str, String>,
}

impl SharedKeys {
    /// Over the database that the nodes share.
    pub fn new(store: Arc<dyn Store>, dir: &Path, secret: &Secret) -> Self {
        let mut key = [0; 32];
        let derived =
            Hkdf::<Sha256>::new(None, secret.expose().as_bytes()).expand(b"mesh shared keys v1", &mut key);
        debug_assert!(derived.is_ok(), "32 bytes are not too many");
        Self {
            store,
            dir: dir.to_owned(),
            cipher: Aes256Gcm::new(&key.into()),
            last: HashMap::new(),
        }
    }

    /// Makes the files and the database the same. A file that neither has is made by whoever needs it, and shared the next time.
    pub async fn exchange(&mut self) -> Result<(), SecretsError> {
        for name in FILES {
            self.exchange_one(name).await?;
        }
        Ok(())
    }

    async fn exchange_one(&mut self, name: &'static str) -> Result<(), SecretsError> {
        let setting = format!("shared {name}");
        for _ in 0..ATTEMPTS {
            let sealed = self.store.setting(&setting).await?;
            let theirs = match &sealed {
                Some(sealed) => Some(self.open(name, sealed).ok_or(SecretsError::OtherSecret)?),
                None => None,
            };
            let ours = self.read(name).await?;
            match (ours, theirs) {
                (None, None) => return Ok(()),
                (Some(ours), Some(theirs)) if ours == theirs => {
                    self.last.insert(name, ours);
                    return Ok(());
                }
                (Some(ours), theirs) if theirs.is_none() || theirs.as_ref() == self.last.get(name) => {
                    let fresh = self.seal(name, &ours);
                    if self
                        .store
                        .swap_setting(&setting, sealed.as_deref(), &fresh)
                        .await?
                    {
                        self.last.insert(name, ours);
                        return Ok(());
                    }
                }
                (_, Some(theirs)) => {
                    self.write(name, &theirs).await?;
                    self.last.insert(name, theirs);
                    return Ok(());
                }
                (Some(_), None) => {}
            }
        }
        Err(SecretsError::Busy)
    }

    async fn read(&self, name: &'static str) -> Result<Option<String>, SecretsError> {
        let path = self.dir.join(name);
        let shown = path.display().to_string();
        match tokio::task::spawn_blocking(move || fs::read_to_string(path)).await {
            Ok(Ok(text)) => Ok(Some(text)),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(Err(source)) => Err(SecretsError::Io { path: shown, source }),
            Err(error) => Err(SecretsError::Io {
                path: shown,
                source: io::Error::other(error),
            }),
        }
    }

    async fn write(&self, name: &'static str, text: &str) -> Result<(), SecretsError> {
        let path = self.dir.join(name);
        let (shown, text) = (path.display().to_string(), text.to_owned());
        let written = tokio::task::spawn_blocking(move || write_private(&path, &text)).await;
        written
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|source| SecretsError::Io { path: shown, source })
    }

    fn seal(&self, name: &str, text: &str) -> String {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload {
            msg: text.as_bytes(),
            aad: name.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(Nonce::from_slice(&nonce), payload)
            .unwrap_or_default();
        URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    fn open(&self, name: &str, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let payload = Payload {
            msg: sealed,
            aad: name.as_bytes(),
        };
        let text = self.cipher.decrypt(Nonce::from_slice(nonce), payload).ok()?;
        String::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn nodes_share_the_keys_of_the_first_and_what_any_of_them_changes() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir.path().join("mesh.db")).await.unwrap());
        let secret = Secret::new("a secret that all nodes have in common");
        let node = |name: &str| {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).unwrap();
            SharedKeys::new(store.clone(), &folder, &secret)
        };
        let (mut a, mut b) = (node("a"), node("b"));
        let path = |node: &SharedKeys| node.dir.join(FILES[0]);
        let read = |node: &SharedKeys| fs::read_to_string(path(node)).unwrap();
        a.exchange().await.unwrap();
        fs::write(path(&a), "first").unwrap();
        // Made at the same time, and told later.
        fs::write(path(&b), "never used").unwrap();
        a.exchange().await.unwrap();
        b.exchange().await.unwrap();
        assert_eq!(read(&b), "first");
        fs::write(path(&b), "rotated").unwrap();
        b.exchange().await.unwrap();
        a.exchange().await.unwrap();
        assert_eq!(read(&a), "rotated");
        let kept = store.setting("shared capability.key").await.unwrap().unwrap();
        assert!(!kept.contains("rotated"));
        let folder = dir.path().join("c");
        fs::create_dir(&folder).unwrap();
        let mut other = SharedKeys::new(
            store.clone(),
            &folder,
            &Secret::new("another secret of somebody else"),
        );
        assert!(matches!(other.exchange().await, Err(SecretsError::OtherSecret)));
    }
}
