//! A terminal's frames through the server, where no direct connection came about and the server's operator allows that.
//!
//! Owns [`carry`]. The frames of one direction are a stream, each after its length, cut into `terminal.data`. What TLS to the server and the
//! server itself keep is all the secrecy there is: **the server can read along**, and that the other end holds the key of its
//! certificate is the server's word alone. Pieces are numbered, so that one that is lost ends the session rather than garbles it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use mesh_protocol::ids::PeerId;
use mesh_protocol::limits::{MAX_CHANNEL_FRAME, TERMINAL_DATA, TERMINAL_DATA_RATE};
use mesh_protocol::signal::{ClientMessage, TerminalData};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Binding, SessionContext, SessionEnd};
use crate::rtc::ConnectionEvent;
use crate::transport::{FRAME_QUEUE, FrameReceiver, FrameSender, LinkStats, Path};

/// Pieces of the other end that wait to be put together, some three windows of a terminal. More ends the session.
const PIECES: usize = 32;
/// The length before each frame.
const LENGTH: usize = size_of::<u32>();

const LOST: &str = "the connection to the server was lost";

/// When pieces may go: all sessions of a device share one socket, and so its rate.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<Option<Instant>>>);

impl Turns {
    const EACH: Duration = Duration::from_millis(1_000 / TERMINAL_DATA_RATE as u64);
    /// What was not used may be used up at once.
    const SAVED: Duration = Duration::from_secs(1);

    /// The next turn; it may have been.
    fn next(&self, now: Instant) -> Instant {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(Self::SAVED).unwrap_or(now);
        let turn = free.map_or(earliest, |free| free.max(earliest));
        *free = Some(turn + Self::EACH);
        turn
    }
}

/// Takes the other end's pieces; dropping it ends the transport at once.
#[derive(Debug)]
pub(super) struct Carried {
    pieces: mpsc::Sender<TerminalData>,
    _stop: DropGuard,
}

impl Carried {
    pub(super) fn take(&self, piece: TerminalData) -> Result<(), SessionEnd> {
        use mpsc::error::TrySendError::{Closed, Full};
        match self.pieces.try_send(piece) {
            // What comes after the end is nobody's.
            Ok(()) | Err(Closed(_)) => Ok(()),
            Err(Full(_)) => Err(SessionEnd::Overrun),
        }
    }
}

/// What [`carry`] gives: a transport like any other, and the events of its end.
pub(super) struct Carriage {
    pub(super) frames_tx: FrameSender,
    pub(super) frames_rx: FrameReceiver,
    pub(super) link: watch::Receiver<LinkStats>,
    pub(super) events: mpsc::Receiver<ConnectionEvent>,
    pub(super) carried: Carried,
}

/// Starts to carry the frames of a session through the server.
pub(super) fn carry(ctx: &SessionContext, binding: &Binding) -> Carriage {
    let (frames_tx, outgoing) = mpsc::channel(FRAME_QUEUE);
    let (incoming, frames_rx) = mpsc::channel(FRAME_QUEUE);
    let (pieces, arriving) = mpsc::channel(PIECES);
    let (events_tx, events) = mpsc::channel(1);
    let (link_tx, link) = watch::channel(LinkStats {
        path: Path::Server,
        ..LinkStats::default()
    });
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let writer = Writer {
        ctx: ctx.clone(),
        binding: binding.clone(),
        stream: BytesMut::new(),
        seq: 0,
    };
    let (peer, me) = (ctx.signal().peer_id(), binding.me.clone());
    // Ends with the session, or with either direction.
    tokio::spawn(async move {
        let why = tokio::select! {
            () = stopped.cancelled() => return,
            why = read(arriving, incoming) => why,
            why = writer.run(outgoing) => why,
            why = another_peer(peer, &me) => why,
        };
        link_tx.send_modify(|link| link.closed = Some(why.to_owned()));
        let _ = events_tx.send(ConnectionEvent::Closed(why.to_owned())).await;
    });
    Carriage {
        frames_tx,
        frames_rx,
        link,
        events,
        carried: Carried {
            pieces,
            _stop: stop.drop_guard(),
        },
    }
}

/// Resolves when the server knows this device by another name, under which nothing of this session arrives.
async fn another_peer(mut peer: watch::Receiver<Option<PeerId>>, me: &PeerId) -> &'static str {
    let another = |peer: &Option<PeerId>| peer.as_ref().is_some_and(|peer| peer != me);
    let _ = peer.wait_for(another).await;
    LOST
}

/// Puts the other end's frames together; gives why it ended.
async fn read(mut pieces: mpsc::Receiver<TerminalData>, frames: mpsc::Sender<Bytes>) -> &'static str {
    let mut stream = BytesMut::new();
    let mut expected = 0;
    while let Some(piece) = pieces.recv().await {
        if piece.seq != expected {
            return "a part of it was lost on the way";
        }
        expected += 1;
        match BASE64_STANDARD.decode(&piece.data) {
            Ok(bytes) if bytes.is_empty() => return "the other device closed it",
            Ok(bytes) => stream.extend_from_slice(&bytes),
            Err(_) => return "the other device sent what is no base64",
        }
        while let Some(frame) = first_frame(&mut stream) {
            let Ok(frame) = frame else {
                return "the other device sent a frame over the limit";
            };
            // Who does not listen any more may still have something to say.
            let _ = frames.send(frame).await;
        }
    }
    "it was given up"
}

