//! What strains a shared terminal: a path of 10 kbit/s, fifty viewers, a storm of sizes, a host that slept.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh_peer::terminal::Host;
use mesh_protocol::channel::{Frame, TermIn, TermSize};
use mesh_protocol::error_code::ChannelCode;

use crate::sim::terminal_world::{SIZE, Seat, host, peer, typed};

/// Frames that a path holds, as our transports do.
const PATH: usize = 16;

/// A path that carries so many bytes a second, towards one seat.
struct SlowPath {
    bytes_per_second: f64,
    queue: VecDeque<Bytes>,
    /// When the first of them has arrived.
    due: Instant,
}

impl SlowPath {
    /// Everything that happens on it until then.
    fn advance(&mut self, host: &mut Host, seat: &mut Seat, now: Instant) {
        loop {
            if seat.viewer.poll_timeout().is_some_and(|at| at <= now) {
                seat.answer_late(host);
            }
            while self.queue.len() < PATH
                && let Some(frame) = host.poll_frame(&seat.peer, self.due.max(now))
            {
                if self.queue.is_empty() {
                    self.due = self.due.max(now) + self.takes(&frame);
                }
                self.queue.push_back(frame);
            }
            if self.queue.is_empty() || self.due > now {
                return;
            }
            if let Some(frame) = self.queue.pop_front() {
                seat.take_in(host, &frame, self.due);
            }
            if let Some(next) = self.queue.front() {
                self.due += self.takes(next);
            }
        }
    }

    fn takes(&self, frame: &Bytes) -> Duration {
        Duration::from_secs_f64(frame.len() as f64 / self.bytes_per_second)
    }
}

#[test]
fn a_viewer_at_10_kbit_s_is_seconds_behind_a_flood_and_not_minutes() {
    let mut now = Instant::now();
    let (mut host, begun) = (host(), now);
    let mut seat = Seat::take(&mut host, 0, now);
    let mut path = SlowPath {
        bytes_per_second: 1_250.0,
        queue: VecDeque::new(),
        due: now,
    };
    let (mut count, mut longest) = (0u32, Duration::ZERO);
    // Ten minutes of a log of 12 kB/s, ten times what the path carries.
    let mut seen = (0u32, now);
    while now < begun + Duration::from_secs(600) {
        now += Duration::from_millis(100);
        for _ in 0..40 {
            count += 1;
            host.output(format!("no {count:08}, and what happened\r\n").as_bytes());
        }
        if (now - begun).as_millis().is_multiple_of(25_000) {
            host.renew_view(&peer(0), now);
        }
        path.advance(&mut host, &mut seat, now);
        let shown = last_number(&seat);
        if shown > seen.0 {
            seen.0 = shown;
            // 400 lines a second.
            let behind = now - (begun + Duration::from_millis(u64::from(shown) * 5 / 2));
            if now > begun + Duration::from_secs(60) {
                longest = longest.max(behind);
            }
        }
        seen.1 = now;
    }
    println!("at 10 kbit/s what is shown is {longest:?} old at most");
    assert!(seen.0 > 200_000, "it shows {} of {count}", seen.0);
    assert!(longest < Duration::from_secs(30), "{longest:?}");
    // And when it ends, the end is there soon.
    host.output(b"\x1b[2J\x1b[Hthat was all");
    let ended = now;
    while !seat.terminal.picture().contains("that was all") {
        now += Duration::from_millis(100);
        path.advance(&mut host, &mut seat, now);
        assert!(now - ended < Duration::from_secs(20), "the end is not in sight");
    }
    assert!(seat.bye.is_none());
}

fn last_number(seat: &Seat) -> u32 {
    let picture = seat.terminal.picture();
    let numbers = picture.split("no ").skip(1);
    numbers
        .filter_map(|rest| rest.get(..8)?.parse().ok())
        .max()
        .unwrap_or(0)
}

#[test]
fn fifty_viewers_of_a_flood_all_end_with_the_same_screen() {
    let mut now = Instant::now();
    let mut host = host();
    let mut seats: Vec<Seat> = (0..50).map(|number| Seat::take(&mut host, number, now)).collect();
    let mut frames = 0;
    for round in 0..200u32 {
        let line = format!("\x1b[3{}mround {round}\x1b[m and some text of it\r\n", round % 8);
        host.output(line.repeat(40).as_bytes());
        for (number, seat) in seats.iter_mut().enumerate() {
            // Each in its own time: some take all, some a frame now and then.
            if (round as usize).is_multiple_of(1 + number % 7) {
                frames += seat.pump(&mut host, now, 1 + number % 3);
            }
        }
        now += Duration::from_millis(20);
    }
    for seat in &mut seats {
        seat.catch_up(&mut host, now);
    }
    let picture = seats[0].terminal.picture();
    assert!(picture.contains("round 199") && frames > 1_000);
    for seat in &seats {
        assert_eq!(seat.terminal.picture(), picture);
    }
}

#[test]
fn a_storm_of_sizes_ends_with_the_last_one_everywhere() {
    let now = Instant::now();
    let mut host = host();
    let mut reading = Seat::take(&mut host, 0, now);
    let mut stalled = Seat::take(&mut host, 1, now);
    stalled.catch_up(&mut host, now);
    let sent = stalled.bytes;
    for step in 0..10_000u16 {
        host.resize(TermSize {
            cols: 20 + step % 180,
            rows: 5 + step % 60,
        });
        host.output(b"prompt$ ");
        if step.is_multiple_of(10) {
            reading.catch_up(&mut host, now);
        }
    }
    host.resize(SIZE);
    host.output(b"\x1b[2J\x1b[Hcalm again");
    for seat in [&mut reading, &mut stalled] {
        seat.catch_up(&mut host, now);
    }
    assert!(reading.terminal.picture().contains("calm again"));
    assert_eq!(stalled.terminal.picture(), reading.terminal.picture());
    // Who did not look is shown the end and not the storm.
    assert!(
        stalled.bytes - sent < 256 * 1024,
        "{} bytes",
        stalled.bytes - sent
    );
}

#[test]
fn a_host_that_slept_for_an_hour_hears_nobody_and_shows_what_was_written() {
    let start = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, start);
    let epoch = host.grant(&peer(0), start).expect("control");
    seat.catch_up(&mut host, start);
    let woken = start + Duration::from_secs(3_600);
    host.output(b"written when it woke\r\n");
    // What stood in its sockets meanwhile comes first, before any timer has run.
    let late = TermIn {
        epoch,
        bytes: Bytes::from_static(b"rm -r *\r"),
    };
    host.handle(&peer(0), Frame::TermIn(late), woken);
    assert_eq!(typed(&mut host), b"");
    assert!(host.holder().is_none());
    seat.catch_up(&mut host, woken);
    assert_eq!(seat.bye.map(|bye| bye.code), Some(ChannelCode::LeaseLapsed));
    let mut again = Seat::take(&mut host, 1, woken);
    again.catch_up(&mut host, woken);
    assert!(again.terminal.picture().contains("written when it woke"));
}
