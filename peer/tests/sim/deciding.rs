//! A viewer that answers for the host's owner: what it is told, and which of its answers count.

use std::time::Instant;

use mesh_peer::terminal::Host;
use mesh_protocol::capability::Capability;
use mesh_protocol::channel::{ConsentAnswer, Frame, TermAnswer, TermAsk, TermDecide, TermWithdrawn};
use mesh_protocol::error_code::ChannelCode;

use crate::sim::terminal_world::{Seat, host, peer};

fn question(id: u64) -> TermAsk {
    TermAsk {
        id,
        capability: Capability::TerminalControl,
        who: format!("Bob {id}"),
        room: "Home".into(),
    }
}

/// All that the host has to say to this viewer now, but for the screen.
fn told(host: &mut Host, number: usize, now: Instant) -> Vec<Frame> {
    let frames = std::iter::from_fn(|| host.poll_frame(&peer(number), now));
    let frames: Vec<Frame> = frames.map(|frame| Frame::decode(&frame).unwrap()).collect();
    let is_told = |frame: &Frame| {
        matches!(
            frame,
            Frame::TermDecide(_) | Frame::TermAsk(_) | Frame::TermWithdrawn(_)
        )
    };
    frames.into_iter().filter(is_told).collect()
}

#[test]
fn it_is_told_what_stands_and_never_what_was_settled_before() {
    let now = Instant::now();
    let mut host = host();
    let mut seat = Seat::take(&mut host, 0, now);
    // Nobody may who is not the owner's own, and nobody is asked who does not decide.
    host.set_decides(&peer(0), true);
    host.ask(&peer(0), question(1));
    assert!(told(&mut host, 0, now).is_empty());
    host.may_decide(&peer(0));
    seat.catch_up(&mut host, now);
    assert!(seat.lease.as_ref().is_some_and(|lease| lease.may_decide));
    host.ask(&peer(0), question(1));
    assert!(told(&mut host, 0, now).is_empty());

    host.set_decides(&peer(0), true);
    for id in 2..5 {
        host.ask(&peer(0), question(id));
    }
    host.withdraw(&peer(0), 3);
    let yes = Frame::TermDecide(TermDecide { decides: true });
    let (two, four) = (Frame::TermAsk(question(2)), Frame::TermAsk(question(4)));
    assert_eq!(told(&mut host, 0, now), [yes, two, four]);
    // A path that takes nothing for a while costs no queue.
    for id in 5..10_000 {
        host.ask(&peer(0), question(id));
        host.withdraw(&peer(0), id);
    }
    host.withdraw(&peer(0), 2);
    let gone = |id| Frame::TermWithdrawn(TermWithdrawn { id });
    assert_eq!(told(&mut host, 0, now), [gone(2)]);
    host.set_decides(&peer(0), false);
    let no = Frame::TermDecide(TermDecide { decides: false });
    assert_eq!(told(&mut host, 0, now), [no, gone(4)]);
}

#[test]
fn an_answer_counts_once_and_only_for_what_was_asked_and_still_stands() {
    let now = Instant::now();
    let mut host = host();
    let _seats: Vec<Seat> = (0..2).map(|number| Seat::take(&mut host, number, now)).collect();
    host.may_decide(&peer(0));
    assert!(!host.takes_answer(&peer(0), 1));
    host.set_decides(&peer(0), true);
    for id in 1..4 {
        host.ask(&peer(0), question(id));
    }
    assert!(!host.takes_answer(&peer(0), 1), "it cannot know of it yet");
    assert_eq!(told(&mut host, 0, now).len(), 4);
    assert!(!host.takes_answer(&peer(1), 1), "somebody else");
    assert!(host.takes_answer(&peer(0), 1));
    assert!(!host.takes_answer(&peer(0), 1), "once");
    host.withdraw(&peer(0), 2);
    assert!(!host.takes_answer(&peer(0), 2), "settled elsewhere");
    assert!(!host.takes_answer(&peer(0), 9), "never asked");
    host.cut(&peer(0), ChannelCode::Stopped, "sent away");
    assert!(!host.takes_answer(&peer(0), 3), "sent away");
}

#[test]
fn a_stranger_who_answers_is_cut() {
    let now = Instant::now();
    let answer = ConsentAnswer::AlwaysRoom;
    for frame in [
        Frame::TermAnswer(TermAnswer { id: 1, answer }),
        Frame::TermDecide(TermDecide { decides: true }),
        Frame::TermAsk(question(1)),
        Frame::TermWithdrawn(TermWithdrawn { id: 1 }),
    ] {
        let mut host = host();
        let mut seat = Seat::take(&mut host, 0, now);
        seat.catch_up(&mut host, now);
        host.handle(&peer(0), frame, now);
        seat.catch_up(&mut host, now);
        assert_eq!(seat.bye.map(|bye| bye.code), Some(ChannelCode::Protocol));
    }
}
