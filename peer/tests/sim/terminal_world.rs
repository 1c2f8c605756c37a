//! A host, its viewers with terminals of their own, and programs that write anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mesh_peer::terminal::{EscapeFilter, Event, Host, HostConfig, PtyAction, Viewer, ViewerEvent};
use mesh_protocol::channel::{Bye, Frame, TermLease, TermSize, TermState};
use mesh_protocol::ids::PeerId;

use crate::sim::rng::Rng;

pub(crate) const SIZE: TermSize = TermSize { cols: 40, rows: 12 };

pub(crate) fn host() -> Host {
    Host::new(HostConfig {
        size: SIZE,
        local_terminal: false,
    })
}

pub(crate) fn peer(number: usize) -> PeerId {
    format!("peer-{number}").parse().expect("an identifier")
}

/// A terminal that does not know how its bytes came about, and the modes that it was set to.
pub(crate) struct Terminal {
    pub(crate) cells: avt::Terminal,
    modes: BTreeMap<u16, bool>,
    title: String,
    observer: EscapeFilter,
}

impl Terminal {
    pub(crate) fn new(size: TermSize) -> Self {
        Self::with_scrollback(size, None)
    }

    pub(crate) fn with_scrollback(size: TermSize, scrollback: Option<usize>) -> Self {
        let cells =
            avt::Terminal::with_scrollback(size.cols.into(), size.rows.into(), scrollback).expect("a size");
        Self {
            cells,
            modes: BTreeMap::new(),
            title: String::new(),
            observer: EscapeFilter::new(),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.cells
            .feed(std::str::from_utf8(bytes).expect("whole characters"));
        for (_, event) in self.observer.push(bytes).events {
            match event {
                Event::Mode {
                    mode: 1000..=1003,
                    on,
                } => {
                    self.modes.retain(|mode, _| !(1000..=1003).contains(mode));
                    self.modes.insert(1000, on);
                }
                Event::Mode {
                    mode: mode @ (1004 | 2004),
                    on,
                } => _ = self.modes.insert(mode, on),
                Event::Mode { mode: 66, on } | Event::Keypad { application: on } => {
                    _ = self.modes.insert(66, on)
                }
                Event::Title(title) => self.title = title,
                Event::SoftReset => [66, 1004, 2004]
                    .iter()
                    .for_each(|mode| _ = self.modes.remove(mode)),
                Event::FullReset => self.modes.clear(),
                _ => {}
            }
        }
        self.modes.retain(|_, on| *on);
    }

    pub(crate) fn resize(&mut self, size: TermSize) {
        self.cells.resize(size.cols.into(), size.rows.into());
    }

    /// All that can be seen and all that changes how input is sent.
    pub(crate) fn picture(&self) -> String {
        let cells = &self.cells;
        let line = |line: &avt::Line| {
            let runs = line.chunks(|a, b| a.pen() != b.pen()).map(|run| {
                let text: String = run.iter().map(avt::Cell::char).collect();
                if *run[0].pen() == avt::Pen::default() {
                    text
                } else {
                    format!("{text}<{:?}>", run[0].pen())
                }
            });
            runs.collect::<String>()
        };
        let lines: Vec<String> = cells.screen().visible_lines().map(line).collect();
        let state = (
            cells.cursor(),
            cells.active_screen_kind(),
            cells.cursor_key_app_mode(),
            cells.size(),
        );
        format!(
            "{}\n{state:?} {:?} {:?}",
            lines.join("\n"),
            self.modes,
            self.title
        )
    }
}

/// Longer than a screen is held back, and shorter than any lease.
const SOON: Duration = Duration::from_millis(200);

/// One viewer, its terminal, and what it learned.
pub(crate) struct Seat {
    pub(crate) peer: PeerId,
    pub(crate) viewer: Viewer,
    pub(crate) terminal: Terminal,
    pub(crate) lease: Option<TermLease>,
    pub(crate) state: TermState,
    pub(crate) exit: Option<Option<i32>>,
    pub(crate) bye: Option<Bye>,
    pub(crate) resets: usize,
    pub(crate) bytes: usize,
}

impl Seat {
    pub(crate) fn take(host: &mut Host, number: usize, now: Instant) -> Self {
        let peer = peer(number);
        host.attach(peer.clone(), format!("Viewer {number}"), now);
        Self {
            peer,
            viewer: Viewer::new(),
            terminal: Terminal::new(SIZE),
            lease: None,
            state: TermState::default(),
            exit: None,
            bye: None,
            resets: 0,
            bytes: 0,
        }
    }

    /// Moves at most `frames` frames from the host, shows them, and takes the answers back.
    pub(crate) fn pump(&mut self, host: &mut Host, now: Instant, frames: usize) -> usize {
        let mut moved = 0;
        while moved < frames
            && let Some(frame) = host.poll_frame(&self.peer, now)
        {
            moved += 1;
            self.take_in(host, &frame, now);
        }
        moved
    }

    /// Shows a frame that has arrived, and takes the answers back.
    pub(crate) fn take_in(&mut self, host: &mut Host, frame: &bytes::Bytes, now: Instant) {
        self.bytes += frame.len();
        self.viewer
            .handle(Frame::decode(frame).expect("a frame"))
            .expect("in order");
        while let Some(event) = self.viewer.poll_event() {
            self.show(event, now);
        }
        while let Some(frame) = self.viewer.poll_frame(now) {
            host.handle(&self.peer, Frame::decode(&frame).expect("a frame"), now);
        }
    }

