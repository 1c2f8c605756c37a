//! Members of a room and their roles: owners decide all, moderators about members and guests.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, put};
use axum::{Json, Router};
use mesh_protocol::http::{Done, Member, MemberRole, Members, Role};
use mesh_protocol::ids::{RoomId, UserId};

use super::error::ApiError;
use super::extract::{At, Body};
use super::rooms::{gone_is_absent, room_of};
use super::session::Caller;
use crate::app::App;
use crate::bus::BusEvent;
use crate::store::Dismissal;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/rooms/{room_id}/members", get(list))
        .route("/rooms/{room_id}/members/{user_id}", put(set_role).delete(remove))
}

/// Whether someone of a role may decide about someone of another, and give that one away.
pub(super) fn outranks(role: Role, other: Role) -> bool {
    role == Role::Owner || (role == Role::Moderator && other < Role::Moderator)
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

/// Ends a membership; that of a guest takes the session along, and where they were removed the invitation.
pub(super) async fn part(
    app: &App,
    room_id: RoomId,
    user_id: UserId,
    guest: bool,
    reason: &'static str,
) -> Result<(), ApiError> {
    let ended = if guest {
        let who = match reason {
            "left" => Dismissal::Left(&user_id),
            _ => Dismissal::Removed(&user_id),
        };
        app.store.dismiss_guests(&room_id, who, app.clock.now_ms()).await
    } else {
        app.store
            .remove_member(&room_id, &user_id)
            .await
            .map(|()| Vec::new())
    };
    let ended = ended.map_err(gone_is_absent)?;
    app.bus.publish(BusEvent::MemberGone {
        room_id,
        user_id,
        reason,
    });
    for sign_in in ended {
        app.bus.publish(BusEvent::SignInEnded { sign_in });
    }
    Ok(())
}

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

async fn set_role(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room_id, user_id)): At<(RoomId, UserId)>,
    Body(MemberRole { role }): Body<MemberRole>,
) -> Result<Json<Done>, ApiError> {
    let own = room_of(&app, &room_id, &caller.user_id).await?.role;
    let before = member(&app, &room_id, &user_id).await?.role;
    if !outranks(own, before) || !outranks(own, role) {
        return Err(ApiError::forbidden("your role in this room does not allow that"));
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
    if role == Role::Guest && before != Role::Guest {
        app.bus.publish(BusEvent::MemberNarrowed { room_id, user_id });
    }
    Ok(Json(Done { ok: true }))
}

async fn remove(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room_id, user_id)): At<(RoomId, UserId)>,
) -> Result<Json<Done>, ApiError> {
    let own = room_of(&app, &room_id, &caller.user_id).await?.role;
    let before = member(&app, &room_id, &user_id).await?.role;
    if user_id != caller.user_id && !outranks(own, before) {
        return Err(ApiError::forbidden("your role in this room does not allow that"));
    }
    let guest = is_guest(&app, &user_id).await?;
    let reason = if user_id == caller.user_id {
        "left"
    } else {
        "removed"
    };
    part(&app, room_id, user_id, guest, reason).await?;
    Ok(Json(Done { ok: true }))
}
