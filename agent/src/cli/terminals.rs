//! `mesh pause`, `resume`, `record` and `eject`: what an owner does to terminals that are shared already.

use serde_json::json;

use super::Context;
use super::args::{EjectArgs, PauseArgs, RecordArgs};
use crate::daemon::consent::plain;
use crate::daemon::ipc::{Client, FromDaemon, Request, lost};
use crate::exit::{Failure, Outcome};

pub(crate) async fn pause(context: Context, args: PauseArgs, paused: bool) -> Outcome {
    let share = args.share;
    let labels = shares(&context, Request::Pause { share, paused }).await?;
    let (event, says) = if paused {
        (
            "paused",
            "is paused: viewers see nothing of it until `mesh resume`",
        )
    } else {
        ("resumed", "is shown again")
    };
    tell(&context, &labels, event, says);
    Ok(())
}

pub(crate) async fn record(context: Context, args: RecordArgs) -> Outcome {
    // The daemon stands in another folder.
    let file = args
        .file
        .map(std::path::absolute)
        .transpose()
        .map_err(Failure::general)?;
    let (event, says) = match &file {
        Some(file) => ("recording", format!("is recorded into {}", file.display())),
        None => ("recorded", "is not recorded any more".to_owned()),
    };
    let share = args.share;
    let labels = shares(&context, Request::Record { share, file }).await?;
    tell(&context, &labels, event, &says);
    Ok(())
}

pub(crate) async fn eject(context: Context, args: EjectArgs) -> Outcome {
    let mut client = running(&context).await?;
    client.request(Request::Eject { who: args.who }).await?;
    let FromDaemon::Ejected { names } = client.answer().await? else {
        return Err(lost(std::io::ErrorKind::InvalidData.into()));
    };
    let human = format!(
        "{} does not watch any more, and has to ask to come back.",
        plain(&names.join(", "))
    );
    context
        .output
        .result(&human, json!({"event": "ejected", "names": names}));
    Ok(())
}

async fn shares(context: &Context, request: Request) -> Outcome<Vec<String>> {
    let mut client = running(context).await?;
    client.request(request).await?;
    match client.answer().await? {
        FromDaemon::Shares { labels } => Ok(labels),
        _ => Err(lost(std::io::ErrorKind::InvalidData.into())),
    }
}

async fn running(context: &Context) -> Outcome<Client> {
    Client::connect(&context.paths.socket()?)
        .await?
        .ok_or_else(|| Failure::general("No terminal is shared: `mesh share terminal` shares one."))
}

fn tell(context: &Context, labels: &[String], event: &str, says: &str) {
    for label in labels {
        let human = format!("The terminal \"{}\" {says}.", plain(label));
        context
            .output
            .result(&human, json!({"event": event, "label": label}));
    }
}
