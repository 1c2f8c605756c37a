//! The tray, with a StatusNotifier watcher and host over zbus that read what a panel reads and click what it lets click.

use std::collections::HashMap;

use mesh_testkit::eventually;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Structure, Value};
use zbus::{Connection, message::Header};

use super::session::Session;
use crate::world::onlooker::Visitor;
use crate::world::{Machine, SOON, World};

struct Watcher(mpsc::UnboundedSender<String>);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, _service: String, #[zbus(header)] header: Header<'_>) {
        let _ = self.0.send(header.sender().unwrap().to_string());
    }

    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(signal)]
    async fn status_notifier_host_registered(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

/// A panel that shows one item.
struct Panel {
    bus: Connection,
    item: String,
}

/// A line of a menu.
#[derive(Clone, Debug)]
struct Line {
    id: i32,
    label: String,
    enabled: bool,
    children: Vec<Line>,
}

type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// What a variant holds, however deep.
fn inner(mut value: Value<'static>) -> Value<'static> {
    while let Value::Value(within) = value {
        value = *within;
    }
    value
}

fn line((id, properties, children): Node) -> Line {
    let property = |name: &str| {
        properties
            .get(name)
            .map(|value| inner(Value::from(value.clone())))
    };
    let text = |name: &str| property(name).and_then(|value| String::try_from(value).ok());
    let flag = |name: &str| property(name).and_then(|value| bool::try_from(value).ok());
    Line {
        id,
        label: text("label").unwrap_or_default(),
        enabled: flag("enabled").unwrap_or(true),
        children: children.into_iter().map(|child| line(node(child))).collect(),
    }
}

/// A line within another.
fn node(value: OwnedValue) -> Node {
    let fields = Structure::try_from(inner(Value::from(value)))
        .unwrap()
        .into_fields();
    let [id, properties, children] = <[Value<'_>; 3]>::try_from(fields).unwrap();
    let children = Vec::<Value<'_>>::try_from(children).unwrap();
    let children = children.into_iter().map(|child| child.try_into().unwrap());
    (
        id.try_into().unwrap(),
        properties.try_into().unwrap(),
        children.collect(),
    )
}

impl Panel {
    async fn start(session: &Session) -> Self {
        let (sender, mut items) = mpsc::unbounded_channel();
        let bus = &session.bus;
        bus.object_server()
            .at("/StatusNotifierWatcher", Watcher(sender))
            .await
            .unwrap();
        bus.request_name("org.kde.StatusNotifierWatcher").await.unwrap();
        let item = timeout(SOON, items.recv()).await.expect("an item").unwrap();
        Self {
            bus: bus.clone(),
            item,
        }
    }

    async fn status(&self) -> String {
        let interface = "org.kde.StatusNotifierItem";
        let answer = self
            .bus
            .call_method(
                Some(self.item.as_str()),
                "/StatusNotifierItem",
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &(interface, "Status"),
            )
            .await
            .unwrap();
        answer
            .body()
            .deserialize::<OwnedValue>()
            .unwrap()
            .try_into()
            .unwrap()
    }

    async fn menu(&self) -> Vec<Line> {
        let answer = self
            .bus
            .call_method(
                Some(self.item.as_str()),
                "/MenuBar",
                Some("com.canonical.dbusmenu"),
                "GetLayout",
                &(0i32, -1i32, Vec::<String>::new()),
            )
            .await
            .unwrap();
        let (_, root): (u32, Node) = answer.body().deserialize().unwrap();
        line(root).children
    }

    /// The line with this in its label, once there is one.
    async fn find(&self, label: &str) -> Line {
        let mut found = None;
        eventually(label, async || {
            found = self
                .menu()
                .await
                .into_iter()
                .find(|line| line.label.contains(label));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    async fn click(&self, line: &Line) {
        assert!(line.enabled, "{line:?}");
        self.bus
            .call_method(
                Some(self.item.as_str()),
                "/MenuBar",
                Some("com.canonical.dbusmenu"),
                "Event",
                &(line.id, "clicked", Value::from(0i32), 0u32),
            )
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_tray_shows_the_status_approves_and_declines_requests_and_stops_everything() {
    let world = World::start().await;
    let session = Session::start().await;
    let machine = Machine::new(world.path("host")).knowing(&[session.variable()]);
    world.sign_in(&machine, "host").await;
    let mut daemon = machine.mesh(&["up"]);
    daemon.until("This device is up").await;
    // The tray comes after the daemon, as at a login.
    let panel = Panel::start(&session).await;
    panel.find("alice on").await;
    assert!(
        !panel.find("Stop sharing everything").await.enabled,
        "nothing is shared"
    );
    let bob = world.member("bob").await;
    let mut visitor = Visitor::enter(&world, &bob).await;
    visitor.until_it_answers().await;

    let decline = async {
        let question = panel.find("watch a terminal").await;
        assert!(question.label.starts_with("bob"), "{question:?}");
        assert_eq!(panel.status().await, "NeedsAttention");
        let button = question
            .children
            .iter()
            .find(|line| line.label == "Decline")
            .unwrap();
        panel.click(button).await;
    };
    let (asked, ()) = tokio::join!(visitor.ask(None), decline);
    assert!(asked.is_err());
    eventually("it is settled", async || panel.status().await == "Active").await;

    let approve = async {
        let question = panel.find("watch a terminal").await;
        let button = question
            .children
            .iter()
            .find(|line| line.label == "Approve")
            .unwrap();
        panel.click(button).await;
    };
    let (asked, ()) = tokio::join!(visitor.ask(None), approve);
    let _open = asked.unwrap();
    panel.find(": bob").await;
    eventually("it can be stopped", async || {
        panel.find("Stop sharing everything").await.enabled
    })
    .await;
    panel.click(&panel.find("Stop sharing everything").await).await;
    eventually("nothing is shared", async || {
        machine.done(&["status"]).await["shares"]
            .as_array()
            .unwrap()
            .is_empty()
    })
    .await;
    assert!(daemon.interrupt().await.0.success());
}
