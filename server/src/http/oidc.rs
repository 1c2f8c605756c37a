//! Sign-in at the OpenID provider: the ways in, the way there, the way back, and linking an account.
//!
//! The browser is sent away by the page and comes back by a redirect; whatever goes wrong on the way back is a page again,
//! with the code of the problem in its address.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::{DeviceIntro, Done, OidcProvider, OidcRedirect, SignInMethods, StartOidc};
use openidconnect::url::Url;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::{Ask, Body};
use super::headers::ClientAddress;
use super::session::{Account, cookie_named, live_sign_in};
use super::sign_in::{check_device, new_user, open_session};
use crate::app::App;
use crate::auth::oidc::flows::{Asked, FLOW_TTL, Purpose};
use crate::auth::oidc::{CALLBACK, Oidc, OidcError, Subject};
use crate::auth::{names, random};
use crate::store::{Entry, Identity, StoreError, TokenHash, User};

/// Ties a sign-in to the browser that began it, for as long as it may take.
const COOKIE: &str = "mesh_oidc";
/// Names are tried as they are, then with a number.
const NAME_ATTEMPTS: u32 = 20;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(methods))
        .routes(routes!(start))
        .routes(routes!(callback))
        .routes(routes!(unlink))
}

fn provider(app: &App) -> Result<&Oidc, ApiError> {
    app.oidc
        .as_ref()
        .ok_or_else(|| ApiError::not_found("this server has no OpenID provider: sign in another way"))
}

fn expired() -> ApiError {
    ApiError::new(
        HttpCode::OidcExpired,
        "this sign-in was begun elsewhere, is over, or took longer than ten minutes: start again",
    )
}

impl From<OidcError> for ApiError {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::Unavailable => Self::new(
                HttpCode::OidcUnavailable,
                "the sign-in provider does not answer: try again later, or sign in another way",
            ),
            OidcError::Invalid => Self::new(
                HttpCode::OidcInvalid,
                "what the sign-in provider said does not hold: start again; if it stays so, tell the operator",
            ),
        }
    }
}

/// The ways into this server.
#[utoipa::path(get, path = "/auth/methods", operation_id = "sign_in_methods", tag = "Signing in", security(()),
    responses((status = 200, body = SignInMethods)))]
async fn methods(State(app): State<Arc<App>>) -> Result<Json<SignInMethods>, ApiError> {
    let settings = app.oidc.as_ref().map(|oidc| oidc.provider.settings());
    Ok(Json(SignInMethods {
        local: app.config.local_login,
        oidc: settings.map(|settings| OidcProvider {
            name: settings.name.clone(),
            register: settings.register,
        }),
        setup: !app.store.has_users().await?,
    }))
}

/// An address of this server for a path of it, and for nothing else.
fn local_address(app: &App, path: &str) -> Option<String> {
    let base = Url::parse(&app.public_url).ok()?;
    let target = base.join(path).ok()?;
    (path.starts_with('/') && target.origin() == base.origin()).then(|| target.into())
}

fn browser_cookie(app: &App, value: &str, max_age: u64) -> Result<HeaderValue, ApiError> {
    let secure = if app.is_https() { "; Secure" } else { "" };
    // Lax: the way back is a navigation that another site began.
    let text =
        format!("{COOKIE}={value}; Path={CALLBACK}; HttpOnly; SameSite=Lax; Max-Age={max_age}{secure}");
    HeaderValue::from_str(&text).map_err(|error| ApiError::internal(&error))
}

/// Begins a sign-in at the provider.
///
/// The browser that asks goes to `url` and comes back to `/auth/oidc/callback` within ten minutes; a cookie ties the two
/// together. With `link`, a session is needed.
#[utoipa::path(post, path = "/auth/oidc/start", operation_id = "start_oidc", tag = "Signing in",
    security((), ("bearer" = []), ("cookie" = [])), request_body = StartOidc, responses(
        (status = 200, body = OidcRedirect),
        (status = 401, description = "UNAUTHENTICATED"),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND"),
        (status = 502, description = "OIDC_UNAVAILABLE"),
    ))]
