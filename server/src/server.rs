//! Starts the parts, accepts connections, and ends everything in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mesh_protocol::signal::{Nothing, ServerMessage};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::app::App;
use crate::audit::Audit;
use crate::auth::capability_keys::CapabilityKeys;
use crate::auth::capability_rate::CapabilityRate;
use crate::auth::codes::Codes;
use crate::auth::keys::{self, KeyError};
use crate::auth::oidc::Oidc;
use crate::auth::pairing::Pairings;
use crate::auth::password::{Hashing, PasswordError, Passwords};
use crate::auth::random;
use crate::auth::sign_in_token::SignInTokens;
use crate::auth::sign_ins::SignIns;
use crate::auth::throttle::Throttle;
use crate::bus::{Bus, BusEvent, Listener, LocalBus, Serve};
use crate::clock::{Clock, SystemClock};
use crate::cluster::desk::Desk;
use crate::cluster::repair;
use crate::cluster::{Cluster, JoinError, SecretsError, SharedKeys};
use crate::config::{Config, ConfigError};
use crate::data_dir::{self, DataDirError, InUse};
use crate::http;
use crate::hub::Hub;
use crate::hub::tickets::Tickets;
use crate::metrics::{self, Metrics};
use crate::notify::{self, Notices, Places, PlacesError};
use crate::operator::Watcher;
use crate::retention;
use crate::store::{self, Store, StoreError};
use crate::traffic::{Counted, Counters, Traffic};
use crate::ws::chat::ChatQueue;
use crate::ws::event::event;

/// A client has this long for the headers of a request, and stays this long without one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(8);
/// Requests and sockets have this long to end after the drain began.
const DRAIN: Duration = Duration::from_secs(8);
/// How long clients have then to come to another node: an agent waits up to two seconds.
const HAND_OVER: Duration = Duration::from_secs(4);
/// What ends elsewhere (another process, the passing of time) is noticed within this.
const SWEEP: Duration = Duration::from_secs(2);
/// How far back a sweep looks for sign-ins that ended: it covers a slow commit and a socket that opened meanwhile.
const SWEEP_OVERLAP_MS: u64 = 30_000;
/// Where another process reads the public address of the running server.
pub(crate) const PUBLIC_URL_SETTING: &str = "public_url";

/// Why the server did not start; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "{0} is taken by another program. Stop that one, or choose another port: mesh-server --listen {ip}:{next}",
        ip = .0.ip(), next = .0.port().wrapping_add(1)
    )]
    PortTaken(SocketAddr),
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("the data directory cannot be used")]
    Keys(#[from] KeyError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("the database cannot be used: {}", reason(.0))]
    Store(StoreError),
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    #[error(transparent)]
    Notifications(#[from] PlacesError),
    #[error("this node did not join the others")]
    Join(#[from] JoinError),
    #[error(transparent)]
    SharedKeys(#[from] SecretsError),
}

/// Not as its source: it is told within.
impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The store hides the driver's words from clients; whoever starts the server may read them.
pub(crate) fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(source) => source.to_string(),
        other => other.to_string(),
    }
}

/// A running server. Dropping it aborts; [`drain`](Self::drain) ends it in order.
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    setup_link: Option<String>,
    counters: Arc<Counters>,
    stop: CancellationToken,
    /// The accept loop, the sweeper, what removes old messages, the writers of chat and record, who shows the metrics, and
    /// notifications.
    accepting: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    repairing: JoinHandle<()>,
    /// Answers other nodes for as long as this value lives.
    desk: Option<Arc<dyn Serve>>,
    expiring: JoinHandle<()>,
    chat: JoinHandle<()>,
    audit: JoinHandle<()>,
    metrics: Option<(SocketAddr, JoinHandle<()>)>,
    notifying: notify::Tasks,
    connections: TaskTracker,
    _in_use: InUse,
}

