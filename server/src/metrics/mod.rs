//! What the server counts, in the form that Prometheus reads.
//!
//! Each server has a registry of its own. What a message costs is one atomic addition: the counters of everything that has a closed
//! list of names are made at the start. Labels hold names of the protocol and of routes, never who or where somebody is.
//! `docs/operating.md` lists all of them.

mod listener;
mod process;

pub(crate) use listener::listen;

use std::fmt;
use std::sync::Arc;

use mesh_protocol::capability::Capability;
use mesh_protocol::error_code::{HttpCode, SignalCode};
use mesh_protocol::signal::ClientType;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::app::App;
use crate::traffic::Counters;

/// Seconds. A request takes less than a millisecond, a password some fifty, a commit what the disk takes.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// One label and its value.
type Names = [(&'static str, &'static str); 1];

/// Makes the histograms of a family.
#[derive(Clone, Debug)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// Everything that is counted as it happens.
pub struct Metrics {
    registry: Registry,
    messages: Vec<Counter>,
    signal_errors: Family<Names, Counter>,
    http_errors: Family<Names, Counter>,
    granted: Family<Names, Counter>,
    requests: Family<Request, Histogram, Seconds>,
    /// Messages that are stored.
    pub(crate) chat_stored: Counter,
    /// Messages that could not be stored.
    pub(crate) chat_failed: Counter,
    /// From the queue to the commit, for each batch.
    pub(crate) chat_commit: Histogram,
    /// Entries of the record that were lost.
    pub(crate) audit_dropped: Counter,
    now: Now,
}

/// What is looked up when somebody asks.
#[derive(Default)]
struct Now {
    sockets: Gauge,
    peers: Gauge,
    rooms: Gauge,
    sessions: Gauge,
    queues: Family<Names, Gauge>,
    tasks: Gauge,
    memory: Gauge,
    descriptors: Gauge,
    network: Network,
}

#[derive(Default)]
struct Network {
    received: Gauge,
    sent: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    /// The pattern: names and ids do not stand in it.
    route: String,
    status: u16,
}

impl Default for Metrics {
    fn default() -> Self {
        let messages = Family::<Names, Counter>::default();
        let one = |kind: &ClientType| messages.get_or_create_owned(&[("type", kind.as_str())]);
        let mut metrics = Self {
            registry: Registry::default(),
            messages: ClientType::ALL.iter().map(one).collect(),
            signal_errors: Family::default(),
            http_errors: Family::default(),
            granted: Family::default(),
            requests: Family::new_with_constructor(Seconds),
            chat_stored: Counter::default(),
            chat_failed: Counter::default(),
            chat_commit: Seconds.new_metric(),
            audit_dropped: Counter::default(),
            now: Now::default(),
        };
        metrics
            .registry
            .register("mesh_messages", "Messages of clients, by type", messages.clone());
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let (registry, now) = (&mut self.registry, &self.now);
        let counters = [
            (
                "mesh_signal_errors",
                "Messages of clients that were refused, by code",
                &self.signal_errors,
            ),
            (
                "mesh_http_errors",
                "Requests that were refused, by code",
                &self.http_errors,
            ),
            (
                "mesh_capabilities_granted",
                "Capabilities that were given, by name",
                &self.granted,
            ),
        ];
        for (name, help, family) in counters {
            registry.register(name, help, family.clone());
        }
        registry.register(
            "mesh_chat_stored",
            "Chat messages that are stored",
            self.chat_stored.clone(),
        );
        registry.register(
            "mesh_chat_failed",
            "Chat messages that could not be stored",
            self.chat_failed.clone(),
        );
        registry.register_with_unit(
            "mesh_chat_commit",
            "Time to store a batch of chat messages",
            Unit::Seconds,
            self.chat_commit.clone(),
        );
        registry.register_with_unit(
            "mesh_http_request_duration",
            "Time to answer a request, by method, route and status",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register(
            "mesh_audit_dropped",
            "Entries that are missing from the record",
            self.audit_dropped.clone(),
        );
        registry.register(
            "mesh_queue_length",
            "What waits for the database, by queue",
            now.queues.clone(),
        );
        let gauges = [
            ("mesh_sockets", "Open WebSockets", &now.sockets),
            (
                "mesh_peers",
                "Peers, those that may come back included",
                &now.peers,
            ),
            ("mesh_rooms_live", "Rooms that somebody has joined", &now.rooms),
            ("mesh_sessions_open", "Sessions between peers", &now.sessions),
            (
                "mesh_network_received_bytes",
                "Bytes received since the start",
                &now.network.received,
            ),
            (
                "mesh_network_sent_bytes",
                "Bytes sent since the start",
                &now.network.sent,
            ),
            (
                "mesh_tasks",
                "Tasks of the runtime that have not ended",
                &now.tasks,
            ),
            (
                "process_resident_memory_bytes",
                "Memory of the process",
                &now.memory,
            ),
            (
                "process_open_fds",
                "Open files and sockets of the process",
                &now.descriptors,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
    }

    /// A message of a known type came in.
    pub(crate) fn message(&self, kind: ClientType) {
        if let Some(counter) = self.messages.get(kind as usize) {
            counter.inc();
        }
    }

    /// A message was refused.
    pub(crate) fn signal_error(&self, code: SignalCode) {
        self.signal_errors.get_or_create(&[("code", code.as_str())]).inc();
    }

    /// A request was refused.
    pub(crate) fn http_error(&self, code: HttpCode) {
        self.http_errors.get_or_create(&[("code", code.as_str())]).inc();
    }

    /// Capabilities were given.
    pub(crate) fn granted(&self, capabilities: &[Capability]) {
        for capability in capabilities {
            self.granted
                .get_or_create(&[("capability", capability.as_str())])
                .inc();
        }
    }

    /// A request was answered.
    pub(crate) fn request(&self, method: &axum::http::Method, route: &str, status: u16, seconds: f64) {
        // What a client made up does not become a series.
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
        let method = known
            .into_iter()
            .find(|known| *known == method.as_str())
            .unwrap_or("other");
        let request = Request {
            method,
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&request).observe(seconds);
    }

    /// The text that Prometheus reads.
    fn text(&self, app: &App, traffic: &Counters) -> Result<String, fmt::Error> {
        let now = &self.now;
        let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let bytes = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        now.sockets.set(count(app.sockets.len()));
        now.peers.set(count(app.hub.socket_count()));
        now.rooms.set(count(app.hub.room_count()));
        now.sessions.set(count(app.hub.sessions.count()));
        for (queue, length) in [("chat", app.chat.waiting()), ("audit", app.audit.waiting())] {
            now.queues.get_or_create(&[("queue", queue)]).set(count(length));
        }
        let through = traffic.get();
        now.network.received.set(bytes(through.read));
        now.network.sent.set(bytes(through.written));
        let tasks = tokio::runtime::Handle::try_current().map(|runtime| runtime.metrics().num_alive_tasks());
        now.tasks.set(tasks.map_or(0, count));
        now.memory.set(process::resident_bytes().map_or(0, bytes));
        now.descriptors.set(process::open_descriptors().map_or(0, count));
        let mut written = String::new();
        text::encode(&mut written, &self.registry)?;
        Ok(written)
    }
}

/// What the listener shows.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) app: Arc<App>,
    pub(crate) traffic: Arc<Counters>,
}
