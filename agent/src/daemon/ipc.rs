//! Between a command and the daemon of the same person: a Unix socket in a folder that is open to nobody else (on Windows a named
//! pipe that is), and length-prefixed JSON on it.
//!
//! Owns the framing, the messages and the check that the other end is the same user. A command opens one connection per
//! request and says its version first; the daemon answers, or streams until one side closes. Messages over
//! [`MAX_MESSAGE`] end the connection.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mesh_protocol::ids::ShareId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::consent::{Answer, Question};
use super::rules::{Change, Rule};
use crate::exit::{Failure, Outcome};
use crate::system::{self, ReadHalf, WriteHalf};
pub use crate::system::{Listener, Stream, same_user};

/// The version of these messages; both ends must have the same.
pub const VERSION: u32 = 4;
/// The largest message, bytes.
pub const MAX_MESSAGE: usize = 512 * 1024;

/// The first message of a command.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opening {
    pub version: u32,
    pub request: Request,
}

/// The same as a daemon reads it: what a command of another version asks for may be nothing that it knows.
#[derive(Debug, Deserialize)]
pub(super) struct AnyOpening {
    pub(super) version: u32,
    request: Box<serde_json::value::RawValue>,
}

impl AnyOpening {
    /// The request, if there is one that this daemon may answer: of another version's those alone that never change.
    pub(super) fn request(&self) -> Option<Request> {
        let request = serde_json::from_str(self.request.get()).ok()?;
        let always = matches!(request, Request::Status | Request::Down);
        (always || self.version == VERSION).then_some(request)
    }
}

/// What a command asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Answered with [`FromDaemon::Status`], whatever the version.
    Status,
    /// Ends every share and the daemon; answered with [`FromDaemon::Stopped`] when all is closed, whatever the version.
    Down,
    /// Starts a shell and announces it; answered with [`FromDaemon::Attached`], then a stream both ways when `attach`.
    ShareTerminal {
        room: Option<String>,
        /// A command and its arguments; the person's shell when empty.
        command: Vec<String>,
        folder: String,
        /// Where to record it, an absolute path.
        record: Option<PathBuf>,
        cols: u16,
        rows: u16,
        attach: bool,
    },
    /// Comes back to a terminal, by label or id; without one to the only one. Answered like [`Request::ShareTerminal`].
    AttachTerminal {
        share: Option<String>,
        cols: u16,
        rows: u16,
    },
    /// Stops showing terminals (one by label or id, or all), or goes on; answered with [`FromDaemon::Shares`].
    Pause { share: Option<String>, paused: bool },
    /// Records a terminal (by label or id, or the only one) into a new file, or ends that; answered with [`FromDaemon::Shares`].
    Record {
        share: Option<String>,
        file: Option<PathBuf>,
    },
    /// Sends somebody away from every terminal; answered with [`FromDaemon::Ejected`].
    Eject { who: String },
    /// Reads the standing answers, or changes one; answered with [`FromDaemon::Rules`].
    Consent { change: Option<Change> },
    /// Announces a folder; answered with [`FromDaemon::FolderShared`]. With `attach` it is told what happens, and the share ends
    /// with the connection.
    ShareFolder {
        room: Option<String>,
        folder: PathBuf,
        label: Option<String>,
        drop: bool,
        hidden: bool,
        attach: bool,
    },
    /// Ends the shares of this label or id, or all; answered with [`FromDaemon::Stopped`].
    Stop { share: Option<String> },
}

/// What an attached command says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToShell {
    Input {
        data: Blob,
    },
    Resize {
        cols: u16,
        rows: u16,
    },
    Answer {
        id: u64,
        answer: Answer,
    },
    /// Takes control back from whoever holds it.
    TakeBack,
    Pause {
        paused: bool,
    },
    /// Sends a viewer away, by the name that was told.
    Eject {
        who: String,
    },
    /// Sends the screen as it is.
    Repaint,
    /// Ends the share and its shell.
    Stop,
    /// Ends everything that is shared.
    StopAll,
}

/// What the daemon says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromDaemon {
    Failed {
        failure: Failure,
    },
    Status {
        status: Status,
    },
    Stopped {
        shares: usize,
        sessions: usize,
    },
    Attached {
        share_id: ShareId,
        room: String,
        label: String,
    },
    /// The terminals that were changed.
    Shares {
        labels: Vec<String>,
    },
    /// Who was sent away.
    Ejected {
        names: Vec<String>,
    },
    Rules {
        rules: Vec<Rule>,
    },
    FolderShared {
        share_id: ShareId,
        room: String,
        label: String,
    },
    /// Something happened, in words.
    Told {
        sentence: String,
    },
    Output {
        data: Blob,
    },
    Viewers {
        names: Vec<String>,
    },
    /// Who controls; `None` is the owner alone.
    Control {
        name: Option<String>,
    },
    /// Whether viewers are shown nothing for now, and whether what they see is recorded.
    State {
        paused: bool,
        recording: bool,
    },
    Ask {
        id: u64,
        question: Question,
    },
    Withdrawn {
        id: u64,
    },
    /// The shell ended, or (`stopped`) the share was ended by its owner.
    Exited {
        code: Option<i32>,
        stopped: bool,
    },
}

