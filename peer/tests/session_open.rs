//! Opening sessions over real connections on loopback, introduced by a control plane that can be made to lie.

use std::time::Duration;

use crate::devices::fake::{self, Do, Fake};
use crate::devices::{Device, SOON, both, device, offer_file, room, terminal, view};
use bytes::Bytes;
use mesh_peer::session::{
    Binding, SessionEnd, SessionError, Step, Wanted, decline, open_as_requester, sdp_fingerprint,
};
use mesh_protocol::capability::{Capability, CapabilityError, Confirmation, Feature};
use mesh_protocol::ids::PeerId;
use mesh_protocol::signal::{ClientMessage, Reason, ServerMessage, SessionAnswer};
use serde_json::json;
use tokio::time::timeout;

#[tokio::test]
async fn a_session_opens_carries_frames_renews_and_is_cut_when_taken_back() {
    let fake = Fake::start().await;
    let (viewer, host, asked, answered) = both(&fake).await;
    let (mut asked, mut answered) = (asked.unwrap(), answered.unwrap());
    assert_eq!(asked.claims.sub, host.me);
    assert_eq!(answered.claims.sub, viewer.me);
    assert_eq!(answered.binding.session_id, asked.binding.session_id);
    for size in [1, 65_000] {
        let frame = Bytes::from(vec![7; size]);
        asked.frames_tx.send(frame.clone()).await.unwrap();
        assert_eq!(
            timeout(SOON, answered.frames_rx.recv()).await.unwrap(),
            Some(frame.clone())
        );
        answered.frames_tx.send(frame.clone()).await.unwrap();
        assert_eq!(timeout(SOON, asked.frames_rx.recv()).await.unwrap(), Some(frame));
    }

    // A fresh token is good for this connection, and only for what it names.
    let fresh = asked.renewal.renew(&[Capability::TerminalView]).await.unwrap();
    answered
        .judge
        .judge(&fresh.cap_token, Capability::TerminalView)
        .await
        .unwrap();
    let control = answered
        .judge
        .judge(&fresh.cap_token, Capability::TerminalControl)
        .await;
    assert!(matches!(
        control,
        Err(SessionError::Refused(CapabilityError::Missing(_)))
    ));
    let own = answered.renewal.renew(&[Capability::TerminalView]).await.unwrap();
    assert!(
        answered
            .judge
            .judge(&own.cap_token, Capability::TerminalView)
            .await
            .is_err(),
        "one's own is not the other's"
    );

    // What the other end says about the session over the server comes to it.
    let deny = SessionAnswer {
        room_id: room(),
        target: Some(viewer.me.clone()),
        session_id: asked.binding.session_id.clone(),
        reason: Some(Reason::Busy),
        max_record: None,
    };
    host.ctx
        .signal()
        .send(ClientMessage::TerminalControlDeny(deny.clone()))
        .await
        .unwrap();
    assert_eq!(
        timeout(SOON, asked.control.next()).await.unwrap(),
        Some(ServerMessage::TerminalControlDeny(deny))
    );

    let revoked = json!({"type": "cap.revoked", "from": "server",
        "payload": {"session_id": asked.binding.session_id, "reason": "removed"}});
    fake.make(host.me.as_str(), Do::Say(revoked));
    let end = timeout(Duration::from_secs(5), answered.control.ended())
        .await
        .expect("within five seconds");
    assert_eq!(end, SessionEnd::Revoked("removed".into()));
    assert_eq!(
        timeout(SOON, asked.frames_rx.recv()).await.unwrap(),
        None,
        "the other end is cut too"
    );
    assert!(matches!(
        timeout(SOON, asked.control.ended()).await.unwrap(),
        SessionEnd::Closed(_)
    ));
    eventually_no_routes(&[&viewer, &host]).await;
}

async fn eventually_no_routes(devices: &[&Device]) {
    fake::eventually("the routes are gone", || {
        devices.iter().all(|device| device.ctx.router().is_empty())
    })
    .await;
}

