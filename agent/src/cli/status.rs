//! `mesh status`: what the daemon does now.

use serde_json::json;

use super::output::size;
use super::{Context, connect, until_stopped};
use crate::config::{Kept, StoredSession};
use crate::daemon::consent::plain;
use crate::daemon::ipc::{Client, FromDaemon, Request, Status, lost};
use crate::exit::Outcome;

pub(crate) async fn run(context: Context) -> Outcome {
    until_stopped(&context.stop, async {
        let Some(mut client) = Client::connect(&context.paths.socket()?).await? else {
            let session = StoredSession::load(&context.paths, connect::now()).ok();
            let signed_in = match &session {
                Some(session) => format!(
                    "Signed in to {} as {}.\n{}",
                    session.server,
                    session.name,
                    place(session.kept)
                ),
                None => "Not signed in.".to_owned(),
            };
            let human = format!("{signed_in}\nNo daemon is running: `mesh up` starts it.");
            context.output.result(
                &human,
                json!({
                    "event": "status", "running": false, "signed_in": session.is_some(),
                    "secrets": session.map(|session| session.kept.as_str()),
                }),
            );
            return Ok(());
        };
        client.request(Request::Status).await?;
        let FromDaemon::Status { status } = client.answer().await? else {
            return Err(lost(std::io::ErrorKind::InvalidData.into()));
        };
        let kept = StoredSession::load(&context.paths, connect::now()).map(|session| session.kept);
        let kept = kept.unwrap_or_default();
        let mut event = json!({"event": "status", "running": true, "secrets": kept.as_str()});
        if let (Some(event), Ok(serde_json::Value::Object(fields))) =
            (event.as_object_mut(), serde_json::to_value(&status))
        {
            event.extend(fields);
        }
        let human = format!("{}\n{}", human(&status), place(kept));
        context.output.result(&human, event);
        Ok(())
    })
    .await
}

/// Where the secrets of this device are.
fn place(kept: Kept) -> String {
    match kept {
        Kept::System => format!(
            "The key of this device and its sign-in are in {}.",
            crate::secrets::STORE
        ),
        Kept::File => {
            "The key of this device and its sign-in are in files that only you can read.".to_owned()
        }
    }
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
    if status.version != env!("CARGO_PKG_VERSION") {
        lines.push(format!(
            "The daemon is of version {}, this program of {}: `mesh up --detach --replace` brings them together.",
            if status.version.is_empty() { "0.1" } else { &status.version },
            env!("CARGO_PKG_VERSION")
        ));
    }
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
        let deciders = match &share.deciders[..] {
            [] => String::new(),
            deciders => format!(", {} may decide in your place", plain(&deciders.join(", "))),
        };
        let paused = if share.paused { ", paused" } else { "" };
        let recording = share
            .recording
            .as_ref()
            .map_or_else(String::new, |file| format!(", recorded into {}", file.display()));
        lines.push(format!(
            "Terminal \"{}\" in {}: watched by {viewers}{control}{deciders}{paused}{recording}.",
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
