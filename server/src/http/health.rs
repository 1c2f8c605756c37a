//! Whether the server can do its work.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use mesh_protocol::http::Health;

use crate::app::App;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/health", get(health))
}

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