#[tokio::test]
async fn an_orderly_end_delivers_everything() {
    let fake = Fake::start().await;
    let (_viewer, _host, asked, answered) = both(&fake).await;
    let (asked, mut answered) = (asked.unwrap(), answered.unwrap());
    for n in 0..50_u8 {
        asked.frames_tx.send(Bytes::from(vec![n; 10_000])).await.unwrap();
    }
    drop(asked.frames_tx);
    let finishing = tokio::spawn(asked.control.finish());
    let mut got = 0;
    while let Some(frame) = timeout(SOON, answered.frames_rx.recv()).await.unwrap() {
        assert_eq!(frame[0], got);
        got += 1;
    }
    assert_eq!(got, 50);
    drop(answered);
    assert!(matches!(
        timeout(SOON, finishing).await.unwrap().unwrap(),
        SessionEnd::Closed(_)
    ));
}

#[tokio::test]
async fn who_stops_it_over_the_server_did_not_lose_the_connection() {
    let fake = Fake::start().await;
    let (viewer, host, asked, answered) = both(&fake).await;
    let (asked, mut answered) = (asked.unwrap(), answered.unwrap());
    let word = SessionAnswer {
        room_id: room(),
        target: Some(host.me.clone()),
        session_id: asked.binding.session_id.clone(),
        reason: Some(Reason::Taken),
        max_record: None,
    };
    let word = mesh_peer::session::end(asked.binding.feature, word);
    viewer.ctx.signal().send(word).await.unwrap();
    assert!(timeout(SOON, answered.control.next()).await.unwrap().is_some());
    drop(asked);
    let end = timeout(SOON, answered.control.ended()).await.unwrap();
    assert_eq!(end, SessionEnd::Stopped(Reason::Taken));
}

#[tokio::test]
async fn a_cut_of_the_sockets_leaves_the_session_alone() {
    let fake = Fake::start().await;
    let (viewer, host, asked, answered) = both(&fake).await;
    let (asked, mut answered) = (asked.unwrap(), answered.unwrap());
    fake.make(viewer.me.as_str(), Do::Cut);
    fake.make(host.me.as_str(), Do::Cut);
    let mut peer = host.ctx.signal().peer_id();
    timeout(
        SOON,
        peer.wait_for(|now| now.as_ref().is_some_and(|now| *now != host.me)),
    )
    .await
    .unwrap()
    .unwrap();
    asked
        .frames_tx
        .send(Bytes::from_static(b"still here"))
        .await
        .unwrap();
    assert_eq!(
        timeout(SOON, answered.frames_rx.recv()).await.unwrap(),
        Some(Bytes::from_static(b"still here"))
    );
}

#[tokio::test]
async fn an_offer_with_anothers_certificate_is_not_answered() {
    let fake = Fake::start().await;
    fake.state.lock().unwrap().tamper = Some(|claims| {
        claims.cnf = Some(Confirmation {
            fp: sdp_fingerprint(&vec!["AB"; 32].join(":")),
        })
    });
    let (_viewer, host, asked, answered) = both(&fake).await;
    let error = answered.expect_err("the token is not for this certificate");
    assert!(
        matches!(
            error,
            SessionError::Refused(CapabilityError::Other("fingerprint"))
        ),
        "{error}"
    );
    assert!(
        matches!(asked, Err(SessionError::Declined(Reason::Failed))),
        "{asked:?}"
    );
    assert!(fake.heard(host.me.as_str(), "rtc.answer").is_empty());
}

#[tokio::test]
async fn an_answer_of_another_peer_is_not_taken() {
    let fake = Fake::start().await;
    // Of the two tokens only the answerer's has the requester as its target.
    fake.state.lock().unwrap().tamper = Some(|claims| {
        let number = |peer: &PeerId| peer.as_str()[1..].parse::<u64>().unwrap();
        if number(&claims.sub) > number(claims.target_peer_id.as_ref().unwrap()) {
            claims.sub = "p0".parse().unwrap();
        }
    });
    let (_viewer, _host, asked, answered) = both(&fake).await;
    assert!(
        matches!(
            asked,
            Err(SessionError::Refused(CapabilityError::Other("sender")))
        ),
        "{asked:?}"
    );
    assert!(
        matches!(answered, Err(SessionError::Declined(Reason::Failed))),
        "{answered:?}"
    );
}

/// An answerer whose description repairs nothing, and whose accept says how long its records may be only if `promised`.
async fn without_repair(promised: bool) -> Fake {
    let fake = Fake::start().await;
    fake.state.lock().unwrap().alter = Some(Box::new(move |frame| {
        let payload = &mut frame["payload"];
        if let Some(sdp) = payload["sdp"].as_str() {
            let kept = sdp.lines().filter(|line| !line.starts_with("a=x-mesh-repair"));
            payload["sdp"] = kept.map(|line| format!("{line}\r\n")).collect::<String>().into();
        }
        if !promised && let Some(payload) = payload.as_object_mut() {
            payload.remove("max_record");
        }
    }));
    fake
}

