//! WebSocket tickets, for pages that cannot send a header.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use mesh_protocol::http::Ticket;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::session::Caller;
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(issue))
}

/// A ticket for `/ws?token=`: once, for 30 seconds.
#[utoipa::path(
    post,
    path = "/ws/ticket",
    operation_id = "issue_ticket",
    tag = "Sessions between devices",
    responses(
        (status = 200, body = Ticket),
        (status = 429, description = "THROTTLED")
    )
)]
async fn issue(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Ticket>, ApiError> {
    let issued = app.tickets.issue(caller.id, app.clock.now());
    let (ticket, exp) = issued.map_err(|_| ApiError::throttled(Duration::from_secs(1)))?;
    let ticket = match &app.cluster {
        Some(cluster) => cluster.tag(&ticket),
        None => ticket,
    };
    Ok(Json(Ticket { ticket, exp }))
}
