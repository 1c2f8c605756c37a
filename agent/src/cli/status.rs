//! `mesh status`: what the daemon does now.

use serde_json::json;

use super::output::size;
use super::{Context, connect, until_stopped};
use crate::config::StoredSession;
use crate::daemon::consent::plain;
use crate::daemon::ipc::{Client, FromDaemon, Request, Status, lost};
use crate::exit::Outcome;

pub(crate) async fn run(context: Context) -> Outcome {
    until_stopped(&context.stop, async {
        let Some(mut client) = Client::connect(&context.paths.socket()?).await? else {
            let session = StoredSession::load(&context.paths, connect::now()).ok();
            let signed_in = match &session {
                Some(session) => format!("Signed in to {} as {}.", session.server, session.name),
                None => "Not signed in.".to_owned(),
            };
            let human = format!("{signed_in}\nNo daemon is running: `mesh up` starts it.");
            context.output.result(
                &human,
                json!({"event": "status", "running": false, "signed_in": session.is_some()}),
            );
            return Ok(());
        };
        client.request(Request::Status).await?;
        let FromDaemon::Status { status } = client.answer().await? else {
            return Err(lost(std::io::ErrorKind::InvalidData.into()));
        };
        let mut event = json!({"event": "status", "running": true});
        if let (Some(event), Ok(serde_json::Value::Object(fields))) =
            (event.as_object_mut(), serde_json::to_value(&status))
        {
            event.extend(fields);
        }
        context.output.result(&human(&status), event);
        Ok(())
    })
    .await
}

fn human(status: &Status) -> String {
    let mut lines = vec![format!(
        "{} as {} (\"{}\"), daemon {}: {}.",
        status.server,
        status.name,
        status.device,
        status.pid,
        if status.connected {
            "connected"
        } else {
            "reconnecting"
        }
    )];
    if !status.rooms.is_empty() {
        lines.push(format!("Rooms: {}.", plain(&status.rooms.join(", "))));
    }
    for share in &status.shares {
        let viewers = if share.viewers.is_empty() {
            "nobody".into()
        } else {
            plain(&share.viewers.join(", "))
        };
        let control = share
            .controller
            .as_ref()
            .map_or_else(String::new, |name| format!(", {} controls it", plain(name)));
        let paused = if share.paused { ", paused" } else { "" };
        let recording = share
            .recording
            .as_ref()
            .map_or_else(String::new, |file| format!(", recorded into {}", file.display()));
        lines.push(format!(
            "Terminal \"{}\" in {}: watched by {viewers}{control}{paused}{recording}.",
            plain(&share.label),
            plain(&share.room)
        ));
    }
    for folder in &status.folders {
        let visitors = if folder.visitors.is_empty() {
            "nobody".into()
        } else {
            plain(&folder.visitors.join(", "))
        };
        let drop = if folder.drop {
            ", which others put files into,"
        } else {
            ""
        };
        lines.push(format!(
            "Folder \"{}\"{drop} in {}: opened by {visitors}.",
            plain(&folder.label),
            plain(&folder.room)
        ));
    }
    for transfer in &status.transfers {
        let (done, total) = (size(transfer.done), size(transfer.size));
        lines.push(format!(
            "Receiving {} from {}: {done} of {total}.",
            plain(&transfer.name),
            plain(&transfer.from)
        ));
    }
    if status.shares.is_empty() && status.folders.is_empty() && status.transfers.is_empty() {
        lines.push("Nothing is shared.".into());
    }
    lines.join("\n")
}
