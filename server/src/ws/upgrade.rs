//! `GET /ws`: who may open a socket. Everything is decided before the upgrade is answered.

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use mesh_protocol::error_code::{HttpCode, close};
use mesh_protocol::limits::MAX_SIGNAL_FRAME;
use mesh_protocol::signal::{Nothing, ServerMessage};
use serde::Deserialize;

use super::connection;
use super::event::event;
use super::outbound::Attachment;
use crate::app::App;
use crate::auth::random;
use crate::http::error::ApiError;
use crate::http::headers::ClientAddress;
use crate::http::session;
use crate::hub::LivePeer;
use crate::store::SignIn;

/// Each idle socket holds one such buffer; frames may be larger.
const READ_BUFFER: usize = 4 * 1024;
/// What is gathered before a write to the socket.
const WRITE_BUFFER: usize = 16 * 1024;

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
    headers: HeaderMap,
    ask: Result<Query<Ask>, axum::extract::rejection::QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    if let Some(origin) = headers.get(header::ORIGIN)
        && !origin.to_str().is_ok_and(|origin| app.allows_origin(origin))
    {
        return Err(ApiError::origin_refused());
    }
    let Query(ask) = ask.map_err(|_| ApiError::bad_request("the query does not decode"))?;
    let sign_in = authenticate(&app, &headers, &ask).await?;
    session::used(&app, &sign_in, address).await;
    let upgrade = upgrade.map_err(|_| ApiError::bad_request("this address is for WebSocket connections"))?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(MAX_SIGNAL_FRAME)
        .max_frame_size(MAX_SIGNAL_FRAME);
    let tracked = app.sockets.token();
    Ok(upgrade.on_upgrade(async move |socket| {
        match enter(&app, sign_in, &ask) {
            Some((peer, attachment)) => connection::serve(socket, app, peer, attachment).await,
            None => refuse(socket).await,
        }
        drop(tracked);
    }))
}

/// The peer that a socket goes on for, or a new one; `None` where the user has too many.
fn enter(app: &App, sign_in: SignIn, ask: &Ask) -> Option<(Arc<LivePeer>, Attachment)> {
    if let Some(resume) = &ask.resume
        && let Some(resumed) = app.hub.resume(resume, ask.seq.unwrap_or_default(), &sign_in.id)
    {
        return Some(resumed);
    }
    // A device that starts anew does not come back as what it was.
    app.hub.forget_absent(&sign_in.device_id);
    let place = app
        .hub
        .place(&sign_in.user_id, app.config.limits.sockets_per_user)?;
    let peer = Arc::new(LivePeer::new(random::id(), sign_in, place));
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
    if let Some(sign_in) = app.tickets.take(token, app.clock.now()) {
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

async fn refuse(mut socket: WebSocket) {
    let frame = CloseFrame {
        code: close::TOO_MANY,
        reason: "too many sockets".into(),
    };
    // The client may be gone already; then there is nobody to tell.
    let _ = socket.send(Message::Close(Some(frame))).await;
    let echo = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), echo).await;
}
