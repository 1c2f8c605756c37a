//! What every bus does, and what the one of several nodes does beyond it, over a real NATS server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use mesh_protocol::http::{Policy, Role};
use mesh_server::bus::{Bus, BusEvent, Frame, Listener, LocalBus, NatsBus, NodeId, Presence, Route};
use mesh_server::hub::sessions::SessionChange;
use mesh_server::store::SignInId;
use mesh_testkit::eventually;
use mesh_testkit::nats::{Cable, Nats};

/// Notes what it is told.
struct Notes {
    route: Route,
    delivered: Mutex<Vec<BusEvent>>,
    arrived: Mutex<Vec<(NodeId, BusEvent)>>,
    lost: Mutex<Vec<(NodeId, bool)>>,
    gone: Mutex<Vec<NodeId>>,
}

impl Notes {
    fn new(route: Route) -> Arc<Self> {
        Arc::new(Self {
            route,
            delivered: Mutex::default(),
            arrived: Mutex::default(),
            lost: Mutex::default(),
            gone: Mutex::default(),
        })
    }

    fn here(&self) -> Vec<String> {
        self.delivered.lock().unwrap().iter().map(text).collect()
    }

    fn there(&self) -> Vec<String> {
        self.arrived
            .lock()
            .unwrap()
            .iter()
            .map(|(_, event)| text(event))
            .collect()
    }
}

impl Listener for Notes {
    fn deliver(&self, event: &BusEvent) {
        self.delivered.lock().unwrap().push(event.clone());
    }
    fn route(&self, _: &BusEvent) -> Route {
        self.route.clone()
    }
    fn arrived(&self, from: NodeId, event: BusEvent) {
        self.arrived.lock().unwrap().push((from, event));
    }
    fn lost(&self, node: NodeId, damaged: bool) {
        self.lost.lock().unwrap().push((node, damaged));
    }
    fn gone(&self, node: NodeId) {
        self.gone.lock().unwrap().push(node);
    }
}

fn text(event: &BusEvent) -> String {
    format!("{event:?}")
}

fn listen(bus: &dyn Bus, notes: &Arc<Notes>) {
    let listener: Arc<dyn Listener> = notes.clone();
    bus.subscribe(Arc::downgrade(&listener));
}

fn id<T: std::str::FromStr<Err = mesh_protocol::ids::InvalidId>>(text: &str) -> T {
    text.parse().unwrap()
}

fn to_peer(number: usize) -> BusEvent {
    BusEvent::Peer {
        peer_id: id("p"),
        frame: Frame::from(&*number.to_string()),
    }
}

/// One of every kind that nodes tell each other.
fn every_kind() -> Vec<BusEvent> {
    let frame = || Frame::from("{\"type\":\"ünï\",\"payload\":{}}");
    vec![
        BusEvent::Room {
            room_id: id("r"),
            frame: frame(),
        },
        BusEvent::Chat {
            room_id: id("r"),
            seq: u64::MAX,
            frame: frame(),
        },
        BusEvent::Peer {
            peer_id: id("p"),
            frame: frame(),
        },
        BusEvent::SignInEnded {
            sign_in: SignInId("s".into()),
        },
        BusEvent::MemberGone {
            room_id: id("r"),
            user_id: id("u"),
            reason: "left".into(),
        },
        BusEvent::MemberChanged {
            room_id: id("r"),
            user_id: id("u"),
            role: Role::Moderator,
            frame: frame(),
        },
        BusEvent::RoomChanged {
            room_id: id("r"),
            policy: Policy::default(),
            frame: frame(),
        },
        BusEvent::Moderators {
            room_id: id("r"),
            frame: frame(),
        },
        BusEvent::User {
            user_id: id("u"),
            frame: frame(),
        },
        BusEvent::RoomGone { room_id: id("r") },
        BusEvent::Session {
            room_id: id("r"),
            change: SessionChange::Revoked {
                session_id: id("s"),
                parties: vec![id("a"), id("b")],
            },
        },
        BusEvent::DeviceBack { device_id: id("d") },
        BusEvent::GuessFailed {
            name_key: "näme".into(),
            address: [127, 0, 0, 1].into(),
        },
        BusEvent::Presence(Presence::Ask {
            rooms: vec![id("r")],
            ask: u64::MAX,
        }),
        BusEvent::Presence(Presence::Gone {
            room_id: id("r"),
            peer_id: id("p"),
        }),
    ]
}

/// What holds for every bus.
fn contract(bus: &dyn Bus) {
    let notes = Notes::new(Route::None);
    bus.publish(to_peer(0));
    listen(bus, &notes);
    for number in 1..=3 {
        bus.publish(to_peer(number));
        assert_eq!(notes.here().len(), number, "delivered within the call");
    }
    bus.here(to_peer(4));
    let expected: Vec<String> = (1..=4).map(|number| text(&to_peer(number))).collect();
    assert_eq!(notes.here(), expected, "in order, and nothing of before");
    let second = Notes::new(Route::None);
    listen(bus, &second);
    drop(notes);
    bus.publish(to_peer(5));
    assert!(
        second.here().is_empty(),
        "the first listener stands, and may have gone"
    );
}

#[test]
fn the_local_bus_does_what_a_bus_does() {
    let bus = LocalBus::default();
    contract(&bus);
    assert!(bus.node().is_none() && bus.nodes().is_empty() && bus.is_whole());
}

async fn node(url: &str, route: Route) -> Result<(NatsBus, Arc<Notes>)> {
    let bus = NatsBus::join(url, "test", 0).await?;
    let notes = Notes::new(route);
    listen(&bus, &notes);
    Ok((bus, notes))
}