async fn start(
    State(app): State<Arc<App>>,
    caller: Result<Account, ApiError>,
    ClientAddress(address): ClientAddress,
    Body(body): Body<StartOidc>,
) -> Result<Response, ApiError> {
    let oidc = provider(&app)?;
    check_device(body.device.as_ref())?;
    let return_to = local_address(&app, body.return_to.as_deref().unwrap_or("/"))
        .ok_or_else(|| ApiError::bad_request("return_to is a path of this server, such as /settings"))?;
    let purpose = if body.link == Some(true) {
        let Account(caller) = caller?;
        Purpose::Link { by: caller.id }
    } else {
        let invite = body.invite.as_deref().map(random::hash);
        if let Some(invite) = &invite {
            app.store.peek_invite(invite, app.clock.now_ms()).await?;
        }
        Purpose::SignIn { invite }
    };
    let request = oidc.provider.request().await?;
    let asked = Asked {
        purpose,
        device: body.device,
        return_to,
    };
    let now = app.clock.now_ms();
    let cookie = oidc
        .flows
        .begin(&request.state, asked, request.secrets, address, now);
    let url = request.url.into();
    let mut response = Json(OidcRedirect { url }).into_response();
    let cookie = browser_cookie(&app, &cookie, FLOW_TTL.as_secs())?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// The provider's answer, as RFC 6749, section 4.1.2, and RFC 9207 name its parts.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Where the provider sends the browser back to.
///
/// Sets the session's cookie and goes on to `return_to`; where somebody was not signed in, to `/login#failed=` or
/// `/settings#failed=` with the code of the problem.
#[utoipa::path(get, path = "/auth/oidc/callback", operation_id = "finish_oidc", tag = "Signing in", security(()),
    params(Answer), responses((status = 303, description = "Signed in, or not")))]
async fn callback(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Ask(answer): Ask<Answer>,
) -> Result<Response, ApiError> {
    let mut page = "/login";
    let mut response = match finish(&app, &headers, answer, address, &mut page).await {
        Ok(response) => response,
        Err(error) => see_other(&format!("{}{page}#failed={}", app.public_url, error.code()))?,
    };
    let spent = browser_cookie(&app, "", 0)?;
    response.headers_mut().append(header::SET_COOKIE, spent);
    Ok(response)
}

fn see_other(address: &str) -> Result<Response, ApiError> {
    let address = HeaderValue::from_str(address).map_err(|error| ApiError::internal(&error))?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response())
}

/// `page` is where a failure is told.
async fn finish(
    app: &App,
    headers: &HeaderMap,
    answer: Answer,
    address: IpAddr,
    page: &mut &'static str,
) -> Result<Response, ApiError> {
    let oidc = provider(app)?;
    let state = answer.state.ok_or_else(expired)?;
    let cookie = cookie_named(headers, COOKIE).ok_or_else(expired)?;
    let (asked, secrets) = oidc
        .flows
        .take(&state, cookie, app.clock.now_ms())
        .ok_or_else(expired)?;
    if matches!(asked.purpose, Purpose::Link { .. }) {
        *page = "/settings";
    }
    if !oidc.provider.is_issuer(answer.iss.as_deref()) {
        return Err(OidcError::Invalid.into());
    }
    let Some(code) = answer.code else {
        return Err(match answer.error.as_deref() {
            Some("server_error" | "temporarily_unavailable") => OidcError::Unavailable.into(),
            _ => ApiError::new(
                HttpCode::OidcRefused,
                "the sign-in provider let nobody in: start again",
            ),
        });
    };
    let subject = oidc.provider.redeem(code, secrets).await?;
    let identity = Identity {
        issuer: oidc.provider.settings().issuer.clone(),
        subject: subject.id.clone(),
    };
    match asked.purpose {
        Purpose::Link { by } => {
            let by = live_sign_in(app, &by).await?;
            app.store
                .link_identity(&identity, &by.user_id, app.clock.now_ms())
                .await?;
            see_other(&asked.return_to)
        }
        Purpose::SignIn { invite } => {
            let (user, entry) = account_of(app, oidc, &identity, subject, invite).await?;
            if let Some(entry) = &entry {
                announce::entry(app, entry).await?;
            }
            let room = entry.map(|entry| format!("{}/rooms/{}", app.public_url, entry.room_id()));
            signed_in(app, user, asked.device, address, &room.unwrap_or(asked.return_to)).await
        }
    }
}