#[tokio::test]
async fn records_are_as_long_as_the_accept_says_that_they_may_be() {
    let (_viewer, _host, asked, _answered) = both(&without_repair(true).await).await;
    assert!(
        matches!(&asked, Err(error) if error.to_string().contains("repair")),
        "{asked:?}"
    );
    // A device that knows of none of it.
    let (_viewer, _host, asked, answered) = both(&without_repair(false).await).await;
    let (asked, mut answered) = (asked.unwrap(), answered.unwrap());
    let frame = Bytes::from(vec![7; 20_000]);
    asked.frames_tx.send(frame.clone()).await.unwrap();
    assert_eq!(
        timeout(SOON, answered.frames_rx.recv()).await.unwrap(),
        Some(frame)
    );
}

#[tokio::test]
async fn the_token_of_a_request_is_judged_before_anyone_is_asked() {
    let fake = Fake::start().await;
    let (viewer, mut host) = (device(&fake).await, device(&fake).await);
    let wanted = terminal(&host.me);
    let asking = tokio::spawn(async move { open_as_requester(&viewer.ctx, wanted, view).await });
    let (_route, binding, token) = host.requested(Feature::Terminal).await;
    let claims = host
        .ctx
        .judge_request(&binding, token.as_deref())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claims.sub, binding.remote);
    let other = Binding {
        session_id: "other".parse().unwrap(),
        ..binding.clone()
    };
    assert!(host.ctx.judge_request(&other, token.as_deref()).await.is_err());

    let no = SessionAnswer {
        room_id: room(),
        target: Some(binding.remote),
        session_id: binding.session_id,
        reason: Some(Reason::Busy),
        max_record: None,
    };
    host.ctx
        .signal()
        .send(decline(Feature::Terminal, no))
        .await
        .unwrap();
    let asked = timeout(SOON, asking).await.unwrap().unwrap();
    assert!(
        matches!(asked, Err(SessionError::Declined(Reason::Busy))),
        "{asked:?}"
    );
}

#[tokio::test]
async fn of_a_request_to_the_room_the_first_to_accept_has_it_and_the_others_are_told() {
    let fake = Fake::start().await;
    let (sender, mut first, mut second) = (device(&fake).await, device(&fake).await, device(&fake).await);
    let wanted = Wanted {
        target: None,
        feature: Feature::File,
        ..terminal(&first.me)
    };
    let asking = async { open_as_requester(&sender.ctx, wanted, offer_file).await };
    let answering = async {
        let opened = first.answer(Feature::File).await;
        let late = second.answer(Feature::File).await;
        (opened, late)
    };
    let (asked, (opened, late)) = tokio::join!(asking, answering);
    assert_eq!(asked.unwrap().binding.remote, first.me);
    assert_eq!(opened.unwrap().claims.target_peer_id, Some(first.me));
    assert!(
        matches!(late, Err(SessionError::Declined(Reason::Taken))),
        "{late:?}"
    );
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_told_apart() {
    let fake = Fake::start().await;
    let (viewer, mut host) = (device(&fake).await, device(&fake).await);
    let nobody = terminal(&"nobody".parse().unwrap());
    let gone = timeout(SOON, open_as_requester(&viewer.ctx, nobody, view))
        .await
        .unwrap();
    assert!(matches!(gone, Err(SessionError::PeerGone)), "{gone:?}");

    let wanted = Wanted {
        consent: Duration::from_millis(200),
        feature: Feature::File,
        ..terminal(&host.me)
    };
    let (asked, (mut route, ..)) = tokio::join!(
        open_as_requester(&viewer.ctx, wanted, offer_file),
        host.requested(Feature::File)
    );
    assert!(
        matches!(asked, Err(SessionError::Timeout(Step::Consent))),
        "{asked:?}"
    );
    let (_, told) = timeout(SOON, route.next()).await.unwrap().unwrap();
    assert!(
        matches!(
            told,
            ServerMessage::ShareCancel(SessionAnswer {
                reason: Some(Reason::Timeout),
                max_record: None,
                ..
            })
        ),
        "{told:?}"
    );
    assert!(viewer.ctx.router().is_empty());
}
