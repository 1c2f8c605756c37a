//! The bus of several nodes, over core NATS.
//!
//! Each node listens on one subject of its own, so that what one node sends to another stays in order whatever it is about;
//! on one that all share, where nodes say that they are there; and on one for questions that want an answer. Nothing is asked of
//! NATS but to carry: what it loses is noticed by numbers ([`super::link`]) and told to the listener.
//!
//! Bounds: outgoing as in [`super::link`]; incoming 1,024 parcels that wait to be read, past which NATS's client drops them, which
//! is noticed the same way; 256 questions that are being answered, past which one gets no answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, Message, ServerAddr, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::link::{Incoming, Order, Outgoing};
use super::members::{BEAT, Hello, Members};
use super::wire::{self, Entry, VERSION};
use super::{Bus, BusEvent, Listener, NodeId, Route};

const INCOMING: usize = 1_024;
const ANSWERED_AT_ONCE: usize = 256;
/// How long a start waits for NATS, and then for those who are there.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const GREET_WITHIN: Duration = Duration::from_millis(250);
/// Between attempts to reach NATS again.
const RECONNECT_EVERY: Duration = Duration::from_millis(250);
/// Less than the 1 MiB that NATS carries.
const LARGEST_ANSWER: usize = 900 * 1024;

/// Why another node was not reached; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error(
        "MESH_NATS_URL is no address of NATS: write nats://host:4222, or several with commas between them"
    )]
    Address,
    #[error("NATS refused: {0}")]
    Refused(String),
    #[error("the other node did not answer")]
    Silent,
}

/// Answers what another node asks.
#[async_trait]
pub trait Serve: Send + Sync {
    async fn serve(&self, question: Bytes) -> Bytes;
}

struct Shared {
    node: NodeId,
    since: u64,
    subjects: Subjects,
    client: Client,
    listener: OnceLock<Weak<dyn Listener>>,
    serve: OnceLock<Weak<dyn Serve>>,
    /// Held for a push or a take, never while another lock of this file is taken.
    outgoing: Mutex<HashMap<NodeId, Outgoing>>,
    incoming: Mutex<HashMap<NodeId, Incoming>>,
    members: Mutex<Members>,
    /// This node has clients.
    serving: AtomicBool,
    /// Something waits to be sent, or the connection is there again.
    wake: Arc<Notify>,
}

struct Subjects {
    prefix: String,
}

impl Subjects {
    fn hello(&self) -> String {
        format!("{}.hello", self.prefix)
    }

    fn to(&self, node: NodeId) -> String {
        format!("{}.to.{node}", self.prefix)
    }

    fn ask(&self, node: NodeId) -> String {
        format!("{}.ask.{node}", self.prefix)
    }
}

