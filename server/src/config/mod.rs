//! The settings: flag > environment > file (`mesh-server.toml`) > default.
//!
//! Owns every name, default and check of a setting. A wrong one is a [`ConfigError`] that says what to write instead.

mod oidc;
mod secret;
mod sources;

pub use oidc::Oidc;
pub use secret::Secret;
pub use sources::{Flags, load};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mesh_protocol::limits;

use crate::data_dir;

/// A setting that cannot be used; the text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// How the log is written (to standard error).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// TURN as `GET /ice` hands it out.
#[derive(Clone, Debug)]
pub enum TurnCredentials {
    /// Made for each user, good for ten minutes (`TURN_SECRET`).
    Ephemeral(Secret),
    /// One pair for all (`TURN_USER`, `TURN_PASS`).
    Static { user: String, password: Secret },
}

/// The bounds of one socket and one user. The rate is an operator's to set; in the rest only tests differ from
/// `mesh_protocol::limits`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub frames_per_second: u32,
    pub frame_burst: u32,
    pub sockets_per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frames_per_second: limits::SIGNAL_RATE,
            frame_burst: limits::SIGNAL_BURST,
            sockets_per_user: limits::MAX_SOCKETS_PER_USER,
        }
    }
}

const AUDIT_DAYS: u32 = 90;

/// Everything that the server is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Without a trailing slash; unset, it is the address that the server listens on.
    pub public_url: Option<String>,
    pub data_dir: PathBuf,
    /// A PostgreSQL database. It may hold a password. Unset: the file of [`Config::database_path`].
    pub database_url: Option<Secret>,
    /// Unset: a key is made at the first start and kept in the data directory.
    pub jwt_secret: Option<Secret>,
    /// Where the nodes of one server meet; unset: there is one.
    pub nats_url: Option<Secret>,
    pub cap_ttl: Duration,
    pub stun_urls: Vec<String>,
    pub turn_urls: Vec<String>,
    pub turn_credentials: Option<TurnCredentials>,
    /// The team's Gotify. Without a trailing slash.
    pub gotify_url: Option<String>,
    /// Of an application there: who names no place of their own is told at it.
    pub gotify_token: Option<Secret>,
    /// Whether a user's own Gotify, ntfy or push service may be in a closed network.
    pub notify_private_addresses: bool,
    pub dev_login: bool,
    /// Whether a name and a password sign in.
    pub local_login: bool,
    pub oidc: Option<Oidc>,
    pub allow_query_token: bool,
    /// Whether terminals go through this server where no direct connection can be made.
    pub terminal_fallback: bool,
    /// Beside the public URL.
    pub allowed_origins: Vec<String>,
    pub log_format: LogFormat,
    /// Where Prometheus reads; unset: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// How long the record of a room goes back; nothing is recorded where it is zero.
    pub audit_days: u32,
    pub limits: Limits,
}

impl Config {
    /// The defaults, with a listener and a data directory.
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            public_url: None,
            data_dir: data_dir.into(),
            database_url: None,
            jwt_secret: None,
            nats_url: None,
            cap_ttl: limits::CAPABILITY_TTL,
            stun_urls: Vec::new(),
            turn_urls: Vec::new(),
            turn_credentials: None,
            gotify_url: None,
            gotify_token: None,
            notify_private_addresses: false,
            dev_login: false,
            local_login: true,
            oidc: None,
            allow_query_token: false,
            terminal_fallback: false,
            allowed_origins: Vec::new(),
            log_format: LogFormat::Text,
            metrics_listen: None,
            audit_days: AUDIT_DAYS,
            limits: Limits::default(),
        }
    }

    /// Refuses what would be unsafe. Called at every start, whatever the settings came from.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(secret) = &self.jwt_secret {
            check_jwt_secret(secret)?;
        }
        if self.nats_url.is_some() && self.jwt_secret.is_none() {
            return Err(ConfigError(
                "MESH_NATS_URL makes this one node of several, which all need the same MESH_JWT_SECRET: set it to the output \
                 of `openssl rand -base64 32` on each."
                    .into(),
            ));
        }
        if self.dev_login && !self.listen.ip().is_loopback() {
            return Err(ConfigError(format!(
                "MESH_DEV_LOGIN lets anyone sign in, so it works only on a loopback address and not on {}: unset it, or \
                 set MESH_LISTEN=127.0.0.1:8000.",
                self.listen
            )));
        }
        Ok(())
    }

    /// Where the database is, unless it is in PostgreSQL.
    pub fn database_path(&self) -> PathBuf {
        self.data_dir.join(data_dir::DATABASE)
    }
}

/// The placeholders of the example files: whoever has read them could sign in as anybody.
const PLACEHOLDERS: [&str; 4] = ["change_me", "changeme", "dev_secret", "replace_me"];
const MIN_SECRET_BYTES: usize = 32;

fn check_jwt_secret(secret: &Secret) -> Result<(), ConfigError> {
    let text = secret.expose().to_lowercase().replace('-', "_");
    let advice = "write the output of `openssl rand -base64 32` there, or unset it: then the server makes a key of its own.";
    if PLACEHOLDERS.iter().any(|placeholder| text.contains(placeholder)) {
        return Err(ConfigError(format!(
            "MESH_JWT_SECRET is still the placeholder of an example: {advice}"
        )));
    }
    if secret.expose().len() < MIN_SECRET_BYTES {
        return Err(ConfigError(format!(
            "MESH_JWT_SECRET is shorter than {MIN_SECRET_BYTES} bytes: {advice}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("127.0.0.1:0".parse().unwrap(), "data")
    }

    #[test]
    fn placeholder_and_short_secrets_are_refused() {
        for bad in [
            "change_me_super_secret",
            "dev_secret_change_me",
            "change-me-change-me-change-me-change-me",
            "short",
        ] {
            let refused = Config {
                jwt_secret: Some(Secret::new(bad)),
                ..config()
            }
            .check();
            assert!(refused.is_err(), "{bad}");
        }
        let good = Secret::new("fJm0vS2Hc3bYyq0bq8b4gX2sZ5n8x1Wk");
        assert!(
            Config {
                jwt_secret: Some(good),
                ..config()
            }
            .check()
            .is_ok()
        );
    }

    #[test]
    fn the_open_sign_in_stays_on_loopback() {
        assert!(
            Config {
                dev_login: true,
                ..config()
            }
            .check()
            .is_ok()
        );
        let open = Config {
            dev_login: true,
            listen: "0.0.0.0:8000".parse().unwrap(),
            ..config()
        };
        assert!(open.check().is_err());
    }
}