impl Server {
    /// Starts with the machine's clock.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Arc::new(SystemClock)).await
    }

    /// Starts with a clock of the caller's.
    pub async fn start_with(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        config.check()?;
        let listener = listen(config.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|error| StartError::Listen(config.listen, error))?;
        let metrics_listener = match config.metrics_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let in_use = data_dir::enter(&config.data_dir)?;
        let sign_in_tokens = match &config.jwt_secret {
            Some(secret) => SignInTokens::new(secret.expose().as_bytes()),
            None => SignInTokens::new(&keys::session_secret(&config.data_dir)?),
        };
        let store = store::open(config.database_url.as_ref(), &config.database_path()).await?;
        let mut shared_keys = shared_keys(&config, &store);
        if let Some(shared) = &mut shared_keys {
            shared.exchange().await?;
        }
        let capability_keys = CapabilityKeys::open(&config.data_dir, clock.now())?;
        keys::push_key(&config.data_dir)?;
        if let Some(shared) = &mut shared_keys {
            // Those that were made just now; where another node was faster, its own count.
            shared.exchange().await?;
            capability_keys.refresh(clock.now())?;
        }
        let public_url = config.public_url.clone().unwrap_or_else(|| local_url(address));
        store.put_setting(PUBLIC_URL_SETTING, &public_url).await?;
        let oidc = Oidc::from_config(&config, &public_url)?;
        let setup_link = setup_link(&*store, &public_url).await?;
        let cluster = match &config.nats_url {
            Some(url) => Some(Cluster::join(url.expose(), &*store, clock.now_ms()).await?),
            None => None,
        };
        let bus: Arc<dyn Bus> = match &cluster {
            Some(cluster) => cluster.bus().clone(),
            None => Arc::new(LocalBus::default()),
        };
        let sign_ins = Arc::new(SignIns::new(store.clone()));
        let throttle = Arc::new(Throttle::default());
        let hub = Arc::new(Hub::new(
            clock.clone(),
            bus.clone(),
            sign_ins.clone(),
            throttle.clone(),
        ));
        let listening: Arc<dyn Listener> = hub.clone();
        bus.subscribe(Arc::downgrade(&listening));
        let (notices, waiting) = Notices::new(hub.clone(), clock.clone());
        let places = Places::new(&config, &public_url, store.clone(), clock.clone())?;
        let metrics = Arc::new(Metrics::default());
        let (chat, chat_writer) = ChatQueue::new(
            store.clone(),
            bus.clone(),
            clock.clone(),
            notices.clone(),
            metrics.clone(),
        );
        let (audit, audit_writer) = Audit::new(
            store.clone(),
            clock.clone(),
            metrics.clone(),
            config.audit_days > 0,
        );
        let app = Arc::new(App {
            origins: origins(&config, &public_url, address),
            public_url,
            clock,
            store,
            bus,
            hub,
            cluster,
            capability_keys: Arc::new(capability_keys),
            sign_in_tokens,
            sign_ins,
            passwords: Passwords::new().await?,
            throttle,
            capability_rate: CapabilityRate::new(config.limits),
            tickets: Tickets::default(),
            pairings: Pairings::default(),
            codes: Codes::default(),
            oidc,
            chat,
            notices,
            places: Arc::new(places),
            audit,
            metrics,
            sockets: TaskTracker::new(),
            config,
        });
        let stop = CancellationToken::new();
        let counters = Arc::new(Counters::default());
        let metrics = metrics_listener
            .map(|listener| {
                let shown = metrics::Shown {
                    app: app.clone(),
                    traffic: counters.clone(),
                };
                metrics::listen(listener, shown, stop.clone())
            })
            .transpose()
            .map_err(|error| StartError::Listen(address, error))?;
        let watcher = Watcher::start(&app).await?;
        // Nothing fails from here on: a task that was begun has somebody who ends it.
        let parts = notify::Parts {
            store: app.store.clone(),
            bus: app.bus.clone(),
            places: app.places.clone(),
        };
        let notifying = notify::start(&app.notices, waiting, parts, stop.clone());
        let connections = TaskTracker::new();
        let router = http::router(app.clone());
        let desk = match &app.cluster {
            Some(cluster) => {
                let desk: Arc<dyn Serve> = Arc::new(Desk {
                    app: app.clone(),
                    router: router.clone(),
                });
                cluster.bus().serve(Arc::downgrade(&desk));
                cluster.bus().settle().await;
                Some(desk)
            }
            None => None,
        };
        let accept = Accept {
            listener,
            router,
            counters: counters.clone(),
            connections: connections.clone(),
            stop: stop.clone(),
        };
        Ok(Self {
            address,
            setup_link,
            counters,
            accepting: tokio::spawn(accept.run()),
            sweeping: tokio::spawn(sweep(app.clone(), watcher, shared_keys, stop.clone())),
            repairing: tokio::spawn(repair::run(app.clone(), stop.clone())),
            desk,
            expiring: tokio::spawn(retention::run(
                app.store.clone(),
                app.clock.clone(),
                app.hub.clone(),
                app.config.audit_days,
                stop.clone(),
            )),
            chat: tokio::spawn(chat_writer),
            notifying,
            audit: tokio::spawn(audit_writer),
            metrics: metrics.map(|(address, serve)| (address, tokio::spawn(serve))),
            _in_use: in_use,
            connections,
            stop,
            app,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where Prometheus reads, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }

    /// What people type, without a trailing slash.
    pub fn public_url(&self) -> &str {
        &self.app.public_url
    }

    /// While there is no account: the link that makes the first one.
    pub fn setup_link(&self) -> Option<&str> {
        self.setup_link.as_deref()
    }

    /// Bytes through the listener since the start.
    pub fn traffic(&self) -> Traffic {
        self.counters.get()
    }

    /// The store, for tests and tools that need more than REST offers.
    pub fn store(&self) -> Arc<dyn Store> {
        self.app.store.clone()
    }

    /// How much was spent on passwords.
    pub fn hashing(&self) -> Hashing {
        self.app.passwords.hashing()
    }

    /// Live sockets.
    pub fn socket_count(&self) -> usize {
        self.app.hub.socket_count()
    }

    /// Stops accepting, tells every client, waits for what runs and, where there are other nodes, for them to take the clients over;
    /// then it closes the store. Takes at most some fifteen seconds.
    pub async fn drain(self) {
        self.stop.cancel();
        let frame = event(&*self.app.clock, "all", ServerMessage::Drain(Nothing {}));
        self.app.bus.publish(BusEvent::Drain { frame });
        self.app.sockets.close();
        self.connections.close();
        let ended = async {
            self.connections.wait().await;
            self.app.sockets.wait().await;
        };
        if tokio::time::timeout(DRAIN, ended).await.is_err() {
            tracing::warn!(
                sockets = self.app.hub.socket_count(),
                "some clients did not go in time"
            );
        }
        if self.app.cluster.is_some() {
            // Who does not come at once begins anew.
            let _ = tokio::time::timeout(HAND_OVER, self.app.hub.handed_over()).await;
        }
        // These end by the token.
        let _ = self.accepting.await;
        let _ = self.sweeping.await;
        let _ = self.repairing.await;
        drop(self.desk);
        let _ = self.expiring.await;
        let _ = self.notifying.sending.await;
        if let Some((_, metrics)) = self.metrics {
            end_within(Duration::from_secs(1), metrics).await;
        }
        let store = self.app.store.clone();
        let bus = self.app.cluster.as_ref().map(|cluster| cluster.bus().clone());
        // The last senders of the queues go with the app; their writers then store what is queued. With the writer of the chat goes
        // the last of those who tell notifications.
        drop(self.app);
        end_within(Duration::from_secs(3), self.chat).await;
        end_within(Duration::from_secs(3), self.notifying.routing).await;
        end_within(Duration::from_secs(1), self.audit).await;
        if let Some(bus) = bus {
            bus.leave().await;
        }
        store.close().await;
    }
}

async fn end_within(time: Duration, task: JoinHandle<()>) {
    let abort = task.abort_handle();
    if tokio::time::timeout(time, task).await.is_err() {
        abort.abort();
    }
}

/// Where there may be other nodes: the keys that they share.
fn shared_keys(config: &Config, store: &Arc<dyn Store>) -> Option<SharedKeys> {
    let (Some(_), Some(secret)) = (&config.nats_url, &config.jwt_secret) else {
        return None;
    };
    Some(SharedKeys::new(store.clone(), &config.data_dir, secret))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken(address),
            _ => StartError::Listen(address, error),
        })
}

