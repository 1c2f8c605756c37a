//! Who is at the other end is what its certificate proves, whatever the control plane makes of it. The one here has the
//! signing key, relays everything, and lies.

use std::sync::{Arc, Mutex};

use crate::devices::fake::Fake;
use crate::devices::{Device, device, room, terminal, view};
use mesh_peer::rtc::{Certificate, fingerprint_of_sdp};
use mesh_peer::session::{OpenSession, SessionError, Wanted, open_as_requester, sdp_fingerprint};
use mesh_protocol::capability::{CapabilityError, Confirmation, Feature};
use serde_json::Value;

type Opened = Result<OpenSession, SessionError>;

/// What the control plane does to a description: `rtc.offer` or `rtc.answer`, its payload.
fn lie(fake: &Fake, mut change: impl FnMut(&str, &mut Value) + Send + 'static) {
    fake.state.lock().unwrap().alter = Some(Box::new(move |frame| {
        let kind = frame["type"].as_str().unwrap_or_default().to_owned();
        if kind == "rtc.offer" || kind == "rtc.answer" {
            change(&kind, &mut frame["payload"]);
        }
    }));
}

/// The viewer asks, the host accepts; what becomes of it at each end.
async fn attempt(viewer: &Device, host: &mut Device, wanted: Wanted) -> (Opened, Opened) {
    tokio::join!(
        open_as_requester(&viewer.ctx, wanted, view),
        host.answer(Feature::Terminal)
    )
}

/// The fingerprint of a description, replaced.
fn swap_fingerprint(payload: &mut Value, fingerprint: &str) {
    let sdp = payload["sdp"].as_str().unwrap();
    let own = fingerprint_of_sdp(sdp).unwrap();
    payload["sdp"] = sdp.replace(&own, fingerprint).into();
}

/// Whether it is said that somebody stands in between.
fn warned(ended: &Opened) -> bool {
    ended.as_ref().is_err_and(|error| {
        matches!(
            error,
            SessionError::Refused(CapabilityError::Other("fingerprint"))
        ) && error.to_string().contains("somebody in between")
    })
}

#[tokio::test]
async fn t24_a_server_that_swaps_fingerprints_joins_nobody_and_is_found_out() {
    const ATTEMPTS: usize = 200;
    let fake = Fake::start().await;
    let (viewer, mut host) = (device(&fake).await, device(&fake).await);
    let mut intruders = Vec::new();
    for _ in 0..3 {
        intruders.push(Certificate::generate().unwrap().fingerprint().to_owned());
    }
    let (mut connected, mut alerts) = (0, 0);
    for number in 0..ATTEMPTS {
        let intruder = intruders[number % intruders.len()].clone();
        // The offer's, the answer's, or both.
        let which = number % 3;
        lie(&fake, move |kind, payload| {
            if which == 2 || (kind == "rtc.offer") == (which == 0) {
                swap_fingerprint(payload, &intruder);
            }
        });
        let wanted = terminal(&host.me);
        let (asked, answered) = attempt(&viewer, &mut host, wanted).await;
        connected += usize::from(asked.is_ok() || answered.is_ok());
        // At the end that got the false description.
        alerts += usize::from(warned(&asked) || warned(&answered));
    }
    println!("t24: {connected} of {ATTEMPTS} connect where the server swaps fingerprints; {alerts} alerts");
    assert_eq!((connected, alerts), (0, ATTEMPTS));
}

#[tokio::test]
async fn t24_a_server_that_signs_for_the_swapped_fingerprint_joins_nobody_who_knows_the_other_by_a_code() {
    const ATTEMPTS: usize = 20;
    let fake = Fake::start().await;
    let (mut viewer, mut host) = (device(&fake).await, device(&fake).await);
    let (mine, theirs, intruder) = (
        Certificate::generate().unwrap(),
        Certificate::generate().unwrap(),
        Certificate::generate().unwrap(),
    );
    let (my_print, their_print) = (mine.fingerprint().to_owned(), theirs.fingerprint().to_owned());
    viewer.ctx = viewer.ctx.pinned(mine, &their_print);
    host.ctx = host.ctx.pinned(theirs, &my_print);
    let mut connected = 0;
    for _ in 0..ATTEMPTS {
        static INTRUDER: Mutex<String> = Mutex::new(String::new());
        *INTRUDER.lock().unwrap() = sdp_fingerprint(intruder.fingerprint());
        fake.state.lock().unwrap().tamper = Some(|claims| {
            let fp = INTRUDER.lock().unwrap().clone();
            claims.cnf = Some(Confirmation { fp });
        });
        let fingerprint = intruder.fingerprint().to_owned();
        lie(&fake, move |_, payload| swap_fingerprint(payload, &fingerprint));
        let wanted = terminal(&host.me);
        let (asked, answered) = attempt(&viewer, &mut host, wanted).await;
        connected += usize::from(asked.is_ok() || answered.is_ok());
        assert!(matches!(answered, Err(SessionError::Unvouched)), "{answered:?}");
    }
    println!(
        "t24: {connected} of {ATTEMPTS} connect where the server signs for it, between devices that have exchanged a code"
    );
    assert_eq!(connected, 0);
}

