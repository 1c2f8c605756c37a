//! The web client, which is part of the binary.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;

#[derive(RustEmbed)]
#[folder = "../client/dist"]
struct Client;

const INDEX: &str = "index.html";
/// What the client's build puts beside its files, the smallest first: content coding (RFC 9110, section 8.4.1) and ending.
const COMPRESSED: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];
/// Shown where the binary was built without the web client.
const NO_CLIENT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Mesh</title><h1>The server runs</h1>\
<p>This binary was built without the web client. Run <code>npm ci && npm run build</code> in <code>client/</code>, then \
build the server again; <code>cargo xtask run</code> does both.";

/// A page's address may be that of a REST resource too (`/rooms/…`): whoever navigates there gets the page.
pub(super) async fn pages_first(request: Request, next: Next) -> Response {
    let reserved = [
        "/health",
        "/.well-known/",
        "/ws",
        "/auth/oidc/callback",
        "/openapi.json",
        "/docs/api",
    ];
    let path = request.uri().path();
    if *request.method() == Method::GET
        && accepts_html(request.headers())
        && !reserved.iter().any(|r| path.starts_with(r))
    {
        return serve(request).await;
    }
    next.run(request).await
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"))
}

/// A file of the client, compressed as the browser likes; for a navigation to no file, the page itself.
pub(super) async fn serve(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::not_found("there is nothing at this address").into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let (name, found) = match Client::get(path).filter(|_| !path.is_empty()) {
        Some(found) => (path, Some(found)),
        None if path.is_empty() || accepts_html(request.headers()) => (INDEX, Client::get(INDEX)),
        None => return ApiError::not_found("there is nothing at this address").into_response(),
    };
    match found {
        Some(found) => embedded(name, found, request.headers()),
        None => Html(NO_CLIENT).into_response(),
    }
}

fn embedded(name: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    // Vite puts a hash of the content into the names under assets/.
    let cache = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let hash: String = file.metadata.sha256_hash()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // Weak: the compressed forms share it.
    let etag = format!("W/\"{hash}\"");
    let known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|tag| tag.trim() == etag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = HeaderValue::from_str(file.metadata.mimetype());
        let compressed = COMPRESSED
            .iter()
            .filter(|(coding, _)| accepts_coding(asked, coding))
            .find_map(|(coding, ending)| Some((*coding, Client::get(&format!("{name}{ending}"))?)));
        let (coding, data) = match compressed {
            Some((coding, compressed)) => (Some(coding), compressed.data),
            None => (None, file.data),
        };
        let mut response = axum::body::Bytes::from_owner(data).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
        );
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// Whether it is named, and not by a quality of nothing (RFC 9110, section 12.5.3).
fn accepts_coding(asked: &HeaderMap, coding: &str) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter();
    let mut named = lists
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    named.any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, "q=1"));
        let quality = quality.trim().trim_start_matches("q=").parse::<f32>();
        name.trim().eq_ignore_ascii_case(coding) && quality.is_ok_and(|quality| quality > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_taken_where_it_is_wanted() {
        let asked = |list: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(list));
            COMPRESSED.map(|(coding, _)| accepts_coding(&headers, coding))
        };
        assert_eq!(asked("gzip, deflate, br, zstd"), [true, true]);
        assert_eq!(asked("GZIP;q=0.5,br;q=0"), [false, true]);
        assert_eq!(asked("deflate, bro"), [false, false]);
        assert_eq!(
            COMPRESSED.map(|(coding, _)| accepts_coding(&HeaderMap::new(), coding)),
            [false, false]
        );
    }
}
