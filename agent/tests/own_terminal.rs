//! Sharing as its owner lives with it: in the terminal that it was typed in, with questions, keys and a window that closes; and
//! `mesh view` in the terminal of somebody else.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod world;

use mesh_protocol::channel::TermSize;
use world::World;
use world::onlooker::Visitor;
use world::window::Window;

const SCRIPT: [&str; 6] = ["share", "terminal", "--", "sh", "-c", "echo ready; exec cat"];

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_sees_types_decides_and_comes_back_after_the_window_was_closed() {
    let world = World::start().await;
    let host = world.machine("host").await;
    let mut daemon = host.mesh(&["up"]);
    daemon.until("This device is up").await;
    let mut window = Window::open(&host, &SCRIPT);
    window.shows("ready").await;
    window.is_told("mesh: nobody watches").await;
    window.shows("Ctrl-] Q stops all sharing").await;

    let label = host.done(&["status"]).await["shares"][0]["label"]
        .as_str()
        .unwrap()
        .to_owned();
    // Who shares it has said that the room may look.
    let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    window.is_told("mesh: watched by alice").await;
    window.type_in("hello\r");
    seat.until("what its owner types", |seat| seat.shows("hello"))
        .await;

    // Control is asked for, given, and taken back by typing, and by a key.
    for (round, back) in [("one", "mine\r"), ("two", "\x1dt")] {
        let before = seat.holders.len();
        seat.take().await;
        let asked = async {
            window.shows("wants to type").await;
            window.type_in("\x1dy");
        };
        tokio::join!(asked, seat.until("control", |seat| seat.viewer.holds_control()));
        assert_eq!(seat.holders.len(), before + 1, "{round}");
        window.is_told("; alice").await;
        assert!(seat.viewer.input(format!("from afar {round}\r").as_bytes()));
        seat.until("its own words", |seat| seat.shows(&format!("from afar {round}")))
            .await;
        window.shows(&format!("from afar {round}")).await;
        window.type_in(back);
        seat.until("control taken back", |seat| !seat.viewer.holds_control())
            .await;
    }
    seat.until("what its owner typed", |seat| seat.shows("mine"))
        .await;

    // The window is closed; the shell is not.
    drop(window);
    assert_eq!(host.done(&["status"]).await["shares"][0]["label"], label.as_str());
    let mut window = Window::open(&host, &["attach"]);
    window.shows("from afar two").await;
    window.type_in("again\r");
    seat.until("what is typed in the new window", |seat| seat.shows("again"))
        .await;

    // Who watches is listed, and sent away.
    window.type_in("\x1dw");
    window.shows("sends away: 1 alice").await;
    window.type_in("\x1d1");
    seat.until("the farewell", |seat| seat.bye.is_some()).await;
    window.type_in("\x1dQ");
    window.shows("The terminal is not shared any more.").await;
    daemon.until("is not shared any more").await;
    assert_eq!(host.done(&["status"]).await["shares"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_views_it_takes_control_and_gives_it_another_size() {
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    host.share(&[], "echo ready; exec cat").await;
    let watcher = world.machine("watcher").await;
    let mut window = Window::open(&watcher, &["view", "host"]);
    window.shows("ready").await;
    // Without control nothing that is typed arrives.
    window.type_in("unheard\r");
    window.type_in("\x1dc");
    window.shows("You control this terminal.").await;
    window.type_in("heard\r");
    window.shows("heard").await;
    window.resize(TermSize { cols: 100, rows: 30 });
    let mut seat = Visitor::enter(&world, &world.alice)
        .await
        .watch("sh -c echo ready; exec cat")
        .await;
    seat.until("the size that the holder of control has", |seat| {
        seat.screen.size() == (100, 30)
    })
    .await;
    assert!(seat.shows("heard") && !seat.shows("unheard"));
    window.type_in("\x1dq");
    window.shows("Left; the terminal is still shared.").await;
    assert_eq!(
        host.done(&["status"]).await["shares"].as_array().unwrap().len(),
        1
    );
}
