//! Rooms and their settings, and joining and leaving them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::capability::Capability;
use mesh_protocol::http::{
    AuditAct, ChangeRoom, Done, JoinRoom, Joined, Role, Room, RoomName, RoomRef, Rooms,
};
use mesh_protocol::ids::{RoomId, UserId};
use mesh_protocol::limits::{MAX_RETENTION_DAYS, MAX_ROOM_EXPIRY};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::{At, Body};
use super::members::moderated;
use super::session::{Account, Caller};
use super::{announce, members};
use crate::app::App;
use crate::audit;
use crate::auth::{names, random};
use crate::bus::BusEvent;
use crate::store::{Entry, NewRoom, StoreError};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, change, remove))
        .routes(routes!(join_by_invite))
        .routes(routes!(join))
        .routes(routes!(leave))
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

/// Makes a room and owns it.
#[utoipa::path(
    post,
    path = "/rooms",
    operation_id = "create_room",
    tag = "Rooms",
    request_body = RoomName,
    responses(
        (status = 200, body = RoomRef),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<RoomName>,
) -> Result<Json<RoomRef>, ApiError> {
    if body
        .expires_in
        .is_some_and(|seconds| !(1..=MAX_ROOM_EXPIRY).contains(&seconds))
    {
        return Err(ApiError::bad_request(format!(
            "expires_in is 1 to {MAX_ROOM_EXPIRY} seconds, or absent for a room that stays"
        )));
    }
    let now = app.clock.now_ms();
    let room = NewRoom {
        id: random::id(),
        name: clean(&body.name)?,
        owner: caller.user_id,
        now,
        expires_at: body.expires_in.map(|seconds| now + seconds * 1000),
    };
    app.store.create_room(&room).await?;
    Ok(Json(RoomRef { room_id: room.id }))
}

/// One's rooms.
#[utoipa::path(
    get,
    path = "/rooms",
    operation_id = "list_rooms",
    tag = "Rooms",
    responses((status = 200, body = Rooms))
)]
async fn list(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Rooms>, ApiError> {
    Ok(Json(Rooms {
        rooms: app.store.rooms_of(&caller.user_id).await?,
    }))
}

/// A room as its member sees it.
#[utoipa::path(
    get,
    path = "/rooms/{room_id}",
    operation_id = "show_room",
    tag = "Rooms",
    responses((status = 200, body = Room))
)]
async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
) -> Result<Json<Room>, ApiError> {
    Ok(Json(room_of(&app, &room, &caller.user_id).await?))
}

async fn own(app: &App, room: &RoomId, user: &UserId) -> Result<(), ApiError> {
    if room_of(app, room, user).await?.role == Role::Owner {
        Ok(())
    } else {
        Err(ApiError::forbidden("only an owner of the room may do this"))
    }
}

/// Changes the settings of a room; what is absent stays.
///
/// Moderators look after the door; everything else is the owners'.
#[utoipa::path(
    patch,
    path = "/rooms/{room_id}",
    operation_id = "change_room",
    tag = "Rooms",
    request_body = ChangeRoom,
    responses(
        (status = 200, body = Room),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn change(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(id): At<RoomId>,
    Body(mut change): Body<ChangeRoom>,
) -> Result<Json<Room>, ApiError> {
    let is_door = change.name.is_none() && change.retention_days.is_none() && change.policy.is_none();
    if is_door {
        moderated(&app, &id, &caller.user_id).await?;
    } else {
        own(&app, &id, &caller.user_id).await?;
    }
    if let Some(name) = &mut change.name {
        *name = clean(name)?;
    }
    if change.retention_days.flatten() > Some(MAX_RETENTION_DAYS) {
        return Err(ApiError::bad_request(format!(
            "retention_days is 0 to {MAX_RETENTION_DAYS}, or null to keep all"
        )));
    }
    if let Some(policy) = &mut change.policy {
        let lists = [&mut policy.guest, &mut policy.member, &mut policy.moderator];
        for list in lists.into_iter().flatten() {
            list.retain(|capability| *capability != Capability::Rtc);
            list.sort_unstable();
            list.dedup();
        }
    }
    let changed = app
        .store
        .change_room(&id, &change)
        .await
        .map_err(gone_is_absent)?;
    let (act, actor) = (AuditAct::RoomChanged, audit::caller(&caller));
    app.audit.record(&id, act, actor, |entry| {
        entry.detail = Some(what_changed(&change))
    });
    announce::room_changed(&app, changed);
    Ok(Json(room_of(&app, &id, &caller.user_id).await?))
}

/// The names of the settings, and not what they are: a room's name may be telling.
fn what_changed(change: &ChangeRoom) -> String {
    let named = [
        ("name", change.name.is_some()),
        ("locked", change.locked.is_some()),
        ("lobby", change.lobby.is_some()),
        ("retention_days", change.retention_days.is_some()),
        ("policy", change.policy.is_some()),
    ];
    let names: Vec<_> = named
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| name)
        .collect();
    names.join(" ")
}

