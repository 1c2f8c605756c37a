//! Requests to the provider: TLS by ring and the certificates that this machine trusts, no redirects, bounded in time and size.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, http};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::config::ConfigError;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Discovery documents, keys and tokens are a few KiB.
const MOST_BYTES: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("no answer")]
    Network(#[source] reqwest::Error),
    #[error("an answer of more than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("not a request")]
    Malformed(#[from] http::Error),
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::Network(error.without_url())
    }
}

/// A client for one provider.
pub(super) struct Http(reqwest::Client);

impl Http {
    /// `secure` false trusts nobody: a machine without any certificates must still reach its own loopback.
    pub(super) fn new(secure: bool) -> Result<Self, ConfigError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(secure)?)
            .user_agent(concat!("mesh-server/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .no_proxy()
            // What the provider says must come from its own addresses.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                ConfigError(format!("the client of the OpenID provider cannot start: {error}"))
            })?;
        Ok(Self(client))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut answer = self.0.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(HttpError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        Ok(response.body(body)?)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

fn tls(secure: bool) -> Result<ClientConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: rustls::Error| {
        ConfigError(format!(
            "this machine's trusted certificates cannot be used for OIDC_ISSUER ({error}): install them (Debian: \
             ca-certificates)"
        ))
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    if !secure {
        return Ok(builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth());
    }
    let verifier = Verifier::new(provider).map_err(failed)?;
    // "Dangerous" is rustls' word for any verifier but its own; this one asks the operating system.
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
