//! A WebSocket over an accepted connection, polled by the task that owns it.
//!
//! An idle socket holds no buffer: what is read lies in one of the thread's own while it is handled, and only the bytes of an
//! incomplete frame are kept, at most [`MAX_PARTIAL`]. What the client's window does not take is kept until it does.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::timeout;

use super::codec::{self, Decoder, Frame, MAX_PARTIAL, Next, Received, Violation};
use super::outbound::Closing;
use crate::traffic::Counted;

/// The most that one read takes.
const READ: usize = 32 * 1024;
/// What may lie before it: a frame that is not complete, or what an interrupted handler has left.
const BEFORE: usize = MAX_PARTIAL + READ;
/// Bytes that wait to be sent, from which on a ping is not answered.
const ENOUGH_UNSENT: usize = 64 * 1024;
/// Reads that are less apart than Linux delays an acknowledgement, after so many of which a client counts as one that streams.
const IN_A_ROW: Duration = Duration::from_millis(40);
const STREAMS: u32 = 8;
/// How long the close frame may take, and then the client's own.
const GOODBYE: Duration = Duration::from_secs(2);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BEFORE + READ].into());
}

/// Why there is nothing more to read.
#[derive(Debug)]
pub(super) enum End {
    /// The connection is gone.
    Gone,
    Violation(Violation),
}

pub(super) struct Socket {
    stream: Counted,
    decoder: Decoder,
    /// Bytes that were read and belong to frames not yet handled.
    unread: Vec<u8>,
    /// Whether there may be a whole frame among them.
    interrupted: bool,
    /// A message that is alone: most are, and go out from where they lie.
    alone: Option<Frame>,
    /// Framed bytes after it.
    unsent: Vec<u8>,
    /// How many bytes of the first of the two are out.
    sent: usize,
    /// Reads in quick succession.
    in_a_row: u32,
}

impl Socket {
    /// `read` came with the request that asked for the upgrade.
    pub(super) fn new(stream: Counted, read: &[u8]) -> Self {
        Self {
            stream,
            decoder: Decoder::default(),
            unread: read.to_vec(),
            interrupted: true,
            alone: None,
            unsent: Vec::new(),
            sent: 0,
            in_a_row: 0,
        }
    }

    /// Messages came so long after those before. Who streams gets an acknowledgement of TCP for every other segment instead of
    /// each (RFC 9293, section 3.8.6.3): by itself Linux sends one with every read, at the price of passing a message on. It falls
    /// back to that by itself after a pause.
    pub(super) fn came_after(&mut self, pause: Duration) {
        if pause >= IN_A_ROW {
            self.in_a_row = 0;
            return;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row == STREAMS {
            self.stream.delay_acknowledgements();
        }
    }

    /// Hands on what was received, until `take` breaks off with a value, or the connection ends. Pings are answered here.
    pub(super) fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Received<'_>) -> ControlFlow<T>,
    ) -> Poll<Result<T, End>> {
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let start = BEFORE - self.unread.len();
                let mut end = BEFORE;
                if !std::mem::take(&mut self.interrupted) {
                    let mut buf = ReadBuf::new(&mut scratch[BEFORE..]);
                    if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)).is_err() {
                        return Poll::Ready(Err(End::Gone));
                    }
                    if buf.filled().is_empty() {
                        return Poll::Ready(Err(End::Gone));
                    }
                    end += buf.filled().len();
                }
                scratch[start..BEFORE].copy_from_slice(&self.unread);
                let mut rest = &mut scratch[start..end];
                let broken_off = loop {
                    let (used, taken) = match self.decoder.next(rest) {
                        Err(violation) => return Poll::Ready(Err(End::Violation(violation))),
                        Ok(Next::Incomplete) => break None,
                        Ok(Next::Part(used)) => (used, ControlFlow::Continue(())),
                        Ok(Next::Message(message, used)) => {
                            if let Received::Ping(payload) = &message
                                && self.unsent.len() < ENOUGH_UNSENT
                            {
                                codec::pong(&mut self.unsent, payload);
                            }
                            (used, take(message))
                        }
                    };
                    rest = &mut rest[used..];
                    if let ControlFlow::Break(value) = taken {
                        break Some(value);
                    }
                };
                if rest.is_empty() {
                    self.unread = Vec::new();
                } else {
                    self.unread.clear();
                    self.unread.extend_from_slice(rest);
                }
                if let Some(value) = broken_off {
                    self.interrupted = true;
                    return Poll::Ready(Ok(value));
                }
            }
        })
    }

    /// Whether everything is out.
    pub(super) fn is_flushed(&self) -> bool {
        self.alone.is_none() && self.unsent.is_empty()
    }

    /// Queues a ping. Its pong comes back after everything before it was read, and so confirms that much.
    pub(super) fn ask(&mut self, count: u64) {
        self.gather();
        codec::ping(&mut self.unsent, &count.to_be_bytes());
    }

    /// Writes what there is.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(frame) = &self.alone {
            ready!(write(&mut self.stream, cx, frame.bytes(), &mut self.sent))?;
            self.alone = None;
        }
        if !self.unsent.is_empty() {
            ready!(write(&mut self.stream, cx, &self.unsent, &mut self.sent))?;
            self.unsent = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the close frame and waits a little for the client's, so that it learns the code.
    pub(super) async fn say_goodbye(mut self, closing: Closing) {
        codec::close(&mut self.unsent, Some(closing.code), closing.reason);
        if matches!(
            timeout(GOODBYE, poll_fn(|cx| self.poll_flush(cx))).await,
            Ok(Ok(()))
        ) {
            let echo = poll_fn(|cx| {
                self.poll_read(cx, |message| match message {
                    Received::Close(_) => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                })
            });
            let _ = timeout(GOODBYE, echo).await;
        }
    }

    /// Answers the client's goodbye with its own code.
    pub(super) async fn return_goodbye(mut self, code: Option<u16>) {
        codec::close(&mut self.unsent, code, "");
        let _ = timeout(GOODBYE, poll_fn(|cx| self.poll_flush(cx))).await;
    }

    /// Queues a message.
    pub(super) fn send(&mut self, frame: &Frame) {
        if self.is_flushed() {
            self.alone = Some(frame.clone());
            return;
        }
        self.gather();
        self.unsent.extend_from_slice(frame.bytes());
    }

    /// What follows goes together with what waits in one write, unless a part of that is out already.
    fn gather(&mut self) {
        if self.sent == 0
            && self.unsent.is_empty()
            && let Some(first) = self.alone.take()
        {
            self.unsent.extend_from_slice(first.bytes());
        }
    }
}

/// Writes what `sent` says is still to go of `bytes`, and sets it back once all is out.
fn write(stream: &mut Counted, cx: &mut Context<'_>, bytes: &[u8], sent: &mut usize) -> Poll<io::Result<()>> {
    while *sent < bytes.len() {
        let written = ready!(Pin::new(&mut *stream).poll_write(cx, &bytes[*sent..]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *sent += written;
    }
    *sent = 0;
    Poll::Ready(Ok(()))
}
