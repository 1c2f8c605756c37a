//! Whether the server can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mesh_protocol::http::Health;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(health))
}

/// Whether the server can do its work.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "Server",
    security(()),
    responses(
        (status = 200, body = Health),
        (status = 503, description = "Not now", body = Health)
    )
)]
async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let ok = match app.store.ping().await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the database does not answer"
            );
            false
        }
    };
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(Health {
            ok,
            ts: app.clock.now(),
            version: env!("CARGO_PKG_VERSION").into(),
        }),
    )
}
