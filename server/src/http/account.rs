//! One's own account: who one is, and another password.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::http::{ChangePassword, Done, Me};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::Body;
use super::headers::ClientAddress;
use super::session::{Account, Caller};
use super::sign_in::{check_local_login, check_password, verify_password};
use crate::app::App;
use crate::auth::names;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(me, change_password))
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

/// Another password.
///
/// The session that asks goes on; every other one ends, and so do links that were not used.
#[utoipa::path(
    patch,
    path = "/me",
    operation_id = "change_password",
    tag = "Account",
    request_body = ChangePassword,
    responses(
        (status = 200, body = Done),
        (status = 401, description = "WRONG_CREDENTIALS"),
        (status = 403, description = "FORBIDDEN, LOCAL_LOGIN_OFF"),
        (status = 429, description = "THROTTLED")
    )
)]
async fn change_password(
    State(app): State<Arc<App>>,
    Account(caller): Account,
    ClientAddress(address): ClientAddress,
    Body(body): Body<ChangePassword>,
) -> Result<Json<Done>, ApiError> {
    check_local_login(&app)?;
    check_password(&body.new_password)?;
    let user = app
        .store
        .user(&caller.user_id)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    if let Some(stored) = &user.password_hash {
        let old = body.old_password.unwrap_or_default();
        verify_password(&app, &names::key(&user.name), address, &old, Some(stored)).await?;
    }
    let hash = app.passwords.hash(&body.new_password).await?;
    let ended = app
        .store
        .change_password(&user.id, Some(&hash), Some(&caller.id), app.clock.now_ms())
        .await?;
    announce::sign_ins_ended(&app, ended);
    Ok(Json(Done { ok: true }))
}
