//! Late, slow and stalled viewers see what an early one sees.

use std::time::{Duration, Instant};

use mesh_peer::terminal::{EscapeFilter, Host, Viewer};
use mesh_protocol::channel::{Frame, TermSize};
use mesh_protocol::limits::TERMINAL_WINDOW;
use proptest::prelude::*;

use crate::sim::rng::Rng;
use crate::sim::terminal_world::{SIZE, Seat, Terminal, host, noise, peer};

/// The host's output as a terminal that misses nothing would show it.
struct Witness {
    filter: EscapeFilter,
    terminal: Terminal,
}

impl Witness {
    fn new() -> Self {
        // Without scrollback, like the host's own: what a taller window pulls back in depends on it.
        Self {
            filter: EscapeFilter::new(),
            terminal: Terminal::with_scrollback(SIZE, Some(0)),
        }
    }

    fn output(&mut self, host: &mut Host, bytes: &[u8]) {
        host.output(bytes);
        self.terminal.write(&self.filter.push(bytes).bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_late_viewer_sees_what_an_early_one_sees(seed: u64) {
        let mut rng = Rng::new(seed);
        let now = Instant::now();
        let mut host = host();
        let mut witness = Witness::new();
        let mut early = Seat::take(&mut host, 0, now);
        for _ in 0..rng.below(8) {
            let count = rng.below(60);
            let output = noise(&mut rng, count);
            for piece in output.chunks(1 + rng.below(50)) {
                witness.output(&mut host, piece);
            }
            early.catch_up(&mut host, now);
        }
        prop_assert_eq!(early.terminal.picture(), witness.terminal.picture());
        let mut late = Seat::take(&mut host, 1, now);
        late.catch_up(&mut host, now);
        early.catch_up(&mut host, now);
        prop_assert_eq!(late.terminal.picture(), early.terminal.picture());
        // What cannot be seen (margins, tab stops, saved cursor, character sets) shows in what comes next.
        host.output(&noise(&mut rng, 40));
        early.catch_up(&mut host, now);
        late.catch_up(&mut host, now);
        prop_assert_eq!(late.terminal.picture(), early.terminal.picture());
    }

    #[test]
    fn slow_viewers_and_new_sizes_end_with_the_same_screen(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut now = Instant::now();
        let mut host = host();
        let mut seats: Vec<Seat> = (0..3).map(|i| Seat::take(&mut host, i, now)).collect();
        for _ in 0..30 {
            match rng.below(16) {
                0 | 1 => host.resize(TermSize { cols: 5 + rng.below(60) as u16, rows: 2 + rng.below(20) as u16 }),
                2 => host.output(&b"a line of a flood of lines, of which some viewers see but a few\r\n".repeat(1 + rng.below(6_000))),
                _ => host.output(&noise(&mut rng, 20)),
            }
            for seat in &mut seats {
                let frames = rng.below(3);
                seat.pump(&mut host, now, frames);
            }
            now += Duration::from_millis(200);
        }
        let mut fresh = Seat::take(&mut host, 3, now);
        fresh.catch_up(&mut host, now);
        for seat in &mut seats {
            seat.catch_up(&mut host, now);
            prop_assert_eq!(seat.terminal.picture(), fresh.terminal.picture());
        }
        host.output(&noise(&mut rng, 40));
        for seat in seats.iter_mut().chain([&mut fresh]) {
            seat.catch_up(&mut host, now);
        }
        for seat in &seats {
            prop_assert_eq!(seat.terminal.picture(), fresh.terminal.picture());
        }
    }
}

/// Memory of this process, where the system tells and no other test runs in it.
fn resident() -> usize {
    if std::env::var_os("NEXTEST").is_none() {
        return 0;
    }
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0)
        * 4096
}

#[test]
fn a_stalled_viewer_costs_no_memory_and_catches_up() {
    let mut now = Instant::now();
    let mut host = host();
    let mut witness = Witness::new();
    let mut stalled: Vec<Seat> = (0..10).map(|i| Seat::take(&mut host, i, now)).collect();
    for seat in &mut stalled {
        seat.pump(&mut host, now, 3);
    }
    let yes = b"y\r\n".repeat(20_000);
    let run = |host: &mut Host, megabytes: usize| (0..megabytes * 17).for_each(|_| host.output(&yes));
    run(&mut host, 8);
    let before = resident();
    run(&mut host, 60);
    assert!(
        resident() < before + 4 * 1024 * 1024,
        "grew by {} bytes",
        resident() - before
    );
    witness.output(&mut host, b"\x1b[2J\x1b[H\x1b[32mthe end");
    let sent: usize = stalled.iter().map(|seat| seat.bytes).sum();
    for seat in &mut stalled {
        seat.catch_up(&mut host, now);
        now += Duration::from_millis(1);
        assert!(seat.terminal.picture().contains('d'));
        assert_eq!(line(&seat.terminal, 0), "the end");
        assert_eq!(seat.resets, 2);
    }
    let after: usize = stalled.iter().map(|seat| seat.bytes).sum();
    assert!(
        after - sent < 10 * 128 * 1024,
        "a viewer that fell behind is not sent what it missed"
    );
}

#[test]
fn who_cannot_keep_up_gets_ten_screens_a_second_and_then_the_last_one() {
    let mut now = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, now);
    seat.catch_up(&mut host, now);
    let flood = b"y\r\n".repeat(200_000);
    for _ in 0..100 {
        host.output(&flood);
        now += Duration::from_millis(5);
        seat.pump(&mut host, now, usize::MAX);
    }
    // The one to begin with, and those of half a second.
    assert!((5..=7).contains(&seat.resets), "{} screens", seat.resets);
    host.output(b"\x1b[2J\x1b[Hthe end");
    seat.catch_up(&mut host, now);
    assert_eq!(line(&seat.terminal, 0), "the end");
}

