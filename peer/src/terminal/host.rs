//! The end whose shell it is.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use mesh_protocol::channel::{Frame, TermIn, TermResize, TermSize, TermState};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::PeerId;
use mesh_protocol::limits::LEASE;

use super::clamped;
use super::filter::{EscapeFilter, Event, Query};
use super::ring::Ring;
use super::screen::Screen;
use super::watcher::{Shared, Watcher};

/// Input that waits for the PTY. What comes beyond it is dropped: the program does not read. Heed [`Host::input_ready`].
pub const PTY_QUEUE: usize = 256 * 1024;
/// Answers to the program that wait for the PTY; more are dropped, since nobody reads them.
const PTY_REPLIES: usize = 4 * 1024;
/// Changes of size that a viewer may be behind by before it gets a snapshot.
const RESIZES: usize = 32;

/// Viewers that TERM_VIEWERS names: what fits into one frame whatever their names.
const LISTED_VIEWERS: usize = 128;

/// How a host begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostConfig {
    pub size: TermSize,
    /// Whether the person's own terminal is attached to the PTY and answers what programs ask of a terminal. Without
    /// one the host answers.
    pub local_terminal: bool,
}

/// What the driver does to the PTY.
#[derive(Clone, PartialEq, Eq)]
pub enum PtyAction {
    /// Bytes that the holder of control typed, or an answer to the program.
    Input(Bytes),
    Resize(TermSize),
}

impl std::fmt::Debug for PtyAction {
    /// What is typed may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Input(bytes) => write!(f, "Input({} bytes)", bytes.len()),
            Self::Resize(size) => write!(f, "Resize({size:?})"),
        }
    }
}

/// Who may type.
#[derive(Debug)]
struct Control {
    holder: PeerId,
    epoch: u32,
    until: Instant,
}

/// Shares one terminal. After any call, look at [`Host::poll_pty`], and at [`Host::poll_frame`] for each viewer; call
/// [`Host::handle_timeout`] when [`Host::poll_timeout`] says.
#[derive(Debug)]
pub struct Host {
    filter: EscapeFilter,
    shared: Shared,
    pub(super) watchers: BTreeMap<PeerId, Watcher>,
    control: Option<Control>,
    epoch: u32,
    local_terminal: bool,
    to_pty: VecDeque<PtyAction>,
    to_pty_bytes: usize,
}

impl Host {
    /// A terminal of this size (within [`super::MAX_SIZE`]), empty, with no viewers.
    pub fn new(config: HostConfig) -> Self {
        Self {
            filter: EscapeFilter::new(),
            shared: Shared::new(Screen::new(clamped(config.size)), Ring::default()),
            watchers: BTreeMap::new(),
            control: None,
            epoch: 0,
            local_terminal: config.local_terminal,
            to_pty: VecDeque::new(),
            to_pty_bytes: 0,
        }
    }

    /// The person's own terminal came or went.
    pub fn set_local_terminal(&mut self, attached: bool) {
        self.local_terminal = attached;
    }

    /// Output of the shell, as the PTY gave it.
    pub fn output(&mut self, bytes: &[u8]) {
        let filtered = self.filter.push(bytes);
        let mut from = 0;
        for (at, event) in filtered.events {
            self.shared.screen.feed(&filtered.bytes[from..at]);
            from = at;
            match event {
                Event::Query(query) => self.answer(query),
                event => self.shared.screen.apply(event),
            }
        }
        self.shared.screen.feed(&filtered.bytes[from..]);
        self.shared.ring.push(&filtered.bytes);
    }

    /// A viewer whose HELLO was good. The first frame that it gets is a snapshot.
    pub fn attach(&mut self, viewer: PeerId, name: impl Into<String>, now: Instant) {
        self.drop_control_of(&viewer);
        let state_due = self.state() != TermState::default();
        self.watchers
            .insert(viewer, Watcher::new(name.into(), Some(now + LEASE), state_due));
        self.viewers_changed();
    }