/// What the first session said, for later.
#[derive(Clone, Default)]
struct Recorded {
    offer: Value,
    answer: Value,
}

#[tokio::test]
async fn t25_a_description_of_one_session_is_taken_in_no_other_session_role_or_room() {
    let fake = Fake::start().await;
    let (viewer, mut host) = (device(&fake).await, device(&fake).await);
    let recorded = Arc::new(Mutex::new(Recorded::default()));
    let recorder = recorded.clone();
    lie(&fake, move |kind, payload| {
        let mut recorded = recorder.lock().unwrap();
        if kind == "rtc.offer" {
            recorded.offer = payload.clone();
        } else {
            recorded.answer = payload.clone();
        }
    });
    let wanted = terminal(&host.me);
    let first = wanted.session_id.clone();
    let (asked, answered) = attempt(&viewer, &mut host, wanted).await;
    drop((asked.unwrap(), answered.unwrap()));
    let recorded = recorded.lock().unwrap().clone();

    // What takes the place of what, with everything of it but the session's name, which the route is found by.
    let replay = |into: &'static str, of: &Value| {
        let of = of.clone();
        move |kind: &str, payload: &mut Value| {
            if kind == into {
                payload["sdp"] = of["sdp"].clone();
                payload["cap_token"] = of["cap_token"].clone();
            }
        }
    };
    let (mut tried, mut accepted) = (0, 0);
    let mut count = |(asked, answered): (Opened, Opened), what: &str| {
        tried += 1;
        let refused = |end: &Opened| matches!(end, Err(SessionError::Refused(_)));
        assert!(
            refused(&asked) || refused(&answered),
            "{what}: {asked:?} {answered:?}"
        );
        accepted += usize::from(asked.is_ok() || answered.is_ok());
    };
    let elsewhere = "elsewhere".parse().unwrap();
    for (what, into, of) in [
        ("the offer in another session", "rtc.offer", &recorded.offer),
        ("the answer in another session", "rtc.answer", &recorded.answer),
        ("the offer as an answer", "rtc.answer", &recorded.offer),
        ("the answer as an offer", "rtc.offer", &recorded.answer),
    ] {
        for room_id in [&room(), &elsewhere] {
            lie(&fake, replay(into, of));
            let wanted = Wanted {
                room_id: room_id.clone(),
                ..terminal(&host.me)
            };
            count(attempt_in(&viewer, &mut host, wanted).await, what);
        }
    }
    // In the other direction: the host asks, and what it once answered comes as its offer; and the same session once more.
    for (into, of) in [("rtc.offer", &recorded.answer), ("rtc.answer", &recorded.offer)] {
        lie(&fake, replay(into, of));
        let (mut viewer, host) = (device(&fake).await, &host);
        let wanted = terminal(&viewer.me);
        count(attempt(host, &mut viewer, wanted).await, "in the other direction");
    }
    lie(&fake, replay("rtc.offer", &recorded.answer));
    let wanted = Wanted {
        session_id: first,
        ..terminal(&host.me)
    };
    count(
        attempt(&viewer, &mut host, wanted).await,
        "the same session, the other role",
    );
    println!("t25: {accepted} of {tried} replayed descriptions accepted");
    assert_eq!(accepted, 0);
}

/// As [`attempt`], in whatever room it is.
async fn attempt_in(viewer: &Device, host: &mut Device, wanted: Wanted) -> (Opened, Opened) {
    let room_id = wanted.room_id.clone();
    tokio::join!(
        open_as_requester(&viewer.ctx, wanted, view),
        host.answer_in(Feature::Terminal, &room_id)
    )
}

#[tokio::test]
async fn t26_a_capability_with_another_peers_fingerprint_is_refused() {
    const ATTEMPTS: usize = 20;
    let fake = Fake::start().await;
    let (viewer, mut host) = (device(&fake).await, device(&fake).await);
    static OTHER: Mutex<String> = Mutex::new(String::new());
    let mut refused = 0;
    for _ in 0..ATTEMPTS {
        let other = Certificate::generate().unwrap();
        *OTHER.lock().unwrap() = sdp_fingerprint(other.fingerprint());
        // Everything else in it is right, and it is signed.
        fake.state.lock().unwrap().tamper = Some(|claims| {
            let fp = OTHER.lock().unwrap().clone();
            claims.cnf = Some(Confirmation { fp });
        });
        let wanted = terminal(&host.me);
        let (asked, answered) = attempt(&viewer, &mut host, wanted).await;
        refused += usize::from(asked.is_err() && warned(&answered));
    }
    println!("t26: {refused} of {ATTEMPTS} capabilities with another peer's fingerprint refused");
    assert_eq!(refused, ATTEMPTS);
}
