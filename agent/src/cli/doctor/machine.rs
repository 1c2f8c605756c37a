//! This device: the daemon, and where what is received goes.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::cli::Context;
use crate::cli::output::size;
use crate::daemon::ipc::{Client, FromDaemon, Request, Status};
use crate::exit::Outcome;
use crate::system;

/// Less than this is soon full.
const LITTLE_SPACE: u64 = 1_000_000_000;

pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let mut found = vec![settings(context), daemon(context).await];
    match context.settings.download_dir() {
        Ok(folder) => {
            let looked = tokio::task::spawn_blocking(move || downloads(&folder)).await;
            found.extend(looked.ok());
        }
        Err(failure) => found.push(Finding::from_failure("downloads", failure)),
    }
    found
}

/// Settings that cannot be read end every command before it begins.
fn settings(context: &Context) -> Finding {
    let file = context.paths.config_file();
    let relay_only = if context.settings.relay_only {
        "; relay_only: everything goes by way of relays, and others never learn an address of this device"
    } else {
        ""
    };
    if file.exists() {
        Finding::ok("settings", format!("{} is read{relay_only}", file.display()))
    } else {
        Finding::ok(
            "settings",
            format!(
                "those that come with it: there is no {}{relay_only}",
                file.display()
            ),
        )
    }
}

async fn daemon(context: &Context) -> Finding {
    const CHECK: &str = "daemon";
    let asked: Outcome<Option<Status>> = async {
        let Some(mut client) = Client::connect(&context.paths.socket()?).await? else {
            return Ok(None);
        };
        client.request(Request::Status).await?;
        Ok(match client.answer().await? {
            FromDaemon::Status { status } => Some(status),
            _ => None,
        })
    }
    .await;
    match asked {
        Ok(Some(status)) if status.connected => Finding::ok(
            CHECK,
            format!("it runs (process {}) and is connected", status.pid),
        ),
        Ok(Some(status)) => Finding::network(
            CHECK,
            format!(
                "it runs (process {}) and tries to reach {}: what is shared is not found by others meanwhile",
                status.pid, status.server
            ),
        ),
        Ok(None) => Finding::warning(
            CHECK,
            "it does not run: nobody finds what this device shares. `mesh up` starts it",
        ),
        Err(failure) => Finding::from_failure(CHECK, failure),
    }
}

fn downloads(folder: &Path) -> Finding {
    const CHECK: &str = "downloads";
    let shown = folder.display();
    // What is not there yet is made in the next folder above that is.
    let there: Option<PathBuf> = folder
        .ancestors()
        .find(|above| above.is_dir())
        .map(Path::to_path_buf);
    let Some(there) = there else {
        return Finding::failed(
            CHECK,
            format!("{shown} cannot be made: set another folder with `--out DIR`"),
        );
    };
    if !system::may_write(&there) {
        return Finding::failed(
            CHECK,
            format!("{shown} cannot be written: change who may, or set another folder with `--out DIR`"),
        );
    }
    match system::free_space(&there) {
        Ok(free) => {
            let text = format!("{shown}: {} free", size(free));
            if free < LITTLE_SPACE {
                Finding::warning(CHECK, format!("{text}. Larger files will not fit"))
            } else {
                Finding::ok(CHECK, text)
            }
        }
        Err(error) => Finding::failed(CHECK, format!("{shown} cannot be looked at: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_where_it_will_be() {
        let folder = tempfile::tempdir().unwrap();
        let found = downloads(&folder.path().join("not/yet"));
        assert_ne!(
            found.level,
            Level::Failed(crate::exit::Exit::Failure),
            "{found:?}"
        );
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(
            downloads(&file).text.contains("free"),
            "judged by the folder above"
        );
    }
}
