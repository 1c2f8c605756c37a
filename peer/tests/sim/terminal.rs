//! Who may type, for how long, and what each viewer sees.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh_peer::terminal::{Host, PtyAction};
use mesh_protocol::channel::{Frame, TermIn, TermResize, TermSize};
use mesh_protocol::error_code::ChannelCode;

use crate::sim::rng::Rng;
use crate::sim::terminal_world::{Seat, host, peer, typed};

fn typing(epoch: u32, bytes: &'static [u8]) -> Frame {
    Frame::TermIn(TermIn {
        epoch,
        bytes: Bytes::from_static(bytes),
    })
}

#[test]
fn t32_view_only_input_never_reaches_the_shell() {
    let now = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, now);
    seat.catch_up(&mut host, now);
    assert!(!seat.viewer.input(b"ls\n"));
    for epoch in 0..10_000 {
        host.handle(&peer(0), typing(epoch, b"rm -rf ~\n"), now);
        host.handle(&peer(99), typing(epoch, b"rm -rf ~\n"), now);
        host.handle(
            &peer(0),
            Frame::TermResize(TermResize {
                epoch,
                size: TermSize { cols: 1, rows: 1 },
            }),
            now,
        );
    }
    assert!(host.poll_pty().is_none());
    // With control it does, under the epoch of the grant alone.
    let epoch = host.grant(&peer(0), now).unwrap();
    host.handle(&peer(0), typing(epoch + 1, b"no"), now);
    host.handle(&peer(0), typing(epoch - 1, b"no"), now);
    let _other = Seat::take(&mut host, 1, now);
    host.handle(&peer(1), typing(epoch, b"no"), now);
    seat.catch_up(&mut host, now);
    assert!(
        seat.lease
            .as_ref()
            .is_some_and(|lease| lease.you && lease.epoch == epoch)
    );
    assert!(seat.viewer.input(b"ls\n"));
    host.handle(
        &peer(0),
        Frame::decode(&seat.viewer.poll_frame(now).unwrap()).unwrap(),
        now,
    );
    assert_eq!(typed(&mut host), b"ls\n");
    // What was typed before a new grant is of an old epoch.
    assert!(seat.viewer.input(b"late"));
    let late = Frame::decode(&seat.viewer.poll_frame(now).unwrap()).unwrap();
    host.revoke_control();
    let second = host.grant(&peer(0), now).unwrap();
    assert_ne!(second, epoch);
    host.handle(&peer(0), late, now);
    assert_eq!(typed(&mut host), b"");
    seat.catch_up(&mut host, now);
    host.revoke_control();
    seat.catch_up(&mut host, now);
    assert!(!seat.viewer.input(b"x") && !seat.viewer.holds_control());
}

#[test]
fn t33_twenty_race_for_control_and_there_is_never_a_second_holder() {
    let mut rng = Rng::new(20);
    let mut now = Instant::now();
    let mut host = host();
    let mut seats: Vec<Seat> = (0..20).map(|i| Seat::take(&mut host, i, now)).collect();
    let mut last_epoch = 0;
    for _ in 0..500 {
        for _ in 0..rng.below(6) {
            let number = rng.below(seats.len());
            match rng.below(5) {
                0..=2 => {
                    let epoch = host.grant(&peer(number), now).unwrap();
                    assert!(epoch > last_epoch);
                    last_epoch = epoch;
                }
                3 => host.release(&peer(number)),
                _ => _ = host.renew_control(&peer(number), now),
            }
        }
        for seat in &mut seats {
            let frames = rng.below(4);
            seat.pump(&mut host, now, frames);
        }
        // Everyone who believes to hold control types; only the holder's word counts.
        let holder = host.holder().map(|(peer, epoch)| (peer.clone(), epoch));
        for seat in &mut seats {
            if seat.viewer.input(seat.peer.as_str().as_bytes()) {
                while let Some(frame) = seat.viewer.poll_frame(now) {
                    host.handle(&seat.peer, Frame::decode(&frame).unwrap(), now);
                }
            }
        }
        let heard = typed(&mut host);
        let expected = holder
            .as_ref()
            .map(|(peer, _)| peer.as_str().as_bytes())
            .unwrap_or_default();
        assert!(
            heard.is_empty() || heard == expected,
            "{}",
            String::from_utf8_lossy(&heard)
        );
        now += Duration::from_millis(1);
    }
    for seat in &mut seats {
        seat.catch_up(&mut host, now);
    }
    let holders = seats.iter().filter(|seat| seat.viewer.holds_control()).count();
    assert_eq!(holders, usize::from(host.holder().is_some()));
    assert!(last_epoch > 100);
}

