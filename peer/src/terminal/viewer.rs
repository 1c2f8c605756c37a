//! The end that watches, and types when it may.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh_protocol::capability::Capability;
use mesh_protocol::channel::{
    Bye, Frame, TermAck, TermIn, TermLease, TermResize, TermSize, TermState, TermViewer,
};
use mesh_protocol::limits::MAX_CHANNEL_DATA;

use super::clamped;
use super::filter::EscapeFilter;

/// Shown bytes after which an acknowledgement is due.
const ACK_BYTES: u64 = 64 * 1024;
/// How long less than that may stay unacknowledged.
const ACK_DELAY: Duration = Duration::from_millis(100);
/// Typed bytes that wait for the path; [`Viewer::input`] refuses more.
const INPUT_BYTES: usize = 1024 * 1024;

/// What a viewer shows or learns, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewerEvent {
    /// Make the terminal as new, of this size, with its scrollback empty.
    Reset(TermSize),
    /// Write these bytes to the terminal; once they are there, [`Viewer::shown`] with `seq`, where it is given.
    Write { bytes: Bytes, seq: Option<u64> },
    /// The terminal has this size from here on.
    Resize(TermSize),
    /// Who controls now.
    Lease(TermLease),
    /// Who watches now.
    Viewers(Vec<TermViewer>),
    /// Whether the host has paused, and whether it records.
    State(TermState),
    /// The shell ended.
    Exit(Option<i32>),
    /// The host ended the session; close the link.
    Ended(Bye),
}

/// What a host must not do. End the session with `PROTOCOL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewerError {
    #[error("the host sent output that does not follow what came before")]
    Gap,
    #[error("a host does not send this frame")]
    Unexpected,
}

/// Watches one terminal.
#[derive(Debug)]
pub struct Viewer {
    /// What the host lets through is looked at again here: it need not be an honest host.
    filter: EscapeFilter,
    /// Where the next output begins; unknown before the first snapshot.
    next: Option<u64>,
    /// The position of the snapshot that is coming in.
    snapshot: Option<u64>,
    size: TermSize,
    epoch: Option<u32>,
    shown: u64,
    acked: u64,
    /// The position of a snapshot that is not acknowledged: the host waits for that, though it may stand for no bytes.
    unacked_snapshot: Option<u64>,
    ack_at: Option<Instant>,
    /// Not yet taken by the driver, which must take all after each frame.
    events: VecDeque<ViewerEvent>,
    /// Bounded by [`INPUT_BYTES`].
    typed: VecDeque<Frame>,
    typed_bytes: usize,
}

impl Default for Viewer {
    fn default() -> Self {
        Self::new()
    }
}

impl Viewer {
    /// Waits for a snapshot.
    pub fn new() -> Self {
        Self {
            filter: EscapeFilter::new(),
            next: None,
            snapshot: None,
            size: TermSize { cols: 80, rows: 24 },
            epoch: None,
            shown: 0,
            acked: 0,
            unacked_snapshot: None,
            ack_at: None,
            events: VecDeque::new(),
            typed: VecDeque::new(),
            typed_bytes: 0,
        }
    }

