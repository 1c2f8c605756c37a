//! The one error of REST: problem details with a stable code. What went wrong inside is logged and never returned.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::Problem;

use crate::auth::password::PasswordError;
use crate::store::StoreError;

/// An error that a client gets to see.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: HttpCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(code: HttpCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
        }
    }
    pub(crate) fn code(&self) -> HttpCode {
        self.code
    }
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(HttpCode::BadRequest, detail)
    }
    pub(crate) fn unauthenticated() -> Self {
        Self::new(HttpCode::Unauthenticated, "sign in first")
    }
    pub(crate) fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(HttpCode::Forbidden, detail)
    }
    pub(crate) fn origin_refused() -> Self {
        Self::new(
            HttpCode::OriginRefused,
            "this page may not use the server: its address is not in MESH_ALLOWED_ORIGINS",
        )
    }
    /// For everything beyond the one room of a guest.
    pub(crate) fn guest() -> Self {
        Self::forbidden("guests are in one room only: make an account by invitation for more")
    }
    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(HttpCode::NotFound, detail)
    }
    /// `Allow` names those that it takes.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            HttpCode::MethodNotAllowed,
            "this address does not take that method: see Allow",
        )
    }
    /// One answer for a room that is absent and one that is another's.
    pub(crate) fn room_not_found() -> Self {
        Self::new(
            HttpCode::RoomNotFound,
            "there is no such room, or you are not a member: ask for an invitation",
        )
    }
    pub(crate) fn cap_not_allowed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(HttpCode::CapNotAllowed, detail)
    }
    pub(crate) fn throttled(wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        Self {
            code: HttpCode::Throttled,
            detail: format!("too many attempts: try again in {seconds} s").into(),
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }
    /// A defect: the log has the details, under the id of the request.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request failed");
        Self::new(
            HttpCode::Internal,
            "the server failed; its log has the details under this response's x-request-id",
        )
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the database did not answer"
                );
                Self::new(
                    HttpCode::StoreUnavailable,
                    "the database does not answer; nothing was changed: try again",
                )
            }
            StoreError::Corrupt(_) => Self::internal(&error),
            StoreError::NameTaken => Self::new(HttpCode::NameTaken, "this name is taken: choose another"),
            StoreError::SetupDone => Self::new(HttpCode::SetupDone, "there is an account already: sign in"),
            StoreError::LinkInvalid => Self::new(
                HttpCode::LinkInvalid,
                "this link is wrong, used or expired: get a new one",
            ),
            StoreError::InviteInvalid => Self::new(
                HttpCode::InviteInvalid,
                "this invitation is no longer good: ask for a new one",
            ),
            StoreError::RoomLocked => Self::new(
                HttpCode::RoomLocked,
                "this room is locked: ask an owner or moderator to unlock it, then try again",
            ),
            StoreError::Banned => Self::new(
                HttpCode::Banned,
                "you were banned from this room: ask an owner or moderator to lift it",
            ),
            StoreError::IdentityTaken => Self::new(
                HttpCode::OidcTaken,
                "this account of the provider belongs to another account here, or yours is linked with another one there",
            ),
            StoreError::Absent => Self::not_found("there is no such thing"),
            StoreError::LastOwner => {
                Self::forbidden("a room needs an owner: make somebody else owner first, or delete it")
            }
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::throttled(Duration::from_secs(1)),
            PasswordError::Failed => Self::internal(&error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Problem {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or_default().into(),
            status: status.as_u16(),
            detail: self.detail.into_owned(),
            code: self.code,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        // Counted where every response comes through.
        response.extensions_mut().insert(self.code);
        response
    }
}
