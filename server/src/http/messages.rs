//! The history of a room's chat.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mesh_protocol::http::Messages;
use mesh_protocol::ids::RoomId;
use mesh_protocol::limits::MAX_PAGE;
use serde::Deserialize;

use super::error::ApiError;
use super::extract::{Ask, At};
use super::rooms::room_of;
use super::session::Caller;
use crate::app::App;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/rooms/{room_id}/messages", get(page))
}

#[derive(Deserialize)]
struct Page {
    before: Option<u64>,
    limit: Option<u32>,
}

async fn page(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At(room): At<RoomId>,
    Ask(page): Ask<Page>,
) -> Result<Json<Messages>, ApiError> {
    room_of(&app, &room, &caller.user_id).await?;
    let limit = page.limit.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit is 1 to {MAX_PAGE}")));
    }
    Ok(Json(Messages {
        messages: app.store.messages(&room, page.before, limit).await?,
    }))
}