    /// A frame of the host. Take all events before the next.
    pub fn handle(&mut self, frame: Frame) -> Result<(), ViewerError> {
        match frame {
            Frame::TermSnapshot(part) => {
                if part.first {
                    self.filter = EscapeFilter::new();
                    self.size = clamped(part.size);
                    self.events.push_back(ViewerEvent::Reset(self.size));
                    (self.next, self.snapshot) = (None, Some(part.seq));
                }
                if self.snapshot != Some(part.seq) {
                    return Err(ViewerError::Gap);
                }
                self.write(&part.bytes, part.last.then_some(part.seq));
                if part.last {
                    (self.next, self.snapshot) = (Some(part.seq), None);
                    self.unacked_snapshot = Some(part.seq);
                }
            }
            Frame::TermOut(out) => {
                let next = out
                    .seq
                    .checked_add(out.bytes.len() as u64)
                    .ok_or(ViewerError::Gap)?;
                if self.next != Some(out.seq) {
                    return Err(ViewerError::Gap);
                }
                self.next = Some(next);
                self.write(&out.bytes, Some(next));
            }
            Frame::TermResize(TermResize { size, .. }) => {
                self.size = clamped(size);
                self.events.push_back(ViewerEvent::Resize(self.size));
            }
            Frame::TermLease(lease) => {
                self.epoch = lease.you.then_some(lease.epoch);
                if self.epoch.is_none() {
                    self.typed.clear();
                    self.typed_bytes = 0;
                }
                self.events.push_back(ViewerEvent::Lease(lease));
            }
            Frame::TermViewers(list) => self.events.push_back(ViewerEvent::Viewers(list.viewers)),
            Frame::TermState(state) => self.events.push_back(ViewerEvent::State(state)),
            Frame::TermExit(exit) => self.events.push_back(ViewerEvent::Exit(exit.code)),
            Frame::Bye(bye) => self.events.push_back(ViewerEvent::Ended(bye)),
            _ => return Err(ViewerError::Unexpected),
        }
        Ok(())
    }

    /// What to show or do next.
    pub fn poll_event(&mut self) -> Option<ViewerEvent> {
        self.events.pop_front()
    }

    /// The terminal has taken everything up to this `seq` of a [`ViewerEvent::Write`].
    pub fn shown(&mut self, seq: u64, now: Instant) {
        self.shown = self.shown.max(seq);
        if self.ack_at.is_none() && self.shown > self.acked {
            self.ack_at = Some(now + ACK_DELAY);
        }
    }

    /// Types. `false` when this viewer does not hold control, or the path takes no more.
    pub fn input(&mut self, bytes: &[u8]) -> bool {
        let Some(epoch) = self
            .epoch
            .filter(|_| self.typed_bytes + bytes.len() <= INPUT_BYTES)
        else {
            return false;
        };
        self.typed_bytes += bytes.len();
        for piece in bytes.chunks(MAX_CHANNEL_DATA) {
            self.typed.push_back(Frame::TermIn(TermIn {
                epoch,
                bytes: Bytes::copy_from_slice(piece),
            }));
        }
        true
    }

    /// Asks for another size. `false` when this viewer does not hold control.
    pub fn resize(&mut self, size: TermSize) -> bool {
        let Some(epoch) = self.epoch else { return false };
        self.typed.retain(|frame| !matches!(frame, Frame::TermResize(_)));
        self.typed
            .push_back(Frame::TermResize(TermResize { epoch, size }));
        true
    }

    /// Whether what is typed now goes to the shell.
    pub const fn holds_control(&self) -> bool {
        self.epoch.is_some()
    }

    /// What is held, and lapses unless it is renewed.
    pub const fn held(&self) -> &'static [Capability] {
        if self.holds_control() {
            &[Capability::TerminalView, Capability::TerminalControl]
        } else {
            &[Capability::TerminalView]
        }
    }

    /// The size of the host's terminal.
    pub const fn size(&self) -> TermSize {
        self.size
    }

    /// The next message; ask only when the path takes it.
    pub fn poll_frame(&mut self, now: Instant) -> Option<Bytes> {
        if let Some(frame) = self.typed.pop_front() {
            if let Frame::TermIn(input) = &frame {
                self.typed_bytes -= input.bytes.len();
            }
            return Some(frame.encode());
        }
        let snapshot = self
            .unacked_snapshot
            .is_some_and(|seq| seq <= self.shown && self.snapshot.is_none());
        let late = self.ack_at.is_some_and(|at| at <= now);
        if !snapshot && !late && self.shown - self.acked < ACK_BYTES {
            return None;
        }
        if snapshot {
            self.unacked_snapshot = None;
        }
        self.ack_at = None;
        self.acked = self.shown;
        Some(Frame::TermAck(TermAck { seq: self.shown }).encode())
    }

    /// When [`Self::poll_frame`] may have an acknowledgement.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.ack_at
    }

    fn write(&mut self, bytes: &[u8], seq: Option<u64>) {
        let bytes = Bytes::from(self.filter.push(bytes).bytes);
        self.events.push_back(ViewerEvent::Write { bytes, seq });
    }
}
