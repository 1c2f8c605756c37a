//! Bodies, paths and queries that fail as problem details.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::limits::MAX_HTTP_BODY;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A JSON body. None at all counts as `{}`.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .split(';')
                    .next()
                    .is_some_and(|v| v.trim().eq_ignore_ascii_case("application/json"))
            });
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        if bytes.is_empty() {
            return parse(b"{}");
        }
        if !json {
            return Err(ApiError::bad_request(
                "send JSON with Content-Type: application/json",
            ));
        }
        parse(&bytes)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Body<T>, ApiError> {
    serde_json::from_slice(bytes).map(Body).map_err(|error| {
        let text = error.to_string();
        // Other texts of serde quote what they found, which may be a secret in the wrong place.
        let detail = if text.starts_with("missing field") {
            text
        } else {
            let (line, column) = (error.line(), error.column());
            format!("not JSON, or not what is expected, at line {line} column {column}")
        };
        ApiError::bad_request(format!("the body does not decode: {detail}"))
    })
}

fn unreadable(rejection: BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::new(
            HttpCode::TooLarge,
            format!("a body has at most {MAX_HTTP_BODY} bytes"),
        );
    }
    ApiError::bad_request("the body ended early")
}

/// Path parameters.
pub(super) struct At<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(value) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::bad_request("the address holds an identifier that is none"))?;
        Ok(Self(value))
    }
}

/// Query parameters.
pub(super) struct Ask<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Ask<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(value) = Query::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::bad_request("the query does not decode"))?;
        Ok(Self(value))
    }
}
