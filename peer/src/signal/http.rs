//! How a REST call is made: address, session, time limits, bounded answers, and errors as sentences.
//!
//! Owns the HTTP client. Must not know any route: those are in [`super::api`].

use std::sync::Arc;
use std::time::Duration;

use mesh_protocol::error_code::HttpCode;
use reqwest::{Method, Response, StatusCode, Url};
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ApiError, tls};

/// A whole call, answer included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Reaching the server at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next call. One that the network or the server has dropped meanwhile would break that call,
/// which cannot be repeated without knowing what became of it (RFC 9110, section 9.2.2).
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is read, bytes: a page of 100 chat messages of 8,000 characters, escaped, fits.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A session's bearer token. It opens the account: its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    /// From what a sign-in answered.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token itself, for keeping it in a place that only its owner can read.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// A client for one server, perhaps with a session.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    base: Url,
    tls: Arc<ClientConfig>,
    token: Option<SessionToken>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("base", &self.base())
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl Http {
    pub(super) fn new(base: &str, plaintext_anywhere: bool) -> Result<Self, ApiError> {
        let base = parse_base(base, plaintext_anywhere)?;
        let tls = tls::config(base.scheme() == "https")?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .user_agent(concat!("mesh/", env!("CARGO_PKG_VERSION")))
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // The socket knows no proxies either: both ways in work, or neither.
            .no_proxy()
            // The bearer token must not follow a redirect to somewhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ApiError::Address {
                sentence: format!("the HTTP client cannot start: {error}"),
            })?;
        Ok(Self {
            client,
            base,
            tls: Arc::new(tls),
            token: None,
        })
    }

    pub(super) fn with_token(&self, token: Option<SessionToken>) -> Self {
        Self {
            token,
            ..self.clone()
        }
    }

    pub(super) fn token(&self) -> Option<&SessionToken> {
        self.token.as_ref()
    }

    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        self.tls.clone()
    }

    /// The base address without a trailing slash.
    pub(super) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The address of the WebSocket.
    pub(super) fn socket_url(&self) -> String {
        let rest = self
            .base()
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        let scheme = if self.base.scheme() == "https" {
            "wss"
        } else {
            "ws"
        };
        format!("{scheme}://{rest}/ws")
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.call::<(), T>(Method::GET, path, None).await
    }

    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ApiError> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(super) async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, ApiError> {
        let mut request = self.client.request(method, format!("{}{path}", self.base()));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.network(&error))?;
        let status = response.status();
        let bytes = self.read(response).await?;
        if !status.is_success() {
            return Err(self.problem(status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|_| self.not_mesh(status))
    }

    /// At most [`MAX_ANSWER`] bytes; the client's own time limit covers the reading too.
    async fn read(&self, mut response: Response) -> Result<Vec<u8>, ApiError> {
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.network(&error))? {
            if bytes.len() + part.len() > MAX_ANSWER {
                return Err(self.not_mesh(status));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    /// Never quotes the error's own text: it may hold the address with what was written into it.
    fn network(&self, error: &reqwest::Error) -> ApiError {
        let base = self.base();
        let sentence = if error.is_timeout() {
            format!("{base} did not answer in time; check the network and that the server runs")
        } else if error.is_connect() && mentions_certificate(error) {
            format!(
                "{base} showed a certificate that this machine does not trust; check the address and the clock"
            )
        } else if error.is_connect() {
            format!("{base} cannot be reached; check the address, the network and that the server runs")
        } else {
            format!("the connection to {base} broke; try again")
        };
        ApiError::Network { sentence }
    }

    fn not_mesh(&self, status: StatusCode) -> ApiError {
        let base = self.base();
        ApiError::NotMesh {
            sentence: format!(
                "{base} answered {status} with something that is not from a Mesh server; check the address"
            ),
        }
    }

    fn problem(&self, status: StatusCode, body: &[u8]) -> ApiError {
        #[derive(serde::Deserialize)]
        struct Loose {
            detail: String,
            code: serde_json::Value,
        }
        match serde_json::from_slice::<Loose>(body) {
            Ok(problem) => ApiError::Problem {
                status: status.as_u16(),
                code: serde_json::from_value(problem.code).unwrap_or_else(|_| nearest(status.as_u16())),
                detail: problem.detail,
            },
            // A proxy in front of a server that is down speaks for itself.
            Err(_) if matches!(status.as_u16(), 502..=504) => ApiError::Network {
                sentence: format!(
                    "{} is up but its Mesh server is not; try again in a moment",
                    self.base()
                ),
            },
            Err(_) => self.not_mesh(status),
        }
    }
}

fn mentions_certificate(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.downcast_ref::<rustls::Error>().is_some() || inner.to_string().contains("certificate") {
            return true;
        }
        source = inner.source();
    }
    false
}

fn nearest(status: u16) -> HttpCode {
    match status {
        401 => HttpCode::Unauthenticated,
        403 => HttpCode::Forbidden,
        404 => HttpCode::NotFound,
        413 => HttpCode::TooLarge,
        429 => HttpCode::Throttled,
        503 => HttpCode::StoreUnavailable,
        500.. => HttpCode::Internal,
        _ => HttpCode::BadRequest,
    }
}

/// The server's address. Plaintext is for this machine itself: anywhere else the session's token could be read on the
/// way.
fn parse_base(text: &str, plaintext_anywhere: bool) -> Result<Url, ApiError> {
    let wrong = |why: &str| ApiError::Address {
        sentence: format!("the server's address {why}; write it like https://mesh.example.org"),
    };
    let url = Url::parse(text.trim()).map_err(|_| wrong("is not a URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold a name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("ends in more than a path"));
    }
    let host = url.host_str().ok_or_else(|| wrong("names no host"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if plaintext_anywhere || is_loopback(host) => Ok(url),
        "http" => Err(wrong("is plain http, which is only for this machine itself")),
        _ => Err(wrong("is neither https nor http")),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_is_for_loopback_and_secrets_do_not_belong_into_addresses() {
        for good in [
            "http://127.0.0.1:8000",
            "http://[::1]:8000/",
            "http://localhost",
            "https://mesh.example.org",
        ] {
            assert!(parse_base(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "mesh.example.org",
            "ftp://x",
            "http://192.0.2.1",
            "https://u:p@x.org",
            "https://x.org/?a=b",
        ] {
            assert!(
                matches!(parse_base(bad, false), Err(ApiError::Address { .. })),
                "{bad}"
            );
        }
        assert!(parse_base("http://192.0.2.1:8000", true).is_ok());
    }

    #[test]
    fn the_socket_stands_beside_the_rest() {
        let url = |base| Http::new(base, true).unwrap().socket_url();
        assert_eq!(url("http://127.0.0.1:8000/"), "ws://127.0.0.1:8000/ws");
        assert_eq!(url("http://192.0.2.1/mesh/"), "ws://192.0.2.1/mesh/ws");
    }

    #[test]
    fn a_problem_keeps_its_code_and_words_and_a_proxy_is_told_from_the_server() {
        let http = Http::new("http://127.0.0.1:1", false).unwrap();
        let body =
            br#"{"type":"about:blank","title":"t","status":403,"detail":"ask","code":"CAP_NOT_ALLOWED"}"#;
        let told = http.problem(StatusCode::FORBIDDEN, body);
        assert_eq!(
            told,
            ApiError::Problem {
                status: 403,
                code: HttpCode::CapNotAllowed,
                detail: "ask".into()
            }
        );
        let unknown = http.problem(StatusCode::UNAUTHORIZED, br#"{"detail":"d","code":"NEW"}"#);
        assert!(unknown.sign_in_needed());
        assert!(matches!(
            http.problem(StatusCode::BAD_GATEWAY, b"<html>"),
            ApiError::Network { .. }
        ));
        assert!(matches!(
            http.problem(StatusCode::NOT_FOUND, b"<html>"),
            ApiError::NotMesh { .. }
        ));
    }
}