#[test]
fn t34_leases_lapse_unless_they_are_renewed() {
    let start = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, start);
    let mut idle = Seat::take(&mut host, 1, start);
    let epoch = host.grant(&peer(0), start).unwrap();
    seat.catch_up(&mut host, start);
    let mut now = start;
    while now < start + Duration::from_secs(300) {
        now += Duration::from_secs(1);
        let elapsed = (now - start).as_secs();
        if elapsed.is_multiple_of(25) {
            host.renew_view(&peer(0), now);
            if elapsed <= 75 {
                assert!(host.renew_control(&peer(0), now));
            }
        }
        // No timer runs here: a frame that comes late is judged by its own time.
        host.handle(&peer(0), typing(epoch, b"x"), now);
        assert_eq!(typed(&mut host).is_empty(), elapsed >= 135, "at {elapsed} s");
        seat.catch_up(&mut host, now);
        idle.catch_up(&mut host, now);
        assert_eq!(idle.bye.is_some(), elapsed >= 60, "at {elapsed} s");
        assert_eq!(
            seat.lease.as_ref().is_some_and(|lease| lease.you),
            elapsed < 135,
            "at {elapsed} s"
        );
    }
    assert_eq!(idle.bye.map(|bye| bye.code), Some(ChannelCode::LeaseLapsed));
    assert!(seat.bye.is_none() && host.is_attached(&peer(0)) && !host.is_attached(&peer(1)));
    assert!(
        !host.renew_control(&peer(0), now),
        "a lapsed lease is granted anew, not renewed"
    );
    // The timer alone does the same.
    let due = host.poll_timeout().unwrap();
    assert_eq!(due, start + Duration::from_secs(300 + 60));
    host.handle_timeout(due);
    seat.catch_up(&mut host, due);
    assert_eq!(seat.bye.map(|bye| bye.code), Some(ChannelCode::LeaseLapsed));
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn cutting_drops_what_is_owed_and_says_why() {
    let now = Instant::now();
    let mut host = host();
    let mut seats: Vec<Seat> = (0..3).map(|i| Seat::take(&mut host, i, now)).collect();
    seats.iter_mut().for_each(|seat| seat.catch_up(&mut host, now));
    host.grant(&peer(0), now);
    host.output(&b"secret".repeat(20_000));
    host.cut(&peer(0), ChannelCode::Revoked, "taken back");
    assert!(host.holder().is_none());
    let before = seats[0].bytes;
    seats[0].catch_up(&mut host, now);
    assert_eq!(
        seats[0].bye.as_ref().map(|bye| bye.code),
        Some(ChannelCode::Revoked)
    );
    assert!(seats[0].bytes - before < 200 && !host.is_attached(&peer(0)));
    host.cut_all(ChannelCode::Stopped, "stopped by its owner");
    for seat in &mut seats[1..] {
        seat.catch_up(&mut host, now);
        assert_eq!(seat.bye.as_ref().map(|bye| bye.code), Some(ChannelCode::Stopped));
    }
    assert_eq!(host.viewers().count(), 0);
}

