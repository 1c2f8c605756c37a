//! What the agent remembers: the session of the signed-in person and the key of this device. Both have a file that is open to
//! its owner only; the secrets are in them, or in the system's secret store, and neither ever reaches a log.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh_protocol::http::Session;
use mesh_protocol::ids::{DeviceId, UserId};
use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};

use super::{Keeping, Paths, Secret};
use crate::exit::{Failure, Outcome};
use crate::secrets::{self, Item, STORE};
use crate::system;

/// The most that a state file may hold, bytes.
const MAX_STATE_FILE: u64 = 64 * 1024;

/// What stands in the file of the device key where the key itself is in the system's secret store.
const ELSEWHERE: &[u8] = b"in the secret store of the system\n";

/// Where a secret is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// In the file itself.
    #[default]
    File,
    /// In the system's secret store.
    System,
}

impl Kept {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::System => "system",
        }
    }
}

/// The session as it is kept on disk.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredSession {
    /// The server's address, without a trailing slash.
    pub server: String,
    /// Empty where it is kept elsewhere, until [`StoredSession::with_token`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
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
    /// Where the token is.
    #[serde(default)]
    pub kept: Kept,
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
            kept: Kept::File,
        }
    }

    /// The stored session, perhaps without its token; without one, or when it is over at `now` (Unix seconds), the person
    /// has to sign in.
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

    /// The same with its token, wherever that is.
    pub async fn with_token(mut self, paths: &Paths) -> Outcome<Self> {
        if self.kept == Kept::System {
            let again = format!(
                "`mesh login {}` with `MESH_SECRETS=file` signs in anew",
                self.server
            );
            let secret = from_store(paths, Item::Session, &again).await?;
            self.token = secret.expose().to_owned();
        }
        Ok(self)
    }

    /// Replaces the stored session; its token goes where secrets are to be kept.
    pub async fn save(&self, paths: &Paths, keeping: Keeping) -> Outcome<Kept> {
        let kept = keep(paths, keeping, Item::Session, &Secret::new(&self.token)).await?;
        let mut stored = self.clone();
        stored.kept = kept;
        if kept == Kept::System {
            stored.token.clear();
        }
        let text = serde_json::to_vec_pretty(&stored).map_err(Failure::general)?;
        write_private(&paths.session_file(), &text)?;
        Ok(kept)
    }
}

/// Puts a secret into the store, where it is to be kept there and can be; else it belongs into a file.
async fn keep(paths: &Paths, keeping: Keeping, item: Item, secret: &Secret) -> Outcome<Kept> {
    let wanted = match keeping {
        Keeping::File => false,
        Keeping::System => true,
        // What runs while nobody is logged in finds no store that is open.
        Keeping::Auto => !crate::autostart::lingers(),
    };
    if !wanted {
        return Ok(Kept::File);
    }
    let put = async {
        let store = secrets::system(&paths.state).await?;
        secrets::put(store.as_ref(), item, secret).await
    };
    match put.await {
        Ok(()) => Ok(Kept::System),
        Err(error) if keeping == Keeping::System => Err(Failure::general(format!(
            "Secrets are to be kept in {STORE}, which cannot be used ({error}): unlock it, or set secrets = \"auto\"."
        ))),
        Err(error) => {
            tracing::info!(%error, "secrets are kept in files");
            Ok(Kept::File)
        }
    }
}

/// What a file says is in the store.
async fn from_store(paths: &Paths, item: Item, otherwise: &str) -> Outcome<Secret> {
    let found = async { secrets::system(&paths.state).await?.get(item).await };
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::general(format!(
            "{} is in {STORE}, which cannot be used here ({why}): unlock it or log in to your desktop; or {otherwise}.",
            item.label().trim_start_matches("Mesh: ").replacen('t', "T", 1)
        ))
    };
    let found = found.await.map_err(|error| cannot(&error))?;
    found.ok_or_else(|| cannot(&"it has no such secret any more"))
}

