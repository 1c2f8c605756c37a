//! `mesh rooms`: the rooms of the signed-in person.

use serde_json::json;

use super::{Context, connect, until_stopped};
use crate::exit::Outcome;

pub(crate) async fn run(context: Context) -> Outcome {
    until_stopped(&context.stop, async {
        let (control, _) = connect::signed_in(&context.paths)?;
        let rooms = connect::rooms(&control).await?;
        if context.output.is_json() {
            context.output.event(json!({"event": "rooms", "rooms": rooms}));
            return Ok(());
        }
        let width = rooms
            .iter()
            .map(|room| room.name.chars().count())
            .max()
            .unwrap_or(0);
        for room in &rooms {
            context.output.result(
                &format!("{:width$}  {:9}  {}", room.name, room.role.as_str(), room.room_id),
                json!({}),
            );
        }
        if rooms.is_empty() {
            context
                .output
                .say("You are in no room: make one on the server's page, or join with an invitation.");
        }
        Ok(())
    })
    .await
}
