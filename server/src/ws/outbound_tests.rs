//! What [`super::Outbound`] keeps, hands on and drops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// All that a socket is given at once, and what it is to do then.
fn take(outbound: &Outbound, attachment: Attachment) -> (Vec<Frame>, Order) {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        let order = outbound.next(attachment, Waker::noop(), 1, |frame| all.push(frame.clone()));
        if !matches!(order, Order::Write(_)) || all.len() == before {
            return (all, order);
        }
    }
}

fn texts(of: &[&str]) -> Vec<Frame> {
    of.iter().map(|text| Frame::from(*text)).collect()
}

fn number(number: usize) -> Frame {
    Frame::from(&*number.to_string())
}

#[test]
fn both_bounds_cut_the_socket_and_free_the_memory() {
    let long = "x".repeat(64 * 1024 - 10);
    for (text, fits) in [("x", OUTBOUND_MESSAGES), (&*long, OUTBOUND_BYTES / 65_536)] {
        let frame = Frame::from(text);
        let outbound = Outbound::default();
        let socket = outbound.attach();
        for _ in 0..fits {
            outbound.push(frame.clone());
        }
        let mut first = None;
        outbound.next(socket, Waker::noop(), 1, |frame| first = Some(frame.clone()));
        assert_eq!(first, Some(frame.clone()), "the bound itself fits");
        outbound.push(frame.clone());
        outbound.push(frame.clone());
        assert_eq!(
            outbound.next(socket, Waker::noop(), 0, |_| ()),
            Order::Close(Closing::TOO_SLOW)
        );
        outbound.push(frame);
        assert_eq!(
            take(&outbound, socket),
            (Vec::new(), Order::Close(Closing::TOO_SLOW))
        );
        assert!(outbound.resume(0).is_none());
        assert_eq!(outbound.waiting.lock().frames.capacity(), 0);
    }
}

#[test]
fn a_close_lets_what_waits_go_first() {
    let outbound = Outbound::default();
    let socket = outbound.attach();
    outbound.push("a".into());
    outbound.close(close::SESSION_ENDED, "first");
    outbound.close(close::RESTART, "second");
    outbound.push("b".into());
    assert_eq!(
        outbound.next(socket, Waker::noop(), 0, |_| ()),
        Order::Write(None)
    );
    let closing = Closing {
        code: close::SESSION_ENDED,
        reason: "first",
    };
    assert_eq!(take(&outbound, socket), (texts(&["a"]), Order::Close(closing)));
}

#[test]
fn who_is_sent_away_goes_on_elsewhere_with_what_came_meanwhile() {
    let sent_away = |goes_on| {
        let outbound = Outbound::default();
        let socket = outbound.attach();
        outbound.push("a".into());
        outbound.send_away(goes_on);
        let (written, order) = take(&outbound, socket);
        assert_eq!(written, texts(&["a"]));
        assert!(matches!(
            order,
            Order::Close(Closing {
                code: close::RESTART,
                ..
            })
        ));
        assert!(outbound.detach(socket, 0));
        outbound.push("b".into());
        assert!(outbound.resume(1).is_none(), "this node goes");
        (outbound.expire(1), outbound.move_away(1, Box::new(|_| ()), 1))
    };
    assert_eq!(sent_away(true), (false, Some(texts(&["b"]))));
    assert_eq!(sent_away(false), (true, None));
}

#[test]
fn another_socket_goes_on_after_what_the_client_has() {
    let outbound = Outbound::default();
    let first = outbound.attach();
    for one in 1..=5 {
        outbound.push(number(one));
    }
    assert_eq!(take(&outbound, first).0.len(), 5);
    assert!(outbound.detach(first, 0));
    outbound.push("6".into());
    let second = outbound.resume(3).unwrap();
    assert_eq!(take(&outbound, first), (Vec::new(), Order::Yield));
    assert_eq!(take(&outbound, second).0, texts(&["4", "5", "6"]));
    // The server had not noticed yet: the old one is told, and takes nothing with it.
    let third = outbound.resume(5).unwrap();
    assert!(take(&outbound, second).1 == Order::Yield && !outbound.detach(second, 0));
    assert_eq!(take(&outbound, third).0, texts(&["6"]));
    assert!(outbound.resume(7).is_none(), "nobody has seen what was not said");
    assert!(outbound.resume(4).is_none(), "it said that it has five");
}

