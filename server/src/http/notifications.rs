//! What one wants to be told of while one is not looking, where, and whether it works.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mesh_protocol::http::{
    ChangeNotifications, Done, GotifyChange, GotifyInfo, NotificationEvent, NotificationPreferences,
    NtfyChange, NtfyInfo, PushBrowser, PushSubscription, RoomNotices, TestOutcomes,
};
use mesh_protocol::ids::UserId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::Body;
use super::session::Account;
use crate::app::App;
use crate::config::Secret;
use crate::notify::{check_keys, check_quiet_hours, place};
use crate::store::{Browser, Choices, GotifyPlace, NotificationProfile, NtfyPlace};

/// Browsers of one user: each of them costs a request for each notice.
const MAX_BROWSERS: usize = 20;
/// The longest token, in bytes.
const MAX_TEXT: usize = 256;
/// Browsers write no padding; others may.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(show, change))
        .routes(routes!(subscribe, unsubscribe))
        .routes(routes!(test))
}

/// What is told, and where. Tokens are never told.
#[utoipa::path(
    get,
    path = "/notifications/preferences",
    operation_id = "notification_preferences",
    tag = "Account",
    responses((status = 200, body = NotificationPreferences), (status = 403, description = "FORBIDDEN"))
)]
async fn show(
    State(app): State<Arc<App>>,
    Account(caller): Account,
) -> Result<Json<NotificationPreferences>, ApiError> {
    let profile = app.store.notification_profile(&caller.user_id).await?;
    preferences(&app, &caller.user_id, profile).await
}

/// The tokens and endpoints stay here.
async fn preferences(
    app: &App,
    user: &UserId,
    profile: NotificationProfile,
) -> Result<Json<NotificationPreferences>, ApiError> {
    let browsers = app.store.browsers(user, app.clock.now_ms()).await?;
    let choices = profile.choices;
    let on = |event| (event, choices.events.get(&event).copied().unwrap_or(true));
    Ok(Json(NotificationPreferences {
        muted: choices.muted,
        events: NotificationEvent::ALL.into_iter().map(on).collect(),
        rooms: choices.rooms,
        quiet_hours: choices.quiet_hours,
        language: choices.language,
        gotify: profile.gotify.map(|place| GotifyInfo {
            url: place.url,
            token_set: true,
        }),
        ntfy: profile.ntfy.map(|place| NtfyInfo {
            url: place.url,
            topic: place.topic,
            token_set: place.token.is_some(),
        }),
        browsers: browsers
            .into_iter()
            .map(|browser| PushBrowser {
                device_id: browser.device_id,
                name: browser.name,
            })
            .collect(),
        waiting: app.store.waiting_notices(user).await?,
        server_gotify: app.places.has_server_gotify(),
        server_default: app.places.has_server_default(),
        push_key: app.places.push_key().to_owned(),
    }))
}

/// What is absent stays.
#[utoipa::path(
    put,
    path = "/notifications/preferences",
    operation_id = "change_notification_preferences",
    tag = "Account",
    request_body = ChangeNotifications,
    responses((status = 200, body = NotificationPreferences), (status = 403, description = "FORBIDDEN"), (status = 404, description = "ROOM_NOT_FOUND"))
)]
async fn change(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<ChangeNotifications>,
) -> Result<Json<NotificationPreferences>, ApiError> {
    let mut profile = app.store.notification_profile(&caller.user_id).await?;
    choose(&app, &caller.user_id, &mut profile.choices, &body).await?;
    if let Some(gotify) = body.gotify {
        profile.gotify = match gotify {
            Some(change) => Some(gotify_place(&app, change, profile.gotify)?),
            None => None,
        };
    }
    if let Some(ntfy) = body.ntfy {
        profile.ntfy = match ntfy {
            Some(change) => Some(ntfy_place(&app, change, profile.ntfy)?),
            None => None,
        };
    }
    app.store
        .put_notification_profile(&caller.user_id, &profile)
        .await?;
    preferences(&app, &caller.user_id, profile).await
}

async fn choose(
    app: &App,
    user: &UserId,
    choices: &mut Choices,
    body: &ChangeNotifications,
) -> Result<(), ApiError> {
    choices.muted = body.muted.unwrap_or(choices.muted);
    choices.language = body.language.unwrap_or(choices.language);
    choices.events.extend(body.events.clone().unwrap_or_default());
    if let Some(quiet) = &body.quiet_hours {
        if let Some(quiet) = quiet {
            check_quiet_hours(quiet).map_err(ApiError::bad_request)?;
        }
        choices.quiet_hours.clone_from(quiet);
    }
    if let Some(rooms) = &body.rooms {
        let own = app.store.rooms_of(user).await?;
        let is_own = |id: &_| own.iter().any(|room| room.room_id == *id);
        if !rooms.keys().all(is_own) {
            return Err(ApiError::room_not_found());
        }
        choices.rooms.extend(rooms.clone());
        // As many as somebody has rooms, at most.
        choices
            .rooms
            .retain(|id, notices| *notices != RoomNotices::All && is_own(id));
    }
    Ok(())
}