    /// Takes all that there is, and what follows at once.
    pub(crate) fn catch_up(&mut self, host: &mut Host, mut now: Instant) {
        loop {
            while self.pump(host, now, 1) > 0 || self.answer_late(host) {}
            match host.poll_timeout() {
                Some(due) if due < now + SOON => now = due,
                _ => return,
            }
            host.handle_timeout(now);
        }
    }

    /// The answer that the viewer gives after a while, if it owes one.
    pub(crate) fn answer_late(&mut self, host: &mut Host) -> bool {
        let Some(at) = self.viewer.poll_timeout() else {
            return false;
        };
        let Some(frame) = self.viewer.poll_frame(at) else {
            return false;
        };
        host.handle(&self.peer, Frame::decode(&frame).expect("a frame"), at);
        true
    }

    fn show(&mut self, event: ViewerEvent, now: Instant) {
        match event {
            ViewerEvent::Reset(size) => {
                self.terminal = Terminal::new(size);
                self.resets += 1;
            }
            ViewerEvent::Write { bytes, seq } => {
                self.terminal.write(&bytes);
                if let Some(seq) = seq {
                    self.viewer.shown(seq, now);
                }
            }
            ViewerEvent::Resize(size) => self.terminal.resize(size),
            ViewerEvent::Lease(lease) => self.lease = Some(lease),
            ViewerEvent::Viewers(_) => {}
            ViewerEvent::State(state) => self.state = state,
            ViewerEvent::Exit(code) => self.exit = Some(code),
            ViewerEvent::Ended(bye) => self.bye = Some(bye),
        }
    }
}

/// What has reached the shell.
pub(crate) fn typed(host: &mut Host) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(action) = host.poll_pty() {
        if let PtyAction::Input(bytes) = action {
            out.extend_from_slice(&bytes);
        }
    }
    out
}

const PIECES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\t",
    "\x08",
    "\x07",
    "\x0b",
    "\x0e",
    "\x0f",
    "\x1b(0",
    "\x1b(B",
    "\x1b)0",
    "\x1b7",
    "\x1b8",
    "\x1bM",
    "\x1bD",
    "\x1bE",
    "\x1bH",
    "\x1bc",
    "\x1b#8",
    "\x1b=",
    "\x1b>",
    "\x1b[H",
    "\x1b[J",
    "\x1b[1J",
    "\x1b[2J",
    "\x1b[3J",
    "\x1b[K",
    "\x1b[1K",
    "\x1b[2K",
    "\x1b[L",
    "\x1b[3M",
    "\x1b[2P",
    "\x1b[4@",
    "\x1b[5X",
    "\x1b[2S",
    "\x1b[T",
    "\x1b[3b",
    "\x1b[g",
    "\x1b[3g",
    "\x1b[4h",
    "\x1b[4l",
    "\x1b[20h",
    "\x1b[20l",
    "\x1b[?1h",
    "\x1b[?1l",
    "\x1b[?6h",
    "\x1b[?6l",
    "\x1b[?7l",
    "\x1b[?7h",
    "\x1b[?25l",
    "\x1b[?25h",
    "\x1b[?1049h",
    "\x1b[?1049l",
    "\x1b[?47h",
    "\x1b[?47l",
    "\x1b[?1048h",
    "\x1b[?1048l",
    "\x1b[?2004h",
    "\x1b[?2004l",
    "\x1b[?1000h",
    "\x1b[?1002h",
    "\x1b[?1002l",
    "\x1b[?1004h",
    "\x1b[?1006h",
    "\x1b[!p",
    "\x1b[2 q",
    "\x1b[3;8r",
    "\x1b[r",
    "\x1b[s",
    "\x1b[u",
    "\x1b[6n",
    "\x1b[c",
    "\x1b]0;title\x07",
    "\x1b]2;t\u{e9}tle\x1b\\",
    "\x1b]52;c;aGk=\x07",
    "\x1bP1$q\x1b\\",
    "\x1b]11;rgb:1/2/3\x07",
    "\x1b[m",
    "\x1b[1;31m",
    "\x1b[38;5;99m",
    "\x1b[48;2;9;8;7m",
    "\x1b[4;7m",
    "\x1b[0;3m",
    "wide 漢字 text",
    "é",
    "🙂",
    "a very long line \
    that wraps around the edge of the screen, and once more, and again to be sure of it",
];

/// What a program may write: text, colours, every sequence that passes, and rubbish.
pub(crate) fn noise(rng: &mut Rng, pieces: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..pieces {
        match rng.below(10) {
            0..=3 => out.extend_from_slice(rng.pick(PIECES).as_bytes()),
            4 => {
                let last = *rng.pick(b"ABCDEFGHfdeaIZ`X@PLM");
                out.extend_from_slice(
                    format!("\x1b[{};{}{}", rng.below(14), rng.below(45), last as char).as_bytes(),
                );
            }
            5 if rng.chance(10) => {
                let len = rng.below(12);
                out.extend(rng.bytes(len));
            }
            _ => {
                let len = rng.below(30);
                out.extend((0..len).map(|_| 0x20 + rng.below(95) as u8));
            }
        }
    }
    out
}
