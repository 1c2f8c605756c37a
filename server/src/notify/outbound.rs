//! The HTTP that leaves the server: short, without redirects, and for what users name to the public internet only.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url, header, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::address::{REFUSED, is_public, literal};
use super::notifier::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first word to the other end's headers; its body is not read.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("the HTTP client for notifications cannot start: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the HTTP client for notifications cannot start: {0}")]
    Tls(#[from] rustls::Error),
}

/// Two clients: one for addresses of the operator, one for those of users.
pub(super) struct Outbound {
    anywhere: Client,
    public_only: Client,
}

impl Outbound {
    pub(super) fn new() -> Result<Self, OutboundError> {
        let tls = tls()?;
        let anywhere = builder(tls.clone()).build()?;
        let public_only = builder(tls).dns_resolver(Arc::new(PublicOnly)).build()?;
        Ok(Self {
            anywhere,
            public_only,
        })
    }

    /// A question to a place of the operator.
    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.anywhere.get(url)
    }

    /// A request to a place of the operator (`trusted`) or of a user.
    pub(super) fn post(&self, url: Url, trusted: bool) -> Result<RequestBuilder, Failure> {
        if trusted {
            return Ok(self.anywhere.post(url));
        }
        // A host that is an address asks no resolver.
        if literal(&url).is_some_and(|ip| !is_public(ip)) {
            return Err(Failure::never(REFUSED));
        }
        Ok(self.public_only.post(url))
    }
}

fn builder(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("mesh-server/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .no_proxy()
        // An answer must not lead elsewhere, with the token or behind the check of the address.
        .redirect(redirect::Policy::none())
        // Each notice is judged anew; they are rare.
        .pool_max_idle_per_host(0)
}

/// Ring, and the certificates that this machine trusts. Without any, places over https are out of reach, and the server
/// starts all the same.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    // "Dangerous" is rustls' word for any verifier but its own; this one asks the operating system.
    Ok(match Verifier::new(provider) {
        Ok(verifier) => config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "no trusted certificates (Debian: ca-certificates): nobody is notified over https");
            config
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
    })
}

/// A name that stands for a closed network.
#[derive(Debug, thiserror::Error)]
#[error("{REFUSED}")]
struct Refused;

/// Resolves names, and gives out only addresses of the public internet: what is connected to is what was judged.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found.into_iter().filter(|a| is_public(a.ip())).collect();
            if public.is_empty() {
                return Err(Refused.into());
            }
            Ok::<Addrs, Box<dyn Error + Send + Sync>>(Box::new(public.into_iter()))
        })
    }
}

/// Sends, and judges the answer by its status alone.
pub(super) async fn send(request: RequestBuilder) -> Result<(), Failure> {
    let response = request.send().await.map_err(|error| lost(&error))?;
    let status = response.status().as_u16();
    let reason = format!("the other end answered {status}");
    match status {
        200..=299 => Ok(()),
        404 | 410 => Err(Failure::Gone),
        408 | 425 | 429 | 500..=599 => Err(Failure::Later {
            after: retry_after(&response),
            reason,
        }),
        401 | 403 => Err(Failure::never(format!(
            "{reason}: its token is wrong or may not write"
        ))),
        300..=399 => Err(Failure::never(format!(
            "{reason}: enter the address that it leads to"
        ))),
        _ => Err(Failure::never(reason)),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The library's own texts name the address, which a user may keep secret.
fn lost(error: &reqwest::Error) -> Failure {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<Refused>() {
            return Failure::never(REFUSED);
        }
        source = inner.source();
    }
    if error.is_builder() {
        return Failure::never("the address or the token holds something that HTTP cannot carry");
    }
    let reason = if error.is_timeout() {
        "the other end did not answer in time"
    } else {
        "the other end cannot be reached"
    };
    Failure::Later {
        after: None,
        reason: reason.to_owned(),
    }
}
