//! What the host has told one viewer and what it still owes it. Holds positions, never a queue.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use mesh_protocol::channel::{
    Bye, Frame, TermExit, TermLease, TermOut, TermResize, TermSize, TermViewer, TermViewers,
};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::PeerId;
use mesh_protocol::limits::{MAX_CHANNEL_DATA, TERMINAL_WINDOW};

use super::ring::Ring;
use super::screen::Screen;
use super::snapshot::Snapshot;

/// Blocks of history that a viewer that fell behind gets with its new screen.
const CATCH_UP_BLOCKS: u64 = 1;

/// What all viewers draw from.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) screen: Screen,
    pub(super) ring: Ring,
    pub(super) exit: Option<Option<i32>>,
    /// Changes of size, each at its position in the output. Overflow drops the oldest: who has not seen it gets a
    /// snapshot.
    resizes: VecDeque<(u64, TermSize)>,
    /// The number of the first of them.
    first_resize: u64,
    /// The last frame made, for the next viewer at the same position.
    frame: Option<(u64, u64, Bytes)>,
    /// The last dump made, with the output position and the number of resizes that it stands for.
    dump: Option<(u64, u64, Bytes)>,
}

impl Shared {
    pub(super) const fn new(screen: Screen, ring: Ring) -> Self {
        Self {
            screen,
            ring,
            exit: None,
            resizes: VecDeque::new(),
            first_resize: 0,
            frame: None,
            dump: None,
        }
    }

    pub(super) fn resize(&mut self, size: TermSize, keep: usize) {
        self.screen.resize(size);
        self.resizes.push_back((self.ring.end(), size));
        self.settle();
        // Every terminal folds its lines in its own way when it changes its size: show all of them this one's.
        self.ring.push(self.screen.repaint().as_bytes());
        if self.resizes.len() > keep {
            self.resizes.pop_front();
            self.first_resize += 1;
        }
    }

    fn settle(&mut self) {
        if let Some(settling) = self.screen.settle() {
            self.ring.push(settling.as_bytes());
        }
    }

    fn resizes_end(&self) -> u64 {
        self.first_resize + self.resizes.len() as u64
    }

    fn resize_number(&self, number: u64) -> Option<(u64, TermSize)> {
        self.resizes
            .get(number.checked_sub(self.first_resize)? as usize)
            .copied()
    }

    fn dump(&mut self) -> Bytes {
        let key = (self.ring.end(), self.resizes_end());
        match &self.dump {
            Some((seq, resizes, bytes)) if (*seq, *resizes) == key => bytes.clone(),
            _ => {
                self.settle();
                let bytes = Bytes::from(self.screen.dump());
                self.dump = Some((self.ring.end(), key.1, bytes.clone()));
                bytes
            }
        }
    }

    /// The output `from ≤ position < to` as a frame.
    fn output(&mut self, from: u64, to: u64) -> Bytes {
        match &self.frame {
            Some((start, end, bytes)) if (*start, *end) == (from, to) => bytes.clone(),
            _ => {
                let bytes = self.ring.read(from, (to - from) as usize);
                let bytes = Frame::TermOut(TermOut {
                    seq: from,
                    bytes: bytes.into(),
                })
                .encode();
                self.frame = Some((from, to, bytes.clone()));
                bytes
            }
        }
    }
}

/// One viewer, as the host sees it.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) name: String,
    pub(super) view_until: Instant,
    /// Everything before it has been sent.
    sent: u64,
    /// Everything before it has been shown.
    acked: u64,
    /// The number of the next change of size to tell.
    next_resize: u64,
    /// The snapshot that is on its way out.
    snapshot: Option<Snapshot>,
    /// The position of the last snapshot, until the viewer has shown it; there is no other before that.
    unshown: Option<u64>,
    /// Whether it has had a snapshot at all.
    begun: bool,
    lease_due: bool,
    viewers_due: bool,
    exit_told: bool,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    No,
    Due(Bye),
}

impl Watcher {
    pub(super) const fn new(name: String, view_until: Instant) -> Self {
        Self {
            name,
            view_until,
            sent: 0,
            acked: 0,
            next_resize: 0,
            snapshot: None,
            unshown: None,
            begun: false,
            lease_due: true,
            viewers_due: true,
            exit_told: false,
            end: End::No,
        }
    }