/// Moves the secrets of this device to where they are to be kept now: called when a daemon starts, so that files of before
/// go on working and are taken along. What cannot be moved stays where it is.
pub async fn settle(paths: &Paths, keeping: Keeping, now: u64) -> Outcome {
    let Ok(session) = StoredSession::load(paths, now) else {
        return Ok(());
    };
    let moves = |kept: Kept| match keeping {
        Keeping::Auto | Keeping::System => kept == Kept::File,
        Keeping::File => kept == Kept::System,
    };
    if moves(session.kept) {
        let was = session.kept;
        session.with_token(paths).await?.save(paths, keeping).await?;
        forget(paths, was, Item::Session).await;
    }
    let file = paths.device_key_file();
    if let Some(text) = read_private(&file)? {
        let was = if text == ELSEWHERE {
            Kept::System
        } else {
            Kept::File
        };
        if moves(was) {
            // As it is now; a new one would be another device.
            let key = DeviceKey::load_or_create(paths, Keeping::Auto).await?;
            key.save(paths, keeping).await?;
            forget(paths, was, Item::DeviceKey).await;
        }
    }
    Ok(())
}

/// After a secret was moved into a file.
async fn forget(paths: &Paths, was: Kept, item: Item) {
    if was == Kept::System
        && let Ok(store) = secrets::system(&paths.state).await
        && let Err(error) = store.delete(item).await
    {
        tracing::warn!(%error, "a secret was moved out of the secret store and is there still");
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
    /// The key of this device, made on first use. One that is in a store which cannot be reached is an error; but who says
    /// that secrets are to be in files gets a new one, and is a new device.
    pub async fn load_or_create(paths: &Paths, keeping: Keeping) -> Outcome<Self> {
        let file = paths.device_key_file();
        let Some(text) = read_private(&file)? else {
            return Self::create(paths, keeping).await;
        };
        let damaged = || {
            Failure::general(format!(
                "The device key in {} is damaged: remove it and sign in again.",
                file.display()
            ))
        };
        if text != ELSEWHERE {
            return Self::parse(&text).ok_or_else(damaged);
        }
        let again = "`mesh login URL` with `MESH_SECRETS=file` makes a new device of this one";
        match from_store(paths, Item::DeviceKey, again).await {
            Ok(secret) => Self::parse(secret.expose().as_bytes()).ok_or_else(damaged),
            Err(failure) if keeping == Keeping::File => {
                tracing::warn!(%failure, "this is a new device now");
                Self::create(paths, keeping).await
            }
            Err(failure) => Err(failure),
        }
    }

    async fn create(paths: &Paths, keeping: Keeping) -> Outcome<Self> {
        let mut seed = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| Failure::general(format!("The system gives no random numbers: {error}.")))?;
        let key = Self(ed25519_dalek::SigningKey::from_bytes(&seed));
        key.save(paths, keeping).await?;
        Ok(key)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let seed = URL_SAFE_NO_PAD.decode(text.trim_ascii()).ok()?;
        let seed = <[u8; 32]>::try_from(seed).ok()?;
        Some(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    async fn save(&self, paths: &Paths, keeping: Keeping) -> Outcome {
        let text = URL_SAFE_NO_PAD.encode(self.0.to_bytes());
        let file = paths.device_key_file();
        match keep(paths, keeping, Item::DeviceKey, &Secret::new(&text)).await? {
            Kept::File => write_private(&file, text.as_bytes()),
            Kept::System => write_private(&file, ELSEWHERE),
        }
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
        let mut new = system::private(OpenOptions::new().write(true).create_new(true)).open(&beside)?;
        new.write_all(text)?;
        new.sync_all()?;
        std::fs::rename(&beside, file)
    };
    write().map_err(|error| Failure::general(format!("{} cannot be written: {error}.", file.display())))
}
