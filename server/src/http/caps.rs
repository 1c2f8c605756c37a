//! Capabilities: who gets one, the keys that verify them, taking them back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::capability::{
    AUDIENCE, Capability, Claims, Confirmation, Feature, ISSUER, Jwks, same_fingerprint,
};
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::{
    AuditAct, AuditParty, CapabilityGrant, CapabilityRequest, Done, Revocation, Role, Room,
};
use mesh_protocol::ids::{PeerId, RoomId, SessionId, TokenId, UserId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::Body;
use super::rooms::room_of;
use super::session::Caller;
use crate::app::App;
use crate::audit;
use crate::auth::random;
use crate::hub::sessions::Ended;
use crate::store::SignIn;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(keys))
        .routes(routes!(issue))
        .routes(routes!(revoke))
}

/// The keys that verify capabilities.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "keys",
    tag = "Sessions between devices",
    security(()),
    responses((status = 200, body = Jwks))
)]
async fn keys(State(app): State<Arc<App>>) -> Json<Jwks> {
    Json(app.capability_keys.published())
}

/// A capability for a live socket of one's own.
#[utoipa::path(
    post,
    path = "/caps",
    operation_id = "issue_capability",
    tag = "Sessions between devices",
    request_body = CapabilityRequest,
    responses(
        (status = 200, body = CapabilityGrant),
        (status = 403, description = "CAP_NOT_ALLOWED"),
        (status = 404, description = "ROOM_NOT_FOUND"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn issue(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Body(mut ask): Body<CapabilityRequest>,
) -> Result<Json<CapabilityGrant>, ApiError> {
    app.capability_rate
        .take(&caller.user_id)
        .map_err(ApiError::throttled)?;
    ask.caps.sort_unstable();
    ask.caps.dedup();
    if ask.caps.is_empty() {
        return Err(ApiError::bad_request("caps is empty"));
    }
    if ask.caps == [Capability::Rtc] {
        return Err(ApiError::bad_request(
            "rtc is given beside the capability of a feature only",
        ));
    }
    // A fingerprint is one exactly when it equals itself.
    if ask
        .fingerprint
        .as_ref()
        .is_some_and(|fp| !same_fingerprint(fp, fp))
    {
        return Err(ApiError::bad_request(
            "fingerprint is \"sha-256 AB:CD:…\", as in the SDP",
        ));
    }
    let member = room_of(&app, &ask.room_id, &caller.user_id).await?;
    let now = app.clock.now();
    if let Err(refusal) = decide(&app, &caller, &ask, &member, now) {
        if refusal.code() == HttpCode::CapNotAllowed {
            let (act, actor) = (AuditAct::CapabilityRefused, audit::caller(&caller));
            let target = target_of(&app, &ask);
            app.audit.record(&ask.room_id, act, actor, |entry| {
                entry.target = target;
                entry.detail = Some(refusal.detail().to_owned());
                entry.session_id = ask.session_id;
                entry.capabilities = ask.caps;
            });
        }
        return Err(refusal);
    }
    let target = target_of(&app, &ask);
    let exp = now + app.config.cap_ttl.as_secs();
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: ask.peer_id,
        room_id: ask.room_id,
        caps: ask.caps,
        target_peer_id: ask.target_peer_id,
        max_size: ask.max_size,
        session_id: ask.session_id,
        jti: random::id(),
        iat: now,
        exp,
        cnf: ask.fingerprint.map(|fp| Confirmation { fp }),
    };
    let cap_token = app
        .capability_keys
        .sign(&claims, now)
        .map_err(|error| ApiError::internal(&error))?;
    app.hub.tokens.issued(&claims);
    app.metrics.granted(&claims.caps);
    let mut actor = audit::caller(&caller);
    actor.peer_id = Some(claims.sub);
    app.audit
        .record(&claims.room_id, AuditAct::CapabilityGranted, actor, |entry| {
            entry.capabilities = claims.caps;
            entry.target = target;
            entry.session_id = claims.session_id;
            entry.jti = Some(claims.jti);
        });
    Ok(Json(CapabilityGrant { cap_token, exp }))
}

fn target_of(app: &App, ask: &CapabilityRequest) -> Option<AuditParty> {
    app.hub.party(ask.target_peer_id.as_ref()?)
}

/// Whether the caller, who is a member of the room, is given what they ask for.
fn decide(
    app: &App,
    caller: &SignIn,
    ask: &CapabilityRequest,
    member: &Room,
    now: u64,
) -> Result<(), ApiError> {
    let own = app
        .hub
        .peer(&ask.peer_id)
        .is_some_and(|peer| peer.user_id == caller.user_id);
    let room = app.hub.room_with(&ask.room_id, &ask.peer_id).filter(|_| own);
    let Some(room) = room else {
        return Err(ApiError::cap_not_allowed(
            "peer_id is not a live socket of yours that has joined this room",
        ));
    };
    if ask
        .target_peer_id
        .as_ref()
        .is_some_and(|target| room.find(target).is_none())
    {
        return Err(ApiError::cap_not_allowed("the target is not in this room"));
    }
    let answered = answered_feature(app, ask, now).map(Feature::capability);
    let policy = &member.settings.policy;
    let allowed = |c: &Capability| policy.allows(member.role, *c) || answered == Some(*c);
    if let Some(refused) = ask.caps.iter().find(|c| !allowed(c)) {
        return Err(ApiError::cap_not_allowed(format!(
            "your role in this room does not allow {refused}"
        )));
    }
    if let Some(session) = &ask.session_id
        && app
            .hub
            .sessions
            .is_revoked(session, &ask.peer_id, ask.target_peer_id.as_ref())
    {
        return Err(ApiError::cap_not_allowed(
            "this session was ended: open a new one",
        ));
    }
    Ok(())
}

/// The feature of the session that the asking peer answers, where it is the answering end of one towards its target.
fn answered_feature(app: &App, ask: &CapabilityRequest, now: u64) -> Option<Feature> {
    let (session, requester) = (ask.session_id.as_ref()?, ask.target_peer_id.as_ref()?);
    app.hub
        .sessions
        .answering(&ask.room_id, session, &ask.peer_id, requester, now)
}

/// Takes a capability or a whole session back.
#[utoipa::path(
    post,
    path = "/caps/revoke",
    operation_id = "revoke_capability",
    tag = "Sessions between devices",
    request_body = Revocation,
    responses(
        (status = 200, body = Done),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn revoke(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Body(what): Body<Revocation>,
) -> Result<Json<Done>, ApiError> {
    match what {
        Revocation::Token { jti } => revoke_token(&app, &caller, jti).await?,
        Revocation::Session { session_id } => revoke_session(&app, &caller, &session_id).await?,
    }
    Ok(Json(Done { ok: true }))
}

fn unknown() -> ApiError {
    ApiError::not_found("there is no such capability or session of yours")
}

/// Whoever bears it, whomever it is shown to, and whoever moderates the room may take it back.
async fn may_revoke(app: &App, user: &UserId, room: &RoomId, parties: &[PeerId]) -> Result<bool, ApiError> {
    let own = parties
        .iter()
        .any(|id| app.hub.user_of(id).is_some_and(|owner| owner == *user));
    Ok(own
        || app
            .store
            .room_of(room, user)
            .await?
            .is_some_and(|room| room.role >= Role::Moderator))
}

async fn revoke_token(app: &App, caller: &SignIn, jti: TokenId) -> Result<(), ApiError> {
    let issued = app.hub.tokens.get(&jti).ok_or_else(unknown)?;
    let parties: Vec<_> = [Some(issued.bearer), issued.target]
        .into_iter()
        .flatten()
        .collect();
    if !may_revoke(app, &caller.user_id, &issued.room_id, &parties).await? {
        return Err(unknown());
    }
    app.hub.tokens.revoke(&jti);
    if let Some(session) = &issued.session_id {
        app.hub
            .tell_revoked(session, Some(jti.clone()), &parties, "revoked");
    }
    let (act, actor) = (AuditAct::CapabilityRevoked, audit::caller(caller));
    app.audit.record(&issued.room_id, act, actor, |entry| {
        entry.session_id = issued.session_id;
        entry.jti = Some(jti);
    });
    Ok(())
}

async fn revoke_session(app: &App, caller: &SignIn, session: &SessionId) -> Result<(), ApiError> {
    let user = &caller.user_id;
    let moderated: Vec<RoomId> = app
        .store
        .rooms_of(user)
        .await?
        .into_iter()
        .filter(|room| room.role >= Role::Moderator)
        .map(|room| room.room_id)
        .collect();
    let is_own = |id: &PeerId| app.hub.user_of(id).is_some_and(|owner| owner == *user);
    let may = |room: &RoomId, parties: &[PeerId]| moderated.contains(room) || parties.iter().any(is_own);
    let ended = app.hub.sessions.revoke(session, may, app.clock.now());
    if ended.is_empty() {
        return Err(unknown());
    }
    for Ended { room_id, .. } in &ended {
        let (act, actor) = (AuditAct::CapabilityRevoked, audit::caller(caller));
        app.audit.record(room_id, act, actor, |entry| {
            entry.session_id = Some(session.clone())
        });
    }
    app.hub.tell_ended(ended, "revoked");
    Ok(())
}