/// See the module. Ended by [`NatsBus::leave`]; dropped, its tasks end too.
pub struct NatsBus {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl NatsBus {
    /// Joins the nodes that share `cluster` at the NATS of these addresses. Where it cannot be reached yet, the node is alone until
    /// it can.
    pub async fn join(url: &str, cluster: &str, since: u64) -> Result<Self, BusError> {
        let addresses: Result<Vec<ServerAddr>, _> =
            url.split(',').map(|address| address.trim().parse()).collect();
        let wake = Arc::new(Notify::new());
        let told = wake.clone();
        let client = ConnectOptions::new()
            .name("mesh-server")
            .retry_on_initial_connect()
            .subscription_capacity(INCOMING)
            .ping_interval(Duration::from_secs(5))
            .request_timeout(None)
            .reconnect_delay_callback(|_| RECONNECT_EVERY)
            .event_callback(move |event| {
                tell(&event);
                told.notify_one();
                std::future::ready(())
            })
            .connect(addresses.map_err(|_| BusError::Address)?)
            .await
            .map_err(|error| BusError::Refused(error.to_string()))?;
        let node = NodeId::random();
        let subjects = Subjects {
            prefix: format!("mesh.{cluster}.{VERSION}"),
        };
        let refused = |error: async_nats::SubscribeError| BusError::Refused(error.to_string());
        let parcels = client.subscribe(subjects.to(node)).await.map_err(refused)?;
        let questions = client.subscribe(subjects.ask(node)).await.map_err(refused)?;
        let hellos = client.subscribe(subjects.hello()).await.map_err(refused)?;
        let shared = Arc::new(Shared {
            node,
            since,
            subjects,
            client,
            listener: OnceLock::new(),
            serve: OnceLock::new(),
            outgoing: Mutex::default(),
            incoming: Mutex::default(),
            members: Mutex::new(Members::new(Instant::now())),
            serving: AtomicBool::new(false),
            wake,
        });
        let stop = CancellationToken::new();
        let until_stop = |future: futures_util::future::BoxFuture<'static, ()>| {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = future => {}
                }
            })
        };
        let tasks = vec![
            until_stop(Box::pin(receive(shared.clone(), parcels))),
            until_stop(Box::pin(greet(shared.clone(), hellos))),
            until_stop(Box::pin(answer(shared.clone(), questions))),
            until_stop(Box::pin(send(shared.clone()))),
            until_stop(Box::pin(beat(shared.clone()))),
        ];
        Ok(Self {
            shared,
            stop,
            tasks: Mutex::new(tasks),
        })
    }

    /// Waits a moment for those who are there already, so that what this node says of rooms is the whole from the start.
    pub async fn settle(&self) {
        self.wait_for_others().await;
        self.shared.serving.store(true, Ordering::Release);
    }

    async fn wait_for_others(&self) {
        let connected = async {
            while !self.is_whole() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(CONNECT_WITHIN, connected).await.is_err() {
            tracing::warn!("NATS is not reached: this node is alone until it is");
            return;
        }
        self.shared.hello(false).await;
        tokio::time::sleep(GREET_WITHIN).await;
    }

    /// Who answers what other nodes ask. Weak: it owns the bus.
    pub fn serve(&self, serve: Weak<dyn Serve>) {
        let _ = self.shared.serve.set(serve);
    }

    /// Asks a node, and waits for its answer.
    pub async fn ask(&self, node: NodeId, question: Bytes, within: Duration) -> Result<Bytes, BusError> {
        if !self.is_whole() {
            return Err(BusError::Silent);
        }
        let shared = &self.shared;
        let asked = shared.client.request(shared.subjects.ask(node), question);
        match tokio::time::timeout(within, asked).await {
            Ok(Ok(message)) if !message.payload.is_empty() => Ok(message.payload),
            _ => Err(BusError::Silent),
        }
    }

    /// The node that has been there longest, where that is another one.
    pub fn oldest(&self) -> Option<NodeId> {
        self.shared
            .members
            .lock()
            .older(self.shared.node, self.shared.since)
    }

    /// Says goodbye: what this node had is gone at once, and not after its lease.
    pub async fn leave(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            let _ = task.await;
        }
        if self.is_whole() {
            let goodbye = async {
                self.shared.send_all().await;
                self.shared.hello(true).await;
                let _ = self.shared.client.flush().await;
            };
            let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
        }
    }

    /// Parcels that were dropped because too much waited.
    pub fn dropped(&self) -> u64 {
        self.shared.outgoing.lock().values().map(|out| out.dropped).sum()
    }
}

impl Bus for NatsBus {
    fn publish(&self, event: BusEvent) {
        let Some(listener) = self.shared.listener() else {
            return;
        };
        listener.deliver(&event);
        match listener.route(&event) {
            Route::None => {}
            Route::One(node) => self.shared.push(&[node], &event),
            Route::Some(nodes) => self.shared.push(&nodes, &event),
            Route::All => self.shared.push(&self.nodes(), &event),
        }
    }

    fn here(&self, event: BusEvent) {
        if let Some(listener) = self.shared.listener() {
            listener.deliver(&event);
        }
    }

    fn subscribe(&self, listener: Weak<dyn Listener>) {
        let _ = self.shared.listener.set(listener);
    }

    fn send(&self, to: &[NodeId], event: &BusEvent) {
        self.shared.push(to, event);
    }

    fn node(&self) -> Option<NodeId> {
        Some(self.shared.node)
    }

    fn nodes(&self) -> Vec<NodeId> {
        self.shared.members.lock().all()
    }

    fn is_whole(&self) -> bool {
        self.shared.client.connection_state() == State::Connected
    }
}

impl Shared {
    fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.listener.get().and_then(Weak::upgrade)
    }

    fn push(&self, to: &[NodeId], event: &BusEvent) {
        if to.is_empty() {
            return;
        }
        let Some(entry) = Entry::of(event) else {
            tracing::error!("an event is too large for the bus");
            return;
        };
        let mut outgoing = self.outgoing.lock();
        let mut idle = false;
        for node in to {
            let out = outgoing.entry(*node).or_insert_with(|| Outgoing::new(self.node));
            idle |= out.push(&entry);
        }
        drop(outgoing);
        if idle {
            self.wake.notify_one();
        }
    }

    /// Sends what waits, one parcel of each node in turn.
    async fn send_all(&self) {
        loop {
            let parcels: Vec<(NodeId, Bytes)> = {
                let mut outgoing = self.outgoing.lock();
                let next = |(node, out): (&NodeId, &mut Outgoing)| Some((*node, out.take()?));
                outgoing.iter_mut().filter_map(next).collect()
            };
            if parcels.is_empty() {
                return;
            }
            for (node, parcel) in parcels {
                // An error means that the client has ended; the numbers tell the other end of anything else.
                let _ = self.client.publish(self.subjects.to(node), parcel).await;
            }
        }
    }

    async fn hello(&self, leaving: bool) {
        let hello = Hello {
            version: VERSION,
            node: self.node,
            since: self.since,
            serving: self.serving.load(Ordering::Acquire),
            leaving,
        };
        if let Ok(text) = serde_json::to_vec(&hello) {
            let _ = self.client.publish(self.subjects.hello(), text.into()).await;
        }
    }

    fn beat_to(&self, nodes: &[NodeId]) {
        let mut outgoing = self.outgoing.lock();
        for node in nodes {
            let out = outgoing.entry(*node).or_insert_with(|| Outgoing::new(self.node));
            out.beat();
        }
        drop(outgoing);
        self.wake.notify_one();
    }

    fn forget(&self, node: NodeId) {
        self.outgoing.lock().remove(&node);
        self.incoming.lock().remove(&node);
        if let Some(listener) = self.listener() {
            listener.gone(node);
        }
    }
}

