//! Members of a room and their roles: owners decide all, moderators about members and guests.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::http::{AuditAct, Done, Member, MemberRole, Members, Role};
use mesh_protocol::ids::{RoomId, UserId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::{At, Body};
use super::rooms::{gone_is_absent, room_of};
use super::session::Caller;
use crate::app::App;
use crate::audit;
use crate::store::SignIn;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(set_role, remove))
}

/// Whether someone of a role may decide about someone of another, and give that one away.
pub(super) fn outranks(role: Role, other: Role) -> bool {
    role == Role::Owner || (role == Role::Moderator && other < Role::Moderator)
}

pub(super) fn too_low() -> ApiError {
    ApiError::forbidden("your role in this room does not allow that: ask an owner")
}

/// The caller's role, where they may moderate.
pub(super) async fn moderated(app: &App, room: &RoomId, user: &UserId) -> Result<Role, ApiError> {
    let role = room_of(app, room, user).await?.role;
    if role >= Role::Moderator {
        Ok(role)
    } else {
        Err(ApiError::forbidden(
            "only owners and moderators of the room may do this",
        ))
    }
}

/// What somebody is in the room; `None` for who is no member.
pub(super) async fn role_of(app: &App, room: &RoomId, user: &UserId) -> Result<Option<Role>, ApiError> {
    Ok(app.store.room_of(room, user).await?.map(|room| room.role))
}

async fn member(app: &App, room: &RoomId, user: &UserId) -> Result<Member, ApiError> {
    let members = app.store.members(room).await?;
    members
        .into_iter()
        .find(|member| member.user_id == *user)
        .ok_or_else(|| ApiError::not_found("this person is not a member of the room"))
}

async fn is_guest(app: &App, user: &UserId) -> Result<bool, ApiError> {
    Ok(app.store.user(user).await?.is_some_and(|user| user.guest))
}

/// The members of a room.
#[utoipa::path(
    get,
    path = "/rooms/{room_id}/members",
    operation_id = "list_members",
    tag = "Members",
    responses((status = 200, body = Members))
)]
async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
) -> Result<Json<Members>, ApiError> {
    room_of(&app, &room, &caller.user_id).await?;
    Ok(Json(Members {
        members: app.store.members(&room).await?,
    }))
}

/// Gives a member another role.
#[utoipa::path(
    put,
    path = "/rooms/{room_id}/members/{user_id}",
    operation_id = "set_role",
    tag = "Members",
    request_body = MemberRole,
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn set_role(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room_id, user_id)): At<(RoomId, UserId)>,
    Body(MemberRole { role }): Body<MemberRole>,
) -> Result<Json<Done>, ApiError> {
    let own = room_of(&app, &room_id, &caller.user_id).await?.role;
    let before = member(&app, &room_id, &user_id).await?;
    if !outranks(own, before.role) || !outranks(own, role) {
        return Err(too_low());
    }
    if role != Role::Guest && is_guest(&app, &user_id).await? {
        return Err(ApiError::forbidden(
            "this person has no account: send them an invitation to make one",
        ));
    }
    app.store
        .set_role(&room_id, &user_id, role)
        .await
        .map_err(gone_is_absent)?;
    let (act, actor) = (AuditAct::MemberRole, audit::caller(&caller));
    app.audit.record(&room_id, act, actor, |entry| {
        entry.target = Some(audit::person(user_id, &before.name));
        entry.detail = Some(role.as_str().to_owned());
    });
    announce::member_changed(&app, room_id, Member { role, ..before });
    Ok(Json(Done { ok: true }))
}

/// Puts a member out; oneself: leaves.
///
/// Oneself, or somebody below.
#[utoipa::path(
    delete,
    path = "/rooms/{room_id}/members/{user_id}",
    operation_id = "remove_member",
    tag = "Members",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn remove(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room_id, user_id)): At<(RoomId, UserId)>,
) -> Result<Json<Done>, ApiError> {
    if user_id == caller.user_id {
        leave(&app, room_id, &caller).await?;
        return Ok(Json(Done { ok: true }));
    }
    let own = room_of(&app, &room_id, &caller.user_id).await?.role;
    let gone = member(&app, &room_id, &user_id).await?;
    if !outranks(own, gone.role) {
        return Err(too_low());
    }
    let expelled = app
        .store
        .expel_member(&room_id, &user_id, app.clock.now_ms())
        .await;
    let ended = expelled.map_err(gone_is_absent)?;
    let (act, actor) = (AuditAct::MemberRemoved, audit::caller(&caller));
    app.audit.record(&room_id, act, actor, |entry| {
        entry.target = Some(audit::person(user_id.clone(), gone.name));
    });
    announce::member_gone(&app, room_id, user_id, "removed");
    announce::sign_ins_ended(&app, ended);
    Ok(Json(Done { ok: true }))
}

pub(super) async fn leave(app: &App, room_id: RoomId, caller: &SignIn) -> Result<(), ApiError> {
    let user_id = caller.user_id.clone();
    let left = app
        .store
        .remove_member(&room_id, &user_id, app.clock.now_ms())
        .await;
    let ended = left.map_err(gone_is_absent)?;
    app.audit
        .record(&room_id, AuditAct::MemberLeft, audit::caller(caller), |_| ());
    announce::member_gone(app, room_id, user_id, "left");
    announce::sign_ins_ended(app, ended);
    Ok(())
}
