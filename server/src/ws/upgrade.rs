//! `GET /ws`: who may open a socket. Everything is decided before the upgrade is answered (RFC 6455, section 4.2).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use mesh_protocol::error_code::{HttpCode, close};
use mesh_protocol::signal::{Nothing, ServerMessage};
use serde::Deserialize;
use sha1::{Digest as _, Sha1};

use super::connection;
use super::event::event;
use super::outbound::{Attachment, Closing};
use super::socket::Socket;
use crate::app::App;
use crate::cluster::take_over::take_over;
use crate::http::error::ApiError;
use crate::http::headers::ClientAddress;
use crate::http::session;
use crate::hub::LivePeer;
use crate::store::SignIn;
use crate::traffic::Counted;

/// What a server that speaks the protocol adds to the client's key.
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Ask {
    /// A ticket, where no session is in the header.
    token: Option<String>,
    /// What the last welcome said, to go on as the same peer.
    resume: Option<String>,
    /// How many messages came after the welcome, with `resume`.
    seq: Option<u64>,
}

/// The WebSocket (docs/protocol.md, section 3).
#[utoipa::path(
    get,
    path = "/ws",
    operation_id = "open_socket",
    tag = "Sessions between devices",
    security(("bearer" = []), ()),
    params(Ask),
    responses(
        (status = 101, description = "A WebSocket from here on"),
        (status = 401, description = "UNAUTHENTICATED"),
        (status = 403, description = "ORIGIN_REFUSED")
    )
)]
pub(crate) async fn upgrade(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    ask: Result<Query<Ask>, axum::extract::rejection::QueryRejection>,
    mut request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    if let Some(origin) = headers.get(header::ORIGIN)
        && !origin.to_str().is_ok_and(|origin| app.allows_origin(origin))
    {
        return Err(ApiError::origin_refused());
    }
    let Query(ask) = ask.map_err(|_| ApiError::bad_request("the query does not decode"))?;
    let sign_in = authenticate(&app, headers, &ask).await?;
    session::used(&app, &sign_in, address).await;
    let no_websocket = || ApiError::bad_request("this address is for WebSocket connections, version 13");
    let accept = accept(headers).ok_or_else(no_websocket)?;
    let upgrade: OnUpgrade = request.extensions_mut().remove().ok_or_else(no_websocket)?;
    app.sockets.clone().spawn(async move {
        // The client may be gone already.
        let Some(socket) = upgrade.await.ok().and_then(socket) else {
            return;
        };
        match enter(&app, sign_in, &ask).await {
            // In a task of its own, which does not carry what led to it.
            Some((peer, attachment)) => {
                app.sockets
                    .clone()
                    .spawn(connection::serve(socket, app, peer, attachment));
            }
            None => {
                let closing = Closing {
                    code: close::TOO_MANY,
                    reason: "too many sockets",
                };
                socket.say_goodbye(closing).await;
            }
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The answer to a client's handshake, where it is one.
fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    let names = |name: HeaderName, wanted: &str| {
        let values = headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|one| one.trim().eq_ignore_ascii_case(wanted))
    };
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    if !names(header::CONNECTION, "upgrade")
        || !names(header::UPGRADE, "websocket")
        || !names(header::SEC_WEBSOCKET_VERSION, "13")
    {
        return None;
    }
    let digest = Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).ok()
}

/// The accepted connection itself, from under what served HTTP on it.
fn socket(upgraded: Upgraded) -> Option<Socket> {
    let parts = upgraded.downcast::<TokioIo<Counted>>().ok()?;
    Some(Socket::new(parts.io.into_inner(), &parts.read_buf))
}

/// The peer that a socket goes on for, or a new one; `None` where the user has too many.
async fn enter(app: &Arc<App>, sign_in: SignIn, ask: &Ask) -> Option<(Arc<LivePeer>, Attachment)> {
    if let Some(resume) = &ask.resume {
        let seen = ask.seq.unwrap_or_default();
        if let Some(resumed) = app.hub.resume(resume, seen, &sign_in.id) {
            return Some(resumed);
        }
        if let Some(resumed) = take_over(app, resume, seen, &sign_in).await {
            return Some(resumed);
        }
    }
    // A device that starts anew does not come back as what it was.
    app.hub.device_back(&sign_in.device_id);
    let place = app
        .hub
        .place(&sign_in.user_id, app.config.limits.sockets_per_user)?;
    let peer = Arc::new(LivePeer::new(app.hub.new_peer_id(), sign_in, place));
    let attachment = peer.outbound.attach();
    app.hub.connect(peer.clone());
    if ask.resume.is_some() {
        let resync = ServerMessage::Resync(Nothing {});
        peer.outbound.push(event(&*app.clock, peer.id.as_str(), resync));
    }
    Some((peer, attachment))
}

/// A session in the header (programs), or a ticket in the query (pages).
async fn authenticate(app: &App, headers: &HeaderMap, ask: &Ask) -> Result<SignIn, ApiError> {
    if let Some(token) = session::bearer(headers) {
        return session::sign_in_of_token(app, token).await;
    }
    let Some(token) = &ask.token else {
        return Err(ApiError::unauthenticated());
    };
    let sign_in = match &app.cluster {
        None => app.tickets.take(token, app.clock.now()),
        Some(cluster) => match cluster.untag(token) {
            (None, ticket) => app.tickets.take(ticket, app.clock.now()),
            (Some(node), ticket) => cluster.take_ticket(node, ticket).await,
        },
    };
    if let Some(sign_in) = sign_in {
        return session::live_sign_in(app, &sign_in).await;
    }
    if app.config.allow_query_token {
        return session::sign_in_of_token(app, token).await;
    }
    Err(ApiError::new(
        HttpCode::Unauthenticated,
        "the ticket is wrong, used or expired: get a new one at POST /ws/ticket",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_is_answered_as_it_says() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::CONNECTION, "keep-alive, Upgrade"),
            (header::UPGRADE, "WebSocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
            (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            assert!(accept(&headers).is_none(), "without {name}");
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(accept(&headers).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