/// Says what became of the connection.
fn tell(event: &Event) {
    match event {
        Event::Connected => tracing::info!("NATS is reached"),
        Event::Disconnected => tracing::warn!("NATS is not reached any more: this node is alone until it is"),
        Event::SlowConsumer(_) => {
            tracing::warn!("more came from other nodes than was read: it is asked for anew")
        }
        Event::ServerError(error) => tracing::warn!(%error, "NATS refuses something"),
        other => tracing::debug!(%other, "NATS"),
    }
}

/// Delivers what other nodes send.
async fn receive(shared: Arc<Shared>, mut parcels: Subscriber) {
    while let Some(message) = parcels.next().await {
        let arrived = match wire::read(message.payload) {
            Ok(arrived) => arrived,
            Err(error) => {
                tracing::warn!(%error, "a parcel of another node was not understood");
                continue;
            }
        };
        let from = arrived.from;
        let back = {
            let mut members = shared.members.lock();
            members.heard(from, None, Instant::now());
            members.was_missed(from) && shared.serving.load(Ordering::Acquire)
        };
        let count = arrived.events.len() as u64;
        let order = shared
            .incoming
            .lock()
            .entry(from)
            .or_default()
            .took(arrived.epoch, arrived.first, count);
        let Some(listener) = shared.listener() else {
            continue;
        };
        if order == Order::Repeated {
            continue;
        }
        for event in arrived.events {
            listener.arrived(from, event);
        }
        match order {
            Order::New => listener.lost(from, back),
            Order::Gap => listener.lost(from, true),
            Order::Next | Order::Repeated => {}
        }
    }
}

/// Notices who comes and who says goodbye.
async fn greet(shared: Arc<Shared>, mut hellos: Subscriber) {
    while let Some(message) = hellos.next().await {
        let Ok(hello) = serde_json::from_slice::<Hello>(&message.payload) else {
            continue;
        };
        if hello.node == shared.node || hello.version != VERSION {
            continue;
        }
        if hello.leaving {
            if shared.members.lock().left(hello.node) {
                tracing::info!(node = %hello.node, "another node has ended");
                shared.forget(hello.node);
            }
            continue;
        }
        let news = shared
            .members
            .lock()
            .heard(hello.node, Some(&hello), Instant::now());
        if news {
            tracing::info!(node = %hello.node, "another node is there");
            shared.hello(false).await;
            shared.beat_to(&[hello.node]);
        }
    }
}

/// Lets this node be heard, and notices who is not heard any more.
async fn beat(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(BEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let connected = shared.client.connection_state() == State::Connected;
        let (lapsed, others) = {
            let (mut members, now) = (shared.members.lock(), Instant::now());
            members.connected(connected, now);
            (members.lapsed(now), members.all())
        };
        for node in lapsed {
            tracing::warn!(%node, "another node is not heard any more");
            shared.forget(node);
        }
        if connected {
            shared.hello(false).await;
            shared.beat_to(&others);
        }
        // What was queued for a node that is no member costs nothing for long.
        shared.outgoing.lock().retain(|node, _| others.contains(node));
    }
}

async fn send(shared: Arc<Shared>) {
    loop {
        shared.wake.notified().await;
        // What waits while NATS is away goes out when it is back, up to its bound.
        if shared.client.connection_state() == State::Connected {
            shared.send_all().await;
        }
    }
}

/// Answers questions, each in a task that ends with the answer.
async fn answer(shared: Arc<Shared>, mut questions: Subscriber) {
    let tasks = TaskTracker::new();
    let places = Arc::new(Semaphore::new(ANSWERED_AT_ONCE));
    while let Some(message) = questions.next().await {
        let (Some(serve), Ok(place)) = (
            shared.serve.get().and_then(Weak::upgrade),
            places.clone().try_acquire_owned(),
        ) else {
            continue;
        };
        let client = shared.client.clone();
        tasks.spawn(async move {
            let Message { payload, reply, .. } = message;
            let answer = serve.serve(payload).await;
            if let Some(reply) = reply
                && answer.len() <= LARGEST_ANSWER
            {
                let _ = client.publish(reply, answer).await;
            }
            drop(place);
        });
    }
}
