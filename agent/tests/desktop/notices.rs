//! What the owner is told, where, and what they answer there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use mesh_testkit::eventually;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedValue;

use super::session::Session;
use crate::world::onlooker::Visitor;
use crate::world::{Machine, SOON, World};

const TOKEN: &str = "AbCd.canary";

/// A Gotify after its published interface: what came, the first `busy` times with a 503.
async fn gotify(busy: usize) -> (String, mpsc::UnboundedReceiver<Value>) {
    let (came, all) = mpsc::unbounded_channel();
    let left = Arc::new(Mutex::new(busy));
    let take = move |headers: HeaderMap, Json(body): Json<Value>| async move {
        let _ = came.send(body);
        let mut left = left.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        if headers.get("X-Gotify-Key").is_some_and(|key| key == TOKEN) {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        }
    };
    let router = axum::Router::new().route("/sub/message", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sub/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, all)
}

async fn next(all: &mut mpsc::UnboundedReceiver<Value>) -> Value {
    timeout(SOON, all.recv()).await.expect("a notice").unwrap()
}

/// The machine "host" with these variables, its daemon up.
async fn host(world: &World, variables: &[(&str, &str)], up: &[&str]) -> (Machine, crate::world::Running) {
    let machine = Machine::new(world.path("host")).knowing(variables);
    world.sign_in(&machine, "host").await;
    let mut daemon = machine.mesh(&[&["up"], up].concat());
    daemon.until("This device is up").await;
    (machine, daemon)
}

