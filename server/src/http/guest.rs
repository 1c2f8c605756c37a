//! Invitations as those see them who hold one: where they lead, and in as a guest, without an account.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use mesh_protocol::http::{GuestLogin, InviteView, JoinRoom};

use super::announce;
use super::error::ApiError;
use super::extract::Body;
use super::headers::ClientAddress;
use super::sign_in::{check_device, new_user, open_session};
use crate::app::App;
use crate::auth::{names, random};
use crate::store::{Invited, StoreError, User};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/auth/invite", post(show))
        .route("/auth/guest", post(enter))
}

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
