//! REST: one file per resource, each with its handlers and its `router()`. Shapes and codes are in `docs/protocol.md`.

mod account;
pub(crate) mod announce;
mod api_doc;
mod api_page;
mod assets;
mod audit;
mod caps;
mod codes;
mod devices;
mod door;
pub(crate) mod error;
mod extract;
mod guest;
pub(crate) mod headers;
mod health;
pub(crate) mod ice;
mod invites;
mod members;
mod messages;
mod notifications;
mod oidc;
mod origin;
mod pairing;
mod rooms;
pub(crate) mod session;
pub(crate) mod sign_in;
mod ticket;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::{Extension, Router, middleware};
use mesh_protocol::limits::MAX_HTTP_BODY;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::cluster::forward::forward;
use error::ApiError;

/// How long a request may take, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Every route of the server.
pub fn router(app: Arc<App>) -> Router {
    let (rest, mut api) = OpenApiRouter::with_openapi(api_doc::base())
        .merge(health::router())
        .merge(sign_in::router())
        .merge(oidc::router())
        .merge(pairing::router())
        .merge(guest::router())
        .merge(account::router())
        .merge(session::router())
        .merge(devices::router())
        .merge(rooms::router())
        .merge(members::router())
        .merge(door::router())
        .merge(invites::router())
        .merge(messages::router())
        .merge(notifications::router())
        .merge(audit::router())
        .merge(caps::router())
        .merge(codes::router())
        .merge(ice::router())
        .merge(ticket::router())
        .merge(api_doc::router())
        .split_for_parts();
    let (socket, socket_api) = OpenApiRouter::new()
        .routes(routes!(crate::ws::upgrade::upgrade))
        .split_for_parts();
    api.merge(socket_api);
    let rest = rest
        .layer(Extension(api_doc::Document::new(api)))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(middleware::from_fn_with_state(app.clone(), origin::check))
        .layer(middleware::from_fn_with_state(app.clone(), forward))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_TIMEOUT,
        ))
        .layer(DefaultBodyLimit::max(MAX_HTTP_BODY));
    socket
        .merge(rest)
        .fallback(assets::serve)
        .layer(middleware::from_fn(assets::pages_first))
        .layer(middleware::from_fn_with_state(app.clone(), headers::finish))
        .with_state(app)
}