#[test]
fn the_end_of_the_shell_comes_after_its_last_output() {
    let now = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, now);
    seat.catch_up(&mut host, now);
    host.output(b"\r\nlogout");
    host.exit(Some(3));
    seat.catch_up(&mut host, now);
    assert!(seat.terminal.picture().contains('u'));
    assert_eq!(
        (seat.exit, seat.bye.map(|bye| bye.code)),
        (Some(Some(3)), Some(ChannelCode::Done))
    );
    assert!(!host.is_attached(&peer(0)));
}

#[test]
fn a_viewer_that_breaks_the_protocol_is_cut() {
    let now = Instant::now();
    for frame in [
        Frame::TermAck(mesh_protocol::channel::TermAck { seq: 1 }),
        Frame::TermExit(mesh_protocol::channel::TermExit { code: None }),
        Frame::FileAck(mesh_protocol::channel::FileAck { bytes: 0 }),
    ] {
        let mut host = host();
        let mut seat = Seat::take(&mut host, 0, now);
        seat.catch_up(&mut host, now);
        host.handle(&peer(0), frame, now);
        seat.catch_up(&mut host, now);
        assert_eq!(seat.bye.map(|bye| bye.code), Some(ChannelCode::Protocol));
    }
}

fn answers(host: &mut Host, output: &[u8]) -> String {
    host.output(output);
    String::from_utf8(typed(host)).unwrap()
}

#[test]
fn programs_get_their_answers_from_the_host_and_not_from_viewers() {
    let now = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, now);
    assert_eq!(answers(&mut host, b"\x1b[5;7H\x1b[6n and on"), "\x1b[5;7R");
    assert_eq!(answers(&mut host, b"\x1b[H\x1b[?6"), "");
    assert_eq!(answers(&mut host, b"n"), "\x1b[?1;1R");
    assert_eq!(
        answers(&mut host, b"\x1b[5n\x1b[c\x1b[>c"),
        "\x1b[0n\x1b[?62;22c\x1b[>1;10;0c"
    );
    seat.catch_up(&mut host, now);
    host.set_local_terminal(true);
    assert_eq!(answers(&mut host, b"\x1b[6n\x1b[c"), "");
    // A program that asks and never reads costs a bounded queue.
    host.set_local_terminal(false);
    assert!(answers(&mut host, &b"\x1b[6n".repeat(100_000)).len() <= 4096);
}

#[test]
fn a_flood_of_input_is_bounded_and_announced() {
    let now = Instant::now();
    let mut host = host();
    let _seat = Seat::take(&mut host, 0, now);
    let epoch = host.grant(&peer(0), now).unwrap();
    let paste: &'static [u8] = &[b'x'; 60_000];
    let mut fed = 0;
    while host.input_ready() {
        host.handle(&peer(0), typing(epoch, paste), now);
        fed += paste.len();
    }
    assert_eq!(typed(&mut host).len(), fed, "nothing is lost by who heeds it");
    for _ in 0..100 {
        host.handle(&peer(0), typing(epoch, paste), now);
    }
    assert!(typed(&mut host).len() <= mesh_peer::terminal::PTY_QUEUE);
}

#[test]
fn the_host_decides_the_size() {
    let now = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, now);
    seat.catch_up(&mut host, now);
    assert!(!seat.viewer.resize(TermSize { cols: 90, rows: 30 }));
    let wish = |epoch, cols, rows| {
        Frame::TermResize(TermResize {
            epoch,
            size: TermSize { cols, rows },
        })
    };
    let epoch = host.grant(&peer(0), now).unwrap();
    host.handle(&peer(0), wish(epoch, 90, 30), now);
    assert_eq!(
        host.poll_pty(),
        Some(PtyAction::Resize(TermSize { cols: 90, rows: 30 }))
    );
    host.handle(&peer(0), wish(epoch, 0, u16::MAX), now);
    assert_eq!(host.size(), TermSize { cols: 1, rows: 500 });
    host.resize(TermSize { cols: 100, rows: 20 });
    seat.catch_up(&mut host, now);
    assert_eq!(seat.viewer.size(), TermSize { cols: 100, rows: 20 });
    assert_eq!(seat.resets, 1, "a change of size needs no snapshot");
}
