//! What happens while sharing is paused is nobody's, and a recording is what a viewer sees.

use std::time::{Duration, Instant};

use mesh_peer::terminal::{Host, Recording, Viewer};
use mesh_protocol::channel::{Frame, TermSize, TermState};
use mesh_protocol::ids::PeerId;
use proptest::prelude::*;
use serde_json::Value;

use crate::sim::rng::Rng;
use crate::sim::terminal_world::{SIZE, Seat, Terminal, host, noise, peer, typed};

/// Everything that a viewer's terminal holds, scrollback included.
fn all(seat: &Seat) -> String {
    seat.terminal.cells.screen().text().join("\n")
}

/// Lines that scroll far, so that they would stand in the history.
fn lines(word: &str) -> Vec<u8> {
    (0..2_000)
        .flat_map(|number| format!("{word} {number}\r\n").into_bytes())
        .collect()
}

#[test]
fn a_pause_hides_what_happens_from_all_and_for_ever() {
    let now = Instant::now();
    let mut host = host();
    host.output(&lines("before"));
    let mut early = Seat::take(&mut host, 0, now);
    // This one has not had all of the output when the pause begins.
    let mut slow = Seat::take(&mut host, 1, now);
    slow.catch_up(&mut host, now);
    early.catch_up(&mut host, now);
    host.output(b"the last of before");
    host.pause();
    early.catch_up(&mut host, now);
    assert_eq!(
        early.state,
        TermState {
            paused: true,
            recording: false
        }
    );
    let seen = early.terminal.picture();
    assert!(seen.contains("the last of before"));

    host.resize(TermSize { cols: 70, rows: 9 });
    host.output(&lines("secret"));
    host.output(b"\x1b]2;secret title\x07");
    let mut during = Seat::take(&mut host, 2, now);
    for seat in [&mut early, &mut slow, &mut during] {
        seat.catch_up(&mut host, now);
        assert_eq!(seat.terminal.picture(), seen);
        assert!(seat.state.paused && all(seat).contains("before 1"));
    }
    host.output(b"\x1b[2J\x1b]2;\x07\x1b[Hin sight again\r\n");
    host.resume();
    host.output(&lines("after"));
    let mut late = Seat::take(&mut host, 3, now);
    for seat in [&mut early, &mut slow, &mut during, &mut late] {
        seat.catch_up(&mut host, now);
        assert_eq!(seat.state, TermState::default());
        assert!(all(seat).contains("after 1999") && all(seat).contains("in sight again"));
        assert!(!all(seat).contains("secret") && !seat.terminal.picture().contains("secret"));
        assert_eq!(seat.viewer.size(), TermSize { cols: 70, rows: 9 });
    }
    assert_eq!((early.resets, during.resets, late.resets), (2, 2, 1));
}

#[test]
fn nobody_types_during_a_pause_and_leases_go_on() {
    let start = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, start);
    seat.catch_up(&mut host, start);
    host.grant(&peer(0), start).unwrap();
    seat.catch_up(&mut host, start);
    assert!(seat.viewer.input(b"typed before"));
    let typed_before = Frame::decode(&seat.viewer.poll_frame(start).unwrap()).unwrap();
    host.pause();
    assert_eq!(host.grant(&peer(0), start), None);
    host.handle(&peer(0), typed_before, start);
    assert_eq!(typed(&mut host), b"");
    seat.catch_up(&mut host, start);
    assert!(!seat.viewer.holds_control());
    let mut now = start;
    for _ in 0..6 {
        now += Duration::from_secs(30);
        host.renew_view(&peer(0), now);
        host.handle_timeout(now);
    }
    host.resume();
    seat.catch_up(&mut host, now);
    assert!(seat.bye.is_none() && !seat.state.paused);
    assert!(host.grant(&peer(0), now).is_some());
}

#[test]
fn the_end_of_the_shell_is_told_during_a_pause_and_its_last_words_are_not() {
    let now = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, now);
    seat.catch_up(&mut host, now);
    host.pause();
    host.output(b"secret");
    host.exit(Some(7));
    seat.catch_up(&mut host, now);
    assert_eq!(seat.exit, Some(Some(7)));
    assert!(seat.bye.is_some() && !all(&seat).contains("secret"));
}

fn recorder() -> PeerId {
    "recorder".parse().unwrap()
}

/// Moves everything to the recording that is ready.
fn record(host: &mut Host, viewer: &mut Viewer, recording: &mut Recording, now: Instant) -> String {
    let mut lines = String::new();
    while let Some(frame) = host.poll_frame(&recorder(), now) {
        viewer.handle(Frame::decode(&frame).unwrap()).unwrap();
        while let Some(event) = viewer.poll_event() {
            lines += &recording.lines(&event, now);
            if let mesh_peer::terminal::ViewerEvent::Write { seq: Some(seq), .. } = event {
                viewer.shown(seq, now);
            }
        }
        while let Some(frame) = viewer.poll_frame(now) {
            host.handle(&recorder(), Frame::decode(&frame).unwrap(), now);
        }
    }
    lines
}

