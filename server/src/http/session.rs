//! Who asks: the session in the header or the cookie; listing and ending sessions.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use mesh_protocol::http::{Done, SessionInfo, Sessions};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::At;
use super::headers::ClientAddress;
use super::members::leave;
use crate::app::App;
use crate::bus::BusEvent;
use crate::store::{SignIn, SignInId};

const COOKIE: &str = "mesh_session";
/// `last_seen_at` is written at most this often, in milliseconds.
const SEEN_EVERY_MS: u64 = 60_000;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(logout))
        .routes(routes!(end))
}

/// The token of `Authorization: Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The token of the cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, COOKIE)
}

/// What a cookie holds.
pub(super) fn cookie_named<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

/// The header that gives a page its session, or takes it away (`max_age` 0).
pub(super) fn set_cookie(app: &App, token: &str, max_age: u64) -> Result<HeaderValue, ApiError> {
    let secure = if app.is_https() { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}{secure}");
    HeaderValue::from_str(&text).map_err(|error| ApiError::internal(&error))
}

/// The sign-in that a token names, where it still stands.
pub(crate) async fn sign_in_of_token(app: &App, token: &str) -> Result<SignIn, ApiError> {
    let ended = || {
        ApiError::new(
            mesh_protocol::error_code::HttpCode::Unauthenticated,
            "the session has ended: sign in again",
        )
    };
    let (id, user) = app
        .sign_in_tokens
        .verify(token, app.clock.now())
        .map_err(|_| ended())?;
    let sign_in = live_sign_in(app, &id).await?;
    if sign_in.user_id == user {
        Ok(sign_in)
    } else {
        Err(ended())
    }
}

/// The sign-in, where it has neither ended nor expired.
pub(crate) async fn live_sign_in(app: &App, id: &SignInId) -> Result<SignIn, ApiError> {
    let now = app.clock.now_ms();
    let live = app
        .sign_ins
        .get(id, now)
        .await?
        .filter(|s| s.ended_at.is_none() && s.expires_at > now);
    live.ok_or_else(|| {
        ApiError::new(
            mesh_protocol::error_code::HttpCode::Unauthenticated,
            "the session has ended: sign in again",
        )
    })
}

/// The sign-in of a request.
pub(super) struct Caller(pub(super) SignIn);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers)
            .or_else(|| cookie(&parts.headers))
            .ok_or_else(ApiError::unauthenticated)?;
        let sign_in = sign_in_of_token(app, token).await?;
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, app).await;
        used(app, &sign_in, address).await;
        Ok(Self(sign_in))
    }
}

/// Notes when and from where a sign-in was last used. Only a display: nothing fails for it.
pub(crate) async fn used(app: &App, sign_in: &SignIn, address: IpAddr) {
    let now = app.clock.now_ms();
    let elsewhere = sign_in.address != Some(address);
    if !elsewhere && now.saturating_sub(sign_in.last_seen_at) <= SEEN_EVERY_MS {
        return;
    }
    if let Err(error) = app.sign_ins.touch(&sign_in.id, address, now).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "last_seen_at was not written"
        );
    }
}

/// The sign-in of a request that guests may not make.
pub(super) struct Account(pub(super) SignIn);

impl FromRequestParts<Arc<App>> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Caller(sign_in) = Caller::from_request_parts(parts, app).await?;
        if sign_in.guest {
            return Err(ApiError::guest());
        }
        Ok(Self(sign_in))
    }
}

/// The sessions of this account.
#[utoipa::path(
    get,
    path = "/auth/sessions",
    operation_id = "list_sessions",
    tag = "Account",
    responses((status = 200, body = Sessions))
)]
async fn list(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Sessions>, ApiError> {
    let sign_ins = app.store.sign_ins(&caller.user_id, app.clock.now_ms()).await?;
    let info = |s: SignIn| SessionInfo {
        current: s.id == caller.id,
        id: s.id.0,
        device_id: s.device_id,
        device_name: s.device_name,
        kind: s.kind,
        address: s.address,
        created_at: s.created_at,
        last_seen_at: s.last_seen_at,
    };
    Ok(Json(Sessions {
        sessions: sign_ins.into_iter().map(info).collect(),
    }))
}

/// Ends this session, and with it its sockets.
#[utoipa::path(
    post,
    path = "/auth/logout",
    operation_id = "logout",
    tag = "Account",
    responses(
        (status = 200, body = Done),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn logout(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Response, ApiError> {
    end_sign_in(&app, &caller, caller.id.clone()).await?;
    let mut response = Json(Done { ok: true }).into_response();
    response
        .headers_mut()
        .insert(header::SET_COOKIE, set_cookie(&app, "", 0)?);
    Ok(response)
}

/// Ends a session of this account.
#[utoipa::path(
    delete,
    path = "/auth/sessions/{id}",
    operation_id = "end_session",
    tag = "Account",
    responses(
        (status = 200, body = Done),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn end(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(id): At<String>,
) -> Result<Json<Done>, ApiError> {
    end_sign_in(&app, &caller, SignInId(id)).await?;
    Ok(Json(Done { ok: true }))
}

async fn end_sign_in(app: &App, caller: &SignIn, sign_in: SignInId) -> Result<(), ApiError> {
    // A guest has no way back, so the membership of the one room ends too, and with it the session.
    if caller.guest
        && sign_in == caller.id
        && let Some(room) = app.store.rooms_of(&caller.user_id).await?.pop()
    {
        return leave(app, room.room_id, caller).await;
    }
    app.store
        .end_sign_in(&caller.user_id, &sign_in, app.clock.now_ms())
        .await?;
    app.bus.publish(BusEvent::SignInEnded { sign_in });
    Ok(())
}
