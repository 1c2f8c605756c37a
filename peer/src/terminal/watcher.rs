//! What the host has told one viewer and what it still owes it. Holds positions, never a queue.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh_protocol::channel::{
    Bye, Frame, TermExit, TermLease, TermOut, TermResize, TermSize, TermState, TermViewer, TermViewers,
};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::PeerId;
use mesh_protocol::limits::{MAX_CHANNEL_DATA, TERMINAL_WINDOW};

use super::decider::Decider;
use super::pace::Pace;
use super::ring::Ring;
use super::screen::Screen;
use super::snapshot::Snapshot;

/// Between two screens that viewers get because they fell behind: nobody reads a flood, and what more of them would cost is left
/// to the program that writes. All get the same one, whose making costs as much as sending it to some.
const CATCH_UP_EVERY: Duration = Duration::from_millis(100);
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
    /// The last dump made, with the position that it stands for.
    dump: Option<((u64, u64), Bytes)>,
    /// When the last one was made for viewers that fell behind.
    caught_up_at: Option<Instant>,
    pause: Option<Pause>,
}

/// What viewers see for as long as a pause lasts: everything as it was when it began.
#[derive(Debug)]
struct Pause {
    /// Output before it goes on to be sent.
    at: u64,
    /// Changes of size before it go on to be told.
    resizes: u64,
    size: TermSize,
    /// Blocks of history before it.
    blocks: u64,
    dump: Bytes,
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
            caught_up_at: None,
            pause: None,
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

    /// From here on viewers are shown nothing, and what happens does not reach the history. `false` when that is so already.
    pub(super) fn pause(&mut self) -> bool {
        if self.pause.is_some() {
            return false;
        }
        let dump = self.dump();
        self.pause = Some(Pause {
            at: self.ring.end(),
            resizes: self.resizes_end(),
            size: self.screen.size(),
            blocks: self.screen.history().end(),
            dump,
        });
        self.screen.hide(true);
        true
    }

