//! WebSocket tickets, for pages that cannot send a header.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use mesh_protocol::http::Ticket;

use super::error::ApiError;
use super::session::Caller;
use crate::app::App;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/ws/ticket", post(issue))
}

async fn issue(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Ticket>, ApiError> {
    let issued = app.tickets.issue(caller.id, app.clock.now());
    let (ticket, exp) = issued.map_err(|_| ApiError::throttled(Duration::from_secs(1)))?;
    Ok(Json(Ticket { ticket, exp }))
}
