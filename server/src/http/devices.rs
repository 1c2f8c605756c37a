//! A user's devices.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{delete, get};
use axum::{Json, Router};
use mesh_protocol::http::{DeviceInfo, Devices, Done};
use mesh_protocol::ids::DeviceId;

use super::announce;
use super::error::ApiError;
use super::extract::At;
use super::session::Caller;
use crate::app::App;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/devices", get(list))
        .route("/devices/{id}", delete(remove))
}

async fn list(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Devices>, ApiError> {
    let devices = app
        .store
        .devices(&caller.user_id)
        .await?
        .into_iter()
        .map(|device| DeviceInfo {
            device_id: device.id,
            name: device.name,
            kind: device.kind,
            created_at: device.created_at,
            last_seen_at: device.last_seen_at,
        });
    Ok(Json(Devices {
        devices: devices.collect(),
    }))
}

/// Ends every sign-in of the device: its sockets close, and what it had open ends at the other ends.
async fn remove(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(device): At<DeviceId>,
) -> Result<Json<Done>, ApiError> {
    let ended = app
        .store
        .remove_device(&caller.user_id, &device, app.clock.now_ms())
        .await?;
    announce::sign_ins_ended(&app, ended);
    Ok(Json(Done { ok: true }))
}
