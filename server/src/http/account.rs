//! One's own account: who one is, another name, another password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::http::{AccountChange, Done, Me, Member};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::Body;
use super::headers::ClientAddress;
use super::session::{Account, Caller};
use super::sign_in::{check_local_login, check_name, check_password, verify_password};
use crate::app::App;
use crate::auth::names;
use crate::bus::BusEvent;
use crate::store::{SignIn, User};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(me, change))
}

/// Who one is.
#[utoipa::path(
    get,
    path = "/me",
    operation_id = "me",
    tag = "Account",
    responses((status = 200, body = Me))
)]
async fn me(State(app): State<Arc<App>>, Caller(caller): Caller) -> Result<Json<Me>, ApiError> {
    let user = app
        .store
        .user(&caller.user_id)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    let oidc = match &app.oidc {
        Some(oidc) => {
            let issuer = &oidc.provider.settings().issuer;
            app.store.is_linked(&user.id, issuer).await?
        }
        None => false,
    };
    Ok(Json(Me {
        user_id: caller.user_id,
        name: caller.user_name,
        admin: caller.admin,
        device_id: caller.device_id,
        guest: caller.guest,
        has_password: user.password_hash.is_some(),
        oidc,
    }))
}

/// Another name, another password, or both.
///
/// The name is what the others see and what one signs in by. With another password the session that asks goes on; every other
/// one ends, and so do links that were not used.
#[utoipa::path(
    patch,
    path = "/me",
    operation_id = "change_me",
    tag = "Account",
    request_body = AccountChange,
    responses(
        (status = 200, body = Done),
        (status = 401, description = "WRONG_CREDENTIALS"),
        (status = 403, description = "FORBIDDEN, LOCAL_LOGIN_OFF"),
        (status = 409, description = "NAME_TAKEN"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn change(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    ClientAddress(address): ClientAddress,
    Body(body): Body<AccountChange>,
) -> Result<Json<Done>, ApiError> {
    let name = body.name.as_deref().map(check_name).transpose()?;
    if name.is_none() && body.new_password.is_none() {
        return Err(ApiError::bad_request(
            "nothing to change: name or new_password is needed",
        ));
    }
    let user = app
        .store
        .user(&caller.user_id)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    if let Some(new) = &body.new_password {
        check_local_login(&app)?;
        check_password(new)?;
        if let Some(stored) = &user.password_hash {
            let old = body.old_password.as_deref().unwrap_or_default();
            verify_password(&app, &names::key(&user.name), address, old, Some(stored)).await?;
        }
    }
    if let Some(name) = name.filter(|name| *name != user.name) {
        rename(&app, &user, name).await?;
    }
    if let Some(new) = &body.new_password {
        change_password(&app, &caller, new).await?;
    }
    Ok(Json(Done { ok: true }))
}

async fn rename(app: &App, user: &User, name: String) -> Result<(), ApiError> {
    app.store.rename_user(&user.id, &name, &names::key(&name)).await?;
    app.bus.publish(BusEvent::Renamed {
        user_id: user.id.clone(),
        name: name.clone(),
    });
    for room in app.store.rooms_of(&user.id).await? {
        let member = Member {
            user_id: user.id.clone(),
            name: name.clone(),
            role: room.role,
        };
        announce::member_changed(app, room.room_id, member);
    }
    Ok(())
}

async fn change_password(app: &App, caller: &SignIn, new: &str) -> Result<(), ApiError> {
    let hash = app.passwords.hash(new).await?;
    let ended = app
        .store
        .change_password(&caller.user_id, Some(&hash), Some(&caller.id), app.clock.now_ms())
        .await?;
    announce::sign_ins_ended(app, ended);
    Ok(())
}