    /// `false` when there was no pause. Every viewer needs the screen anew.
    pub(super) fn resume(&mut self) -> bool {
        let paused = self.pause.take().is_some();
        if paused {
            self.screen.hide(false);
        }
        paused
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// The history and the screen as they are, for a terminal that was made as new.
    pub(super) fn whole(&mut self) -> Bytes {
        let dump = self.dump();
        let history = self.screen.history();
        let blocks = std::iter::successors(history.block(0), |(number, _)| history.block(number + 1));
        let mut whole: Vec<u8> = blocks.flat_map(|(_, bytes)| bytes).collect();
        whole.extend_from_slice(&dump);
        whole.into()
    }

    /// The position up to which viewers are shown the output.
    fn shown_end(&self) -> u64 {
        self.pause
            .as_ref()
            .map_or_else(|| self.ring.end(), |pause| pause.at)
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
        if self.pause.as_ref().is_some_and(|pause| number >= pause.resizes) {
            return None;
        }
        self.resizes
            .get(number.checked_sub(self.first_resize)? as usize)
            .copied()
    }

    /// When viewers that fell behind get the screen; `None` where that is now.
    fn catches_up_at(&mut self, now: Instant) -> Option<Instant> {
        if self.dumped().is_some() {
            return None;
        }
        let soonest = self.caught_up_at.map(|at| at + CATCH_UP_EVERY);
        let later = soonest.filter(|soonest| *soonest > now);
        if later.is_none() {
            self.caught_up_at = Some(now);
        }
        later
    }

    /// How much there is of what a screen is made of: bytes and resizes.
    fn position(&self) -> (u64, u64) {
        (self.ring.end(), self.resizes_end())
    }

    /// The screen, where it was made since anything changed.
    fn dumped(&self) -> Option<&Bytes> {
        let (at, bytes) = self.dump.as_ref()?;
        (*at == self.position()).then_some(bytes)
    }

    fn dump(&mut self) -> Bytes {
        if let Some(bytes) = self.dumped() {
            return bytes.clone();
        }
        self.settle();
        let bytes = Bytes::from(self.screen.dump());
        self.dump = Some((self.position(), bytes.clone()));
        bytes
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
    /// When its lease lapses. Without one it is the host's own: nobody is told of it, and it begins with the screen alone.
    pub(super) view_until: Option<Instant>,
    /// Whether it may ask to answer for the owner.
    pub(super) may_decide: bool,
    pub(super) decider: Decider,
    /// Everything before it has been sent.
    sent: u64,
    /// Everything before it has been shown.
    acked: u64,
    /// What of it may be on its way.
    pace: Pace,
    /// The number of the next change of size to tell.
    next_resize: u64,
    /// The snapshot that is on its way out.
    snapshot: Option<Snapshot>,
    /// The position of the last snapshot, until the viewer has shown it; there is no other before that.
    unshown: Option<u64>,
    /// When it gets the next, where it is too soon for that.
    catches_up_at: Option<Instant>,
    /// Whether it has had a snapshot at all.
    begun: bool,
    /// Whether what it shows is of before a pause.
    stale: bool,
    lease_due: bool,
    viewers_due: bool,
    state_due: bool,
    exit_told: bool,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    No,
    Due(Bye),
}

impl Watcher {
    /// `state_due`: whether it has to be told the state beside the first snapshot.
    pub(super) fn new(name: String, view_until: Option<Instant>, state_due: bool) -> Self {
        Self {
            name,
            view_until,
            may_decide: false,
            decider: Decider::default(),
            sent: 0,
            acked: 0,
            pace: Pace::new(),
            next_resize: 0,
            snapshot: None,
            unshown: None,
            catches_up_at: None,
            begun: false,
            stale: false,
            lease_due: true,
            viewers_due: true,
            state_due,
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

    /// When there is something to say that nothing else brings about.
    pub(super) const fn catches_up_at(&self) -> Option<Instant> {
        self.catches_up_at
    }

    /// Its time has come: what follows depends on its path.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.catches_up_at.take_if(|at| *at <= now);
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

    pub(super) const fn state_due(&self) -> bool {
        self.state_due
    }

    pub(super) const fn state_changed(&mut self) {
        self.state_due = true;
    }

    /// A pause is over.
    pub(super) const fn outdate(&mut self) {
        self.stale = true;
    }

    pub(super) fn tell_state(&mut self, state: TermState) -> Bytes {
        self.state_due = false;
        Frame::TermState(state).encode()
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
    pub(super) fn acknowledge(&mut self, seq: u64, now: Instant) -> bool {
        if seq > self.sent {
            return false;
        }
        self.acked = self.acked.max(seq);
        self.pace.shown(seq, now);
        if self.snapshot.is_none() && self.unshown.is_some_and(|position| position <= seq) {
            self.unshown = None;
        }
        true
    }

    /// Snapshot, size, output or exit, whichever is next.
    pub(super) fn next_frame(&mut self, shared: &mut Shared, now: Instant) -> Option<Bytes> {
        if self.snapshot.is_none() && self.is_behind(shared) {
            // The one before has not been shown: another would only lengthen the queue.
            if self.unshown.is_some() {
                return None;
            }
            let caught_up = self.begun && !self.stale;
            self.catches_up_at = caught_up.then(|| shared.catches_up_at(now)).flatten();
            if self.catches_up_at.is_some() {
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
        let until = resize.map_or_else(|| shared.shown_end(), |(position, _)| position);
        let window = self.window().saturating_sub(self.sent - self.acked);
        let piece = self.pace.piece().min(MAX_CHANNEL_DATA as u64);
        let len = (until - self.sent).min(window).min(piece);
        if len > 0 {
            let frame = shared.output(self.sent, self.sent + len);
            self.sent += len;
            self.pace.sent(self.sent, self.sent - self.acked, now);
            return Some(frame);
        }
        let code = shared.exit.filter(|_| self.sent == shared.shown_end())?;
        if !std::mem::replace(&mut self.exit_told, true) {
            return Some(Frame::TermExit(TermExit { code }).encode());
        }
        self.cut(ChannelCode::Done, "the shell ended");
        None
    }

    /// The host's own is on no path, and misses nothing.
    const fn window(&self) -> u64 {
        match self.view_until {
            Some(_) => self.pace.window(),
            None => TERMINAL_WINDOW,
        }
    }

    /// Whether output or sizes that it has not been sent are gone, or would come too late.
    fn is_behind(&self, shared: &Shared) -> bool {
        // Who has seen all that there was before a pause is not behind, however much is gone since.
        let complete = shared.is_paused()
            && self.sent == shared.shown_end()
            && shared
                .pause
                .as_ref()
                .is_none_or(|pause| self.next_resize >= pause.resizes);
        let gone = self.sent < shared.ring.start() || self.next_resize < shared.first_resize;
        let late = self.view_until.is_some()
            && self.sent - self.acked < self.window()
            && self
                .pace
                .is_too_much(shared.shown_end().saturating_sub(self.sent));
        !self.begun || self.stale || (gone && !complete) || late
    }

    fn begin_snapshot(&mut self, shared: &mut Shared) {
        let dump = match &shared.pause {
            Some(pause) => pause.dump.clone(),
            None => shared.dump(),
        };
        let (size, seq, resizes, end) = match &shared.pause {
            Some(pause) => (pause.size, pause.at, pause.resizes, pause.blocks),
            None => (
                shared.screen.size(),
                shared.ring.end(),
                shared.resizes_end(),
                shared.screen.history().end(),
            ),
        };
        let blocks = if self.view_until.is_none() || (self.begun && !self.stale && self.pace.is_slow()) {
            end..end
        } else if self.begun && !self.stale {
            end.saturating_sub(CATCH_UP_BLOCKS)..end
        } else {
            0..end
        };
        self.snapshot = Some(Snapshot::new(size, seq, blocks, dump));
        self.unshown = Some(seq);
        (self.begun, self.stale) = (true, false);
        (self.sent, self.acked) = (seq, seq);
        self.pace.forget();
        self.next_resize = resizes;
    }
}