async fn met(a: &NatsBus, b: &NatsBus) {
    let knows = |one: &NatsBus, other: &NatsBus| one.nodes().contains(&other.node().unwrap());
    eventually("they know each other", async || knows(a, b) && knows(b, a)).await;
}

#[tokio::test]
async fn the_bus_of_several_nodes_does_what_a_bus_does() -> Result<()> {
    let nats = Nats::start().await?;
    contract(&NatsBus::join(&nats.url(), "test", 0).await?);
    Ok(())
}

#[tokio::test]
async fn every_event_arrives_whole_and_in_order_and_what_is_for_here_stays_here() -> Result<()> {
    let nats = Nats::start().await?;
    let (a, of_a) = node(&nats.url(), Route::All).await?;
    let (b, of_b) = node(&nats.url(), Route::None).await?;
    met(&a, &b).await;
    let events = every_kind();
    for event in &events {
        a.publish(event.clone());
        a.here(event.clone());
    }
    for number in 0..5_000 {
        a.publish(to_peer(number));
    }
    let count = events.len() + 5_000;
    eventually("all of it", async || of_b.there().len() >= count).await;
    let expected: Vec<String> = events
        .iter()
        .cloned()
        .chain((0..5_000).map(to_peer))
        .map(|e| text(&e))
        .collect();
    assert_eq!(of_b.there(), expected);
    assert_eq!(of_a.here().len(), count + events.len());
    b.publish(to_peer(1));
    a.publish(to_peer(2));
    eventually("the last", async || of_b.there().len() > count).await;
    assert!(
        of_a.there().is_empty(),
        "its route says that it concerns no other node"
    );
    assert!(
        of_b.lost.lock().unwrap().iter().all(|(_, damaged)| !damaged),
        "nothing was missed"
    );
    Ok(())
}

#[tokio::test]
async fn a_node_that_says_goodbye_is_gone_at_once_and_others_of_another_database_are_none_of_ours()
-> Result<()> {
    let nats = Nats::start().await?;
    let (a, of_a) = node(&nats.url(), Route::All).await?;
    let stranger = NatsBus::join(&nats.url(), "another", 0).await?;
    let (b, of_b) = node(&nats.url(), Route::All).await?;
    met(&a, &b).await;
    assert!(!a.nodes().contains(&stranger.node().unwrap()));
    let left = b.node().unwrap();
    b.publish(to_peer(1));
    b.leave().await;
    eventually("gone", async || of_a.gone.lock().unwrap().contains(&left)).await;
    assert_eq!(
        of_a.there(),
        [text(&to_peer(1))],
        "what it said before the goodbye counts"
    );
    assert!(!a.nodes().contains(&left) && of_b.gone.lock().unwrap().is_empty());
    Ok(())
}

#[tokio::test]
async fn what_waits_while_nats_is_away_arrives_when_it_is_back_or_is_known_to_be_missing() -> Result<()> {
    let mut nats = Nats::start().await?;
    let (a, _of_a) = node(&nats.url(), Route::All).await?;
    let (b, of_b) = node(&nats.url(), Route::All).await?;
    met(&a, &b).await;
    a.publish(to_peer(0));
    eventually("the first", async || of_b.there().len() == 1).await;
    nats.kill();
    eventually("it is noticed", async || !a.is_whole() && !b.is_whole()).await;
    for number in 1..=100 {
        a.publish(to_peer(number));
    }
    nats.revive().await?;
    let from = a.node().unwrap();
    let missing = || of_b.lost.lock().unwrap().contains(&(from, true));
    let all: Vec<String> = (0..=100).map(|number| text(&to_peer(number))).collect();
    // The one that is back first may send before the other listens again.
    eventually("one or the other", async || of_b.there() == all || missing()).await;
    a.publish(to_peer(101));
    eventually("what comes after", async || {
        of_b.there().last() == Some(&text(&to_peer(101)))
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn what_is_lost_on_the_way_is_noticed() -> Result<()> {
    let nats = Nats::start().await?;
    let cable = Cable::to(nats.address()).await?;
    let (a, _of_a) = node(&nats.url(), Route::All).await?;
    let (b, of_b) = node(&format!("nats://{}", cable.address()), Route::All).await?;
    met(&a, &b).await;
    a.publish(to_peer(0));
    eventually("the first", async || of_b.there().len() == 1).await;
    cable.cut();
    eventually("it is noticed", async || !b.is_whole()).await;
    // NATS has nobody to give it to, and keeps nothing.
    a.publish(to_peer(1));
    cable.mend();
    let from = a.node().unwrap();
    eventually("something is missing", async || {
        of_b.lost.lock().unwrap().contains(&(from, true))
    })
    .await;
    a.publish(to_peer(2));
    eventually("what comes after", async || {
        of_b.there().last() == Some(&text(&to_peer(2)))
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_question_is_answered_by_the_node_that_is_asked() -> Result<()> {
    struct Reverse;
    #[async_trait::async_trait]
    impl mesh_server::bus::Serve for Reverse {
        async fn serve(&self, question: bytes::Bytes) -> bytes::Bytes {
            question.iter().rev().copied().collect()
        }
    }
    let nats = Nats::start().await?;
    let (a, _of_a) = node(&nats.url(), Route::None).await?;
    let (b, _of_b) = node(&nats.url(), Route::None).await?;
    met(&a, &b).await;
    let to = b.node().unwrap();
    let serve: Arc<dyn mesh_server::bus::Serve> = Arc::new(Reverse);
    b.serve(Arc::downgrade(&serve));
    assert_eq!(a.ask(to, "abc".into(), mesh_testkit::WAIT).await?, "cba");
    b.leave().await;
    assert!(a.ask(to, "abc".into(), Duration::from_millis(500)).await.is_err());
    Ok(())
}
