//! A named pipe that is open to nobody else.

use std::io;
use std::os::windows::io::{AsRawHandle as _, RawHandle};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, GetNamedPipeServerProcessId};

use super::security::{OwnerOnly, Reach, user_of_process, user_of_this_process};

/// Reads from a connection.
pub type ReadHalf = tokio::io::ReadHalf<Stream>;
/// Writes to it.
pub type WriteHalf = tokio::io::WriteHalf<Stream>;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    OfDaemon(NamedPipeServer),
    OfCommand(NamedPipeClient),
}

/// The place where the daemon is found.
#[derive(Debug)]
pub struct Listener {
    next: NamedPipeServer,
    name: std::path::PathBuf,
    owner_only: OwnerOnly,
}

impl Listener {
    /// Opens it. A name that somebody has already is an error: it may be anybody.
    pub fn bind(name: &Path) -> io::Result<Self> {
        let owner_only = OwnerOnly::new(Reach::Itself)?;
        Ok(Self {
            next: instance(name, &owner_only, true)?,
            name: name.to_owned(),
            owner_only,
        })
    }

    /// The next connection. Cancel-safe.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        self.next.connect().await?;
        let next = instance(&self.name, &self.owner_only, false)?;
        Ok(Stream::OfDaemon(std::mem::replace(&mut self.next, next)))
    }
}

fn instance(name: &Path, owner_only: &OwnerOnly, first: bool) -> io::Result<NamedPipeServer> {
    let attributes = std::ptr::from_ref(owner_only.attributes()).cast_mut();
    // SAFETY: the attributes are valid during the call, which does not change them.
    #[allow(unsafe_code)]
    unsafe {
        ServerOptions::new()
            .first_pipe_instance(first)
            .create_with_security_attributes_raw(name, attributes.cast())
    }
}

/// A daemon that just took somebody else has a place again within this.
const BUSY_AGAIN: Duration = Duration::from_millis(10);
const BUSY_AT_MOST: u32 = 500;

/// Connects; an error of kind [`io::ErrorKind::NotFound`] where nobody listens.
pub(crate) async fn connect(name: &Path) -> io::Result<Stream> {
    let busy = |error: &io::Error| error.raw_os_error().map(i32::cast_unsigned) == Some(ERROR_PIPE_BUSY);
    let mut tries = 0;
    loop {
        match ClientOptions::new().open(name) {
            Err(error) if busy(&error) && tries < BUSY_AT_MOST => tries += 1,
            opened => return opened.map(Stream::OfCommand),
        }
        tokio::time::sleep(BUSY_AGAIN).await;
    }
}

/// Both directions.
pub(crate) fn split(stream: Stream) -> (ReadHalf, WriteHalf) {
    tokio::io::split(stream)
}

/// Whether the other end runs as the same user as this process.
pub fn same_user(stream: &Stream) -> bool {
    let theirs = process(stream).and_then(|id| user_of_process(id).ok());
    theirs.is_some_and(|theirs| user_of_this_process().is_ok_and(|ours| ours == theirs))
}

/// The process at the other end, as the system says.
pub(crate) fn process(stream: &Stream) -> Option<u32> {
    let mut id = 0;
    // SAFETY: the pipe is open during the call.
    #[allow(unsafe_code)]
    let told = unsafe {
        match stream {
            Stream::OfDaemon(pipe) => GetNamedPipeClientProcessId(raw(pipe.as_raw_handle()), &raw mut id),
            Stream::OfCommand(pipe) => GetNamedPipeServerProcessId(raw(pipe.as_raw_handle()), &raw mut id),
        }
    };
    (told != 0).then_some(id)
}

fn raw(handle: RawHandle) -> windows_sys::Win32::Foundation::HANDLE {
    handle
}

/// The same of either end.
macro_rules! either {
    ($stream:expr, $pipe:ident => $done:expr) => {
        match $stream.get_mut() {
            Stream::OfDaemon($pipe) => $done,
            Stream::OfCommand($pipe) => $done,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = either!(self, pipe => Pin::new(pipe).poll_read(cx, into));
        // The other end is gone.
        read.map(|read| match read {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            read => read,
        })
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, pipe => Pin::new(pipe).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, pipe => Pin::new(pipe).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, pipe => Pin::new(pipe).poll_shutdown(cx))
    }
}
