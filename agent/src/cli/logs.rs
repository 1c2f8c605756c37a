//! `mesh logs`: what the daemon wrote down, however it was started.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::args::LogsArgs;
use super::output::Output;
use super::{Context, until_stopped};
use crate::disk;
use crate::exit::{Failure, Outcome};
use crate::log;

/// How often a log that is followed is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The most that is read of it at once, bytes; the rest is next.
const AT_ONCE: u64 = 256 * 1024;

pub(crate) async fn run(context: Context, args: LogsArgs) -> Outcome {
    let path = context.paths.log_file();
    let cannot =
        |error: std::io::Error| Failure::general(format!("{} cannot be read: {error}.", path.display()));
    if log::files(&path).is_empty() && !args.follow {
        return Err(Failure::general(format!(
            "There is no {}: no daemon has run on this machine yet.",
            path.display()
        )));
    }
    let mut at = newest(&path, args.lines, context.output).map_err(cannot)?;
    if !args.follow {
        return Ok(());
    }
    let stop = context.stop.clone();
    until_stopped(&stop, async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            at.more(&path, context.output).map_err(cannot)?;
        }
    })
    .await
}

fn tell(output: Output, line: &str) {
    // A log in JSON is told as it is.
    let event = serde_json::from_str(line).unwrap_or_else(|_| json!({"event": "log", "line": line}));
    output.result(line, event);
}

/// Prints the newest lines of all generations; gives where the newest file was left.
fn newest(path: &Path, lines: usize, output: Output) -> std::io::Result<Place> {
    let mut kept: VecDeque<String> = VecDeque::new();
    let mut place = Place::default();
    for file in log::files(path) {
        let mut reader = BufReader::new(std::fs::File::open(&file)?);
        let mut bytes = Vec::new();
        place = Place::of(reader.get_ref())?;
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            if bytes.last() != Some(&b'\n') {
                // Half a line: it is told when it is whole.
                break;
            }
            place.read += bytes.len() as u64;
            if kept.len() == lines {
                kept.pop_front();
            }
            if lines > 0 {
                kept.push_back(String::from_utf8_lossy(&bytes).trim_end().to_owned());
            }
            bytes.clear();
        }
    }
    kept.iter().for_each(|line| tell(output, line));
    Ok(place)
}

/// How far a file was read.
#[derive(Debug, Default)]
struct Place {
    file: disk::FileId,
    read: u64,
}

impl Place {
    fn of(file: &std::fs::File) -> std::io::Result<Self> {
        Ok(Self {
            file: disk::file_id(file)?,
            read: 0,
        })
    }

    /// Prints what was written since. A file that became an older one is read to its end first.
    fn more(&mut self, path: &Path, output: Output) -> std::io::Result<()> {
        let mut reached = false;
        for file in log::files(path) {
            let mut open = match std::fs::File::open(&file) {
                Ok(open) => open,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let found = Self::of(&open)?;
            if found.file == self.file {
                reached = true;
            } else if reached || file == path {
                *self = found;
            } else {
                continue;
            }
            loop {
                open.seek(SeekFrom::Start(self.read))?;
                let mut bytes = Vec::new();
                open.by_ref().take(AT_ONCE).read_to_end(&mut bytes)?;
                let Some(whole) = bytes.iter().rposition(|byte| *byte == b'\n') else {
                    break;
                };
                self.read += whole as u64 + 1;
                for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
                    tell(output, line);
                }
            }
        }
        Ok(())
    }
}
