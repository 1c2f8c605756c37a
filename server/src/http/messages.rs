//! The history of a room's chat, and changes to it: authors edit, authors and moderators delete.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, patch};
use axum::{Json, Router};
use mesh_protocol::http::{ChatMessage, Done, EditMessage, Messages, Role};
use mesh_protocol::ids::RoomId;
use mesh_protocol::limits::{MAX_CHAT_CHARS, MAX_PAGE};
use mesh_protocol::signal::{MessageDeleted, ServerMessage};
use serde::Deserialize;

use super::announce;
use super::error::ApiError;
use super::extract::{Ask, At, Body};
use super::members::{outranks, role_of};
use super::rooms::room_of;
use super::session::Caller;
use crate::app::App;
use crate::mentions;
use crate::store::{MessageEdit, StoreError};

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/rooms/{room_id}/messages", get(page))
        .route("/rooms/{room_id}/messages/{seq}", patch(edit).delete(remove))
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

fn gone(error: StoreError) -> ApiError {
    match error {
        StoreError::Absent => ApiError::not_found("there is no such message any more"),
        other => other.into(),
    }
}

async fn edit(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room_id, seq)): At<(RoomId, u64)>,
    Body(EditMessage { text }): Body<EditMessage>,
) -> Result<Json<ChatMessage>, ApiError> {
    room_of(&app, &room_id, &caller.user_id).await?;
    if !(1..=MAX_CHAT_CHARS).contains(&text.chars().count()) {
        return Err(ApiError::bad_request(format!(
            "text must have 1 to {MAX_CHAT_CHARS} characters"
        )));
    }
    if app.store.message(&room_id, seq).await.map_err(gone)?.user_id != caller.user_id {
        return Err(ApiError::forbidden("only its author may edit a message"));
    }
    let edit = MessageEdit {
        mentions: mentions::resolve(&text, &app.store.members(&room_id).await?),
        room_id,
        seq,
        text,
        now: app.clock.now_ms(),
    };
    let message = app.store.edit_message(&edit).await.map_err(gone)?;
    announce::to_room(
        &app,
        &edit.room_id,
        ServerMessage::ChatMessageEdited(message.clone()),
    );
    Ok(Json(message))
}

async fn remove(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    At((room_id, seq)): At<(RoomId, u64)>,
) -> Result<Json<Done>, ApiError> {
    let own = room_of(&app, &room_id, &caller.user_id).await?.role;
    let author = app.store.message(&room_id, seq).await.map_err(gone)?.user_id;
    if author != caller.user_id {
        // Who is no member any more has no rank.
        let rank = role_of(&app, &room_id, &author).await?.unwrap_or(Role::Guest);
        if !outranks(own, rank) {
            return Err(ApiError::forbidden(
                "only its author, and owners and moderators of the room, may delete a message",
            ));
        }
    }
    let now = app.clock.now_ms();
    app.store.delete_message(&room_id, seq, now).await.map_err(gone)?;
    let deleted = MessageDeleted {
        room_id: room_id.clone(),
        seq,
    };
    announce::to_room(&app, &room_id, ServerMessage::ChatMessageDeleted(deleted));
    Ok(Json(Done { ok: true }))
}