/// A token, where it can stand in a header.
fn token(text: String) -> Result<Secret, ApiError> {
    if text.is_empty() || text.len() > MAX_TEXT || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::bad_request(
            "this is no token: copy it from where it was made, without spaces",
        ));
    }
    Ok(Secret::new(text))
}

fn gotify_place(
    app: &App,
    change: GotifyChange,
    before: Option<GotifyPlace>,
) -> Result<GotifyPlace, ApiError> {
    match &change.url {
        Some(url) => drop(place(url, app.places.trusts(url)).map_err(ApiError::bad_request)?),
        None if app.places.has_server_gotify() => {}
        None => {
            return Err(ApiError::bad_request(
                "this server has no Gotify: give the url of yours",
            ));
        }
    }
    let token = match (change.token, before) {
        (Some(text), _) => token(text)?,
        // A token goes nowhere but to the place that it was given for.
        (None, Some(before)) if before.url == change.url => before.token,
        (None, _) => {
            return Err(ApiError::bad_request(
                "gotify needs the token of an application at this address",
            ));
        }
    };
    Ok(GotifyPlace {
        url: change.url,
        token,
    })
}

fn ntfy_place(app: &App, change: NtfyChange, before: Option<NtfyPlace>) -> Result<NtfyPlace, ApiError> {
    place(&change.url, app.places.trusts(&change.url)).map_err(ApiError::bad_request)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    // As ntfy has it.
    if change.topic.is_empty() || change.topic.len() > 64 || !change.topic.bytes().all(fits) {
        return Err(ApiError::bad_request(
            "a topic of ntfy has 1 to 64 letters, digits, _ and -",
        ));
    }
    let token = match (change.token, before) {
        (Some(text), _) if text.is_empty() => None,
        (Some(text), _) => Some(token(text)?),
        (None, Some(before)) if before.url == change.url => before.token,
        (None, _) => None,
    };
    Ok(NtfyPlace {
        url: change.url,
        topic: change.topic,
        token,
    })
}

/// The device that asks is told by Web Push from now on.
#[utoipa::path(
    put,
    path = "/notifications/browser",
    operation_id = "subscribe_browser",
    tag = "Account",
    request_body = PushSubscription,
    responses((status = 200, body = Done), (status = 403, description = "FORBIDDEN"))
)]
async fn subscribe(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    Body(body): Body<PushSubscription>,
) -> Result<Json<Done>, ApiError> {
    place(&body.endpoint, app.places.trusts(&body.endpoint)).map_err(ApiError::bad_request)?;
    let key = |text: &str| BASE64URL.decode(text).unwrap_or_default();
    let (p256dh, auth) = (key(&body.keys.p256dh), key(&body.keys.auth));
    check_keys(&p256dh, &auth).map_err(ApiError::bad_request)?;
    let known = app.store.browsers(&caller.user_id, app.clock.now_ms()).await?;
    let others = known.iter().filter(|one| one.device_id != caller.device_id);
    if others.count() >= MAX_BROWSERS {
        return Err(ApiError::forbidden(
            "too many of your browsers are told already: stop it in one of them, or remove a device",
        ));
    }
    let browser = Browser {
        device_id: caller.device_id,
        name: caller.device_name,
        endpoint: Secret::new(body.endpoint),
        p256dh,
        auth,
    };
    app.store.put_browser(&caller.user_id, &browser).await?;
    Ok(Json(Done { ok: true }))
}

/// The browser that asks gets none any more.
#[utoipa::path(
    delete,
    path = "/notifications/browser",
    operation_id = "unsubscribe_browser",
    tag = "Account",
    responses((status = 200, body = Done), (status = 403, description = "FORBIDDEN"))
)]
async fn unsubscribe(State(app): State<Arc<App>>, Account(caller): Account) -> Result<Json<Done>, ApiError> {
    app.store
        .remove_browser(&caller.user_id, &caller.device_id)
        .await?;
    Ok(Json(Done { ok: true }))
}

/// Limited, since the server asks elsewhere for whoever asks.
#[utoipa::path(
    post,
    path = "/notifications/test",
    operation_id = "test_notifications",
    tag = "Account",
    responses((status = 200, body = TestOutcomes), (status = 429, description = "THROTTLED"), (status = 403, description = "FORBIDDEN"))
)]
async fn test(State(app): State<Arc<App>>, Account(caller): Account) -> Result<Json<TestOutcomes>, ApiError> {
    app.places
        .may_test(&caller.user_id)
        .map_err(ApiError::throttled)?;
    let results = app.places.test(&caller.user_id).await?;
    Ok(Json(TestOutcomes { results }))
}
