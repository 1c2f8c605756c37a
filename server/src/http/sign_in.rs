//! Every way to sign in: name and password, the setup link, an invitation, a one-time link.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::{DeviceIntro, DeviceKind, LinkLogin, Login, Register, Session, Setup, SignInLink};
use mesh_protocol::ids::{RoomId, UserId};
use mesh_protocol::limits::MIN_PASSWORD_CHARS;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::Body;
use super::headers::ClientAddress;
use super::session::{Account, set_cookie};
use crate::app::App;
use crate::auth::{names, random};
use crate::bus::BusEvent;
use crate::store::{NewDevice, NewRoom, NewSignIn, NewUser, SignInId, StoreError, User};

/// A page signs in again each month; an agent runs unattended for a year.
const PAGE_SESSION: Duration = Duration::from_secs(30 * 24 * 3_600);
const AGENT_SESSION: Duration = Duration::from_secs(365 * 24 * 3_600);
/// How long a one-time link is good for.
pub(crate) const LINK_TTL: Duration = Duration::from_secs(600);
/// The room of the first account.
const FIRST_ROOM: &str = "Home";

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(setup))
        .routes(routes!(register))
        .routes(routes!(by_link))
        .routes(routes!(create_link))
}

/// Signs in with a name and a password.
#[utoipa::path(
    post,
    path = "/auth/login",
    operation_id = "login",
    tag = "Signing in",
    security(()),
    request_body = Login,
    responses(
        (status = 200, body = Session),
        (status = 401, description = "WRONG_CREDENTIALS"),
        (status = 403, description = "LOCAL_LOGIN_OFF"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn login(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(login): Body<Login>,
) -> Result<Response, ApiError> {
    if login.username.trim().is_empty() || login.password.is_empty() {
        return Err(ApiError::bad_request("type a name and a password"));
    }
    check_device(login.device.as_ref())?;
    check_local_login(&app)?;
    if app.config.dev_login {
        let user = any_user(&app, &login.username).await?;
        return open_session(&app, user, login.device, address, None).await;
    }
    let name_key = names::key(&login.username);
    let user = app.store.user_by_name(&name_key).await?;
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    verify_password(&app, &name_key, address, &login.password, stored).await?;
    let user = user.ok_or_else(wrong_credentials)?;
    open_session(&app, user, login.device, address, None).await
}

/// Refuses wherever name and password would be used or made, when the operator has switched that off.
pub(super) fn check_local_login(app: &App) -> Result<(), ApiError> {
    if app.config.local_login {
        return Ok(());
    }
    Err(ApiError::new(
        HttpCode::LocalLoginOff,
        "this server takes no passwords: use a sign-in link, or approve this device on one that is signed in",
    ))
}

fn wrong_credentials() -> ApiError {
    ApiError::new(HttpCode::WrongCredentials, "the name or the password is wrong")
}

/// Checks a password; failures are counted by name and address. `stored` is `None` where there is no such user.
pub(super) async fn verify_password(
    app: &App,
    name_key: &str,
    address: IpAddr,
    password: &str,
    stored: Option<&str>,
) -> Result<(), ApiError> {
    let wait = || app.throttle.wait(name_key, address);
    if let Some(wait) = wait() {
        return Err(ApiError::throttled(wait));
    }
    match app
        .passwords
        .verify(password, stored, || wait().is_none())
        .await?
    {
        Some(true) => Ok(()),
        Some(false) => {
            app.throttle.failed(name_key, address);
            if app.cluster.is_some() {
                // It counts wherever the next guess is made.
                let name_key = name_key.to_owned();
                app.bus.publish(BusEvent::GuessFailed { name_key, address });
            }
            Err(wrong_credentials())
        }
        None => Err(ApiError::throttled(wait().unwrap_or(Duration::from_secs(1)))),
    }
}

/// The seed's sign-in, for development on loopback: whoever it is, they are in.
async fn any_user(app: &App, name: &str) -> Result<User, ApiError> {
    let new = new_user(app, name, None, false)?;
    match app.store.create_user(&new).await {
        Ok(()) | Err(StoreError::NameTaken) => {}
        Err(error) => return Err(error.into()),
    }
    app.store
        .user_by_name(&new.name_key)
        .await?
        .ok_or_else(ApiError::unauthenticated)
}

/// Makes the first account, with the token of the setup link.
#[utoipa::path(
    post,
    path = "/auth/setup",
    operation_id = "set_up",
    tag = "Signing in",
    security(()),
    request_body = Setup,
    responses(
        (status = 200, body = Session),
        (status = 401, description = "LINK_INVALID"),
        (status = 409, description = "SETUP_DONE, NAME_TAKEN"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn setup(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(setup): Body<Setup>,
) -> Result<Response, ApiError> {
    check_device(setup.device.as_ref())?;
    if app.store.has_users().await? {
        return Err(StoreError::SetupDone.into());
    }
    check_password(&setup.password)?;
    let mut user = new_user(&app, &setup.username, None, true)?;
    user.password_hash = Some(app.passwords.hash(&setup.password).await?);
    let room = NewRoom {
        id: random::id(),
        name: FIRST_ROOM.into(),
        owner: user.id.clone(),
        now: user.now,
        expires_at: None,
    };
    app.store
        .set_up(&random::hash(&setup.setup_token), &user, &room)
        .await?;
    open_session(&app, account(user), setup.device, address, None).await
}

/// Makes an account by an invitation, and enters its room.
#[utoipa::path(
    post,
    path = "/auth/register",
    operation_id = "register",
    tag = "Signing in",
    security(()),
    request_body = Register,
    responses(
        (status = 200, body = Session),
        (status = 403, description = "LOCAL_LOGIN_OFF, ROOM_LOCKED"),
        (status = 409, description = "NAME_TAKEN"),
        (status = 410, description = "INVITE_INVALID"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn register(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(register): Body<Register>,
) -> Result<Response, ApiError> {
    check_device(register.device.as_ref())?;
    check_local_login(&app)?;
    let invite = random::hash(&register.invite);
    // Looked at first, so that nobody without an invitation costs a hash.
    app.store.peek_invite(&invite, app.clock.now_ms()).await?;
    check_password(&register.password)?;
    let mut user = new_user(&app, &register.username, None, false)?;
    user.password_hash = Some(app.passwords.hash(&register.password).await?);
    let entry = app.store.register(&invite, &user).await?;
    announce::entry(&app, &entry).await?;
    open_session(&app, account(user), register.device, address, None).await
}

/// Signs in with a one-time link.
#[utoipa::path(
    post,
    path = "/auth/link",
    operation_id = "sign_in_by_link",
    tag = "Signing in",
    security(()),
    request_body = LinkLogin,
    responses(
        (status = 200, body = Session),
        (status = 401, description = "LINK_INVALID")
    )
)]
async fn by_link(
    State(app): State<Arc<App>>,
    ClientAddress(address): ClientAddress,
    Body(link): Body<LinkLogin>,
) -> Result<Response, ApiError> {
    check_device(link.device.as_ref())?;
    let user = app
        .store
        .take_link(&random::hash(&link.token), app.clock.now_ms())
        .await?;
    let user = app.store.user(&user).await?.ok_or(StoreError::LinkInvalid)?;
    open_session(&app, user, link.device, address, None).await
}

/// A one-time link to go on with on another device.
#[utoipa::path(
    post,
    path = "/auth/links",
    operation_id = "create_link",
    tag = "Signing in",
    responses(
        (status = 200, body = SignInLink),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn create_link(
    State(app): State<Arc<App>>,
    Account(caller): Account,
) -> Result<Json<SignInLink>, ApiError> {
    let link = new_link(&*app.store, &app.public_url, &caller.user_id, app.clock.now_ms()).await?;
    Ok(Json(link))
}

/// Makes a one-time link for a user.
pub(crate) async fn new_link(
    store: &dyn crate::store::Store,
    public_url: &str,
    user: &UserId,
    now_ms: u64,
) -> Result<SignInLink, StoreError> {
    let token = random::token();
    let expires_ms = now_ms + u64::try_from(LINK_TTL.as_millis()).unwrap_or(u64::MAX);
    store
        .create_link(&random::hash(&token), user, expires_ms, now_ms)
        .await?;
    let url = format!("{public_url}/link#token={token}");
    Ok(SignInLink {
        token,
        url,
        expires_at: expires_ms / 1000,
    })
}

/// The name as it is kept.
pub(super) fn check_name(name: &str) -> Result<String, ApiError> {
    names::clean(name).ok_or_else(|| ApiError::bad_request("a name has 1 to 64 printable characters"))
}

pub(super) fn new_user(
    app: &App,
    name: &str,
    password_hash: Option<String>,
    admin: bool,
) -> Result<NewUser, ApiError> {
    let name = check_name(name)?;
    let name_key = names::key(&name);
    Ok(NewUser {
        id: random::id(),
        name,
        name_key,
        password_hash,
        admin,
        now: app.clock.now_ms(),
    })
}

fn account(user: NewUser) -> User {
    User {
        id: user.id,
        name: user.name,
        password_hash: user.password_hash,
        admin: user.admin,
        guest: false,
    }
}

pub(super) fn check_password(password: &str) -> Result<(), ApiError> {
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(ApiError::bad_request(format!(
            "a password has at least {MIN_PASSWORD_CHARS} characters"
        )));
    }
    Ok(())
}

/// Before anything is used up.
pub(super) fn check_device(device: Option<&DeviceIntro>) -> Result<(), ApiError> {
    let Some(device) = device else { return Ok(()) };
    names::clean(&device.name)
        .ok_or_else(|| ApiError::bad_request("a device's name has 1 to 64 printable characters"))?;
    let is_key = |key: &String| URL_SAFE_NO_PAD.decode(key).is_ok_and(|bytes| bytes.len() == 32);
    if device.key.as_ref().is_some_and(|key| !is_key(key)) {
        return Err(ApiError::bad_request(
            "device.key is an Ed25519 public key: 32 bytes, base64url without padding",
        ));
    }
    Ok(())
}

/// The device as it is shown; one of this kind without a name where nothing was said.
pub(super) fn introduced(device: Option<DeviceIntro>, kind: DeviceKind) -> DeviceIntro {
    match device {
        Some(device) => DeviceIntro {
            name: names::clean(&device.name).unwrap_or(device.name),
            ..device
        },
        None => DeviceIntro {
            name: "Unnamed device".into(),
            kind,
            key: None,
        },
    }
}

/// Enrols the device and begins its session.
pub(super) async fn open_session(
    app: &App,
    user: User,
    device: Option<DeviceIntro>,
    address: IpAddr,
    room_id: Option<RoomId>,
) -> Result<Response, ApiError> {
    let now = app.clock.now_ms();
    let device = introduced(device, DeviceKind::Page);
    let life = match device.kind {
        DeviceKind::Agent if !user.guest => AGENT_SESSION,
        DeviceKind::Agent | DeviceKind::Page => PAGE_SESSION,
    };
    let enrolled = NewDevice {
        id: random::id(),
        user_id: user.id.clone(),
        name: device.name,
        kind: device.kind,
        key: device.key,
        now,
    };
    let device_id = app.store.enroll_device(&enrolled).await?;
    let id = SignInId(random::id::<mesh_protocol::ids::TokenId>().to_string());
    let expires_at = now / 1000 + life.as_secs();
    let sign_in = NewSignIn {
        id: id.clone(),
        user_id: user.id.clone(),
        device_id: device_id.clone(),
        address,
        now,
        expires_at: expires_at * 1000,
    };
    app.store.create_sign_in(&sign_in).await?;
    let token = app
        .sign_in_tokens
        .issue(&id, &user.id, now / 1000, expires_at)
        .map_err(|e| ApiError::internal(&e))?;
    let cookie = set_cookie(app, &token, life.as_secs())?;
    let mut response = Json(Session {
        room_id,
        token,
        user_id: user.id,
        name: user.name,
        device_id,
        expires_at,
    })
    .into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}
