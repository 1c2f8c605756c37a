//! `mesh-server keys …`: the keys that sign capabilities.

use clap::Subcommand;
use serde_json::json;

use super::output;
use crate::Config;
use crate::auth::capability_keys::{self, KeyInfo, KeyState, Rotation};
use crate::clock::{Clock as _, SystemClock};
use crate::data_dir;

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// List the keys
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace the key before its time, which the server itself does every 90 days
    ///
    /// The new key is published at once and signs a minute later; the old one stays for its last tokens. Nothing that is open is
    /// disturbed, and a running server needs no restart.
    Rotate {
        /// Somebody else may have the keys: what they signed is good for nothing from now on
        #[arg(long)]
        compromised: bool,
    },
}

pub(super) fn run(command: KeysCommand, config: &Config) -> anyhow::Result<()> {
    let _in_use = data_dir::enter(&config.data_dir)?;
    let now = SystemClock.now();
    match command {
        KeysCommand::List { json } => show(&capability_keys::list(&config.data_dir, now)?, json),
        KeysCommand::Rotate { compromised } => {
            let how = if compromised {
                Rotation::Compromised
            } else {
                Rotation::Orderly
            };
            show(&capability_keys::rotate(&config.data_dir, how, now)?, false)
        }
    }
}

fn show(keys: &[KeyInfo], json: bool) -> anyhow::Result<()> {
    let state = |key: &KeyInfo| match key.state {
        KeyState::Waiting => "waiting",
        KeyState::Signing => "signing",
        KeyState::Ending => "ending",
    };
    if json {
        let one = |key: &KeyInfo| json!({"kid": key.kid, "signs_from": key.signs_from, "state": state(key)});
        return output::json(&json!({"keys": keys.iter().map(one).collect::<Vec<_>>()}));
    }
    let row = |key: &KeyInfo| {
        let since = format!("signs from {}", output::moment(key.signs_from));
        [key.kid.clone(), state(key).to_owned(), since]
    };
    output::table(keys.iter().map(row))
}