/// Deletes a room and all that is in it.
#[utoipa::path(
    delete,
    path = "/rooms/{room_id}",
    operation_id = "delete_room",
    tag = "Rooms",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn remove(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room_id): At<RoomId>,
) -> Result<Json<Done>, ApiError> {
    own(&app, &room_id, &caller.user_id).await?;
    let deleted = app.store.delete_room(&room_id, app.clock.now_ms()).await;
    let ended = deleted.map_err(gone_is_absent)?;
    app.bus.publish(BusEvent::RoomGone { room_id });
    announce::sign_ins_ended(&app, ended);
    Ok(Json(Done { ok: true }))
}

async fn enter(app: &App, invite: &str, user: &UserId) -> Result<Json<Joined>, ApiError> {
    let hash = random::hash(invite);
    let entry = app.store.join_by_invite(&hash, user, app.clock.now_ms()).await?;
    announce::entry(app, &entry).await?;
    Ok(Json(Joined {
        ok: true,
        room_id: entry.room_id().clone(),
        waiting: matches!(entry, Entry::Waits(_) | Entry::Asks(..)),
    }))
}

/// Enters the room of an invitation, or waits before it.
#[utoipa::path(
    post,
    path = "/rooms/join",
    operation_id = "join_by_invite",
    tag = "Invitations",
    request_body = JoinRoom,
    responses(
        (status = 200, body = Joined),
        (status = 403, description = "FORBIDDEN, ROOM_LOCKED, BANNED"),
        (status = 410, description = "INVITE_INVALID")
    )
)]
async fn join_by_invite(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<JoinRoom>,
) -> Result<Json<Joined>, ApiError> {
    let invite = body
        .invite
        .ok_or_else(|| ApiError::bad_request("invite is missing"))?;
    enter(&app, &invite, &caller.user_id).await
}

/// The same, where the room is known; with an invitation its room counts.
#[utoipa::path(
    post,
    path = "/rooms/{room_id}/join",
    operation_id = "join_room",
    tag = "Rooms",
    request_body = JoinRoom,
    responses(
        (status = 200, body = Joined),
        (status = 403, description = "FORBIDDEN, ROOM_LOCKED, BANNED"),
        (status = 410, description = "INVITE_INVALID")
    )
)]
async fn join(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
    Body(body): Body<JoinRoom>,
) -> Result<Json<Joined>, ApiError> {
    match body.invite {
        Some(_) if caller.guest => Err(ApiError::guest()),
        Some(invite) => enter(&app, &invite, &caller.user_id).await,
        None => {
            let room = room_of(&app, &room, &caller.user_id).await?;
            Ok(Json(Joined {
                ok: true,
                room_id: room.room_id,
                waiting: false,
            }))
        }
    }
}

/// Leaves a room.
#[utoipa::path(
    post,
    path = "/rooms/{room_id}/leave",
    operation_id = "leave_room",
    tag = "Rooms",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn leave(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room_id): At<RoomId>,
) -> Result<Json<Done>, ApiError> {
    members::leave(&app, room_id, &caller).await?;
    Ok(Json(Done { ok: true }))
}
