//! `mesh rooms`: the rooms of the signed-in person.

use serde_json::json;

use super::{Context, connect, until_stopped};
use crate::daemon::consent::plain;
use crate::exit::Outcome;

pub(crate) async fn run(context: Context) -> Outcome {
    until_stopped(&context.stop, async {
        let (control, _) = connect::signed_in(&context.paths).await?;
        let rooms = connect::rooms(&control).await?;
        if context.output.is_json() {
            context.output.event(json!({"event": "rooms", "rooms": rooms}));
            return Ok(());
        }
        let named: Vec<_> = rooms.iter().map(|room| (plain(&room.name), room)).collect();
        let width = named
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0);
        for (name, room) in &named {
            context.output.result(
                &format!("{:width$}  {:9}  {}", name, room.role.as_str(), room.room_id),
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
