//! A Unix socket in a folder that is open to nobody else.

use std::io;
use std::path::Path;

pub use tokio::net::UnixStream as Stream;
pub use tokio::net::unix::{OwnedReadHalf as ReadHalf, OwnedWriteHalf as WriteHalf};

/// The place where the daemon is found.
#[derive(Debug)]
pub struct Listener(tokio::net::UnixListener);

impl Listener {
    /// Opens it. Nobody else listens there: whatever stands at the path is of somebody who is gone.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let _ = std::fs::remove_file(path);
        tokio::net::UnixListener::bind(path).map(Self)
    }

    /// The next connection. Cancel-safe.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

/// Connects; an error of kind [`io::ErrorKind::NotFound`] where nobody listens.
pub(crate) async fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(path).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => io::ErrorKind::NotFound.into(),
        _ => error,
    })
}

/// Both directions.
pub(crate) fn split(stream: Stream) -> (ReadHalf, WriteHalf) {
    stream.into_split()
}

/// Whether the other end runs as the same user as this process.
pub fn same_user(stream: &Stream) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

/// The process at the other end, as the system says.
pub(crate) fn process(stream: &Stream) -> Option<u32> {
    stream.peer_cred().ok()?.pid()?.try_into().ok()
}
