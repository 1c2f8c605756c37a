//! Codes: a sender waits under a number, a device without an account has one guess at its words, and both exchange what is
//! sealed for the other.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::{CodeGuess, CodeGuessed, CodeOffer, CodeReplied, CodeReply, Done, Nameplate};
use mesh_protocol::limits::{CODE_WAIT, MAX_CODE_PAKE, MAX_CODE_SEALED};
use tokio::time::{Instant, timeout_at};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::{At, Body};
use super::headers::ClientAddress;
use super::session::Account;
use crate::app::App;
use crate::auth::codes::{Look, Refused};
use crate::auth::pairing::TooMany;

/// When too many senders wait: until some may have gone.
const FULL: Duration = Duration::from_secs(60);

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(offer))
        .routes(routes!(show, guess, reply, withdraw))
        .routes(routes!(guessed))
}

/// One answer for a number that was never given out, is over, or is used.
fn gone() -> ApiError {
    ApiError::new(
        HttpCode::CodeGone,
        "nobody waits under this number any more: ask the sender for a new code",
    )
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Gone => gone(),
            Refused::Wait(wait) => Self::throttled(wait),
        }
    }
}

fn check(text: &str, most: usize) -> Result<(), ApiError> {
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || text.len() > most || !text.bytes().all(base64url) {
        return Err(ApiError::bad_request(format!(
            "pake and sealed are base64url without padding, of at most {MAX_CODE_PAKE} and {MAX_CODE_SEALED} characters"
        )));
    }
    Ok(())
}

/// Asks until there is something, at most [`CODE_WAIT`].
async fn held<T>(look: impl Fn() -> Look<T>) -> Result<Option<T>, ApiError> {
    let until = Instant::now() + CODE_WAIT;
    loop {
        match look() {
            Look::Here(found) => return Ok(Some(found)),
            Look::Gone => return Err(gone()),
            Look::NotYet(mut changed) => {
                if timeout_at(until, changed.changed()).await.is_err() {
                    return Ok(None);
                }
            }
        }
    }
}

/// Waits for another device under a number.
///
/// It stays the caller's for an hour at most, while the caller asks who came.
#[utoipa::path(
    post,
    path = "/codes",
    operation_id = "offer_code",
    tag = "Codes",
    request_body = CodeOffer,
    responses(
        (status = 200, body = Nameplate),
        (status = 403, description = "FORBIDDEN"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn offer(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<CodeOffer>,
) -> Result<Json<Nameplate>, ApiError> {
    check(&body.pake, MAX_CODE_PAKE)?;
    let offered = app.codes.offer(caller.user_id, body.pake, app.clock.now_ms());
    Ok(Json(offered.map_err(|TooMany| ApiError::throttled(FULL))?))
}

/// The sender's message of the key exchange, for who has a code.
#[utoipa::path(
    get,
    path = "/codes/{nameplate}",
    operation_id = "show_code",
    tag = "Codes",
    security(()),
    responses(
        (status = 200, body = CodeOffer),
        (status = 410, description = "CODE_GONE"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn show(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    At(nameplate): At<u32>,
) -> Result<Json<CodeOffer>, ApiError> {
    let pake = app.codes.show(nameplate, address, app.clock.now_ms())?;
    Ok(Json(CodeOffer { pake }))
}

/// The one guess at a code's words, and the sender's answer to it.
///
/// The first guess uses the number up. Held for 5 s; where the answer is null, the same is sent again.
#[utoipa::path(
    post,
    path = "/codes/{nameplate}",
    operation_id = "guess_code",
    tag = "Codes",
    security(()),
    request_body = CodeGuess,
    responses(
        (status = 200, body = CodeReplied),
        (status = 410, description = "CODE_GONE"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn guess(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    At(nameplate): At<u32>,
    Body(body): Body<CodeGuess>,
) -> Result<Json<CodeReplied>, ApiError> {
    check(&body.pake, MAX_CODE_PAKE)?;
    check(&body.sealed, MAX_CODE_SEALED)?;
    app.codes.guess(nameplate, &body, address, app.clock.now_ms())?;
    let reply = held(|| app.codes.replied(nameplate, &body, app.clock.now_ms())).await?;
    Ok(Json(CodeReplied { reply }))
}

/// Who came, for the sender.
///
/// Held for 5 s; where the answer is null, ask again: the number is kept for 30 s after each question.
#[utoipa::path(
    get,
    path = "/codes/{nameplate}/guess",
    operation_id = "show_guess",
    tag = "Codes",
    responses(
        (status = 200, body = CodeGuessed),
        (status = 403, description = "FORBIDDEN"),
        (status = 410, description = "CODE_GONE")
    )
)]
async fn guessed(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    At(nameplate): At<u32>,
) -> Result<Json<CodeGuessed>, ApiError> {
    let look = || app.codes.guessed(nameplate, &caller.user_id, app.clock.now_ms());
    Ok(Json(CodeGuessed {
        guess: held(look).await?,
    }))
}

/// The sender's answer to a guess that was right, once.
#[utoipa::path(
    put,
    path = "/codes/{nameplate}",
    operation_id = "reply_code",
    tag = "Codes",
    request_body = CodeReply,
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 410, description = "CODE_GONE")
    )
)]
async fn reply(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    At(nameplate): At<u32>,
    Body(body): Body<CodeReply>,
) -> Result<Json<Done>, ApiError> {
    check(&body.sealed, MAX_CODE_SEALED)?;
    let replied = app
        .codes
        .reply(nameplate, &caller.user_id, body, app.clock.now_ms());
    replied.then_some(Json(Done { ok: true })).ok_or_else(gone)
}

/// Waits no more: after a guess that was wrong, or for nobody.
#[utoipa::path(
    delete,
    path = "/codes/{nameplate}",
    operation_id = "withdraw_code",
    tag = "Codes",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 410, description = "CODE_GONE")
    )
)]
async fn withdraw(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    At(nameplate): At<u32>,
) -> Result<Json<Done>, ApiError> {
    let withdrawn = app.codes.withdraw(nameplate, &caller.user_id, app.clock.now_ms());
    withdrawn.then_some(Json(Done { ok: true })).ok_or_else(gone)
}
