//! A recording of a shared terminal on this device's disk: a thread that is sent what a viewer is, and writes it down.
//!
//! It holds the terminal up as little as any viewer does: a disk that is too slow gets the screen as it is and not a queue. The
//! format is the engine's ([`mesh_peer::terminal::Recording`]).

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mesh_peer::terminal::{Recording, Viewer, ViewerEvent};
use mesh_peer::transport::FrameSender;
use mesh_protocol::channel::Frame;
use mesh_protocol::ids::PeerId;
use tokio::sync::{mpsc, oneshot};

use super::shares::Command;
use crate::exit::{Failure, Outcome};
use crate::system;

/// The identity under which a recording is sent frames; peers get theirs from the server, in another form.
const RECORDER: &str = "recorder";
/// Frames that wait for the disk; past that none is made.
const FRAMES: usize = 8;

/// A recording that goes on for as long as its frames are sent.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) file: PathBuf,
    pub(super) peer: PeerId,
    /// Resolves once everything is written.
    pub(super) ended: oneshot::Receiver<()>,
}

impl Recorder {
    /// Makes the file, which must not exist yet, and starts the thread; it ends when the sender of frames does, or when the
    /// disk takes no more.
    pub(super) fn start(
        file: &Path,
        title: &str,
        number: u64,
        commands: mpsc::WeakSender<Command>,
    ) -> Outcome<(Self, FrameSender)> {
        let cannot = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::usage(format!(
                "{} exists: name a file that does not, since a recording replaces none.",
                file.display()
            )),
            _ => Failure::general(format!("{} cannot be written: {error}.", file.display())),
        };
        let open = system::private(std::fs::OpenOptions::new().write(true).create_new(true))
            .open(file)
            .map_err(cannot)?;
        let peer: PeerId = RECORDER.parse().map_err(Failure::general)?;
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH);
        let recording = Recording::new(
            title.to_owned(),
            timestamp.map_or(0, |since| since.as_secs()),
            Instant::now(),
        );
        let (frames, queue) = mpsc::channel(FRAMES);
        let (done, ended) = oneshot::channel();
        let desk = Desk {
            file: file.to_owned(),
            peer: peer.clone(),
            number,
            commands,
        };
        std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                desk.write(BufWriter::new(open), recording, queue);
                let _ = done.send(());
            })
            .map_err(cannot)?;
        let recorder = Self {
            file: file.to_owned(),
            peer,
            ended,
        };
        Ok((recorder, frames))
    }
}

/// Where the thread sits.
struct Desk {
    file: PathBuf,
    peer: PeerId,
    number: u64,
    commands: mpsc::WeakSender<Command>,
}

impl Desk {
    fn write(
        self,
        mut out: BufWriter<std::fs::File>,
        mut recording: Recording,
        mut frames: mpsc::Receiver<Bytes>,
    ) {
        let mut viewer = Viewer::new();
        while let Some(message) = frames.blocking_recv() {
            // The host is this process: what it sends is in order.
            let Ok(frame) = Frame::decode(&message) else { break };
            if viewer.handle(frame).is_err() {
                break;
            }
            let now = Instant::now();
            while let Some(event) = viewer.poll_event() {
                if let Err(error) = out.write_all(recording.lines(&event, now).as_bytes()) {
                    return self.failed(&error);
                }
                if let ViewerEvent::Write { seq: Some(seq), .. } = event {
                    viewer.shown(seq, now);
                }
            }
            // Whoever looks at the file, or whatever ends this process, finds what was shown.
            if frames.is_empty()
                && let Err(error) = out.flush()
            {
                return self.failed(&error);
            }
            while let Some(answer) = viewer.poll_frame(now) {
                if let Ok(frame) = Frame::decode(&answer) {
                    let peer = self.peer.clone();
                    self.say(Command::Frame { peer, frame });
                }
            }
        }
        if let Err(error) = out.flush() {
            self.failed(&error);
        }
    }

    fn failed(&self, error: &std::io::Error) {
        tracing::warn!(%error, file = %self.file.display(), "a recording ended");
        self.say(Command::Detach {
            peer: self.peer.clone(),
            number: self.number,
        });
    }

    /// The task of a share waits for nobody, so that this does not wait long.
    fn say(&self, command: Command) {
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.blocking_send(command);
        }
    }
}