    /// A recording begins: it is sent what a viewer is, by [`Host::poll_frame`], and ends by [`Host::detach`]. Every viewer
    /// learns of both.
    pub fn attach_recorder(&mut self, recorder: PeerId) {
        self.watchers.insert(
            recorder,
            Watcher::new(String::new(), None, self.shared.is_paused()),
        );
        self.state_changed();
    }

    /// A viewer whose link is gone.
    pub fn detach(&mut self, viewer: &PeerId) {
        let Some(watcher) = self.watchers.remove(viewer) else {
            return;
        };
        self.drop_control_of(viewer);
        if watcher.view_until.is_none() {
            self.state_changed();
        } else {
            self.viewers_changed();
        }
    }

    /// From now on viewers see nothing more of what happens, neither now nor later in the scrollback, and nobody controls.
    pub fn pause(&mut self) {
        if self.shared.pause() {
            self.set_control(None);
            self.state_changed();
        }
    }

    /// Ends the pause: every viewer gets the screen as it is.
    pub fn resume(&mut self) {
        if self.shared.resume() {
            self.watchers.values_mut().for_each(Watcher::outdate);
            self.state_changed();
        }
    }

    /// Whether sharing is paused, and whether somebody records.
    pub fn state(&self) -> TermState {
        let records = |watcher: &Watcher| watcher.view_until.is_none() && !watcher.is_cut();
        TermState {
            paused: self.shared.is_paused(),
            recording: self.watchers.values().any(records),
        }
    }

    /// The scrollback and the screen as they are, paused or not, for a terminal of the owner that was made as new.
    pub fn screen(&mut self) -> Bytes {
        self.shared.whole()
    }

    /// Ends one viewer: nothing but BYE is sent to it from now on.
    pub fn cut(&mut self, viewer: &PeerId, code: ChannelCode, detail: &str) {
        if self
            .watchers
            .get_mut(viewer)
            .is_some_and(|watcher| watcher.cut(code, detail))
        {
            self.drop_control_of(viewer);
            self.viewers_changed();
        }
    }

    /// Ends every viewer.
    pub fn cut_all(&mut self, code: ChannelCode, detail: &str) {
        self.set_control(None);
        for watcher in self.watchers.values_mut() {
            watcher.cut(code, detail);
        }
    }

    /// A frame of a viewer. HELLO and RENEW are the session's; so are the wish and the answers of a viewer that may decide.
    pub fn handle(&mut self, viewer: &PeerId, frame: Frame, now: Instant) {
        self.handle_timeout(now);
        let Some(watcher) = self.watchers.get_mut(viewer).filter(|watcher| !watcher.is_cut()) else {
            return;
        };
        match frame {
            Frame::TermIn(input) => self.input(viewer, input),
            Frame::TermResize(wish) => self.resize_wish(viewer, wish),
            Frame::TermAck(ack) if watcher.acknowledge(ack.seq, now) => {}
            Frame::Bye(_) => self.detach(viewer),
            _ => self.cut(viewer, ChannelCode::Protocol, "a viewer does not send this"),
        }
    }

    /// Gives control to a viewer, taking it from whoever has it. `None` when there is no such viewer, and during a pause.
    pub fn grant(&mut self, viewer: &PeerId, now: Instant) -> Option<u32> {
        let watcher = self.watchers.get(viewer).filter(|watcher| !watcher.is_cut())?;
        if watcher.view_until.is_none() || self.shared.is_paused() {
            return None;
        }
        // Zero is the host's own; after four thousand million grants, begin again.
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        self.set_control(Some(Control {
            holder: viewer.clone(),
            epoch: self.epoch,
            until: now + LEASE,
        }));
        Some(self.epoch)
    }

    /// Takes control back, whoever has it.
    pub fn revoke_control(&mut self) {
        self.set_control(None);
    }

    /// This viewer gives control back, if it has it.
    pub fn release(&mut self, viewer: &PeerId) {
        self.drop_control_of(viewer);
    }

    /// The session verified a fresh `terminal:view` of this viewer.
    pub fn renew_view(&mut self, viewer: &PeerId, now: Instant) {
        self.handle_timeout(now);
        let until = self
            .watchers
            .get_mut(viewer)
            .and_then(|watcher| watcher.view_until.as_mut());
        if let Some(until) = until {
            *until = now + LEASE;
        }
    }

