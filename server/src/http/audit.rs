//! The record of a room, for its owners and moderators: by pages, or whole as a file.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use mesh_protocol::http::AuditPage;
use mesh_protocol::ids::RoomId;
use mesh_protocol::limits::MAX_PAGE;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::{Ask, At};
use super::members::moderated;
use super::session::Caller;
use crate::app::App;

/// Entries read at once for the file.
const CHUNK: u32 = 500;

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    /// One entry a line, all that there are.
    Ndjson,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Only entries before this `seq`.
    before: Option<u64>,
    /// How many; 100 where it is absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    #[param(inline)]
    format: Option<Format>,
}

/// Who asked for, got, used and revoked what, newest first.
#[utoipa::path(
    get,
    path = "/rooms/{room_id}/audit",
    operation_id = "room_audit",
    tag = "Rooms",
    params(Page),
    responses(
        (status = 200, content((AuditPage = "application/json"), (String = "application/x-ndjson"))),
        (status = 403, description = "FORBIDDEN")
    )
)]
async fn show(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
    Ask(page): Ask<Page>,
) -> Result<Response, ApiError> {
    moderated(&app, &room, &caller.user_id).await?;
    if matches!(page.format, Some(Format::Ndjson)) {
        return file(app, room);
    }
    let limit = page.limit.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is 1 to {MAX_PAGE}")));
    }
    let entries = app.store.audit(&room, page.before, limit).await?;
    Ok(Json(AuditPage { entries }).into_response())
}

/// Read as it is sent: no more than a chunk is in memory. An error cuts the answer off, which the client notices.
fn file(app: Arc<App>, room: RoomId) -> Result<Response, ApiError> {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"audit-{room}.ndjson\""))
        .map_err(|error| ApiError::internal(&error))?;
    let chunks = stream::try_unfold(None, move |before: Option<u64>| {
        let (app, room) = (app.clone(), room.clone());
        async move {
            let entries = app.store.audit(&room, before, CHUNK).await?;
            let Some(last) = entries.last() else {
                return Ok(None);
            };
            let next = Some(last.seq);
            let mut lines = Vec::new();
            for entry in &entries {
                serde_json::to_writer(&mut lines, entry)?;
                lines.push(b'\n');
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Some((Bytes::from(lines), next)))
        }
    });
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}
