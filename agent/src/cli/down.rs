//! `mesh down`: stops the daemon, every share and every session of it.

use std::time::Duration;

use serde_json::json;

use super::Context;
use crate::daemon::ipc::{Client, FromDaemon, Request, lost};
use crate::daemon::wait_until_gone;
use crate::exit::{Failure, Outcome};

/// How long an orderly end may take, sockets and shells included.
const WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(context: Context) -> Outcome {
    let Some(mut client) = Client::connect(&context.paths.socket()?).await? else {
        context.output.result(
            "No daemon was running.",
            json!({"event": "stopped", "running": false}),
        );
        return Ok(());
    };
    client.request(Request::Down).await?;
    let answer = tokio::time::timeout(WITHIN, client.answer()).await;
    let answer = answer.map_err(|_| {
        Failure::general("The daemon does not stop: end its process, which `mesh status` names.")
    })??;
    let FromDaemon::Stopped { shares, sessions } = answer else {
        return Err(lost(std::io::ErrorKind::InvalidData.into()));
    };
    // The next `mesh up` is to find the place free.
    if !wait_until_gone(&context.paths, WITHIN).await {
        return Err(Failure::general(
            "The daemon still runs, although it stopped sharing: end its process.",
        ));
    }
    let human = format!("Stopped; {shares} share(s) and {sessions} session(s) ended.");
    context.output.result(
        &human,
        json!({"event": "stopped", "running": true, "shares": shares, "sessions": sessions}),
    );
    Ok(())
}
