//! `MESH_METRICS_LISTEN`: a listener of its own, so that no proxy carries the numbers to the world.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Shown;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `GET /metrics` until `stop`; the address, and the task.
pub(crate) fn listen(
    listener: TcpListener,
    shown: Shown,
    stop: CancellationToken,
) -> std::io::Result<(SocketAddr, impl Future<Output = ()>)> {
    let address = listener.local_addr()?;
    let router = Router::new().route("/metrics", get(show)).with_state(shown);
    let serve = async move {
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "the metrics listener ended");
        }
    };
    Ok((address, serve))
}

async fn show(State(shown): State<Shown>) -> Response {
    match shown.app.metrics.text(&shown.app, &shown.traffic) {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
