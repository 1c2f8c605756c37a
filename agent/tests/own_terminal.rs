//! Sharing as its owner lives with it: in the terminal that it was typed in, with questions, keys and a window that closes; and
//! `mesh view` in the terminal of somebody else.

use crate::world::World;
use crate::world::onlooker::{Onlooker, Visitor};
use crate::world::window::Window;
use mesh_protocol::channel::{ConsentAnswer, Frame, TermAnswer, TermDecide, TermSize};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::signal::Reason;

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
        // Else the next round would take it for its own.
        window.hides("wants to type").await;
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
    // The first key takes the greeting away; what is shown before that is done goes with it.
    window.shows("again").await;

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

fn answer(id: u64, answer: ConsentAnswer) -> Frame {
    Frame::TermAnswer(TermAnswer { id, answer })
}

async fn wish(page: &Onlooker, decides: bool) {
    page.send(Frame::TermDecide(TermDecide { decides })).await;
}

/// Whether the host said that this viewer may ask to decide, once it has said who controls.
async fn may_decide(seat: &mut Onlooker) -> bool {
    seat.until("who controls", |seat| seat.lease.is_some()).await;
    seat.lease.as_ref().unwrap().may_decide
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_decides_from_a_page_that_was_let_at_the_machine() {
    let world = World::start().await;
    let host = world.machine("host").await;
    let mut daemon = host.mesh(&["up"]);
    daemon.until("This device is up").await;
    let mut window = Window::open(&host, &SCRIPT);
    window.shows("ready").await;
    let label = "sh -c echo ready; exec cat";
    let bob = world.member("bob").await;
    let mut page = Visitor::enter(&world, &world.alice).await.watch(label).await;
    let mut bob = Visitor::enter(&world, &bob).await.watch(label).await;
    assert!(may_decide(&mut page).await && !may_decide(&mut bob).await);

    wish(&page, true).await;
    let asked = async {
        window.shows("wants to decide in your place").await;
        window.type_in("\x1dy");
    };
    tokio::join!(
        asked,
        page.until("that it decides", |page| page.decides == Some(true))
    );
    let deciders = &host.done(&["status"]).await["shares"][0]["deciders"];
    assert!(deciders[0].as_str().unwrap().starts_with("alice"), "{deciders}");
    // From here on nobody sits at the machine.
    drop(window);

    bob.take().await;
    page.until("the question", |page| page.asked.len() == 1).await;
    assert!(page.asked[0].who.starts_with("bob") && page.asked[0].room == "Home");
    page.send(answer(page.asked[0].id, ConsentAnswer::Yes)).await;
    bob.until("control", |bob| bob.viewer.holds_control()).await;
    page.until("that it is settled", |page| page.asked.is_empty())
        .await;

    // Whoever decides need not ask; and an answer to what was taken back means nothing.
    page.control().await;
    bob.until("the end of control", |bob| !bob.viewer.holds_control())
        .await;
    bob.take().await;
    page.until("the next question", |page| page.asked.len() == 1)
        .await;
    let before = page.asked[0].id;
    bob.give_back().await;
    page.until("that it was taken back", |page| page.asked.is_empty())
        .await;
    page.send(answer(before, ConsentAnswer::AlwaysPerson)).await;
    bob.take().await;
    page.until("a question of its own", |page| page.asked.len() == 1)
        .await;
    assert_ne!(page.asked[0].id, before);
    page.send(answer(page.asked[0].id, ConsentAnswer::No)).await;
    bob.until("a no", |bob| bob.denied == Some(Reason::Declined))
        .await;
    let rules = host.done(&["consent"]).await;
    assert_eq!(rules["rules"], serde_json::json!([]));

    // It gives that up: now there is nobody to ask.
    wish(&page, false).await;
    page.until("that it does not decide", |page| page.decides == Some(false))
        .await;
    bob.denied = None;
    bob.take().await;
    bob.until("a no", |bob| bob.denied == Some(Reason::Declined))
        .await;
    assert!(page.asked.is_empty() && bob.asked.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_watch_by_a_standing_yes_is_asked_nothing_and_answers_for_nobody() {
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    let label = host.share(&[], "echo ready; exec cat").await;
    let bob = world.member("bob").await;
    let mut page = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    let mut bob = Visitor::enter(&world, &bob).await.watch(&label).await;
    assert!(may_decide(&mut page).await && !may_decide(&mut bob).await);

    // What was allowed in advance is to watch and to type: nobody sits at the machine who could let it decide.
    wish(&page, true).await;
    page.until("a no", |page| page.decides == Some(false)).await;
    let mut window = Window::open(&host, &["attach"]);
    window.shows("ready").await;
    // Once refused, it is not asked about again; and what it answers was never asked of it.
    page.decides = None;
    wish(&page, true).await;
    page.until("a no without a question", |page| page.decides == Some(false))
        .await;
    for id in 0..50 {
        page.send(answer(id, ConsentAnswer::AlwaysRoom)).await;
    }
    page.control().await;
    assert!(page.asked.is_empty());
    let rules = host.done(&["consent"]).await;
    assert_eq!(rules["rules"], serde_json::json!([]));

    // Who is not the owner breaks the protocol by either.
    bob.send(answer(1, ConsentAnswer::Yes)).await;
    bob.until("the end", |bob| bob.bye.is_some()).await;
    assert_eq!(bob.bye.as_ref().map(|bye| bye.code), Some(ChannelCode::Protocol));
    drop(window);
}
