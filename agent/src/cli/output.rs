//! What a command says: results and notes, or events as JSON, on standard output; questions, the bar and failures on
//! standard error.
//!
//! Owns the three ways of speaking. Nothing here fails: a reader that went away is not an error of the command.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde_json::Value;

use crate::exit::{Exit, Outcome};

/// How to speak.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
    no_progress: bool,
}

impl Output {
    pub fn new(json: bool, quiet: bool, no_progress: bool) -> Self {
        Self {
            json,
            quiet,
            no_progress,
        }
    }

    /// Whether events are told as JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether nothing but results is said.
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// What the command was asked for.
    pub fn result(self, human: &str, event: Value) {
        if self.json {
            self.event(event)
        } else {
            print(human)
        }
    }

    /// What happens on the way.
    pub fn note(self, human: &str, event: Value) {
        if self.json {
            self.event(event);
        } else if !self.quiet {
            print(human);
        }
    }

    /// A sentence for the person at the terminal, whatever the mode.
    pub fn say(self, human: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{human}");
    }

    /// One JSON line.
    pub fn event(self, event: Value) {
        if self.json {
            print(&event.to_string());
        }
    }

    /// Bytes as they are.
    pub fn raw(self, bytes: &[u8]) {
        let _ = std::io::stdout().lock().write_all(bytes);
    }

    /// How progress is shown.
    pub fn progress(self) -> ProgressStyle {
        if self.json {
            ProgressStyle::Events
        } else if self.quiet || self.no_progress {
            ProgressStyle::None
        } else if std::io::stderr().is_terminal() {
            ProgressStyle::Bar
        } else {
            ProgressStyle::Lines
        }
    }

    /// Tells how it ended; gives the exit code.
    pub(crate) fn end(self, outcome: Outcome) -> ExitCode {
        match outcome {
            Ok(()) => Exit::Done.into(),
            Err(failure) => {
                self.event(serde_json::json!({"event": "failed", "exit": failure.exit as u8, "detail": failure.sentence}));
                self.say(&format!("mesh: {}", failure.sentence));
                failure.exit.into()
            }
        }
    }
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressStyle {
    None,
    /// A moving bar on a terminal.
    Bar,
    /// A line now and then, for a pipe.
    Lines,
    /// JSON events.
    Events,
}

fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Bytes for people: `1.4 MB`, decimal as on disks and links.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} {}", if bytes == 1 { "byte" } else { "bytes" });
    }
    #[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_never_say_1000() {
        let shown = [0, 1, 999, 1000, 1_449_999, 999_949, 999_950, 1 << 30].map(size);
        assert_eq!(
            shown,
            [
                "0 bytes",
                "1 byte",
                "999 bytes",
                "1.0 kB",
                "1.4 MB",
                "999.9 kB",
                "1.0 MB",
                "1.1 GB"
            ]
        );
    }
}
