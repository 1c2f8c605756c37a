//! Starting the daemon with the person's session, by what their operating system has for that.
//!
//! Owns [`Autostart`]: what to write and which programs to run, as data, so that every system's way can be read and tested on
//! any other; [`run`] does it. Knows nothing of the daemon but its command line.

mod launchd;
mod run_key;
mod systemd;
mod xdg;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

pub use self::launchd::LaunchAgent;
pub use self::run_key::RunKey;
pub use self::systemd::SystemdUser;
pub use self::xdg::XdgEntry;

use crate::exit::{Failure, Outcome};

/// How long a program of the system may take.
const PROGRAM_WITHIN: Duration = Duration::from_secs(15);
/// Variables that say where this agent keeps its things: what starts at a login finds the same ones.
const CARRIED: [&str; 3] = ["MESH_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"];
/// In every file that is written, so that no other is overwritten or removed.
pub const MARK: &str = "Written by `mesh autostart on`";

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    pub program: PathBuf,
    /// What its environment needs beside the session's own.
    pub environment: Vec<(&'static str, String)>,
}

impl Launch {
    /// This very program, for the places that it uses now.
    pub fn of_this_process() -> Outcome<Self> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::general(format!("This program does not find itself: {error}.")))?;
        let environment = CARRIED
            .into_iter()
            .filter_map(|name| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?)))
            .collect();
        Ok(Self { program, environment })
    }

    /// The program's path as text; one that is none cannot stand in any of these files.
    fn program(&self) -> Outcome<&str> {
        let text = self.program.to_str();
        text.filter(|text| !text.contains(['\n', '\r'])).ok_or_else(|| {
            Failure::general(format!(
                "{} cannot be started at a login: move it to a path of plain letters.",
                self.program.display()
            ))
        })
    }
}

/// A program and its arguments.
pub type Words = Vec<OsString>;

/// One operating system's way.
pub trait Autostart: Send + Sync {
    /// For people.
    fn name(&self) -> &'static str;
    /// The file that it needs, and what stands in it.
    fn file(&self, launch: &Launch) -> Outcome<Option<(PathBuf, String)>>;
    /// Programs to run after the file is written.
    fn on(&self, launch: &Launch) -> Outcome<Vec<Words>>;
    /// Programs to run before the file is removed; that one of them fails means nothing.
    fn off(&self) -> Vec<Words>;
    /// Programs to run after the file is removed.
    fn after_off(&self) -> Vec<Words> {
        Vec::new()
    }
    /// The program that succeeds where it is on; without one the file decides.
    fn asks(&self) -> Option<Words> {
        None
    }
    /// The program that starts the daemon now, under the same supervision.
    fn start(&self) -> Option<Words> {
        None
    }
    /// What the person should know.
    fn hint(&self) -> Option<String> {
        None
    }
}

fn words(words: &[&str]) -> Words {
    words.iter().map(OsString::from).collect()
}

/// The ways of this machine, the best first.
pub async fn here() -> Outcome<Vec<Box<dyn Autostart>>> {
    let home = || Failure::usage("There is no home folder: set HOME.");
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if cfg!(windows) {
        return Ok(vec![Box::new(RunKey)]);
    }
    let home = folder("HOME").ok_or_else(home)?;
    if cfg!(target_os = "macos") {
        return Ok(vec![Box::new(LaunchAgent::new(&home, user_id()))]);
    }
    let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let mut ways: Vec<Box<dyn Autostart>> = vec![Box::new(XdgEntry::new(&config))];
    if succeeds(&SystemdUser::answers()).await {
        ways.insert(0, Box::new(SystemdUser::new(&config, lingers())));
    }
    Ok(ways)
}

#[cfg(unix)]
fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn user_id() -> u32 {
    0
}

/// Whether systemd keeps this person's services while they are not logged in.
pub(crate) fn lingers() -> bool {
    let name = std::env::var("USER").unwrap_or_default();
    !name.is_empty() && !name.contains('/') && Path::new("/var/lib/systemd/linger").join(name).exists()
}

/// Turns it on.
pub async fn turn_on(way: &dyn Autostart, launch: &Launch) -> Outcome {
    if let Some((file, text)) = way.file(launch)? {
        let cannot = |error: std::io::Error| {
            Failure::general(format!("{} cannot be written: {error}.", file.display()))
        };
        if !file.exists() || is_ours(&file) {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder).map_err(cannot)?;
            }
            std::fs::write(&file, text).map_err(cannot)?;
        }
    }
    for program in way.on(launch)? {
        run(&program).await?;
    }
    Ok(())
}

/// Turns it off; gives whether it was on.
pub async fn turn_off(way: &dyn Autostart, launch: &Launch) -> Outcome<bool> {
    let was_on = is_on(way, launch).await?;
    for program in way.off() {
        // What is off already says so by failing.
        let _ = run(&program).await;
    }
    if let Some((file, _)) = way.file(launch)?
        && is_ours(&file)
    {
        std::fs::remove_file(&file)
            .map_err(|error| Failure::general(format!("{} cannot be removed: {error}.", file.display())))?;
    }
    for program in way.after_off() {
        run(&program).await?;
    }
    if is_on(way, launch).await? {
        return Err(Failure::general(format!(
            "The daemon is still started by {}: remove that by hand.",
            way.name()
        )));
    }
    Ok(was_on)
}

/// Whether the daemon is started this way.
pub async fn is_on(way: &dyn Autostart, launch: &Launch) -> Outcome<bool> {
    Ok(match way.asks() {
        Some(program) => succeeds(&program).await,
        None => way.file(launch)?.is_some_and(|(file, _)| file.exists()),
    })
}

fn is_ours(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.contains(MARK))
}

/// Runs a program of the system, without a terminal: it must not ask.
pub async fn run(words: &Words) -> Outcome {
    let shown = || words.join(" ".as_ref()).to_string_lossy().into_owned();
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PROGRAM_WITHIN, output)
        .await
        .map_err(|_| Failure::general(format!("`{}` does not end: run it by hand to see why.", shown())))?
        .map_err(|error| Failure::general(format!("`{}` cannot be run: {error}.", shown())))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said
        .lines()
        .next_back()
        .unwrap_or("it failed")
        .trim()
        .trim_end_matches('.');
    Err(Failure::general(format!("`{}`: {said}.", shown())))
}

async fn succeeds(words: &Words) -> bool {
    run(words).await.is_ok()
}
