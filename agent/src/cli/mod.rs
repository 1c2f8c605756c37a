//! The command line: what can be asked for, and where each command is carried out.
//!
//! One file a command. Commands talk to the person through [`output::Output`], and end in an
//! [`crate::exit::Outcome`]. Secrets are never taken from arguments.

mod args;
mod attach;
mod autostart;
mod background;
mod config;
mod connect;
mod consent;
mod doctor;
mod down;
mod folder;
mod login;
mod logs;
mod man;
pub mod output;
mod pair;
mod progress;
mod prompt;
mod raw;
mod receive;
mod rooms;
mod send;
mod share;
mod share_folder;
mod status;
mod steer;
mod summary;
mod terminals;
mod up;
mod view;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};
use tokio_util::sync::CancellationToken;

pub(crate) use self::background::CHILD as BACKGROUND_VARIABLE;
pub(crate) use self::connect::{api_failure, capitalised as sentence, pick_room, rooms as rooms_of};

use self::args::{Cli, Command, ShareWhat};
use self::output::Output;
use crate::config::{Paths, Settings};
use crate::exit::{Exit, Failure, Outcome};
use crate::log;
use crate::system;

/// What every command is given.
pub(crate) struct Context {
    pub(crate) paths: Paths,
    pub(crate) settings: Settings,
    pub(crate) output: Output,
    /// Cancelled by Ctrl-C, SIGTERM or SIGHUP; a command then ends in order.
    pub(crate) stop: CancellationToken,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    system::begin();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let output = Output::new(cli.json, cli.quiet, cli.no_progress);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.end(Err(Failure::general(format!(
                "The program cannot start: {error}."
            ))));
        }
    };
    // As a task and not on this thread: what makes the frames and the connection that carries them wake each other for every one,
    // which costs little where the same thread may run both.
    let command = runtime.spawn(run(cli, output));
    #[cfg(not(target_os = "macos"))]
    let outcome = runtime.block_on(command);
    #[cfg(target_os = "macos")]
    let outcome = system::screen::wait(&runtime, command);
    let outcome =
        outcome.unwrap_or_else(|error| Err(Failure::general(format!("The program failed: {error}."))));
    // Threads that wait for the terminal end with the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    output.end(outcome)
}

async fn run(cli: Cli, output: Output) -> Outcome {
    if let Command::Completions { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "mesh", &mut script);
        output.raw(&script);
        return Ok(());
    }
    if let Command::Man { folder } = &cli.command {
        return man::run(output, folder);
    }
    // A file that no other command can use is what this one is for.
    if let Command::Config { what } = cli.command {
        return config::run(output, what).await;
    }
    let paths = Paths::from_environment()?;
    let settings = Settings::load(&paths)?;
    start_log(&cli.command, &paths, &settings)?;
    let stop = CancellationToken::new();
    let context = Context {
        paths,
        settings,
        output,
        stop: stop.clone(),
    };
    let signals = tokio::spawn(watch_signals(stop));
    let outcome = match cli.command {
        Command::Login(args) => login::run(context, args).await,
        Command::Up(args) => up::run(context, args).await,
        Command::Down => down::run(context).await,
        Command::Status => status::run(context).await,
        Command::Share {
            what: ShareWhat::Terminal(args),
        } => share::run(context, args).await,
        Command::Share {
            what: ShareWhat::Folder(args),
        } => share_folder::run(context, args).await,
        Command::Stop(args) => share_folder::stop(context, args).await,
        Command::Attach(args) => share::come_back(context, args).await,
        Command::Pause(args) => terminals::pause(context, args, true).await,
        Command::Resume(args) => terminals::pause(context, args, false).await,
        Command::Record(args) => terminals::record(context, args).await,
        Command::Eject(args) => terminals::eject(context, args).await,
        Command::Consent(args) => consent::run(context, args).await,
        Command::Ls(args) => folder::ls(context, args).await,
        Command::Get(args) => folder::get(context, args).await,
        Command::Put(args) => folder::put(context, args).await,
        Command::Send(args) => send::run(context, args).await,
        Command::Receive(args) => receive::run(context, args).await,
        Command::View(args) => view::run(context, args).await,
        Command::Rooms => rooms::run(context).await,
        Command::Autostart { what } => autostart::run(context, what).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Completions { .. } | Command::Man { .. } | Command::Config { .. } => Ok(()),
        Command::Doctor => doctor::run(context).await,
    };
    signals.abort();
    outcome
}

/// The first signal asks for an orderly end; the second does not wait for it.
async fn watch_signals(stop: CancellationToken) {
    let Ok(mut ends) = system::Ends::new() else { return };
    for again in [false, true] {
        ends.next().await;
        if again {
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
        stop.cancel();
    }
}

/// Runs what has nothing to put in order; a signal ends it at once.
pub(crate) async fn until_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Failure::interrupted()),
        outcome = work => outcome,
    }
}

/// A daemon has a log file; what runs in front of somebody tells its errors there as well. The standard error of a daemon in
/// the background is that file already.
fn start_log(command: &Command, paths: &Paths, settings: &Settings) -> Outcome {
    let is_daemon = matches!(command, Command::Up(args) if !args.detach);
    if is_daemon {
        paths.create()?;
    }
    log::start(log::Sinks {
        stderr: !background::is_child(),
        file: is_daemon.then(|| (paths.log_file(), settings.log_format)),
    });
    Ok(())
}
