//! A user's devices.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::http::{DeviceInfo, Devices, Done};
use mesh_protocol::ids::DeviceId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::At;
use super::session::Caller;
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(remove))
}

/// The devices of this account.
#[utoipa::path(
    get,
    path = "/devices",
    operation_id = "list_devices",
    tag = "Account",
    responses((status = 200, body = Devices))
)]
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

/// Removes a device.
///
/// Ends every sign-in of the device: its sockets close, and what it had open ends at the other ends.
#[utoipa::path(
    delete,
    path = "/devices/{id}",
    operation_id = "remove_device",
    tag = "Account",
    responses(
        (status = 200, body = Done),
        (status = 404, description = "NOT_FOUND")
    )
)]
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
