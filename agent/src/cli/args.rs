//! The grammar of the command line.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand};
use mesh_protocol::capability::Capability;

use crate::config::parse_grant;
use crate::disk::{Existing, Patterns};
use crate::exit::{Failure, Outcome};
use crate::transfer::choice::Choice;

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failure, 2 usage, 3 sign-in needed, 4 refused by the other side or by policy,
5 network, 6 done in part, 130 interrupted.";

/// Share terminals and files directly between devices.
#[derive(Debug, Parser)]
#[command(name = "mesh", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Tell what happens as JSON, one line an event
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print nothing but results
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Show no progress
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) no_progress: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign this device in to a server
    Login(LoginArgs),
    /// Run the daemon, which answers requests to this device
    Up(UpArgs),
    /// Stop the daemon and everything it shares
    Down,
    /// Show what the daemon shares, and with whom
    Status,
    /// Share something with a room
    Share {
        #[command(subcommand)]
        what: ShareWhat,
    },
    /// Send files and folders to a room, a person, a device, or who has a code
    Send(SendArgs),
    /// Wait for files that someone sends, or get those of a code
    Receive(ReceiveArgs),
    /// Watch a terminal that someone shares
    View(ViewArgs),
    /// List the folders that are shared with you, or what stands in one
    Ls(LsArgs),
    /// Get files and whole folders out of a shared folder
    Get(GetArgs),
    /// Put files into a shared folder whose owner lets others
    Put(PutArgs),
    /// Come back to a shared terminal of this device
    Attach(AttachArgs),
    /// Show viewers nothing of a shared terminal for a while; its shell goes on
    Pause(PauseArgs),
    /// Go on showing a terminal that was paused
    Resume(PauseArgs),
    /// Record a shared terminal as an asciicast; its viewers are told
    Record(RecordArgs),
    /// Send somebody away from your terminals
    Eject(EjectArgs),
    /// Say once and for all who may do what, or show what was said
    Consent(ConsentArgs),
    /// Stop sharing everything, or one terminal or folder
    Stop(StopArgs),
    /// List the rooms you are in
    Rooms,
    /// The settings file: where it is, what is wrong in it, an editor for it
    Config {
        #[command(subcommand)]
        what: ConfigWhat,
    },
    /// Start the daemon with your session, or no longer
    Autostart {
        #[command(subcommand)]
        what: AutostartWhat,
    },
    /// Show what the daemon wrote down
    Logs(LogsArgs),
    /// Look for what keeps this device from the others, and say what to do about it
    Doctor,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a folder
    Man {
        /// Such as ~/.local/share/man/man1
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigWhat {
    /// Open it in your editor, then check it
    Edit,
    /// Print where it is
    Path,
    /// Say what is wrong in it, line by line
    Check,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum AutostartWhat {
    /// From now on: a systemd user unit, else an entry of your desktop
    On,
    /// No longer; a daemon that runs goes on
    Off,
    /// Whether it does, and by what
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Go on showing what is written
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many lines
    #[arg(long, short = 'n', default_value_t = 100)]
    pub(crate) lines: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ShareWhat {
    /// Share a shell: you see and type, the others watch
    Terminal(ShareTerminalArgs),
    /// Share a folder: it stays where it is, the others look into it and take from it
    Folder(ShareFolderArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The server's address, or a one-time sign-in link; `-` reads it from standard input
    pub(crate) url: String,
    /// Sign in with this name and a password, instead of a code
    #[arg(long, env = "MESH_USERNAME")]
    pub(crate) username: Option<String>,
    /// Read the password from standard input instead of asking
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// How others see this device [default: the host name]
    #[arg(long)]
    pub(crate) device_name: Option<String>,
    /// Accept an unencrypted server that is not this machine: everyone on the way can read the session
    #[arg(long)]
    pub(crate) plaintext: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Run in the background
    #[arg(long)]
    pub(crate) detach: bool,
    /// Give consent in advance: terminal:view, terminal:control or share:file (repeatable)
    #[arg(long, value_name = "RIGHT", value_parser = parse_grant)]
    pub(crate) allow: Vec<Capability>,
    /// Decline everything that is not allowed, without asking
    #[arg(long)]
    pub(crate) deny: bool,
    /// Where received files go [default: your download folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Take the place of a daemon that runs, whose shares end
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShareTerminalArgs {
    /// The room, by name or id [default: your only room, else Home]
    #[arg(long)]
    pub(crate) room: Option<String>,
    /// Start the share and return, without attaching this terminal
    #[arg(long)]
    pub(crate) detach: bool,
    /// Record what viewers see into a new file, as an asciicast
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Run this command instead of your shell
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("recipient").required(true))]
pub(crate) struct SendArgs {
    /// Files and folders; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// A room, a person or a device, by name
    #[arg(long, value_name = "ROOM|PERSON|DEVICE", group = "recipient")]
    pub(crate) to: Option<String>,
    /// Make a code for one person who needs no account: they run `mesh receive CODE`
    #[arg(long, group = "recipient")]
    pub(crate) code: bool,
    /// Leave out what this means in a .gitignore (repeatable)
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,
    /// What standard input is called at the other end [default: stdin]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The most bytes per second, such as 500k or 5M
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) throttle: Option<NonZeroU64>,
    /// How long to wait for someone to accept, such as 90s, 10m or 1h
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiveArgs {
    /// What `mesh send --code` shows, for its files and no others; `-` asks for it or reads it from standard input
    pub(crate) code: Vec<String>,
    /// Accept without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Where files go [default: your download folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) taking: Taking,
    /// End after the first transfer
    #[arg(long)]
    pub(crate) once: bool,
    /// The largest offer that is taken, in bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_size: Option<u64>,
}

// How files are taken, whoever they are from. A doc comment would become the help of the commands that have it.
#[derive(Debug, Args)]
pub(crate) struct Taking {
    /// Replace files of the same name
    #[arg(long, group = "existing")]
    overwrite: bool,
    /// Give a number to what has the name of another file [default]
    #[arg(long, group = "existing")]
    rename: bool,
    /// Leave out what has the name of another file
    #[arg(long, group = "existing")]
    skip: bool,
    /// Leave out what this means in a .gitignore (repeatable)
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// The most bytes per second, such as 500k or 5M
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) throttle: Option<NonZeroU64>,
}

impl Taking {
    /// What becomes of a file whose name is taken.
    pub(crate) fn existing(&self) -> Existing {
        match self {
            Self { overwrite: true, .. } => Existing::Overwrite,
            Self { skip: true, .. } => Existing::Skip,
            _ => Existing::Rename,
        }
    }

    /// What is wanted, before anybody is asked.
    pub(crate) fn choice(&self) -> Outcome<Choice> {
        let exclude = Patterns::parse(self.exclude.iter().map(String::as_str))
            .map_err(|why| Failure::usage(format!("{why}.")))?;
        Ok(Choice::all_but(exclude))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// Whose terminal: a person or a device, by name
    #[arg(value_name = "PERSON|DEVICE")]
    pub(crate) whose: String,
    /// Ask for control as well
    #[arg(long)]
    pub(crate) control: bool,
    /// Look in this room only
    #[arg(long)]
    pub(crate) room: Option<String>,
    /// Which terminal, by its label, where several are shared
    #[arg(long, value_name = "LABEL")]
    pub(crate) share: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShareFolderArgs {
    /// The folder; links in it are not followed
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The room, by name or id [default: your only room, else Home]
    #[arg(long)]
    pub(crate) room: Option<String>,
    /// What the others call it [default: the folder's name]
    #[arg(long, value_name = "LABEL")]
    pub(crate) name: Option<String>,
    /// Let the others put files into it; nothing is ever overwritten
    #[arg(long)]
    pub(crate) drop: bool,
    /// Show names that begin with a dot as well
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Return, and share it until `mesh stop` or `mesh down`
    #[arg(long)]
    pub(crate) detach: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AttachArgs {
    /// Its label or id, as `mesh status` shows it [default: the only one]
    #[arg(value_name = "SHARE")]
    pub(crate) share: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// Its label or id, as `mesh status` shows it [default: all terminals]
    #[arg(value_name = "SHARE")]
    pub(crate) share: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub(crate) struct RecordArgs {
    /// A new file; no other is replaced
    #[arg(value_name = "FILE", group = "what")]
    pub(crate) file: Option<PathBuf>,
    /// End the recording
    #[arg(long, group = "what")]
    pub(crate) stop: bool,
    /// Which terminal, by label or id [default: the only one]
    #[arg(long, value_name = "SHARE")]
    pub(crate) share: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EjectArgs {
    /// A viewer, as `mesh status` names them
    #[arg(value_name = "NAME")]
    pub(crate) who: String,
}

#[derive(Debug, Args)]
pub(crate) struct ConsentArgs {
    /// What: terminal:view, terminal:control or share:file
    #[arg(value_name = "RIGHT", value_parser = parse_grant, requires = "answer")]
    pub(crate) right: Option<Capability>,
    /// From now on: ask you, allow, or never
    #[arg(value_name = "ANSWER")]
    pub(crate) answer: Option<Standing>,
    /// For whoever asks in this room
    #[arg(long, requires = "answer", conflicts_with = "person")]
    pub(crate) room: Option<String>,
    /// For this person in every room
    #[arg(long, value_name = "NAME", requires = "answer")]
    pub(crate) person: Option<String>,
}

/// A standing answer.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Standing {
    Ask,
    Allow,
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// Its label or id, as `mesh status` shows it [default: everything]
    #[arg(value_name = "SHARE")]
    pub(crate) share: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// A shared folder by label or id, and a path in it
    #[arg(value_name = "SHARE[:PATH]")]
    pub(crate) place: Option<String>,
    /// Find what has this in its name, in all folders beneath
    #[arg(long, value_name = "TEXT", requires = "place")]
    pub(crate) search: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// A shared folder by label or id, and a path in it
    #[arg(required = true, value_name = "SHARE[:PATH]")]
    pub(crate) places: Vec<String>,
    /// Where they go [default: the folder that you are in]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) taking: Taking,
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The files, and last the shared folder as SHARE:[PATH]
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The most bytes per second, such as 500k or 5M
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) throttle: Option<NonZeroU64>,
}

/// `90`, `90s`, `10m`, `1h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, text.as_bytes()[text.len() - 1]),
        None => (text, b's'),
    };
    let wrong = || "a time such as 90s, 10m or 1h".to_owned();
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = number
        .checked_mul(match unit {
            b'h' => 3600,
            b'm' => 60,
            _ => 1,
        })
        .ok_or_else(wrong)?;
    if seconds == 0 || seconds > 7 * 24 * 3600 {
        return Err("a time between 1s and 168h".to_owned());
    }
    Ok(Duration::from_secs(seconds))
}

/// `500000`, `500k`, `5M`, `1G`: bytes per second, at least 1,000.
fn parse_rate(text: &str) -> Result<NonZeroU64, String> {
    let wrong = || "a rate such as 500k or 5M, in bytes per second".to_owned();
    let number = text.trim_end_matches(['k', 'K', 'M', 'G']);
    let unit: u64 = match &text[number.len()..] {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let rate = number.checked_mul(unit).filter(|rate| *rate >= 1_000);
    rate.and_then(NonZeroU64::new)
        .ok_or_else(|| "at least 1k, 1,000 bytes per second".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn rates_are_decimal_and_not_too_low() {
        let rate = |text| parse_rate(text).ok().map(NonZeroU64::get);
        assert_eq!(rate("5M"), Some(5_000_000));
        assert_eq!(rate("500k"), Some(500_000));
        assert_eq!(rate("1234"), Some(1_234));
        for bad in ["", "M", "5MM", "5T", "1.5M", "-5M", "999", "0", "99999999999G"] {
            assert_eq!(rate(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "0", "m", "-1s", "1d", "99999999999999999h", "200h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
