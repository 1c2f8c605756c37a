//! The command line: `mesh-server [serve]` and the operator's commands, which work beside a running server.
//!
//! Exit codes: 0 done, 1 failure, 2 a wrong setting or argument.

mod serve;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Flags};
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
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = match config::load(&cli.flags, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match run(cli.command.unwrap_or(Command::Serve), config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            let usage = matches!(error.downcast_ref::<StartError>(), Some(StartError::Config(_)));
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

fn run(command: Command, config: Config) -> anyhow::Result<()> {
    let mut builder = match command {
        Command::Serve => tokio::runtime::Builder::new_multi_thread(),
        Command::User(_) => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()?.block_on(async {
        match command {
            Command::Serve => serve::run(config).await,
            Command::User(command) => user::run(command, config).await,
        }
    })
}
