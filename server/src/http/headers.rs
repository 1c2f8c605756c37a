//! What every request and every response goes through: an id, the log, the counts, the security headers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use mesh_protocol::error_code::HttpCode;
use tracing::Instrument as _;

use crate::app::App;

/// SECURITY: pages load nothing from elsewhere, run no inline script, and stand in no frame.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' \
blob: data:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; font-src 'self'; worker-src 'self'; manifest-src \
'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const PERMISSIONS_POLICY: &str = "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), \
picture-in-picture=(self), screen-wake-lock=(self), clipboard-read=(self), clipboard-write=(self), geolocation=(), usb=(), \
serial=(), payment=()";

const SECURITY: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
];
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer. The log gets the route's pattern and never the query, which may hold a ticket.
pub(super) async fn finish(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = uuid::Builder::from_random_bytes(rand::random())
        .into_uuid()
        .to_string();
    let span = tracing::info_span!("request", id = %id);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(page)".to_owned(), |path| path.as_str().to_owned());
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (elapsed, status) = (begun.elapsed(), response.status().as_u16());
    app.metrics
        .request(&method, &route, status, elapsed.as_secs_f64());
    if let Some(code) = response.extensions().get::<HttpCode>() {
        app.metrics.http_error(*code);
    }
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(%method, route, status, elapsed_ms, "answered"));
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Where a request came from: the socket's address, or what a proxy on this machine or in its network says.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let peer = parts
            .extensions
            .get::<SocketAddr>()
            .copied()
            .unwrap_or(unknown)
            .ip();
        Ok(Self(client_address(peer, &parts.headers)))
    }
}

fn client_address(peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if !is_near(peer) {
        return peer;
    }
    // The last entry is the nearest proxy's own; those before it are the client's word.
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok());
    let last = forwarded.and_then(|list| list.rsplit(',').next()).map(str::trim);
    let parse = |text: &str| {
        text.parse::<IpAddr>()
            .ok()
            .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
    };
    last.and_then(parse).unwrap_or(peer)
}

/// Loopback or a private range: where a reverse proxy of the same operator stands.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_proxy_is_believed_and_only_its_own_entry() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-forwarded-for",
            HeaderValue::from_static("6.6.6.6, 203.0.113.9"),
        );
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(client_address(ip("127.0.0.1"), &headers), ip("203.0.113.9"));
        assert_eq!(client_address(ip("172.18.0.3"), &headers), ip("203.0.113.9"));
        assert_eq!(client_address(ip("198.51.100.1"), &headers), ip("198.51.100.1"));
        headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9:4711"));
        assert_eq!(client_address(ip("::1"), &headers), ip("203.0.113.9"));
        headers.insert("x-forwarded-for", HeaderValue::from_static("unknown"));
        assert_eq!(client_address(ip("10.0.0.1"), &headers), ip("10.0.0.1"));
    }
}