/// How the daemon is. A daemon of another version may leave something out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    pub pid: u32,
    /// Of its program; empty before 0.2.
    pub version: String,
    pub server: String,
    pub name: String,
    pub device: String,
    pub connected: bool,
    pub rooms: Vec<String>,
    pub shares: Vec<ShareStatus>,
    pub folders: Vec<FolderStatus>,
    pub transfers: Vec<TransferStatus>,
}

/// One shared terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareStatus {
    pub share_id: String,
    pub room: String,
    pub label: String,
    pub viewers: Vec<String>,
    pub controller: Option<String>,
    /// Pages that decide in the owner's place.
    #[serde(default)]
    pub deciders: Vec<String>,
    pub paused: bool,
    pub recording: Option<PathBuf>,
}

/// One shared folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderStatus {
    pub share_id: String,
    pub room: String,
    pub label: String,
    pub drop: bool,
    pub visitors: Vec<String>,
}

/// One file on its way in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferStatus {
    pub from: String,
    pub name: String,
    pub done: u64,
    pub size: u64,
}

/// Bytes within JSON, base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(pub Bytes);

impl std::fmt::Debug for Blob {
    /// What is typed may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        STANDARD
            .decode(text.as_bytes())
            .map(|bytes| Self(bytes.into()))
            .map_err(serde::de::Error::custom)
    }
}

/// Takes messages. Cancel-safe: what was read of an unfinished message is kept.
#[derive(Debug)]
pub struct Reader {
    half: ReadHalf,
    buffer: bytes::BytesMut,
}

/// Sends messages.
#[derive(Debug)]
pub struct Writer(WriteHalf);

/// Both directions of a connection.
pub fn halves(stream: Stream) -> (Reader, Writer) {
    let (read, write) = system::split(stream);
    (
        Reader {
            half: read,
            buffer: bytes::BytesMut::new(),
        },
        Writer(write),
    )
}

impl Reader {
    /// The next message; `None` at an orderly end.
    pub async fn next<T: DeserializeOwned>(&mut self) -> std::io::Result<Option<T>> {
        let invalid = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
        loop {
            if let Some((header, rest)) = self.buffer.split_first_chunk::<4>() {
                let length = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
                if length > MAX_MESSAGE {
                    return Err(invalid(format!("a message of {length} bytes")));
                }
                if let Some(body) = rest.get(..length) {
                    let message = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
                    bytes::Buf::advance(&mut self.buffer, 4 + length);
                    return Ok(Some(message));
                }
            }
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(std::io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }
}

impl Writer {
    /// Sends one message; waits while the other end does not read.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> std::io::Result<()> {
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, message)?;
        let length = frame.len() - 4;
        if length > MAX_MESSAGE {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the message is too large",
            ));
        }
        let header = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        frame[..4].copy_from_slice(&header);
        self.0.write_all(&frame).await
    }
}

/// A command's connection to the daemon.
#[derive(Debug)]
pub struct Client {
    pub reader: Reader,
    pub writer: Writer,
    /// The daemon's process, as the system says.
    pub pid: Option<u32>,
}

impl Client {
    /// Connects; `None` when no daemon runs.
    pub async fn connect(socket: &Path) -> Outcome<Option<Self>> {
        match system::connect(socket).await {
            Ok(stream) if same_user(&stream) => {
                let pid = system::process(&stream);
                let (reader, writer) = halves(stream);
                Ok(Some(Self { reader, writer, pid }))
            }
            Ok(_) => Err(Failure::general(format!(
                "{} belongs to another user: remove it.",
                socket.display()
            ))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::general(format!(
                "The daemon's socket {} cannot be used: {error}.",
                socket.display()
            ))),
        }
    }

    /// Opens a request.
    pub async fn request(&mut self, request: Request) -> Outcome {
        self.writer
            .send(&Opening {
                version: VERSION,
                request,
            })
            .await
            .map_err(lost)
    }

    /// The next message; a failure that the daemon names becomes this command's own.
    pub async fn answer(&mut self) -> Outcome<FromDaemon> {
        match self.reader.next().await.map_err(lost)? {
            Some(FromDaemon::Failed { failure }) => Err(failure),
            Some(message) => Ok(message),
            None => Err(lost(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

/// The daemon went away in the middle.
pub fn lost(_: std::io::Error) -> Failure {
    Failure::general(
        "The daemon ended before it answered: see `mesh status`, and start it again with `mesh up`.",
    )
}
