//! Both ends of a pseudoconsole, each with a thread to block for it: its pipes can be waited for in no other way.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use bytes::{Buf as _, Bytes};
use portable_pty::MasterPty;
use tokio::sync::mpsc;

/// The most output taken in one piece, bytes.
const PIECE: usize = 16 * 1024;
/// Pieces of output that wait; past that the shell is held up.
const OUTPUT: usize = 4;
/// Pieces of input that wait for the thread.
const INPUT: usize = 16;
/// What a pseudoconsole asks first where it is to begin at a terminal's cursor (DSR, ECMA-48), as portable-pty has it; until it
/// is told, it shows nothing.
const WHERE_IS_THE_CURSOR: &[u8] = b"\x1b[6n";
const AT_HOME: &[u8] = b"\x1b[1;1R";

pub(in crate::pty) struct Device {
    /// Held to take something only.
    output: Mutex<Output>,
    input: mpsc::Sender<Bytes>,
}

struct Output {
    pieces: mpsc::Receiver<Bytes>,
    /// Of the piece that was taken last.
    rest: Bytes,
}

impl Device {
    /// Of a terminal that nobody else reads or writes.
    pub(in crate::pty) fn of(master: &dyn MasterPty) -> io::Result<Self> {
        let reader = master.try_clone_reader().map_err(io::Error::other)?;
        Self::between(reader, master.take_writer().map_err(io::Error::other)?)
    }

    fn between(
        mut reader: impl Read + Send + 'static,
        mut writer: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let (read, pieces) = mpsc::channel(OUTPUT);
        let (input, mut written) = mpsc::channel::<Bytes>(INPUT);
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let mut unasked = Some(input.clone());
        // Ends with the pseudoconsole, which closes only once all of its output is read: so it reads on when nobody wants it.
        thread("pty-read").spawn(move || {
            let mut buffer = vec![0; PIECE];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                let mut piece = buffer[..length].to_vec();
                if let Some(input) = &unasked
                    && let Some(at) = piece
                        .windows(WHERE_IS_THE_CURSOR.len())
                        .position(|bytes| bytes == WHERE_IS_THE_CURSOR)
                {
                    // Nobody who watches is to answer as well.
                    piece.drain(at..at + WHERE_IS_THE_CURSOR.len());
                    let _ = input.blocking_send(Bytes::from_static(AT_HOME));
                    unasked = None;
                }
                let _ = read.blocking_send(piece.into());
            }
        })?;
        // Ends with the device, or with the pseudoconsole.
        thread("pty-write").spawn(move || {
            while let Some(bytes) = written.blocking_recv() {
                if writer.write_all(&bytes).is_err() {
                    return;
                }
            }
        })?;
        let output = Mutex::new(Output {
            pieces,
            rest: Bytes::new(),
        });
        Ok(Self { output, input })
    }

    /// Waits for output; 0 or an error once there is no more. Cancel-safe.
    pub(in crate::pty) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
            if output.rest.is_empty() {
                match output.pieces.poll_recv(cx) {
                    Poll::Ready(Some(piece)) => output.rest = piece,
                    Poll::Ready(None) => return Poll::Ready(Ok(0)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(output.take(buffer)))
        })
        .await
    }

    /// What is there already.
    pub(in crate::pty) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if output.rest.is_empty() {
            output.rest = output.pieces.try_recv().map_err(|_| io::ErrorKind::WouldBlock)?;
        }
        Ok(output.take(buffer))
    }

    /// As much as the terminal takes now.
    pub(in crate::pty) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.input.try_send(Bytes::copy_from_slice(bytes)) {
            Ok(()) => Ok(bytes.len()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(io::ErrorKind::WouldBlock.into()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(in crate::pty) async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.input.send(Bytes::copy_from_slice(bytes)).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Output {
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let length = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        length
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as blocking;

    use super::*;

    /// Notes what is written.
    struct Noted(blocking::Sender<Vec<u8>>);

    impl Write for Noted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_pseudoconsole_is_told_where_the_cursor_is_and_nobody_else_is_asked() {
        let (noted, told) = blocking::channel();
        let device = Device::between(&b"\x1b[6nhello \x1b[6n"[..], Noted(noted)).unwrap();
        let mut buffer = [0; 4];
        let mut read = Vec::new();
        while let Ok(length @ 1..) = device.read(&mut buffer).await {
            read.extend_from_slice(&buffer[..length]);
        }
        assert_eq!(
            read, b"hello \x1b[6n",
            "only the first question is the pseudoconsole's"
        );
        device.write_all(b"dir\r").await.unwrap();
        drop(device);
        let told: Vec<u8> = told.iter().flatten().collect();
        assert_eq!(told, b"\x1b[1;1Rdir\r");
    }
}
