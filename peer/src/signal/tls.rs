//! One TLS configuration for REST and for the socket: ring, and the certificates that this machine trusts.
//!
//! Owns the choice of cryptography and roots. The provider is passed explicitly, so that no process-wide default is
//! needed and none is overwritten.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::ApiError;

/// The configuration for a server that is reached over https, or (`secure` false) one that trusts nobody, for clients
/// that only ever speak plaintext: a machine without any certificates must still reach its own loopback.
pub fn config(secure: bool) -> Result<ClientConfig, ApiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |what: &dyn std::fmt::Display| ApiError::Address {
        sentence: format!(
            "this machine's trusted certificates cannot be used ({what}); install them (Debian: ca-certificates)"
        ),
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    if !secure {
        return Ok(builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth());
    }
    let verifier = Verifier::new(provider).map_err(|error| failed(&error))?;
    // "Dangerous" is rustls' word for any verifier but its own; this one asks the operating system.
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
