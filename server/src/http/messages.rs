//! The history of a room's chat, and changes to it: authors edit, authors and moderators delete.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mesh_protocol::http::{ChatMessage, Done, EditMessage, Messages, Role};
use mesh_protocol::ids::RoomId;
use mesh_protocol::limits::{MAX_CHAT_CHARS, MAX_PAGE};
use mesh_protocol::signal::{MessageDeleted, ServerMessage};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::announce;
use super::error::ApiError;
use super::extract::{Ask, At, Body};
use super::members::{outranks, role_of};
use super::rooms::room_of;
use super::session::Caller;
use crate::app::App;
use crate::mentions;
use crate::store::{MessageEdit, StoreError};

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(page))
        .routes(routes!(edit, remove))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// A `seq`: what came before it. Default: the newest.
    before: Option<u64>,
    /// Default 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of history, oldest first.
#[utoipa::path(
    get,
    path = "/rooms/{room_id}/messages",
    operation_id = "list_messages",
    tag = "Chat",
    params(Page),
    responses((status = 200, body = Messages))
)]
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

/// Another text for a message of one's own.
#[utoipa::path(
    patch,
    path = "/rooms/{room_id}/messages/{seq}",
    operation_id = "edit_message",
    tag = "Chat",
    request_body = EditMessage,
    responses(
        (status = 200, body = ChatMessage),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
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

/// Deletes a message; its place stays.
#[utoipa::path(
    delete,
    path = "/rooms/{room_id}/messages/{seq}",
    operation_id = "delete_message",
    tag = "Chat",
    responses(
        (status = 200, body = Done),
        (status = 403, description = "FORBIDDEN"),
        (status = 404, description = "NOT_FOUND")
    )
)]
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