#[tokio::test]
async fn an_own_gotify_hears_who_and_where_and_no_content_and_the_token_reaches_no_log() {
    let world = World::start().await;
    let (url, mut all) = gotify(0).await;
    let variables = [
        ("MESH_GOTIFY_URL", url.as_str()),
        ("MESH_GOTIFY_TOKEN", TOKEN),
        ("MESH_GOTIFY_EVENTS", "request,file"),
        ("MESH_LOG", "debug"),
    ];
    let (machine, _daemon) = host(
        &world,
        &variables,
        &["--allow", "share:file", "--allow", "terminal:view"],
    )
    .await;
    let canary = world.path("canary-name.txt");
    std::fs::write(&canary, "canary content").unwrap();
    let other = world.machine("other").await;
    other
        .done(&["send", "--to", "host", canary.to_str().unwrap()])
        .await;
    let told = next(&mut all).await;
    assert_eq!(told["title"], "Mesh: host");
    assert_eq!(told["message"], "Files of alice (other) came, in Home.");
    assert_eq!(
        told["extras"]["client::notification"]["click"]["url"],
        world.server.url()
    );
    // To watch was not chosen; what somebody asks is told though nobody can be asked.
    let bob = world.member("bob").await;
    let mut visitor = Visitor::enter(&world, &bob).await;
    let label = machine.share(&[], "cat").await;
    let (open, _signal) = visitor.ask(Some(&label)).await.unwrap();
    drop(open);
    machine.done(&["down"]).await;
    let rest = std::iter::from_fn(|| all.try_recv().ok()).collect::<Vec<_>>();
    let everything = format!("{told} {rest:?}");
    assert!(!everything.contains("canary"), "{everything}");
    assert!(rest.is_empty(), "{rest:?}");
    let log = std::fs::read_to_string(machine.home().join("state/daemon.log")).unwrap();
    assert!(log.contains("the daemon is up") && !log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn a_request_that_nobody_can_answer_is_told_and_a_busy_gotify_is_asked_again() {
    let world = World::start().await;
    let (url, mut all) = gotify(1).await;
    let variables = [("MESH_GOTIFY_URL", url.as_str()), ("MESH_GOTIFY_TOKEN", TOKEN)];
    let (_machine, _daemon) = host(&world, &variables, &[]).await;
    let bob = world.member("bob").await;
    let mut visitor = Visitor::enter(&world, &bob).await;
    assert!(visitor.ask(None).await.is_err());
    let first = next(&mut all).await;
    assert!(
        first["message"]
            .as_str()
            .unwrap()
            .ends_with("asks to watch a terminal."),
        "{first}"
    );
    assert_eq!(first["priority"], 8);
    assert_eq!(next(&mut all).await, first, "it was busy the first time");
}

/// A desktop's notifications over zbus, for what dunst does not show to a program.
struct Shown(mpsc::UnboundedSender<HashMap<String, Value>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Shown {
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: String,
        _replaces_id: u32,
        _app_icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expire_timeout: i32,
    ) -> u32 {
        let shown = json!({"app": app_name, "title": summary, "body": body, "actions": actions});
        let _ = self.0.send(serde_json::from_value(shown).unwrap());
        7
    }

    fn close_notification(&self, id: u32) {
        let _ = self.0.send(HashMap::from([("closed".to_owned(), json!(id))]));
    }

    fn get_capabilities(&self) -> Vec<String> {
        vec!["actions".into(), "body".into(), "body-markup".into()]
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action_key: &str) -> zbus::Result<()>;
}

const PATH: &str = "/org/freedesktop/Notifications";

#[tokio::test]
async fn a_question_on_the_desktop_is_declined_there_and_goes_from_the_screen() {
    let world = World::start().await;
    let session = Session::start().await;
    let (sender, mut shown) = mpsc::unbounded_channel();
    session.bus.object_server().at(PATH, Shown(sender)).await.unwrap();
    session
        .bus
        .request_name("org.freedesktop.Notifications")
        .await
        .unwrap();
    let (_machine, _daemon) = host(&world, &[session.variable()], &[]).await;
    let bob = world.member("bob").await;
    let mut visitor = Visitor::enter(&world, &bob).await;
    visitor.until_it_answers().await;
    let decline = async {
        let question = timeout(SOON, shown.recv()).await.unwrap().unwrap();
        let emitter = SignalEmitter::new(&session.bus, PATH).unwrap();
        Shown::action_invoked(&emitter, 7, "decline").await.unwrap();
        question
    };
    let (question, asked) = tokio::join!(decline, visitor.ask(None));
    assert!(asked.is_err(), "it was declined");
    assert_eq!(question["app"], "Mesh");
    assert_eq!(
        question["actions"],
        json!(["allow", "Allow", "decline", "Decline"])
    );
    let body = question["body"].as_str().unwrap();
    assert!(
        body.starts_with("bob") && body.ends_with("in Home asks to watch a terminal."),
        "{body}"
    );
    let closed = timeout(SOON, shown.recv()).await.unwrap().unwrap();
    assert_eq!(closed.get("closed"), Some(&json!(7)), "{closed:?}");
}

#[tokio::test]
async fn dunst_shows_a_question_whose_button_lets_somebody_in() {
    let world = World::start().await;
    let mut session = Session::start().await;
    session.dunst().await;
    let (_machine, _daemon) = host(&world, &[session.variable()], &[]).await;
    let bob = world.member("bob").await;
    let mut visitor = Visitor::enter(&world, &bob).await;
    visitor.until_it_answers().await;
    let allow = async {
        eventually("the question is on the screen", async || {
            session.dunstctl(&["count", "displayed"]).await.trim() == "1"
        })
        .await;
        session.dunstctl(&["context"]).await;
    };
    let (asked, ()) = tokio::join!(visitor.ask(None), allow);
    assert!(asked.is_ok(), "{:?}", asked.err());
    // Then it is taken away, and that somebody watches is told.
    eventually("the notice is on the screen", async || {
        let history = session.dunstctl(&["history"]).await;
        let displayed = session.dunstctl(&["count", "displayed"]).await;
        displayed.trim() == "1" && history.contains("asks to watch a terminal")
    })
    .await;
}

#[tokio::test]
async fn without_anybody_who_shows_notices_a_request_is_declined_at_once() {
    let world = World::start().await;
    let session = Session::start().await;
    let (machine, _daemon) = host(&world, &[session.variable()], &["--allow", "share:file"]).await;
    let bob = world.member("bob").await;
    let mut visitor = Visitor::enter(&world, &bob).await;
    assert!(visitor.ask(None).await.is_err());
    let status = machine.done(&["status"]).await;
    assert_eq!(status["connected"], true);
}
