//! A shell on a pseudo-terminal of its own: start, output, input, size, end.
//!
//! Owns the processes and the three threads that block for them. Knows nothing of viewers or of leases. Enter through
//! [`Shell::spawn`]. Whoever holds a [`Shell`] decides over its life: dropping it kills every process of its session.

mod session;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mesh_protocol::channel::TermSize;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::Pid;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Pieces of output that wait for the owner; past that the reader stops reading and the shell is held up by the kernel.
const OUTPUT_QUEUE: usize = 16;
/// The most output taken in one piece, bytes.
const OUTPUT_PIECE: usize = 16 * 1024;
/// Pieces of input that wait for a shell that does not read; past that input is dropped, see [`Shell::write`].
const INPUT_QUEUE: usize = 64;
/// How long output is still awaited after the shell itself has ended, while something it started holds the terminal.
const DRAIN: Duration = Duration::from_millis(200);

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellSpec {
    /// An absolute path or a name that `PATH` finds.
    pub program: String,
    pub args: Vec<String>,
    /// Where it starts; the home folder when absent.
    pub folder: Option<PathBuf>,
    /// Added to its environment.
    pub variables: Vec<(&'static str, String)>,
}

impl ShellSpec {
    /// A login shell, or a command with its arguments where there is one.
    pub fn new(shell: &str, command: &[String]) -> Self {
        let (program, args) = match command {
            [program, args @ ..] => (program.clone(), args.to_vec()),
            [] => (shell.to_owned(), vec!["-l".to_owned()]),
        };
        Self {
            program,
            args,
            folder: None,
            variables: Vec::new(),
        }
    }

    /// What it is called: the command as it was typed, or the name of the shell.
    pub fn label(&self) -> String {
        let name = self.program.rsplit('/').next().unwrap_or_default();
        let args = if self.args == ["-l"] { &[][..] } else { &self.args };
        let words = std::iter::once(name).chain(args.iter().map(String::as_str));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// What a shell tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellEvent {
    Output(Bytes),
    /// The shell ended; `None` when a signal ended it. Nothing follows.
    Exited(Option<i32>),
}

/// A running shell.
pub struct Shell {
    master: Box<dyn MasterPty + Send>,
    session: Pid,
    input: mpsc::Sender<Bytes>,
    /// Dropped after the processes were killed: the library's writer types a newline and end-of-file when it closes,
    /// which must never complete a command line that someone left half typed.
    stopped: bool,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// The events of one shell, in order.
#[derive(Debug)]
pub struct ShellEvents {
    output: mpsc::Receiver<Bytes>,
    exit: Option<oneshot::Receiver<Option<i32>>>,
    ended: Option<(Option<i32>, Instant)>,
}

impl Shell {
    /// Starts the shell. Must be called within a tokio runtime only for its events to be awaited there; the threads are
    /// plain ones and end with the processes.
    pub fn spawn(spec: &ShellSpec, size: TermSize) -> std::io::Result<(Self, ShellEvents)> {
        let pair = native_pty_system()
            .openpty(pty_size(size))
            .map_err(std::io::Error::other)?;
        let mut command = CommandBuilder::new(&spec.program);
        command.args(&spec.args);
        command.env("TERM", "xterm-256color");
        for (name, value) in &spec.variables {
            command.env(name, value);
        }
        command.env_remove(crate::cli::BACKGROUND_VARIABLE);
        if let Some(folder) = spec
            .folder
            .clone()
            .or_else(|| std::env::var_os("HOME").map(PathBuf::from))
        {
            command.cwd(folder);
        }
        let mut child = pair.slave.spawn_command(command).map_err(std::io::Error::other)?;
        drop(pair.slave);
        let session = child
            .process_id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .ok_or_else(|| std::io::Error::other("the shell has no process id"))?;
        let mut reader = pair.master.try_clone_reader().map_err(std::io::Error::other)?;
        let mut writer = pair.master.take_writer().map_err(std::io::Error::other)?;

        let (output_tx, output) = mpsc::channel(OUTPUT_QUEUE);
        std::thread::Builder::new()
            .name("pty-out".into())
            .spawn(move || {
                let mut buffer = vec![0; OUTPUT_PIECE];
                // Ends with the terminal (EOF or EIO) or when the owner takes no more.
                while let Ok(read @ 1..) = reader.read(&mut buffer) {
                    if output_tx
                        .blocking_send(Bytes::copy_from_slice(&buffer[..read]))
                        .is_err()
                    {
                        break;
                    }
                }
            })?;
        let (input, mut input_rx) = mpsc::channel::<Bytes>(INPUT_QUEUE);
        std::thread::Builder::new().name("pty-in".into()).spawn(move || {
            // Ends when the owner drops its half, after it killed the processes.
            while let Some(bytes) = input_rx.blocking_recv() {
                if writer.write_all(&bytes).is_err() {
                    break;
                }
            }
        })?;
        let (exit_tx, exit) = oneshot::channel();
        std::thread::Builder::new()
            .name("pty-wait".into())
            .spawn(move || {
                let code = child.wait().ok().and_then(|status| {
                    if status.signal().is_some() {
                        None
                    } else {
                        i32::try_from(status.exit_code()).ok()
                    }
                });
                let _ = exit_tx.send(code);
            })?;
        let shell = Self {
            master: pair.master,
            session,
            input,
            stopped: false,
        };
        Ok((
            shell,
            ShellEvents {
                output,
                exit: Some(exit),
                ended: None,
            },
        ))
    }

    /// Types into the shell. Gives `false` and drops the bytes when the shell has left [`INPUT_QUEUE`] pieces unread:
    /// waiting would hold up everyone who watches.
    pub fn write(&self, bytes: Bytes) -> bool {
        self.input.try_send(bytes).is_ok()
    }

    /// Tells the shell its new size.
    pub fn resize(&self, size: TermSize) -> std::io::Result<()> {
        self.master.resize(pty_size(size)).map_err(std::io::Error::other)
    }

    /// Hangs up: every process of the session gets SIGHUP and, `grace` later, SIGKILL.
    pub async fn stop(mut self, grace: Duration) {
        session::hang_up(self.session, grace).await;
        self.stopped = true;
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if !self.stopped {
            session::kill(self.session);
        }
    }
}

impl ShellEvents {
    /// The next event; `None` after [`ShellEvent::Exited`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<ShellEvent> {
        if let Some(exit) = &mut self.exit {
            tokio::select! {
                biased;
                Some(bytes) = self.output.recv() => return Some(ShellEvent::Output(self.gather(bytes))),
                code = exit => {
                    self.exit = None;
                    self.ended = Some((code.ok().flatten(), Instant::now() + DRAIN));
                }
            }
        }
        let (code, until) = self.ended?;
        match tokio::time::timeout_at(until, self.output.recv()).await {
            Ok(Some(bytes)) => Some(ShellEvent::Output(self.gather(bytes))),
            Ok(None) | Err(_) => {
                self.ended = None;
                Some(ShellEvent::Exited(code))
            }
        }
    }

    /// Joins what already waits, so that a flood costs one event for many small reads.
    fn gather(&mut self, first: Bytes) -> Bytes {
        let Ok(second) = self.output.try_recv() else {
            return first;
        };
        let mut joined = BytesMut::from(first);
        joined.extend_from_slice(&second);
        while joined.len() < 3 * OUTPUT_PIECE {
            let Ok(more) = self.output.try_recv() else { break };
            joined.extend_from_slice(&more);
        }
        joined.freeze()
    }
}

fn pty_size(size: TermSize) -> PtySize {
    PtySize {
        rows: size.rows.max(1),
        cols: size.cols.max(1),
        pixel_width: 0,
        pixel_height: 0,
    }
}
