//! `mesh share folder` and `mesh stop`: has the daemon open a folder to a room, and take it back.

use serde_json::json;

use super::args::{ShareFolderArgs, StopArgs};
use super::background;
use super::{Context, connect};
use crate::config::StoredSession;
use crate::daemon::consent::plain;
use crate::daemon::ipc::{Client, FromDaemon, Request, lost};
use crate::exit::{Failure, Outcome};

pub(crate) async fn run(context: Context, args: ShareFolderArgs) -> Outcome {
    StoredSession::load(&context.paths, connect::now())?;
    // The daemon stands in another folder.
    let folder = std::path::absolute(&args.folder).map_err(Failure::general)?;
    let mut client = background::client(&context).await?;
    let request = Request::ShareFolder {
        room: args.room,
        folder,
        label: args.name,
        drop: args.drop,
        hidden: args.hidden,
        attach: !args.detach,
    };
    client.request(request).await?;
    let FromDaemon::FolderShared {
        share_id,
        room,
        label,
    } = client.answer().await?
    else {
        return Err(lost(std::io::ErrorKind::InvalidData.into()));
    };
    let may = if args.drop {
        "read it and put files into it"
    } else {
        "read it"
    };
    let human = format!(
        "The folder \"{}\" is shared in {}: its members {may}.",
        plain(&label),
        plain(&room)
    );
    let event =
        json!({"event": "shared", "share_id": share_id, "room": room, "label": label, "drop": args.drop});
    if args.detach {
        let end = format!("{human} `mesh stop \"{}\"` ends it.", plain(&label));
        context.output.result(&end, event);
        return Ok(());
    }
    context.output.result(&format!("{human} Ctrl-C ends it."), event);
    loop {
        let message = tokio::select! {
            // The share ends with this connection.
            () = context.stop.cancelled() => return Ok(()),
            message = client.answer() => message?,
        };
        match message {
            FromDaemon::Told { sentence } => {
                context
                    .output
                    .note(&plain(&sentence), json!({"event": "notice", "detail": sentence}));
            }
            FromDaemon::Exited { .. } => {
                context
                    .output
                    .note("The folder is not shared any more.", json!({"event": "stopped"}));
                return Ok(());
            }
            _ => {}
        }
    }
}

pub(crate) async fn stop(context: Context, args: StopArgs) -> Outcome {
    let none = || {
        Failure::general(match &args.share {
            Some(share) => format!("Nothing called \"{share}\" is shared: `mesh status` tells what is."),
            None => "Nothing is shared.".to_owned(),
        })
    };
    let Some(mut client) = Client::connect(&context.paths.socket()?).await? else {
        return Err(none());
    };
    let share = args.share.clone();
    client.request(Request::Stop { share }).await?;
    match client.answer().await? {
        FromDaemon::Stopped { shares: 0, .. } => Err(none()),
        FromDaemon::Stopped { shares, .. } => {
            let human = match &args.share {
                Some(share) => format!("\"{share}\" is not shared any more."),
                None => "Nothing is shared any more.".to_owned(),
            };
            context
                .output
                .result(&human, json!({"event": "stopped", "shares": shares}));
            Ok(())
        }
        _ => Err(lost(std::io::ErrorKind::InvalidData.into())),
    }
}