/// The address as someone on this machine types it.
pub(crate) fn local_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    format!("http://{ip}:{}", address.port())
}

/// The public URL and those that were named. On a server for this machine the other names of loopback count as the same.
fn origins(config: &Config, public_url: &str, address: SocketAddr) -> Vec<String> {
    let mut origins = vec![public_url.to_owned()];
    if address.ip().is_loopback() {
        let port = address.port();
        origins.extend(["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:{port}")));
    }
    origins.extend(config.allowed_origins.iter().cloned());
    origins
}

/// A new token at each start for as long as there is no account.
async fn setup_link(store: &dyn Store, public_url: &str) -> Result<Option<String>, StoreError> {
    if store.has_users().await? {
        return Ok(None);
    }
    let token = random::token();
    store.put_setup_token(&random::hash(&token)).await?;
    Ok(Some(format!("{public_url}/setup#token={token}")))
}

struct Accept {
    listener: TcpListener,
    router: Router,
    counters: Arc<Counters>,
    connections: TaskTracker,
    stop: CancellationToken,
}

impl Accept {
    async fn run(self) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Messages are small and wanted at once. What acknowledges them may wait: it saves a packet for each.
                    let _ = stream.set_nodelay(true);
                    #[cfg(target_os = "linux")]
                    let _ = stream.set_quickack(false);
                    self.connections.spawn(serve(
                        peer,
                        self.router.clone(),
                        Counted::new(stream, self.counters.clone(), self.connections.clone()),
                        self.stop.clone(),
                    ));
                }
                Err(error) => {
                    // Out of descriptors, most likely: connections that end give some back.
                    tracing::error!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn serve(peer: SocketAddr, router: Router, stream: Counted, stop: CancellationToken) {
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.map(axum::body::Body::new)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // A broken connection is the client's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Notices what no request tells: expiry, and sign-ins that another process ended.
async fn sweep(
    app: Arc<App>,
    mut notices: Watcher,
    mut shared_keys: Option<SharedKeys>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(SWEEP);
    let mut since_throttle = 0_u32;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        app.hub.sweep();
        app.tickets.sweep(app.clock.now());
        if let Some(shared) = &mut shared_keys
            && let Err(error) = shared.exchange().await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the keys that nodes share were not exchanged");
        }
        notices.look(&app).await;
        since_throttle += 1;
        if since_throttle >= 30 {
            since_throttle = 0;
            app.throttle.sweep();
            app.capability_rate.sweep();
            app.pairings.sweep(app.clock.now_ms());
            app.codes.sweep(app.clock.now_ms());
            if let Some(oidc) = &app.oidc {
                oidc.flows.sweep(app.clock.now_ms());
            }
        }
        if app.hub.socket_count() == 0 {
            continue;
        }
        match app
            .store
            .ended_since(app.clock.now_ms().saturating_sub(SWEEP_OVERLAP_MS))
            .await
        {
            Ok(ended) => {
                for sign_in in ended {
                    // Every node reads them.
                    app.bus.here(BusEvent::SignInEnded { sign_in });
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "ended sign-ins were not read"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_told_with_what_to_do() {
        let text = StartError::PortTaken("127.0.0.1:8000".parse().unwrap()).to_string();
        assert!(
            text.contains("127.0.0.1:8000 is taken") && text.ends_with("--listen 127.0.0.1:8001"),
            "{text}"
        );
    }

    #[test]
    fn any_address_is_typed_as_loopback() {
        assert_eq!(
            local_url("0.0.0.0:8000".parse().unwrap()),
            "http://127.0.0.1:8000"
        );
        assert_eq!(local_url("[::]:80".parse().unwrap()), "http://[::1]:80");
    }
}