/// A player of asciicasts, version 2: the terminal at the end, and the markers.
fn play(recorded: &str) -> (Terminal, Vec<String>) {
    let mut lines = recorded
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let header = lines.next().unwrap();
    assert_eq!(header["version"], 2);
    let size = |cols: &Value, rows: &Value| TermSize {
        cols: cols.as_u64().unwrap() as u16,
        rows: rows.as_u64().unwrap() as u16,
    };
    let mut terminal = Terminal::new(size(&header["width"], &header["height"]));
    let (mut markers, mut last) = (Vec::new(), 0.0);
    for event in lines {
        let at = event[0].as_f64().unwrap();
        assert!(at >= last);
        last = at;
        let data = event[2].as_str().unwrap();
        match event[1].as_str().unwrap() {
            "o" => terminal.write(data.as_bytes()),
            "r" => {
                let (cols, rows) = data.split_once('x').unwrap();
                let number = |text: &str| Value::from(text.parse::<u64>().unwrap());
                terminal.resize(size(&number(cols), &number(rows)));
            }
            "m" => markers.push(data.to_owned()),
            code => panic!("{code}"),
        }
    }
    (terminal, markers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_recording_played_shows_what_a_viewer_sees(seed: u64) {
        let mut rng = Rng::new(seed);
        let mut now = Instant::now();
        let mut host = host();
        let mut seat = Seat::take(&mut host, 0, now);
        let (mut viewer, mut recording) = (Viewer::new(), Recording::new("sh".into(), 1_700_000_000, now));
        host.output(&noise(&mut rng, 40));
        host.attach_recorder(recorder());
        let mut recorded = String::new();
        let mut pauses = 0;
        for _ in 0..30 {
            match rng.below(12) {
                0 => host.resize(TermSize { cols: 5 + rng.below(60) as u16, rows: 2 + rng.below(20) as u16 }),
                1 => host.output(&b"a line of a flood, of which a recording may miss the most\r\n".repeat(1 + rng.below(20_000))),
                2 if !host.state().paused => {
                    host.pause();
                    pauses += 1;
                }
                3 => host.resume(),
                _ => host.output(&noise(&mut rng, 20)),
            }
            if rng.chance(50) {
                recorded += &record(&mut host, &mut viewer, &mut recording, now);
            }
            now += Duration::from_millis(200);
        }
        host.resume();
        recorded += &record(&mut host, &mut viewer, &mut recording, now);
        seat.catch_up(&mut host, now);
        let (mut played, markers) = play(&recorded);
        // The size of a terminal that was resized while it was not looked at is the last.
        prop_assert_eq!(played.picture(), seat.terminal.picture());
        prop_assert!(markers.len() <= 2 * pauses);
        prop_assert!(seat.state.recording && host.viewers().count() == 1);
        host.output(&noise(&mut rng, 20));
        let more = record(&mut host, &mut viewer, &mut recording, now);
        (played, _) = play(&(recorded + &more));
        host.detach(&recorder());
        seat.catch_up(&mut host, now);
        prop_assert_eq!(played.picture(), seat.terminal.picture());
        prop_assert!(!seat.state.recording);
    }
}

#[test]
fn a_recording_has_marks_where_it_was_paused() {
    let now = Instant::now();
    let mut host = host();
    host.attach_recorder(recorder());
    let (mut viewer, mut recording) = (Viewer::new(), Recording::new("sh".into(), 1_700_000_000, now));
    let mut recorded = String::new();
    for (pause, text) in [(false, "one "), (true, "secret "), (false, "two ")] {
        if pause {
            host.pause();
        } else {
            host.resume();
        }
        host.output(text.as_bytes());
        recorded += &record(
            &mut host,
            &mut viewer,
            &mut recording,
            now + Duration::from_millis(1_500),
        );
        if pause {
            host.output(b"\r\x1b[K");
        }
    }
    assert!(!recorded.contains("secret"), "{recorded}");
    assert!(recorded.contains("[1.500000, \"m\", \"paused\"]\n"), "{recorded}");
    let (_, markers) = play(&recorded);
    assert_eq!(markers, ["paused", "resumed"]);
    assert!(recorded.starts_with(&format!(
        "{{\"env\":{{\"TERM\":\"xterm-256color\"}},\"height\":{}",
        SIZE.rows
    )));
    // It never lapses, and goes with everything else.
    host.handle_timeout(now + Duration::from_secs(86_400));
    assert!(host.state().recording);
    host.cut_all(mesh_protocol::error_code::ChannelCode::Stopped, "stopped");
    assert!(!host.state().recording);
}
