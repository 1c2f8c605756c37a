//! The command line: `mesh-server [serve]` and the operator's commands, which work beside a running server.
//!
//! Exit codes: 0 done, 1 failure, 2 a wrong setting or argument.

mod backup;
mod doctor;
mod health;
mod invite;
mod keys;
mod migrate;
mod output;
mod room;
mod serve;
mod user;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::{Parser, Subcommand};

use crate::auth::names;
use crate::config::{self, Flags};
use crate::data_dir::{self, InUse};
use crate::server::{PUBLIC_URL_SETTING, local_url};
use crate::store::{self, RoomRow, Store, User};
use crate::{Config, StartError};

/// The Mesh server: it decides who may meet, and introduces them.
#[derive(Parser)]
#[command(name = "mesh-server", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default)
    Serve,
    /// Manage accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Manage rooms
    #[command(subcommand)]
    Room(room::RoomCommand),
    /// Manage invitations
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// Manage the keys that sign capabilities
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Write database and keys into one file, also while the server runs
    Backup(backup::Backup),
    /// Put a backup in the place of the data folder
    Restore(backup::Restore),
    /// Carry everything from the SQLite file into an empty PostgreSQL database
    Migrate(migrate::Migrate),
    /// Look for what is wrong, and say what to do
    Doctor(doctor::Doctor),
    /// Exit with 0 where the server of these settings runs and is well, for health checks
    Health,
}

/// Runs the command of this process. The threads of a server call `give_memory_back` now and then.
pub fn main(give_memory_back: fn()) -> ExitCode {
    let cli = Cli::parse();
    let config = match config::load(&cli.flags, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match run(cli.command.unwrap_or(Command::Serve), config, give_memory_back) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            let usage = matches!(error.downcast_ref::<StartError>(), Some(StartError::Config(_)));
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(command: Command, config: Config, give_memory_back: fn()) -> anyhow::Result<()> {
    let mut builder = match command {
        Command::Serve => serve::threads(give_memory_back),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()?.block_on(async {
        match command {
            Command::Serve => serve::run(config).await,
            Command::User(command) => user::run(command, config).await,
            Command::Room(command) => room::run(command, config).await,
            Command::Invite(command) => invite::run(command, config).await,
            Command::Keys(command) => keys::run(command, &config),
            Command::Backup(backup) => backup.run(&config).await,
            Command::Restore(restore) => restore.run(&config).await,
            Command::Migrate(migrate) => migrate.run(&config).await,
            Command::Doctor(doctor) => doctor.run(&config).await,
            Command::Health => health::run(&config).await,
        }
    })
}

/// The database, for one command.
async fn open_store(config: &Config) -> anyhow::Result<(Arc<dyn Store>, InUse)> {
    let in_use = data_dir::enter(&config.data_dir)?;
    let store = store::open(config.database_url.as_ref(), &config.database_path())
        .await
        .map_err(StartError::Store)?;
    Ok((store, in_use))
}

/// What people type to reach the server.
async fn public_url(store: &dyn Store, config: &Config) -> anyhow::Result<String> {
    Ok(match &config.public_url {
        Some(url) => url.clone(),
        None => store
            .setting(PUBLIC_URL_SETTING)
            .await?
            .unwrap_or_else(|| local_url(config.listen)),
    })
}

/// The account of that name.
async fn user_named(store: &dyn Store, name: &str) -> anyhow::Result<User> {
    match store.user_by_name(&names::key(name)).await? {
        Some(user) => Ok(user),
        None => {
            bail!("There is no account {name}. Make one: mesh-server user add {name} --password-stdin")
        }
    }
}

/// The room of that id, or of that name where only one has it.
async fn room_named(store: &dyn Store, room: &str) -> anyhow::Result<RoomRow> {
    let mut rooms = store.all_rooms().await?;
    if let Some(at) = rooms.iter().position(|row| row.id.as_str() == room) {
        return Ok(rooms.swap_remove(at));
    }
    rooms.retain(|row| row.name == room);
    match rooms.len() {
        0 => bail!("There is no room {room}. See: mesh-server room list"),
        1 => Ok(rooms.swap_remove(0)),
        several => {
            bail!("{several} rooms have the name {room}: give the id instead. See: mesh-server room list")
        }
    }
}