async fn signed_in(
    app: &App,
    user: User,
    device: Option<DeviceIntro>,
    address: IpAddr,
    target: &str,
) -> Result<Response, ApiError> {
    let session = open_session(app, user, device, address, None).await?;
    let mut response = see_other(target)?;
    if let Some(cookie) = session.headers().get(header::SET_COOKIE) {
        response.headers_mut().insert(header::SET_COOKIE, cookie.clone());
    }
    Ok(response)
}

/// The account here of somebody there; a new one where an invitation or the operator allows it.
async fn account_of(
    app: &App,
    oidc: &Oidc,
    identity: &Identity,
    subject: Subject,
    invite: Option<TokenHash>,
) -> Result<(User, Option<Entry>), ApiError> {
    if let Some(user) = app.store.user_by_identity(identity).await? {
        let entry = match &invite {
            Some(invite) => Some(
                app.store
                    .join_by_invite(invite, &user.id, app.clock.now_ms())
                    .await?,
            ),
            None => None,
        };
        return Ok((user, entry));
    }
    let welcome = invite.is_some() || oidc.provider.settings().register;
    // The first account is made with the setup link, since it owns the server.
    if !welcome || !app.store.has_users().await? {
        return Err(ApiError::new(
            HttpCode::OidcNoAccount,
            "nobody here signs in like this yet: open an invitation, or link your account in the settings",
        ));
    }
    let wanted = subject
        .name
        .as_deref()
        .and_then(names::clean)
        .unwrap_or_else(|| "New member".into());
    for attempt in 1..=NAME_ATTEMPTS {
        let mut name = wanted.clone();
        if attempt > 1 {
            // Cut so that the number has room.
            name = format!(
                "{} {attempt}",
                name.chars().take(60).collect::<String>().trim_end()
            );
        }
        let new = new_user(app, &name, None, false)?;
        match app.store.register_identity(identity, &new, invite.as_ref()).await {
            Err(StoreError::NameTaken) => {}
            Err(error) => return Err(error.into()),
            Ok(entry) => {
                let user = app.store.user(&new.id).await?.ok_or(StoreError::Absent)?;
                return Ok((user, entry));
            }
        }
    }
    Err(StoreError::NameTaken.into())
}

/// Unlinks the account from the provider.
///
/// Only where a password is left to sign in with.
#[utoipa::path(delete, path = "/auth/oidc/link", operation_id = "unlink_oidc", tag = "Account", responses(
    (status = 200, body = Done),
    (status = 403, description = "FORBIDDEN"),
    (status = 404, description = "NOT_FOUND"),
))]
async fn unlink(State(app): State<Arc<App>>, Account(caller): Account) -> Result<Json<Done>, ApiError> {
    let issuer = &provider(&app)?.provider.settings().issuer;
    let user = app
        .store
        .user(&caller.user_id)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    if user.password_hash.is_none() || !app.config.local_login {
        return Err(ApiError::forbidden(
            "without the provider you could not sign in any more: choose a password first",
        ));
    }
    app.store.unlink_identity(&caller.user_id, issuer).await?;
    Ok(Json(Done { ok: true }))
}