    /// Drops all that is owed; `false` when that has happened before.
    pub(super) fn cut(&mut self, code: ChannelCode, detail: &str) -> bool {
        if self.is_cut() {
            return false;
        }
        self.snapshot = None;
        self.end = End::Due(Bye {
            code,
            detail: detail.to_owned(),
        });
        true
    }

    pub(super) fn is_cut(&self) -> bool {
        self.end != End::No
    }

    pub(super) fn bye(&self) -> Option<Bytes> {
        match &self.end {
            End::No => None,
            End::Due(bye) => Some(Frame::Bye(bye.clone()).encode()),
        }
    }

    /// Whether a first snapshot has been sent whole: before it nothing else is said, and nothing amid another.
    pub(super) const fn is_shown(&self) -> bool {
        self.begun && self.snapshot.is_none()
    }

    pub(super) const fn lease_due(&self) -> bool {
        self.lease_due
    }

    pub(super) const fn viewers_due(&self) -> bool {
        self.viewers_due
    }

    pub(super) const fn lease_changed(&mut self) {
        self.lease_due = true;
    }

    pub(super) const fn viewers_changed(&mut self) {
        self.viewers_due = true;
    }

    pub(super) fn tell_lease(&mut self, lease: TermLease) -> Bytes {
        self.lease_due = false;
        Frame::TermLease(lease).encode()
    }

    pub(super) fn tell_viewers(&mut self, names: Vec<(PeerId, String)>) -> Bytes {
        self.viewers_due = false;
        let viewers = names
            .into_iter()
            .map(|(peer_id, name)| TermViewer { peer_id, name })
            .collect();
        Frame::TermViewers(TermViewers { viewers }).encode()
    }

    /// The viewer has shown everything before `seq`; `false` when it cannot have.
    pub(super) fn acknowledge(&mut self, seq: u64) -> bool {
        if seq > self.sent {
            return false;
        }
        self.acked = self.acked.max(seq);
        if self.snapshot.is_none() && self.unshown.is_some_and(|position| position <= seq) {
            self.unshown = None;
        }
        true
    }

    /// Snapshot, size, output or exit, whichever is next.
    pub(super) fn next_frame(&mut self, shared: &mut Shared) -> Option<Bytes> {
        if self.snapshot.is_none() && self.is_behind(shared) {
            // The one before has not been shown: another would only lengthen the queue.
            if self.unshown.is_some() {
                return None;
            }
            self.begin_snapshot(shared);
        }
        if let Some(snapshot) = &mut self.snapshot {
            let (frame, last) = snapshot.next_frame(shared.screen.history());
            if last {
                self.snapshot = None;
            }
            return Some(frame);
        }
        let resize = shared.resize_number(self.next_resize);
        if let Some((_, size)) = resize.filter(|(position, _)| *position == self.sent) {
            self.next_resize += 1;
            return Some(Frame::TermResize(TermResize { epoch: 0, size }).encode());
        }
        let until = resize.map_or_else(|| shared.ring.end(), |(position, _)| position);
        let window = TERMINAL_WINDOW.saturating_sub(self.sent - self.acked);
        let len = (until - self.sent).min(window).min(MAX_CHANNEL_DATA as u64);
        if len > 0 {
            let frame = shared.output(self.sent, self.sent + len);
            self.sent += len;
            return Some(frame);
        }
        let code = shared.exit.filter(|_| self.sent == shared.ring.end())?;
        if !std::mem::replace(&mut self.exit_told, true) {
            return Some(Frame::TermExit(TermExit { code }).encode());
        }
        self.cut(ChannelCode::Done, "the shell ended");
        None
    }

    /// Whether output or sizes that it has not been sent are gone.
    fn is_behind(&self, shared: &Shared) -> bool {
        !self.begun || self.sent < shared.ring.start() || self.next_resize < shared.first_resize
    }

    fn begin_snapshot(&mut self, shared: &mut Shared) {
        let dump = shared.dump();
        let end = shared.screen.history().end();
        let blocks = if self.begun {
            end.saturating_sub(CATCH_UP_BLOCKS)..end
        } else {
            0..end
        };
        let seq = shared.ring.end();
        self.snapshot = Some(Snapshot::new(shared.screen.size(), seq, blocks, dump));
        self.unshown = Some(seq);
        self.begun = true;
        (self.sent, self.acked) = (seq, seq);
        self.next_resize = shared.resizes_end();
    }
}
