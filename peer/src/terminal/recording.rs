//! A recording of what viewers see, as asciicast version 2: a header and one line of JSON an event.
//!
//! Fed with the events of a [`super::Viewer`], so that it is behind a pause, a filter and a snapshot as any viewer is. Knows no
//! file: what it gives has to be appended. The format: <https://docs.asciinema.org/manual/asciicast/v2/>.

use std::time::Instant;

use mesh_protocol::channel::{TermSize, TermState};
use serde_json::json;

use super::ViewerEvent;

/// Makes a terminal as new (RIS): a snapshot follows.
const FRESH: &str = "\x1bc";

/// One recording.
#[derive(Debug)]
pub struct Recording {
    title: String,
    /// Unix seconds.
    timestamp: u64,
    begun: Instant,
    size: Option<TermSize>,
    state: TermState,
}

impl Recording {
    /// Begins at `now`, which is `timestamp` (Unix seconds) on the clock.
    pub const fn new(title: String, timestamp: u64, now: Instant) -> Self {
        Self {
            title,
            timestamp,
            begun: now,
            size: None,
            state: TermState {
                paused: false,
                recording: true,
            },
        }
    }

    /// The lines that this event adds.
    pub fn lines(&mut self, event: &ViewerEvent, now: Instant) -> String {
        match event {
            ViewerEvent::Reset(size) => {
                let Some(before) = self.size.replace(*size) else {
                    return self.header(*size);
                };
                let mut lines = String::new();
                if before != *size {
                    lines += &self.line(now, "r", &dimensions(*size));
                }
                lines + &self.line(now, "o", FRESH)
            }
            ViewerEvent::Write { bytes, .. } if !bytes.is_empty() => {
                self.line(now, "o", &String::from_utf8_lossy(bytes))
            }
            ViewerEvent::Resize(size) => {
                self.size = Some(*size);
                self.line(now, "r", &dimensions(*size))
            }
            ViewerEvent::State(state) => {
                let before = std::mem::replace(&mut self.state, *state);
                match (before.paused, state.paused) {
                    (false, true) => self.line(now, "m", "paused"),
                    (true, false) => self.line(now, "m", "resumed"),
                    _ => String::new(),
                }
            }
            _ => String::new(),
        }
    }

    fn header(&self, size: TermSize) -> String {
        let header = json!({
            "version": 2,
            "width": size.cols,
            "height": size.rows,
            "timestamp": self.timestamp,
            "title": self.title,
            "env": {"TERM": "xterm-256color"},
        });
        format!("{header}\n")
    }

    fn line(&self, now: Instant, code: &str, data: &str) -> String {
        let seconds = now.saturating_duration_since(self.begun).as_secs_f64();
        format!("[{seconds:.6}, \"{code}\", {}]\n", json!(data))
    }
}

fn dimensions(size: TermSize) -> String {
    format!("{}x{}", size.cols, size.rows)
}