    /// The session verified a fresh `terminal:control` of this viewer; `false` when it does not hold control.
    pub fn renew_control(&mut self, viewer: &PeerId, now: Instant) -> bool {
        self.handle_timeout(now);
        let held = self.control.as_mut().filter(|control| control.holder == *viewer);
        held.map(|control| control.until = now + LEASE).is_some()
    }

    /// Who holds control, and the epoch of the grant.
    pub fn holder(&self) -> Option<(&PeerId, u32)> {
        self.control
            .as_ref()
            .map(|control| (&control.holder, control.epoch))
    }

    /// The host's own terminal has another size now.
    pub fn resize(&mut self, size: TermSize) {
        let size = clamped(size);
        if size != self.shared.screen.size() {
            self.shared.resize(size, RESIZES);
            self.to_pty
                .retain(|action| !matches!(action, PtyAction::Resize(_)));
            self.to_pty.push_back(PtyAction::Resize(size));
        }
    }

    /// The shell ended; `None` when a signal ended it. Viewers get the rest of the output, then the news, then BYE.
    pub fn exit(&mut self, code: Option<i32>) {
        self.set_control(None);
        self.shared.exit = Some(code);
    }

    /// The next message for a viewer; ask only when its path takes one.
    pub fn poll_frame(&mut self, viewer: &PeerId, now: Instant) -> Option<Bytes> {
        let frame = self.next_frame(viewer, now);
        let bye = self.watchers.get(viewer).and_then(Watcher::bye);
        if frame.is_none() && bye.is_some() {
            self.detach(viewer);
            return bye;
        }
        frame
    }

    /// Whether this viewer is there; once it is not, and was, close its link.
    pub fn is_attached(&self, viewer: &PeerId) -> bool {
        self.watchers.contains_key(viewer)
    }

    /// Who watches, with their names.
    pub fn viewers(&self) -> impl Iterator<Item = (&PeerId, &str)> {
        let watching = self
            .watchers
            .iter()
            .filter(|(_, watcher)| watcher.view_until.is_some() && !watcher.is_cut());
        watching.map(|(peer, watcher)| (peer, watcher.name.as_str()))
    }

    /// The next thing to do to the PTY.
    pub fn poll_pty(&mut self) -> Option<PtyAction> {
        let action = self.to_pty.pop_front();
        if let Some(PtyAction::Input(bytes)) = &action {
            self.to_pty_bytes -= bytes.len();
        }
        action
    }

    /// Whether to take frames from viewers; `false` while the program does not read what was typed.
    pub const fn input_ready(&self) -> bool {
        self.to_pty_bytes < PTY_QUEUE / 2
    }