/// Takes the first frame out of a stream, if it is whole; an error is one that is too long.
fn first_frame(stream: &mut BytesMut) -> Option<Result<Bytes, ()>> {
    let length = u32::from_be_bytes(*stream.first_chunk::<LENGTH>()?) as usize;
    if length > MAX_CHANNEL_FRAME {
        return Some(Err(()));
    }
    if stream.len() < LENGTH + length {
        return None;
    }
    stream.advance(LENGTH);
    Some(Ok(stream.split_to(length).freeze()))
}

struct Writer {
    ctx: SessionContext,
    binding: Binding,
    /// Frames that have not gone yet, less than a piece and a frame.
    stream: BytesMut,
    seq: u64,
}

impl Writer {
    /// Sends what is queued, as few pieces as can be; gives why it ended.
    async fn run(mut self, mut frames: mpsc::Receiver<Bytes>) -> &'static str {
        loop {
            if self.stream.is_empty() {
                match frames.recv().await {
                    Some(frame) => self.push(&frame),
                    None => {
                        let _ = self.send(Bytes::new()).await;
                        return "it was closed here";
                    }
                }
            }
            sleep_until(self.ctx.turns().next(Instant::now())).await;
            while self.stream.len() < TERMINAL_DATA
                && let Ok(frame) = frames.try_recv()
            {
                self.push(&frame);
            }
            let piece = self.stream.split_to(self.stream.len().min(TERMINAL_DATA));
            if self.send(piece.freeze()).await.is_err() {
                return LOST;
            }
        }
    }

    fn push(&mut self, frame: &Bytes) {
        // A frame has a limit far below 4 GiB.
        self.stream
            .put_u32(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        self.stream.extend_from_slice(frame);
    }

    async fn send(&mut self, piece: Bytes) -> Result<(), crate::signal::SignalError> {
        let data = TerminalData {
            room_id: self.binding.room_id.clone(),
            target: self.binding.remote.clone(),
            session_id: self.binding.session_id.clone(),
            seq: self.seq,
            data: BASE64_STANDARD.encode(&piece),
        };
        self.seq += 1;
        self.ctx.signal().send(ClientMessage::TerminalData(data)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_saved_for_a_second_and_shared() {
        let turns = Turns::default();
        let now = Instant::now() + Duration::from_secs(60);
        let other = turns.clone();
        let at_once = (0..60)
            .filter(|n| [&turns, &other][n % 2].next(now) <= now)
            .count();
        assert_eq!(at_once, TERMINAL_DATA_RATE as usize + 1);
        let later = now + Duration::from_secs(10);
        assert!(turns.next(later) <= later);
    }

    fn piece(seq: u64, bytes: &[u8]) -> TerminalData {
        TerminalData {
            room_id: "r".parse().expect("an identifier"),
            target: "p".parse().expect("an identifier"),
            session_id: "s".parse().expect("an identifier"),
            seq,
            data: BASE64_STANDARD.encode(bytes),
        }
    }

    /// What such pieces give, and why the reading ended.
    async fn frames_of(pieces: Vec<TerminalData>) -> (Vec<Bytes>, &'static str) {
        let (tx, arriving) = mpsc::channel(PIECES);
        let (incoming, mut frames) = mpsc::channel(1_000);
        for piece in pieces {
            tx.send(piece).await.expect("room for it");
        }
        drop(tx);
        let why = read(arriving, incoming).await;
        let mut whole = Vec::new();
        while let Some(frame) = frames.recv().await {
            whole.push(frame);
        }
        (whole, why)
    }

    #[tokio::test]
    async fn frames_are_put_together_wherever_they_were_cut() {
        let stream = b"\0\0\0\x03one\0\0\0\0\0\0\0\x03two";
        for cut in 1..stream.len() {
            let pieces = vec![piece(0, &stream[..cut]), piece(1, &stream[cut..]), piece(2, b"")];
            let (frames, why) = frames_of(pieces).await;
            assert_eq!(frames, ["one", "", "two"], "{cut}");
            assert_eq!(why, "the other device closed it");
        }
    }

    #[tokio::test]
    async fn a_piece_that_is_lost_repeated_or_none_ends_it() {
        for seq in [0, 2] {
            let (frames, why) = frames_of(vec![piece(0, b"\0\0\0\x01a"), piece(seq, b"\0\0\0\x01b")]).await;
            assert_eq!((frames.len(), why), (1, "a part of it was lost on the way"));
        }
        let (_, why) = frames_of(vec![piece(0, b"\0\x01\0\x41")]).await;
        assert_eq!(why, "the other device sent a frame over the limit");
        let odd = TerminalData {
            data: "?".to_owned(),
            ..piece(0, b"")
        };
        assert_eq!(
            frames_of(vec![odd]).await.1,
            "the other device sent what is no base64"
        );
    }
}
