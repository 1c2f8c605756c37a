//! The DTLS certificate of this end: made anew for each connection, or once for all of a device's.

use rtc::crypto::{RTCCryptoProvider, SignatureScheme, default_provider};
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};

use super::RtcError;

/// A certificate with its key, which its `Debug` does not show.
#[derive(Clone)]
pub struct Certificate {
    inner: RTCCertificate,
    fingerprint: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Certificate").field(&self.fingerprint).finish()
    }
}

impl Certificate {
    /// A new one.
    pub fn generate() -> Result<Self, RtcError> {
        let crypto = default_provider().map_err(|error| RtcError::Stack(error.to_string()))?;
        Self::generate_with(crypto.as_ref())
    }

    pub(super) fn generate_with(crypto: &dyn RTCCryptoProvider) -> Result<Self, RtcError> {
        // The name in it tells nothing about the device.
        let params = CertificateParams::new(vec![format!("mesh-{:016x}", rand::random::<u64>())])
            .map_err(|error| RtcError::Stack(error.to_string()))?;
        let inner = RTCCertificate::generate(crypto.crypto(), SignatureScheme::EcdsaP256Sha256, params)?;
        let fingerprint = inner
            .get_fingerprints(crypto.crypto())?
            .first()
            .map(|fingerprint| fingerprint.value.to_ascii_uppercase())
            .ok_or_else(|| RtcError::Stack("the new certificate has no fingerprint".to_owned()))?;
        Ok(Self { inner, fingerprint })
    }

    /// Its SHA-256 fingerprint (`AB:CD:…`, upper case).
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(super) fn into_inner(self) -> RTCCertificate {
        self.inner
    }
}