#[test]
fn whatever_there_is_to_do_wakes_the_socket() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let happens: [fn(&Outbound); 4] = [
        |outbound| outbound.push("a".into()),
        |outbound| outbound.close(close::RESTART, "over"),
        |outbound| assert!(outbound.resume(0).is_some()),
        |outbound| (0..=OUTBOUND_MESSAGES).for_each(|_| outbound.push("a".into())),
    ];
    for happens in happens {
        let outbound = Outbound::default();
        let socket = outbound.attach();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        outbound.push("before".into());
        let mut given = 0;
        outbound.next(socket, &waker, 1, |_| given += 1);
        happens(&outbound);
        assert_eq!(
            (given, count.0.load(Ordering::Relaxed)),
            (1, 1),
            "also while the client does not take what was given"
        );
    }
}

#[test]
fn the_client_is_asked_at_times_whether_it_has_what_was_written() {
    let outbound = Outbound::default();
    let socket = outbound.attach();
    let mut asked = Vec::new();
    for one in 0..2 * ASK_EVERY + 1 {
        outbound.push(number(one as usize));
        if let Order::Write(Some(count)) = outbound.next(socket, Waker::noop(), 1, |_| ()) {
            asked.push(count);
            outbound.confirm(count);
        }
    }
    assert_eq!(asked, [ASK_EVERY, 2 * ASK_EVERY]);
    assert_eq!(outbound.unconfirmed(), Some(2 * ASK_EVERY + 1));
    assert_eq!(outbound.waiting.lock().frames.len(), 1);
}

#[test]
fn what_is_kept_has_its_bounds_and_goes_when_it_is_confirmed() {
    let outbound = Outbound::default();
    let socket = outbound.attach();
    for _ in 0..3 {
        for one in 0..200 {
            outbound.push(number(one));
        }
        take(&outbound, socket);
    }
    assert_eq!(outbound.waiting.lock().frames.len(), KEPT_MESSAGES);
    assert!(outbound.resume(600 - KEPT_MESSAGES as u64 - 1).is_none());
    for _ in 0..20 {
        outbound.push(Frame::from(&*"x".repeat(60 * 1024)));
        take(&outbound, socket);
    }
    assert!(outbound.waiting.lock().kept_bytes <= KEPT_BYTES);
    assert_eq!(outbound.unconfirmed(), Some(620));
    outbound.confirm(619);
    assert_eq!(outbound.waiting.lock().frames.len(), 1);
    outbound.confirm(u64::MAX);
    assert_eq!(outbound.unconfirmed(), None);
    assert_eq!(outbound.waiting.lock().frames.capacity(), 0);
}

#[test]
fn a_queue_goes_on_at_another_node_without_a_gap_and_nothing_twice() {
    let here = Outbound::default();
    let socket = here.attach();
    for one in 1..=4 {
        here.push(number(one));
    }
    assert_eq!(take(&here, socket).0.len(), 4);
    here.push(number(5));
    let followed: Arc<Mutex<Vec<Frame>>> = Arc::default();
    let (to, seen) = (followed.clone(), 2);
    let forward = move |frame: &Frame| to.lock().push(frame.clone());
    assert!(
        here.move_away(6, Box::new(|_| ()), 100).is_none(),
        "nobody has seen what was not said"
    );
    let frames = here.move_away(seen, Box::new(forward), 100).unwrap();
    assert_eq!(take(&here, socket), (Vec::new(), Order::Yield));
    assert!(here.resume(2).is_none() && here.has_moved());
    here.push(number(6));
    here.push(number(7));
    let there = Outbound::handed_over(seen, frames);
    let socket = there.attach();
    // The room has told the new node of the sixth already.
    there.push(number(6));
    for frame in followed.lock().iter() {
        there.push(frame.clone());
    }
    assert_eq!(take(&there, socket).0, texts(&["3", "4", "5", "6", "7"]));
    // It moves on, and what the client has from here follows late from the first.
    let late: Arc<Mutex<Vec<Frame>>> = Arc::default();
    let to = late.clone();
    let forward = move |frame: &Frame| to.lock().push(frame.clone());
    assert_eq!(there.move_away(7, Box::new(forward), 100), Some(Vec::new()));
    there.push(number(6));
    there.push(number(8));
    assert_eq!(*late.lock(), texts(&["8"]));
    assert!(!here.expire(109) && here.expire(110));
}

#[test]
fn a_peer_without_a_socket_is_waited_for_two_minutes() {
    let outbound = Outbound::default();
    let socket = outbound.attach();
    assert!(!outbound.expire(u64::MAX), "it has one");
    assert!(outbound.detach(socket, 1_000));
    assert!(!outbound.expire(1_119));
    let back = outbound.resume(0).unwrap();
    assert!(outbound.detach(back, 2_000));
    assert!(outbound.expire(2_120));
    assert!(outbound.resume(0).is_none());
}
