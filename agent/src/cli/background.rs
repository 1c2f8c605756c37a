//! Starting a daemon in the background, and being one.
//!
//! The parent starts this program anew as `up`, marked in its environment, and waits for one JSON line on its standard output: ready,
//! or why not. The child leaves the terminal behind by a session of its own.

use std::process::Stdio;
use std::time::Duration;

use mesh_protocol::capability::Capability;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{Context, until_stopped};
use crate::config::Paths;
use crate::daemon::ipc::{Client, lost};
use crate::exit::{Failure, Outcome};
use crate::system;

/// How long a daemon may take to be ready: longer than one attempt to reach the server.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Set in the environment of a background daemon, and taken out again for the shells that it starts.
pub(crate) const CHILD: &str = "MESH_BACKGROUND";

/// Whether this process is a daemon that [`start`] started.
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// What the child tells its parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Readiness {
    Ready { pid: u32 },
    Failed { failure: Failure },
}

/// The flags that a background daemon is started with.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) allow: Vec<Capability>,
    pub(crate) deny: bool,
    pub(crate) out: Option<std::path::PathBuf>,
}

/// A connection with the daemon, which is started where none runs.
pub(crate) async fn client(context: &Context) -> Outcome<Client> {
    let socket = context.paths.socket()?;
    if let Some(client) = Client::connect(&socket).await? {
        return Ok(client);
    }
    until_stopped(&context.stop, start(&context.paths, &Flags::default())).await?;
    Client::connect(&socket)
        .await?
        .ok_or_else(|| lost(std::io::ErrorKind::NotFound.into()))
}

/// Starts a daemon; gives its process id once it answers.
pub(crate) async fn start(paths: &Paths, flags: &Flags) -> Outcome<u32> {
    let cannot = |error: std::io::Error| Failure::general(format!("The daemon cannot be started: {error}."));
    paths.create()?;
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(paths.log_file())
        .map_err(cannot)?;
    let mut command = tokio::process::Command::new(std::env::current_exe().map_err(cannot)?);
    command.arg("up").env(CHILD, "1");
    for right in &flags.allow {
        command.arg("--allow").arg(right.as_str());
    }
    if flags.deny {
        command.arg("--deny");
    }
    if let Some(out) = &flags.out {
        command
            .arg("--out")
            .arg(std::path::absolute(out).map_err(cannot)?);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    system::in_background(&mut command);
    let mut child = command.spawn().map_err(cannot)?;
    let stdout = child
        .stdout
        .take()
        .ok_or_else(|| cannot(std::io::ErrorKind::BrokenPipe.into()))?;
    let mut line = String::new();
    let read = tokio::time::timeout(READY_WITHIN, BufReader::new(stdout).read_line(&mut line)).await;
    match read
        .ok()
        .and_then(Result::ok)
        .and_then(|_| serde_json::from_str(&line).ok())
    {
        Some(Readiness::Ready { pid }) => Ok(pid),
        Some(Readiness::Failed { failure }) => Err(failure),
        None => {
            let _ = child.start_kill();
            Err(Failure::general(format!(
                "The daemon did not start: see {}.",
                paths.log_file().display()
            )))
        }
    }
}

/// In the child: tells the parent how it went and lets go of its pipe.
pub(crate) fn tell_parent(outcome: Outcome) {
    let readiness = match outcome {
        Ok(()) => Readiness::Ready {
            pid: std::process::id(),
        },
        Err(failure) => Readiness::Failed { failure },
    };
    if let Ok(line) = serde_json::to_string(&readiness) {
        crate::cli::output::Output::new(false, false, true).result(&line, serde_json::Value::Null);
    }
    system::let_go_of_output();
}
