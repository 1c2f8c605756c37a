//! Sign-in at an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core 1.0; RFC 7636; RFC 9700).
//!
//! `provider` speaks to it and judges what it says; `flows` remembers who is under way. Knows no HTTP routes and no accounts:
//! what comes out is a subject that the provider vouches for, which is never matched by a name or an e-mail address.

pub mod flows;
mod http;
mod provider;

pub use provider::{Provider, Subject};

use crate::config::{Config, ConfigError};
use flows::Flows;

/// Where the provider sends browsers back to.
pub(crate) const CALLBACK: &str = "/auth/oidc/callback";

/// Why nobody was signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    #[error("the provider does not answer, or not as OpenID Connect says")]
    Unavailable,
    #[error("what the provider said about the person does not hold")]
    Invalid,
}

/// The provider of this server, and the sign-ins under way there.
pub struct Oidc {
    pub provider: Provider,
    pub flows: Flows,
}

impl Oidc {
    /// Nothing is fetched yet: the provider may be down when the server starts.
    pub(crate) fn from_config(config: &Config, public_url: &str) -> Result<Option<Self>, ConfigError> {
        let Some(settings) = &config.oidc else {
            return Ok(None);
        };
        Ok(Some(Self {
            provider: Provider::new(settings.clone(), format!("{public_url}{CALLBACK}"))?,
            flows: Flows::default(),
        }))
    }
}
