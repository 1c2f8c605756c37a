//! A shell on a pseudo-terminal of its own: start, output, input, size, end.
//!
//! Owns the processes and the thread that waits for their end. Knows nothing of viewers or of leases. Enter through
//! [`Shell::spawn`]. Whoever holds a [`Shell`] decides over its life: dropping it kills every process of its session.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use mesh_protocol::channel::TermSize;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[cfg(unix)]
use self::unix::{Device, Session};
#[cfg(windows)]
use self::windows::{Device, Session};

/// The most output taken in one piece, bytes: a flood costs one event for many small reads. What the owner has not taken
/// stays in the kernel, which holds the shell up.
const OUTPUT_PIECE: usize = 48 * 1024;
/// Pieces of input that wait for a shell that does not read; past that input is dropped, see [`Shell::write`].
const INPUT_QUEUE: usize = 64;
/// How long output is still awaited after the shell itself has ended, while something it started holds the terminal.
const DRAIN: Duration = Duration::from_millis(200);

/// Between two looks at who is left of a shell that was told to end.
const POLL: Duration = Duration::from_millis(10);

/// What makes a shell one of somebody who has logged in.
#[cfg(unix)]
const LOGIN: [&str; 1] = ["-l"];
#[cfg(windows)]
const LOGIN: [&str; 0] = [];

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
            [] => (shell.to_owned(), LOGIN.map(str::to_owned).to_vec()),
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
        let name = self.program.rsplit(std::path::is_separator).next();
        let name = name.unwrap_or_default();
        let args = if self.args == LOGIN { &[][..] } else { &self.args };
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
    device: Arc<Device>,
    session: Session,
    /// What the terminal did not take at once.
    input: mpsc::Sender<Bytes>,
    /// How many pieces of it there are.
    unwritten: Arc<AtomicUsize>,
    writing: JoinHandle<()>,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").finish_non_exhaustive()
    }
}

/// The events of one shell, in order.
pub struct ShellEvents {
    /// `None` once there is no more output.
    device: Option<Arc<Device>>,
    buffer: Box<[u8]>,
    exit: Option<oneshot::Receiver<Option<i32>>>,
    ended: Option<(Option<i32>, Instant)>,
}

impl Shell {
    /// Starts the shell. Must be called within a tokio runtime.
    pub fn spawn(spec: &ShellSpec, size: TermSize) -> io::Result<(Self, ShellEvents)> {
        let pair = native_pty_system()
            .openpty(pty_size(size))
            .map_err(io::Error::other)?;
        let device = Arc::new(Device::of(&*pair.master)?);
        let mut command = CommandBuilder::new(&spec.program);
        command.args(&spec.args);
        command.env("TERM", "xterm-256color");
        for (name, value) in &spec.variables {
            command.env(name, value);
        }
        command.env_remove(crate::cli::BACKGROUND_VARIABLE);
        if let Some(folder) = spec.folder.clone().or_else(std::env::home_dir) {
            command.cwd(folder);
        }
        let mut child = pair.slave.spawn_command(command).map_err(io::Error::other)?;
        drop(pair.slave);
        let session = Session::of(&*child, pair.master)?;
        let (input, rest) = mpsc::channel(INPUT_QUEUE);
        let unwritten = Arc::<AtomicUsize>::default();
        let writing = tokio::spawn(write_rest(device.clone(), rest, unwritten.clone()));
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
            device: device.clone(),
            session,
            input,
            unwritten,
            writing,
        };
        Ok((
            shell,
            ShellEvents {
                device: Some(device),
                buffer: vec![0; OUTPUT_PIECE].into(),
                exit: Some(exit),
                ended: None,
            },
        ))
    }

    /// Types into the shell. Gives `false` and drops the bytes when the shell has left [`INPUT_QUEUE`] pieces unread:
    /// waiting would hold up everyone who watches.
    pub fn write(&self, mut bytes: Bytes) -> bool {
        // What waits goes first.
        if self.unwritten.load(Ordering::Acquire) == 0 {
            match self.device.try_write(&bytes) {
                Ok(written) => bytes.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
            if bytes.is_empty() {
                return true;
            }
        }
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        let queued = self.input.try_send(bytes).is_ok();
        if !queued {
            self.unwritten.fetch_sub(1, Ordering::Relaxed);
        }
        queued
    }

    /// Tells the shell its new size.
    pub fn resize(&self, size: TermSize) -> io::Result<()> {
        match self.session.terminal() {
            Some(terminal) => terminal.resize(pty_size(size)).map_err(io::Error::other),
            None => Ok(()),
        }
    }

    /// Hangs up: every process of the session is told to end and, `grace` later, ended.
    pub async fn stop(mut self, grace: Duration) {
        self.session.hang_up();
        let until = Instant::now() + grace;
        while self.session.is_alive() && Instant::now() < until {
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

/// Ends when the terminal does, or with the [`Shell`].
async fn write_rest(device: Arc<Device>, mut rest: mpsc::Receiver<Bytes>, unwritten: Arc<AtomicUsize>) {
    while let Some(bytes) = rest.recv().await {
        if device.write_all(&bytes).await.is_err() {
            return;
        }
        unwritten.fetch_sub(1, Ordering::Release);
    }
}

impl ShellEvents {
    /// The next event; `None` after [`ShellEvent::Exited`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<ShellEvent> {
        while let Some(exit) = &mut self.exit {
            tokio::select! {
                biased;
                bytes = output(self.device.as_deref(), &mut self.buffer), if self.device.is_some() => match bytes {
                    Some(bytes) => return Some(ShellEvent::Output(bytes)),
                    None => self.device = None,
                },
                code = exit => {
                    self.exit = None;
                    self.ended = Some((code.ok().flatten(), Instant::now() + DRAIN));
                }
            }
        }
        let (code, until) = self.ended?;
        let rest = output(self.device.as_deref(), &mut self.buffer);
        match tokio::time::timeout_at(until, rest).await {
            Ok(Some(bytes)) => Some(ShellEvent::Output(bytes)),
            Ok(None) | Err(_) => {
                self.ended = None;
                Some(ShellEvent::Exited(code))
            }
        }
    }
}

/// Waits for output, and takes all that is there, as far as the buffer goes; `None` once there is no more.
async fn output(device: Option<&Device>, buffer: &mut [u8]) -> Option<Bytes> {
    let device = device?;
    let mut len = device.read(buffer).await.ok().filter(|len| *len > 0)?;
    while let Ok(more @ 1..) = device.try_read(&mut buffer[len..]) {
        len += more;
    }
    Some(Bytes::copy_from_slice(&buffer[..len]))
}

fn pty_size(size: TermSize) -> PtySize {
    PtySize {
        rows: size.rows.max(1),
        cols: size.cols.max(1),
        pixel_width: 0,
        pixel_height: 0,
    }
}
