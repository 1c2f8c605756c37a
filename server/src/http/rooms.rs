//! Rooms, and joining and leaving them.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use mesh_protocol::http::{Done, JoinRoom, Role, Room, RoomName, RoomRef, Rooms};
use mesh_protocol::ids::{RoomId, UserId};

use super::error::ApiError;
use super::extract::{At, Body};
use super::members::part;
use super::session::{Account, Caller};
use crate::app::App;
use crate::auth::{names, random};
use crate::bus::BusEvent;
use crate::store::{Dismissal, NewRoom, StoreError};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/rooms", post(create).get(list))
        .route("/rooms/join", post(join_by_invite))
        .route("/rooms/{room_id}", get(show).patch(rename).delete(remove))
        .route("/rooms/{room_id}/join", post(join))
        .route("/rooms/{room_id}/leave", post(leave))
}

/// The room as the user sees it, or the one answer for absent and foreign.
pub(super) async fn room_of(app: &App, room: &RoomId, user: &UserId) -> Result<Room, ApiError> {
    app.store
        .room_of(room, user)
        .await?
        .ok_or_else(ApiError::room_not_found)
}

/// A membership that vanished between two steps is the same answer again.
pub(super) fn gone_is_absent(error: StoreError) -> ApiError {
    if matches!(error, StoreError::Absent) {
        ApiError::room_not_found()
    } else {
        error.into()
    }
}

fn clean(name: &str) -> Result<String, ApiError> {
    names::clean(name).ok_or_else(|| ApiError::bad_request("a room's name has 1 to 64 printable characters"))
}

async fn create(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<RoomName>,
) -> Result<Json<RoomRef>, ApiError> {
    let room = NewRoom {
        id: random::id(),
        name: clean(&body.name)?,
        owner: caller.user_id,
        now: app.clock.now_ms(),
    };
    app.store.create_room(&room).await?;
    Ok(Json(RoomRef { room_id: room.id }))
}

async fn list(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Rooms>, ApiError> {
    Ok(Json(Rooms {
        rooms: app.store.rooms_of(&caller.user_id).await?,
    }))
}

async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
) -> Result<Json<Room>, ApiError> {
    Ok(Json(room_of(&app, &room, &caller.user_id).await?))
}

async fn own(app: &App, room: &RoomId, user: &UserId) -> Result<Room, ApiError> {
    let room = room_of(app, room, user).await?;
    if room.role == Role::Owner {
        Ok(room)
    } else {
        Err(ApiError::forbidden("only an owner of the room may do this"))
    }
}

async fn rename(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(id): At<RoomId>,
    Body(body): Body<RoomName>,
) -> Result<Json<Room>, ApiError> {
    let room = own(&app, &id, &caller.user_id).await?;
    let name = clean(&body.name)?;
    app.store.rename_room(&id, &name).await.map_err(gone_is_absent)?;
    Ok(Json(Room { name, ..room }))
}

async fn remove(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room_id): At<RoomId>,
) -> Result<Json<Done>, ApiError> {
    own(&app, &room_id, &caller.user_id).await?;
    let now = app.clock.now_ms();
    let ended = app
        .store
        .dismiss_guests(&room_id, Dismissal::RoomGone, now)
        .await?;
    app.store.delete_room(&room_id).await.map_err(gone_is_absent)?;
    app.bus.publish(BusEvent::RoomGone { room_id });
    for sign_in in ended {
        app.bus.publish(BusEvent::SignInEnded { sign_in });
    }
    Ok(Json(Done { ok: true }))
}

async fn join_by_invite(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<JoinRoom>,
) -> Result<Json<RoomRef>, ApiError> {
    let invite = body
        .invite
        .ok_or_else(|| ApiError::bad_request("invite is missing"))?;
    let room_id = app
        .store
        .join_by_invite(&random::hash(&invite), &caller.user_id, app.clock.now_ms())
        .await?;
    Ok(Json(RoomRef { room_id }))
}

async fn join(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
    Body(body): Body<JoinRoom>,
) -> Result<Json<Done>, ApiError> {
    match body.invite {
        Some(_) if caller.guest => return Err(ApiError::guest()),
        Some(invite) => {
            app.store
                .join_by_invite(&random::hash(&invite), &caller.user_id, app.clock.now_ms())
                .await?;
        }
        None => {
            room_of(&app, &room, &caller.user_id).await?;
        }
    }
    Ok(Json(Done { ok: true }))
}

async fn leave(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room_id): At<RoomId>,
) -> Result<Json<Done>, ApiError> {
    part(&app, room_id, caller.user_id, caller.guest, "left").await?;
    Ok(Json(Done { ok: true }))
}
