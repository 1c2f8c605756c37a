//! What the agent remembers: the session of the signed-in person and the key of this device. Both files are open to
//! their owner only, and neither ever reaches a log.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh_protocol::http::Session;
use mesh_protocol::ids::{DeviceId, UserId};
use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};

use super::Paths;
use crate::exit::{Failure, Outcome};

/// The most that a state file may hold, bytes.
const MAX_STATE_FILE: u64 = 64 * 1024;

/// The session as it is kept on disk.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredSession {
    /// The server's address, without a trailing slash.
    pub server: String,
    pub token: String,
    pub user_id: UserId,
    pub name: String,
    pub device_id: DeviceId,
    pub device_name: String,
    /// Unix seconds.
    pub expires_at: u64,
    /// The server is reached without encryption, although it is not this machine; the person chose so.
    #[serde(default)]
    pub plaintext: bool,
}

impl std::fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredSession")
            .field("server", &self.server)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl StoredSession {
    /// What a sign-in gave.
    pub fn new(server: &str, plaintext: bool, device_name: &str, session: Session) -> Self {
        Self {
            server: server.trim_end_matches('/').to_owned(),
            token: session.token,
            user_id: session.user_id,
            name: session.name,
            device_id: session.device_id,
            device_name: device_name.to_owned(),
            expires_at: session.expires_at,
            plaintext,
        }
    }

    /// The stored session; without one, or when it is over at `now` (Unix seconds), the person has to sign in.
    pub fn load(paths: &Paths, now: u64) -> Outcome<Self> {
        let Some(text) = read_private(&paths.session_file())? else {
            return Err(Failure::not_signed_in());
        };
        let session: Self = serde_json::from_slice(&text).map_err(|_| {
            Failure::sign_in(format!(
                "The stored sign-in in {} is damaged: run `mesh login URL` again.",
                paths.session_file().display()
            ))
        })?;
        if session.expires_at <= now {
            return Err(Failure::sign_in(format!(
                "Your sign-in has expired: run `mesh login {}` again.",
                session.server
            )));
        }
        Ok(session)
    }

    /// Replaces the stored session.
    pub fn save(&self, paths: &Paths) -> Outcome {
        let text = serde_json::to_vec_pretty(self).map_err(Failure::general)?;
        write_private(&paths.session_file(), &text)
    }
}

/// The Ed25519 key by which the server knows this device again.
pub struct DeviceKey(ed25519_dalek::SigningKey);

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DeviceKey").field(&self.public()).finish()
    }
}

impl DeviceKey {
    /// The key of this device, made on first use.
    pub fn load_or_create(paths: &Paths) -> Outcome<Self> {
        let file = paths.device_key_file();
        if let Some(text) = read_private(&file)? {
            let seed = URL_SAFE_NO_PAD
                .decode(text.trim_ascii())
                .ok()
                .and_then(|seed| <[u8; 32]>::try_from(seed).ok());
            let seed = seed.ok_or_else(|| {
                Failure::general(format!(
                    "The device key in {} is damaged: remove it and sign in again.",
                    file.display()
                ))
            })?;
            return Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)));
        }
        let mut seed = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| Failure::general(format!("The system gives no random numbers: {error}.")))?;
        write_private(&file, URL_SAFE_NO_PAD.encode(seed).as_bytes())?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// The public half, base64url.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.verifying_key().as_bytes())
    }
}

/// A file of the state; `None` when there is none.
pub(crate) fn read_private(file: &Path) -> Outcome<Option<Vec<u8>>> {
    let cannot =
        |error: std::io::Error| Failure::general(format!("{} cannot be read: {error}.", file.display()));
    match std::fs::File::open(file) {
        Ok(open) => {
            let mut text = Vec::new();
            open.take(MAX_STATE_FILE).read_to_end(&mut text).map_err(cannot)?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(error)),
    }
}

/// Writes beside and renames, so that a crash leaves the old or the new, and nobody else can read either.
pub(crate) fn write_private(file: &Path, text: &[u8]) -> Outcome {
    let beside = file.with_extension(format!("new-{}", std::process::id()));
    let write = || {
        let _ = std::fs::remove_file(&beside);
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        new.write_all(text)?;
        new.sync_all()?;
        std::fs::rename(&beside, file)
    };
    write().map_err(|error| Failure::general(format!("{} cannot be written: {error}.", file.display())))
}
