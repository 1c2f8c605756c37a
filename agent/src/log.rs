//! The log: where it goes, how it is written, how large it gets.
//!
//! Owns the daemon's log file and its generations. A command logs to standard error; a daemon to its file as well, so that
//! `mesh logs` shows it however it was started.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::config::LogFormat;

/// The largest log file, bytes; then it becomes the first of the older ones.
pub const MAX_FILE: u64 = 1024 * 1024;
/// Older files that are kept.
pub const OLDER: usize = 3;

/// Where to log.
#[derive(Debug)]
pub struct Sinks {
    /// Standard error, what is wrong only.
    pub stderr: bool,
    /// The daemon's file, what happens as well.
    pub file: Option<(PathBuf, LogFormat)>,
}

/// Starts it, once in a process. `MESH_LOG` chooses what is logged, whatever the sink. A file that cannot be written is
/// told at standard error, and everything else goes on.
pub fn start(sinks: Sinks) {
    let filter = |default: &str| EnvFilter::try_from_env("MESH_LOG").unwrap_or_else(|_| default.into());
    let mut layers: Vec<Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>> = Vec::new();
    if sinks.stderr {
        let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
        layers.push(layer.with_filter(filter("error")).boxed());
    }
    let mut cannot = None;
    if let Some((path, format)) = sinks.file {
        match Generations::open(&path, MAX_FILE) {
            Ok(file) => {
                let layer = fmt::layer().with_ansi(false);
                let filter = filter("error,mesh_agent=info,mesh_peer=info");
                layers.push(match format {
                    LogFormat::Text => layer.with_writer(Mutex::new(file)).with_filter(filter).boxed(),
                    LogFormat::Json => layer
                        .json()
                        .with_writer(Mutex::new(file))
                        .with_filter(filter)
                        .boxed(),
                });
                tell_panics();
            }
            Err(error) => cannot = Some((path, error)),
        }
    }
    let _ = tracing_subscriber::registry().with(layers).try_init();
    if let Some((path, error)) = cannot {
        tracing::error!(path = %path.display(), %error, "there is no log file");
    }
}

/// A panic is an event like others, on one line.
fn tell_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let what = info.payload_as_str().unwrap_or("something unknown");
        let at = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(what, at, "the program panicked");
        before(info);
    }));
}

/// The log's files, the oldest first; the last is being written.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = (1..=OLDER).rev().map(|age| older(path, age)).collect();
    files.push(path.to_owned());
    files.retain(|file| file.exists());
    files
}

fn older(path: &Path, age: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{age}"));
    name.into()
}

/// A file that becomes an older one when it is full.
#[derive(Debug)]
struct Generations {
    path: PathBuf,
    file: File,
    written: u64,
    most: u64,
}

impl Generations {
    fn open(path: &Path, most: u64) -> std::io::Result<Self> {
        let file = append(path)?;
        let written = file.metadata()?.len();
        let path = path.to_owned();
        Ok(Self {
            path,
            file,
            written,
            most,
        })
    }

    fn turn(&mut self) -> std::io::Result<()> {
        for age in (1..OLDER).rev() {
            // Where a generation is missing yet.
            let _ = std::fs::rename(older(&self.path, age), older(&self.path, age + 1));
        }
        std::fs::rename(&self.path, older(&self.path, 1))?;
        self.file = append(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    crate::system::private(options.create(true).append(true)).open(path)
}

impl Write for Generations {
    /// One event at a time, which is never cut.
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        if self.written > 0 && self.written + event.len() as u64 > self.most {
            self.turn()?;
        }
        self.file.write_all(event)?;
        self.written += event.len() as u64;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_its_newest_lines_are_kept_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.log");
        let mut log = Generations::open(&path, 1000).unwrap();
        for number in 0..10_000 {
            writeln!(log, "{number:08}").unwrap();
        }
        let kept: String = files(&path)
            .iter()
            .map(|file| {
                assert!(std::fs::metadata(file).unwrap().len() <= 1000);
                std::fs::read_to_string(file).unwrap()
            })
            .collect();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), OLDER + 1);
        let numbers: Vec<u32> = kept.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers.last(), Some(&9_999));
        assert!(numbers.len() > 300 && numbers.is_sorted());
        // A daemon that starts anew goes on where the last one stopped.
        drop(log);
        let mut log = Generations::open(&path, 1000).unwrap();
        writeln!(log, "again").unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("9999\nagain\n"));
    }
}
