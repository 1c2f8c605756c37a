//! Invitations into a room: shown once, stored hashed, counted, revocable.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::http::{AuditAct, CreateInvite, Done, Invite, InviteInfo, Invites, Role};
use mesh_protocol::ids::{InviteId, RoomId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::{At, Body};
use super::members::{moderated, outranks, too_low};
use super::session::Caller;
use crate::app::App;
use crate::audit;
use crate::auth::random;
use crate::store::NewInvite;

const DEFAULT_SECONDS: u64 = 604_800;
/// A year.
const MOST_SECONDS: u64 = 365 * 24 * 3_600;
const MOST_USES: u32 = 10_000;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(revoke))
}

/// Makes an invitation; its token is shown this once.
#[utoipa::path(
    post,
    path = "/rooms/{room_id}/invites",
    operation_id = "create_invite",
    tag = "Invitations",
    request_body = CreateInvite,
    responses(
        (status = 200, body = Invite),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn create(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room_id): At<RoomId>,
    Body(body): Body<CreateInvite>,
) -> Result<Json<Invite>, ApiError> {
    let own = moderated(&app, &room_id, &caller.user_id).await?;
    let role = body.role.unwrap_or(Role::Member);
    if !outranks(own, role) {
        return Err(ApiError::forbidden("you may invite as member or guest only"));
    }
    let seconds = body.expires_in.unwrap_or(DEFAULT_SECONDS);
    let max_uses = body.max_uses.unwrap_or(1);
    if !(1..=MOST_SECONDS).contains(&seconds) || !(1..=MOST_USES).contains(&max_uses) {
        return Err(ApiError::bad_request(format!(
            "expires_in is 1 to {MOST_SECONDS} seconds, max_uses is 1 to {MOST_USES}"
        )));
    }
    let token = random::token();
    let now = app.clock.now_ms();
    let invite = NewInvite {
        id: random::id(),
        room_id,
        token_hash: random::hash(&token),
        role,
        created_by: caller.user_id.clone(),
        now,
        expires_at: now + seconds * 1000,
        max_uses,
        guest: body.guest.unwrap_or(false),
    };
    app.store.create_invite(&invite).await?;
    let (act, actor) = (AuditAct::InviteCreated, audit::caller(&caller));
    app.audit.record(&invite.room_id, act, actor, |entry| {
        entry.detail = Some(format!("{} {}", invite.id, invite.role.as_str()));
    });
    let url = format!("{}/invite#token={token}", app.public_url);
    Ok(Json(Invite {
        invite_id: invite.id,
        token,
        url,
        expires_at: invite.expires_at / 1000,
    }))
}

/// The invitations of a room that are still good.
#[utoipa::path(
    get,
    path = "/rooms/{room_id}/invites",
    operation_id = "list_invites",
    tag = "Invitations",
    responses(
        (status = 200, body = Invites),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn list(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
) -> Result<Json<Invites>, ApiError> {
    moderated(&app, &room, &caller.user_id).await?;
    let invites = app
        .store
        .invites(&room, app.clock.now_ms())
        .await?
        .into_iter()
        .map(|invite| InviteInfo {
            invite_id: invite.id,
            role: invite.role,
            expires_at: invite.expires_at / 1000,
            max_uses: invite.max_uses,
            uses: invite.uses,
            guest: invite.guest,
        });
    Ok(Json(Invites {
        invites: invites.collect(),
    }))
}

/// Revokes an invitation.
#[utoipa::path(
    delete,
    path = "/rooms/{room_id}/invites/{invite_id}",
    operation_id = "revoke_invite",
    tag = "Invitations",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn revoke(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room, invite)): At<(RoomId, InviteId)>,
) -> Result<Json<Done>, ApiError> {
    let own = moderated(&app, &room, &caller.user_id).await?;
    if !outranks(own, app.store.invite_role(&room, &invite).await?) {
        return Err(too_low());
    }
    app.store
        .revoke_invite(&room, &invite, app.clock.now_ms())
        .await?;
    let (act, actor) = (AuditAct::InviteRevoked, audit::caller(&caller));
    app.audit
        .record(&room, act, actor, |entry| entry.detail = Some(invite.to_string()));
    Ok(Json(Done { ok: true }))
}
