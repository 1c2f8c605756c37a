//! Shared terminals: a real server, a real daemon with real shells, and viewers over real sessions.

use crate::world::World;
use crate::world::onlooker::Visitor;
use mesh_peer::session::SessionError;
use mesh_protocol::channel::TermState;
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::signal::Reason;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn terminals_have_labels_of_their_own_and_know_where_they_are_shared() {
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    let script = "echo \"<$MESH_SHARED $MESH_ROOM $MESH_SHARE_ID>\"; exec cat";
    let (one, two) = (host.share(&[], script).await, host.share(&[], script).await);
    assert_ne!(one, two);
    let status = host.done(&["status"]).await;
    let shares = status["shares"].as_array().unwrap();
    assert_eq!(shares.len(), 2);
    for share in shares {
        let mut seat = Visitor::enter(&world, &world.alice)
            .await
            .watch(share["label"].as_str().unwrap())
            .await;
        let marker = format!("<1 Home {}>", share["share_id"].as_str().unwrap());
        seat.until("its own marker", |seat| seat.shows(&marker)).await;
    }
    // To attach, pause and record one of several, it has to be named.
    let which = host
        .fails(&["record", world.path("x.cast").to_str().unwrap()])
        .await;
    assert!(which.contains(&one) && which.contains(&two), "{which}");
    host.done(&["stop", &one]).await;
    assert_eq!(
        host.done(&["status"]).await["shares"].as_array().unwrap().len(),
        1
    );
    assert_eq!(host.done(&["stop"]).await["shares"], 1);
    host.fails(&["stop"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_terminal_shows_nothing_and_hears_nobody_until_it_goes_on() {
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    let script = "echo ready; while read line; do echo \"said $line\"; done";
    let label = host.share(&[], script).await;
    let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    seat.control().await;
    assert!(seat.viewer.input(b"one\r"));
    seat.until("the first line", |seat| seat.shows("said one")).await;

    host.done(&["pause"]).await;
    seat.until("the pause", |seat| {
        seat.state.paused && !seat.viewer.holds_control()
    })
    .await;
    assert!(!seat.viewer.input(b"secret\r"));
    seat.take().await;
    seat.until("a refusal", |seat| seat.denied == Some(Reason::Busy))
        .await;
    let mut late = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    late.until("the screen of before", |seat| {
        seat.shows("said one") && seat.state.paused
    })
    .await;
    assert_eq!(host.done(&["status"]).await["shares"][0]["paused"], true);

    host.done(&["resume", &label]).await;
    for seat in [&mut seat, &mut late] {
        seat.until("that it goes on", |seat| {
            !seat.state.paused && seat.shows("said one")
        })
        .await;
    }
    late.control().await;
    assert!(late.viewer.input(b"two\r"));
    late.until("its own line", |seat| seat.shows("said two")).await;
    seat.until("the second line", |seat| seat.shows("said two")).await;
    assert!(!seat.shows("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_sent_away_has_to_ask_and_who_may_never_is_not_asked_about() {
    let world = World::start().await;
    // Nobody is there who could be asked.
    let host = world.machine("host").await;
    let mut daemon = host.mesh(&["up"]);
    daemon.until("This device is up").await;
    let label = host.share(&[], "echo ready; exec cat").await;
    let mut visitor = Visitor::enter(&world, &world.alice).await;
    let open = visitor.ask(Some(&label)).await;
    assert!(open.is_ok(), "{:?}", open.err());
    drop(open);

    let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    seat.until("the screen", |seat| seat.shows("ready")).await;
    assert!(host.fails(&["eject", "bob"]).await.contains("Nobody called"));
    let ejected = host.done(&["eject", "ALICE"]).await;
    assert!(
        ejected["names"][0].as_str().unwrap().starts_with("alice"),
        "{ejected}"
    );
    seat.until("the end", |seat| seat.closed).await;
    assert_eq!(seat.bye.as_ref().map(|bye| bye.code), Some(ChannelCode::Stopped));
    let again = visitor.ask(Some(&label)).await;
    assert!(
        matches!(again, Err(SessionError::Declined(Reason::Declined))),
        "{:?}",
        again.map(drop)
    );

    // A standing answer lets her in again without a question, another keeps her out of what is open to all.
    host.done(&["consent", "terminal:view", "allow", "--person", "alice"])
        .await;
    assert!(visitor.ask(Some(&label)).await.is_ok());
    let rules = host
        .done(&["consent", "terminal:view", "never", "--room", "Home"])
        .await;
    assert_eq!(rules["rules"].as_array().unwrap().len(), 2);
    assert!(
        visitor.ask(Some(&label)).await.is_ok(),
        "the nearest answer decides"
    );
    host.done(&["consent", "terminal:view", "ask", "--person", "alice"])
        .await;
    let other = host.share(&[], "exec cat").await;
    assert!(visitor.ask(Some(&other)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_holds_what_viewers_see_and_they_know() {
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    let file = world.path("shared.cast");
    let file = file.to_str().unwrap();
    let script = "stty -echo; echo ready; while read line; do echo \"said $line\"; done";
    let label = host.share(&["--record", file], script).await;
    let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    let recorded = TermState {
        paused: false,
        recording: true,
    };
    seat.until("the recording", |seat| seat.state == recorded).await;
    assert_eq!(seat.viewers.len(), 1, "a recording is no viewer");
    assert!(host.fails(&["record", file]).await.contains("recorded already"));
    seat.control().await;
    assert!(seat.viewer.input(b"one\r"));
    seat.until("the first line", |seat| seat.shows("said one")).await;
    host.done(&["pause"]).await;
    seat.until("the pause", |seat| seat.state.paused).await;
    host.done(&["resume"]).await;
    seat.until("that it goes on", |seat| !seat.state.paused).await;
    host.done(&["record", "--stop"]).await;
    seat.until("the end of the recording", |seat| !seat.state.recording)
        .await;
    seat.control().await;
    assert!(seat.viewer.input(b"unrecorded\r"));
    seat.until("the last line", |seat| seat.shows("said unrecorded"))
        .await;

    // Ending it waits for nothing; the file is whole once it is there.
    let read = || std::fs::read_to_string(file).unwrap();
    let begun = std::time::Instant::now();
    while !read().contains("\"resumed\"") && begun.elapsed() < crate::world::SOON {
        tokio::task::yield_now().await;
    }
    let text = read();
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let header = lines.next().unwrap();
    assert_eq!(
        (header["version"].as_u64(), header["title"].as_str()),
        (Some(2), Some(label.as_str()))
    );
    let events: Vec<Value> = lines.collect();
    let output: String = events
        .iter()
        .filter(|event| event[1] == "o")
        .map(|event| event[2].as_str().unwrap())
        .collect();
    assert!(
        output.contains("ready") && output.contains("said one"),
        "{output}"
    );
    assert!(!text.contains("unrecorded"));
    let marks: Vec<&Value> = events
        .iter()
        .filter(|event| event[1] == "m")
        .map(|event| &event[2])
        .collect();
    assert_eq!(marks, ["paused", "resumed"]);
    // A file that is there is never written over.
    assert!(host.fails(&["record", file]).await.contains("exists"));
    assert_eq!(read(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_ends_or_is_killed_says_so_after_its_last_words() {
    let world = World::start().await;
    let (host, mut daemon) = world.host().await;
    for (end, code) in [("exit 3", Some(3)), ("kill -KILL $$", None)] {
        let script = format!("echo ready; read go; echo last words; {end}");
        let label = host.share(&[], &script).await;
        let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
        seat.control().await;
        assert!(seat.viewer.input(b"\r"));
        seat.until("the farewell", |seat| seat.bye.is_some()).await;
        assert_eq!(seat.exit, Some(code), "{end}");
        assert_eq!(seat.bye.as_ref().map(|bye| bye.code), Some(ChannelCode::Done));
        assert!(seat.shows("last words"), "{}", seat.text());
        daemon.until("has ended").await;
    }
    assert_eq!(host.done(&["status"]).await["shares"], serde_json::json!([]));
}
