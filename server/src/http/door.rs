//! Who waits before a room, and who may not come back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::http::{AuditAct, AuditParty, Bans, Done, Lobby, LobbyRequest, Role};
use mesh_protocol::ids::{RoomId, UserId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::At;
use super::members::{moderated, outranks, role_of, too_low};
use super::session::Caller;
use crate::app::App;
use crate::audit;
use crate::store::{SignIn, StoreError};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(lobby))
        .routes(routes!(admit, refuse))
        .routes(routes!(bans))
        .routes(routes!(ban, unban))
}

/// Who waits to be let in.
#[utoipa::path(
    get,
    path = "/rooms/{room_id}/lobby",
    operation_id = "list_lobby",
    tag = "Members",
    responses(
        (status = 200, body = Lobby),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn lobby(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
) -> Result<Json<Lobby>, ApiError> {
    moderated(&app, &room, &caller.user_id).await?;
    let requests = app.store.lobby(&room).await?;
    Ok(Json(Lobby { requests }))
}

fn nobody_waits(error: StoreError) -> ApiError {
    match error {
        StoreError::Absent => ApiError::not_found("this person does not wait here any more"),
        other => other.into(),
    }
}

/// Nobody lets in more than they could invite.
async fn decides_about(
    app: &App,
    room: &RoomId,
    caller: &UserId,
    who: &UserId,
) -> Result<LobbyRequest, ApiError> {
    let own = moderated(app, room, caller).await?;
    let requests = app.store.lobby(room).await?;
    let request = requests.into_iter().find(|request| request.user_id == *who);
    let request = request.ok_or(StoreError::Absent).map_err(nobody_waits)?;
    if outranks(own, request.role) {
        Ok(request)
    } else {
        Err(too_low())
    }
}

fn record(app: &App, room: &RoomId, act: AuditAct, caller: &SignIn, target: AuditParty) {
    app.audit.record(room, act, audit::caller(caller), |entry| {
        entry.target = Some(target)
    });
}

/// Lets somebody in.
#[utoipa::path(
    put,
    path = "/rooms/{room_id}/lobby/{user_id}",
    operation_id = "admit",
    tag = "Members",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn admit(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room, user)): At<(RoomId, UserId)>,
) -> Result<Json<Done>, ApiError> {
    decides_about(&app, &room, &caller.user_id, &user).await?;
    let admitted = app.store.admit(&room, &user, app.clock.now_ms()).await;
    let member = admitted.map_err(nobody_waits)?;
    let target = audit::person(user.clone(), &member.name);
    record(&app, &room, AuditAct::LobbyAdmitted, &caller, target);
    announce::member_changed(&app, room.clone(), member);
    announce::lobby_changed(&app, &room).await?;
    announce::to_who_waited(&app, room, user, true);
    Ok(Json(Done { ok: true }))
}

/// Refuses somebody; oneself: withdraws.
#[utoipa::path(
    delete,
    path = "/rooms/{room_id}/lobby/{user_id}",
    operation_id = "refuse",
    tag = "Members",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn refuse(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room, user)): At<(RoomId, UserId)>,
) -> Result<Json<Done>, ApiError> {
    let withdrawn = user == caller.user_id;
    let name = if withdrawn {
        if !app.store.waits(&room, &user).await? {
            return Err(ApiError::room_not_found());
        }
        caller.user_name.clone()
    } else {
        decides_about(&app, &room, &caller.user_id, &user).await?.name
    };
    let now = app.clock.now_ms();
    let refused = app.store.refuse(&room, &user, withdrawn, now).await;
    let ended = refused.map_err(nobody_waits)?;
    let target = audit::person(user.clone(), name);
    record(&app, &room, AuditAct::LobbyRefused, &caller, target);
    announce::lobby_changed(&app, &room).await?;
    announce::to_who_waited(&app, room, user, false);
    announce::sign_ins_ended(&app, ended);
    Ok(Json(Done { ok: true }))
}

/// Who was banned.
#[utoipa::path(
    get,
    path = "/rooms/{room_id}/bans",
    operation_id = "list_bans",
    tag = "Members",
    responses(
        (status = 200, body = Bans),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn bans(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
) -> Result<Json<Bans>, ApiError> {
    moderated(&app, &room, &caller.user_id).await?;
    let bans = app.store.bans(&room).await?;
    Ok(Json(Bans { bans }))
}

/// Bans a member or anybody else.
#[utoipa::path(
    put,
    path = "/rooms/{room_id}/bans/{user_id}",
    operation_id = "ban",
    tag = "Members",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn ban(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room, user)): At<(RoomId, UserId)>,
) -> Result<Json<Done>, ApiError> {
    let own = moderated(&app, &room, &caller.user_id).await?;
    if user == caller.user_id {
        return Err(ApiError::forbidden("nobody bans themselves: leave the room"));
    }
    // Who is no member has no rank.
    let rank = role_of(&app, &room, &user).await?.unwrap_or(Role::Guest);
    if !outranks(own, rank) {
        return Err(too_low());
    }
    let waited = app.store.waits(&room, &user).await?;
    let banned = app.store.ban(&room, &user, app.clock.now_ms()).await;
    let ended = banned.map_err(|error| match error {
        StoreError::Absent => ApiError::not_found("there is no such person"),
        other => other.into(),
    })?;
    if let Some(banned) = app.store.user(&user).await? {
        let target = audit::person(user.clone(), banned.name);
        record(&app, &room, AuditAct::MemberBanned, &caller, target);
    }
    announce::member_gone(&app, room.clone(), user.clone(), "removed");
    if waited {
        announce::lobby_changed(&app, &room).await?;
        announce::to_who_waited(&app, room, user, false);
    }
    announce::sign_ins_ended(&app, ended);
    Ok(Json(Done { ok: true }))
}

/// Lifts a ban.
#[utoipa::path(
    delete,
    path = "/rooms/{room_id}/bans/{user_id}",
    operation_id = "unban",
    tag = "Members",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn unban(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room, user)): At<(RoomId, UserId)>,
) -> Result<Json<Done>, ApiError> {
    moderated(&app, &room, &caller.user_id).await?;
    let known = app.store.user(&user).await?;
    let unbanned = app.store.unban(&room, &user).await;
    unbanned.map_err(|error| match error {
        StoreError::Absent => ApiError::not_found("this person is not banned"),
        other => other.into(),
    })?;
    if let Some(known) = known {
        let target = audit::person(user, known.name);
        record(&app, &room, AuditAct::MemberUnbanned, &caller, target);
    }
    Ok(Json(Done { ok: true }))
}
