//! Pairing of a device that has no page (RFC 8628): it asks for a code and polls; somebody signed in answers.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::{
    AnswerPairing, AskPairing, DeviceKind, Done, PairingCode, PairingRequest, PollPairing, UserCode,
};
use mesh_protocol::limits::{PAIRING_INTERVAL, PAIRING_TTL};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::Body;
use super::headers::ClientAddress;
use super::session::{Account, live_sign_in};
use super::sign_in::{check_device, introduced, open_session};
use crate::app::App;
use crate::auth::pairing::{Asking, Poll, TooMany};
use crate::store::{SignIn, StoreError};

/// When there are too many devices: until the oldest may have gone.
const FULL: Duration = Duration::from_secs(60);

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(ask))
        .routes(routes!(poll))
        .routes(routes!(show))
        .routes(routes!(answer))
}

/// A device without a page asks for a code (RFC 8628).
#[utoipa::path(
    post,
    path = "/auth/device/code",
    operation_id = "ask_pairing",
    tag = "Signing in",
    security(()),
    request_body = AskPairing,
    responses(
        (status = 200, body = PairingCode),
        (status = 429, description = "THROTTLED")
    )
)]
async fn ask(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(body): Body<AskPairing>,
) -> Result<Json<PairingCode>, ApiError> {
    check_device(body.device.as_ref())?;
    let device = introduced(body.device, DeviceKind::Agent);
    let codes = app
        .pairings
        .ask(device, address, app.clock.now_ms())
        .map_err(|TooMany| ApiError::throttled(FULL))?;
    let verification_uri = format!("{}/pair", app.public_url);
    Ok(Json(PairingCode {
        verification_uri_complete: format!("{verification_uri}?code={}", codes.user_code),
        verification_uri,
        device_code: codes.device_code,
        user_code: codes.user_code,
        expires_in: PAIRING_TTL.as_secs(),
        interval: PAIRING_INTERVAL.as_secs(),
    }))
}

/// The device asks whether somebody let it in.
#[utoipa::path(
    post,
    path = "/auth/device/token",
    operation_id = "poll_pairing",
    tag = "Signing in",
    security(()),
    request_body = PollPairing,
    responses(
        (status = 200, body = mesh_protocol::http::Session),
        (status = 400, description = "AUTHORIZATION_PENDING, SLOW_DOWN, EXPIRED_TOKEN, ACCESS_DENIED"),
        (status = 404, description = "NOT_FOUND")
    )
)]
async fn poll(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(body): Body<PollPairing>,
) -> Result<Response, ApiError> {
    let declined = || ApiError::new(HttpCode::AccessDenied, "this device was declined");
    match app.pairings.poll(&body.device_code, app.clock.now_ms()) {
        Poll::Pending => Err(ApiError::new(
            HttpCode::AuthorizationPending,
            "nobody has approved this device yet: ask again after the interval",
        )),
        Poll::SlowDown => Err(ApiError::new(
            HttpCode::SlowDown,
            "asked too soon: wait 5 s longer between two requests from now on",
        )),
        Poll::Expired => Err(ApiError::new(
            HttpCode::ExpiredToken,
            "the code has expired: ask for a new one",
        )),
        Poll::Declined => Err(declined()),
        Poll::Approved { device, by } => {
            // Whoever approved may have been signed out since.
            let by = live_sign_in(&app, &by).await.map_err(|error| {
                if error.code() == HttpCode::Unauthenticated {
                    declined()
                } else {
                    error
                }
            })?;
            let user = app.store.user(&by.user_id).await?.ok_or(StoreError::Absent)?;
            open_session(&app, user, Some(device), address, None).await
        }
    }
}

/// Runs `attempt` on a code that a user entered; wrong ones are counted, whoever enters too many waits.
fn with_code<T>(app: &App, caller: &SignIn, attempt: impl FnOnce() -> Option<T>) -> Result<T, ApiError> {
    // By user and not by address: who guesses has as many addresses as they like.
    const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let (user, wrong) = (caller.user_id.as_str(), app.pairings.wrong_codes());
    if let Some(wait) = wrong.wait(user, ANYWHERE) {
        return Err(ApiError::throttled(wait));
    }
    attempt().ok_or_else(|| {
        wrong.failed(user, ANYWHERE);
        ApiError::new(
            HttpCode::CodeInvalid,
            "no device shows this code, or its five minutes are over: compare it with the device's, or start there anew",
        )
    })
}

/// Which device shows a code.
#[utoipa::path(
    post,
    path = "/auth/device/request",
    operation_id = "view_pairing",
    tag = "Signing in",
    request_body = UserCode,
    responses(
        (status = 200, body = PairingRequest),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "CODE_INVALID"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn show(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<UserCode>,
) -> Result<Json<PairingRequest>, ApiError> {
    let now = app.clock.now_ms();
    let Asking {
        device,
        address,
        expires_at,
    } = with_code(&app, &caller, || app.pairings.asking(&body.user_code, now))?;
    Ok(Json(PairingRequest {
        device_name: device.name,
        kind: device.kind,
        address,
        expires_at: expires_at / 1000,
    }))
}

/// Lets the device in under this account, or declines.
#[utoipa::path(
    post,
    path = "/auth/device/approve",
    operation_id = "answer_pairing",
    tag = "Signing in",
    request_body = AnswerPairing,
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "CODE_INVALID"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn answer(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<AnswerPairing>,
) -> Result<Json<Done>, ApiError> {
    let by = body.approve.unwrap_or(true).then(|| caller.id.clone());
    let now = app.clock.now_ms();
    with_code(&app, &caller, || {
        app.pairings.answer(&body.user_code, by, now).then_some(())
    })?;
    Ok(Json(Done { ok: true }))
}