fn line(terminal: &Terminal, row: usize) -> String {
    terminal
        .cells
        .screen()
        .line(row)
        .map(|line| line.text().trim_end().to_owned())
        .unwrap_or_default()
}

#[test]
fn a_viewer_that_shows_nothing_is_sent_one_window_and_no_second_snapshot() {
    let now = Instant::now();
    let mut host = host();
    host.attach(peer(0), "", now);
    let drain = |host: &mut Host| {
        let frames = std::iter::from_fn(|| host.poll_frame(&peer(0), now));
        let frames: Vec<Frame> = frames.map(|frame| Frame::decode(&frame).unwrap()).collect();
        let snapshots = frames
            .iter()
            .filter(|frame| matches!(frame, Frame::TermSnapshot(part) if part.first))
            .count();
        let output: usize = frames
            .iter()
            .map(|frame| {
                if let Frame::TermOut(out) = frame {
                    out.bytes.len()
                } else {
                    0
                }
            })
            .sum();
        (snapshots, output as u64)
    };
    assert_eq!(drain(&mut host), (1, 0));
    let mut sent = 0;
    for _ in 0..40 {
        host.output(&[b'x'; 50_000]);
        let (snapshots, output) = drain(&mut host);
        assert_eq!(snapshots, 0);
        sent += output;
    }
    // The first window, which only what is shown makes larger.
    assert_eq!(sent, TERMINAL_WINDOW / 16);
}

#[test]
fn scrollback_reaches_a_late_viewer_and_is_bounded() {
    let now = Instant::now();
    let mut host = host();
    for i in 0..30_000 {
        host.output(format!("\x1b[3{}mline {i}\x1b[m\r\n", i % 8).as_bytes());
    }
    let mut late = Seat::take(&mut host, 0, now);
    late.catch_up(&mut host, now);
    let text = late.terminal.cells.screen().text();
    let first: usize = text[0]
        .strip_prefix("line ")
        .and_then(|rest| rest.parse().ok())
        .expect("a numbered line");
    assert!(
        (30_000 - 10_000..30_000 - 8_000).contains(&first),
        "begins with {first}"
    );
    let expected: Vec<String> = (first..30_000).map(|i| format!("line {i}")).collect();
    assert_eq!(text[..expected.len()], expected);
    // Wide and colourful lines are bounded by bytes.
    let mut wide = Host::new(mesh_peer::terminal::HostConfig {
        size: TermSize { cols: 900, rows: 24 },
        local_terminal: true,
    });
    let line: String = (0..400).map(|i| format!("\x1b[38;5;{}mxy", i % 256)).collect();
    for _ in 0..9_000 {
        wide.output(line.as_bytes());
        wide.output(b"\r\n");
    }
    let mut late = Seat::take(&mut wide, 0, now);
    late.catch_up(&mut wide, now);
    assert!(late.bytes < 2 * 1024 * 1024 + 256 * 1024, "{} bytes", late.bytes);
    wide.output(b"\x1b[2J\x1b[3J");
    let mut later = Seat::take(&mut wide, 1, now);
    later.catch_up(&mut wide, now);
    assert!(later.bytes < 100_000, "cleared: {} bytes", later.bytes);
}

#[test]
fn a_viewer_trusts_no_host() {
    let snapshot = |first, last, seq, bytes: &'static [u8]| {
        Frame::TermSnapshot(mesh_protocol::channel::TermSnapshot {
            first,
            last,
            size: SIZE,
            seq,
            bytes: bytes.into(),
        })
    };
    let out = |seq, bytes: &'static [u8]| {
        Frame::TermOut(mesh_protocol::channel::TermOut {
            seq,
            bytes: bytes.into(),
        })
    };
    assert!(Viewer::new().handle(out(0, b"x")).is_err());
    assert!(Viewer::new().handle(snapshot(false, true, 0, b"x")).is_err());
    let mut viewer = Viewer::new();
    viewer
        .handle(snapshot(true, true, 5, b"\x1b]52;c;aGk=\x07ok"))
        .unwrap();
    assert!(
        viewer.refuses(out(4, b"x")) && viewer.refuses(out(6, b"x")) && viewer.refuses(out(u64::MAX, b"x"))
    );
    viewer.handle(out(5, b"\x1b[6nfine")).unwrap();
    let mut shown = Vec::new();
    while let Some(event) = viewer.poll_event() {
        if let mesh_peer::terminal::ViewerEvent::Write { bytes, .. } = event {
            shown.extend_from_slice(&bytes);
        }
    }
    assert_eq!(shown, b"okfine");
    assert!(
        viewer
            .handle(Frame::FileAck(mesh_protocol::channel::FileAck { bytes: 0 }))
            .is_err()
    );
}

/// For tests that try several wrong frames on one viewer.
trait Refuses {
    fn refuses(&mut self, frame: Frame) -> bool;
}

impl Refuses for Viewer {
    fn refuses(&mut self, frame: Frame) -> bool {
        self.handle(frame).is_err()
    }
}