    /// When the next lease lapses, or a viewer that fell behind gets the screen as it is.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let views = self
            .watchers
            .values()
            .filter(|watcher| !watcher.is_cut())
            .flat_map(|watcher| [watcher.view_until, watcher.catches_up_at()])
            .flatten();
        views
            .chain(self.control.as_ref().map(|control| control.until))
            .min()
    }

    /// Cuts what has lapsed. Ask every viewer's [`Host::poll_frame`] after it.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.watchers
            .values_mut()
            .for_each(|watcher| watcher.handle_timeout(now));
        if self.control.as_ref().is_some_and(|control| control.until <= now) {
            self.set_control(None);
        }
        let lapsed = |(_, watcher): &(&PeerId, &Watcher)| {
            watcher.view_until.is_some_and(|until| until <= now) && !watcher.is_cut()
        };
        let lapsed: Vec<PeerId> = self
            .watchers
            .iter()
            .filter(lapsed)
            .map(|(peer, _)| peer.clone())
            .collect();
        for viewer in lapsed {
            self.cut(
                &viewer,
                ChannelCode::LeaseLapsed,
                "the permission to watch was not renewed",
            );
        }
    }

    /// The title that the program set, plain.
    pub fn title(&self) -> &str {
        self.shared.screen.title()
    }

    /// The size of the terminal.
    pub const fn size(&self) -> TermSize {
        self.shared.screen.size()
    }

    fn next_frame(&mut self, viewer: &PeerId, now: Instant) -> Option<Bytes> {
        let watcher = self
            .watchers
            .get_mut(viewer)
            .filter(|watcher| !watcher.is_cut())?;
        if watcher.is_shown() && watcher.lease_due() {
            let lease = self.lease_for(viewer);
            return self
                .watchers
                .get_mut(viewer)
                .map(|watcher| watcher.tell_lease(lease));
        }
        if watcher.is_shown()
            && let Some(frame) = watcher.decider.next_frame()
        {
            return Some(frame.encode());
        }
        if watcher.is_shown() && watcher.viewers_due() {
            let names = self
                .viewers()
                .take(LISTED_VIEWERS)
                .map(|(peer, name)| (peer.clone(), name.to_owned()))
                .collect();
            return self
                .watchers
                .get_mut(viewer)
                .map(|watcher| watcher.tell_viewers(names));
        }
        if watcher.is_shown() && watcher.state_due() {
            let state = self.state();
            return self
                .watchers
                .get_mut(viewer)
                .map(|watcher| watcher.tell_state(state));
        }
        watcher.next_frame(&mut self.shared, now)
    }

    fn input(&mut self, viewer: &PeerId, input: TermIn) {
        if self.may_control(viewer, input.epoch) {
            self.type_in(input.bytes, PTY_QUEUE);
        }
    }

    fn resize_wish(&mut self, viewer: &PeerId, wish: TermResize) {
        if self.may_control(viewer, wish.epoch) {
            self.resize(wish.size);
        }
    }

    fn may_control(&self, viewer: &PeerId, epoch: u32) -> bool {
        let held = |control: &Control| control.holder == *viewer && control.epoch == epoch;
        self.shared.exit.is_none() && self.control.as_ref().is_some_and(held)
    }

    fn type_in(&mut self, bytes: Bytes, limit: usize) {
        if !bytes.is_empty() && self.to_pty_bytes + bytes.len() <= limit {
            self.to_pty_bytes += bytes.len();
            self.to_pty.push_back(PtyAction::Input(bytes));
        }
    }

    fn answer(&mut self, query: Query) {
        if self.local_terminal {
            return;
        }
        let (row, col) = self.shared.screen.cursor();
        let answer = match query {
            Query::Cursor { private: false } => format!("\x1b[{row};{col}R"),
            Query::Cursor { private: true } => format!("\x1b[?{row};{col}R"),
            Query::Status => "\x1b[0n".to_owned(),
            // A VT220 with colours, as most terminals say; no answer promises what viewers may lack.
            Query::Primary => "\x1b[?62;22c".to_owned(),
            Query::Secondary => "\x1b[>1;10;0c".to_owned(),
        };
        self.type_in(answer.into(), PTY_REPLIES);
    }

    fn drop_control_of(&mut self, viewer: &PeerId) {
        if self
            .control
            .as_ref()
            .is_some_and(|control| control.holder == *viewer)
        {
            self.set_control(None);
        }
    }

    fn set_control(&mut self, control: Option<Control>) {
        if self.control.is_some() || control.is_some() {
            self.control = control;
            self.watchers.values_mut().for_each(Watcher::lease_changed);
        }
    }

    fn state_changed(&mut self) {
        self.watchers.values_mut().for_each(Watcher::state_changed);
    }

    fn viewers_changed(&mut self) {
        self.watchers.values_mut().for_each(Watcher::viewers_changed);
    }

    fn lease_for(&self, viewer: &PeerId) -> mesh_protocol::channel::TermLease {
        let holder = self.control.as_ref().map(|control| control.holder.clone());
        let name = holder
            .as_ref()
            .and_then(|peer| self.watchers.get(peer))
            .map(|watcher| watcher.name.clone());
        mesh_protocol::channel::TermLease {
            you: holder.as_ref() == Some(viewer),
            name: name.unwrap_or_default(),
            epoch: self.control.as_ref().map_or(0, |control| control.epoch),
            may_decide: self
                .watchers
                .get(viewer)
                .is_some_and(|watcher| watcher.may_decide),
            holder,
        }
    }
}
