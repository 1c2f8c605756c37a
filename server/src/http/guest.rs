//! Invitations as those see them who hold one: where they lead, and in as a guest, without an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mesh_protocol::http::{GuestLogin, InviteView, JoinRoom};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::Body;
use super::headers::ClientAddress;
use super::sign_in::{check_device, new_user, open_session};
use crate::app::App;
use crate::auth::{names, random};
use crate::store::{Invited, StoreError, User};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(enter))
}

/// Where an invitation leads.
#[utoipa::path(
    post,
    path = "/auth/invite",
    operation_id = "view_invite",
    tag = "Invitations",
    security(()),
    request_body = JoinRoom,
    responses(
        (status = 200, body = InviteView),
        (status = 410, description = "INVITE_INVALID")
    )
)]
async fn show(State(app): State<Arc<App>>, Body(body): Body<JoinRoom>) -> Result<Json<InviteView>, ApiError> {
    let invite = body
        .invite
        .ok_or_else(|| ApiError::bad_request("invite is missing"))?;
    let Invited { room_name, guest, .. } = app
        .store
        .peek_invite(&random::hash(&invite), app.clock.now_ms())
        .await?;
    Ok(Json(InviteView { room_name, guest }))
}

/// Enters the one room of an invitation without an account.
#[utoipa::path(
    post,
    path = "/auth/guest",
    operation_id = "enter_as_guest",
    tag = "Signing in",
    security(()),
    request_body = GuestLogin,
    responses(
        (status = 200, body = mesh_protocol::http::Session),
        (status = 403, description = "FORBIDDEN, ROOM_LOCKED"),
        (status = 409, description = "NAME_TAKEN"),
        (status = 410, description = "INVITE_INVALID")
    )
)]
async fn enter(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(body): Body<GuestLogin>,
) -> Result<Response, ApiError> {
    check_device(body.device.as_ref())?;
    let invite = random::hash(&body.invite);
    let invited = app.store.peek_invite(&invite, app.clock.now_ms()).await?;
    if !invited.guest {
        return Err(ApiError::forbidden(
            "this invitation takes no guests: make an account with it",
        ));
    }
    let mut guest = new_user(&app, &body.name, None, false)?;
    // Nobody passes for somebody who is in the room.
    let members = app.store.members(&invited.room_id).await?;
    if members
        .iter()
        .any(|member| names::key(&member.name) == guest.name_key)
    {
        return Err(StoreError::NameTaken.into());
    }
    guest.name_key = names::guest_key(&guest.id);
    let entry = app.store.admit_guest(&invite, &guest).await?;
    announce::entry(&app, &entry).await?;
    let user = User {
        id: guest.id,
        name: guest.name,
        password_hash: None,
        admin: false,
        guest: true,
    };
    open_session(&app, user, body.device, address, Some(entry.room_id().clone())).await
}
