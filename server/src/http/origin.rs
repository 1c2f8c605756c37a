//! Pages of other sites: refused wherever something would change.
//!
//! A cookie travels by itself, so its use needs proof that one of our own pages acts: an allowed `Origin`, or, where there
//! is none, the browser's word that the request is of the same origin. A foreign `Origin` is refused with or without one,
//! so that no page can sign its visitor in to an account of its own. A bearer token never travels by itself.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::error::ApiError;
use super::session;
use crate::app::App;

pub(super) async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || session::bearer(headers).is_some() {
        return next.run(request).await;
    }
    let allowed = match headers.get(header::ORIGIN) {
        Some(origin) => origin.to_str().is_ok_and(|origin| app.allows_origin(origin)),
        None => {
            let same_origin = headers
                .get("sec-fetch-site")
                .is_some_and(|site| site == "same-origin");
            same_origin || session::cookie(headers).is_none()
        }
    };
    if allowed {
        next.run(request).await
    } else {
        ApiError::origin_refused().into_response()
    }
}
