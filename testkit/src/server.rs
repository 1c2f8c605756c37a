//! A server of one test.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use mesh_protocol::ids::RoomId;
use mesh_server::auth::password::Hashing;
use mesh_server::auth::{names, random};
use mesh_server::clock::{Clock as _, ShiftedClock};
use mesh_server::config::Secret;
use mesh_server::store::{NewUser, Store};
use mesh_server::{Config, Server, Traffic};
use serde_json::json;
use tempfile::TempDir;

use crate::client::TestClient;
use crate::postgres;

/// The password of every account that [`TestServer::client`] makes.
pub const PASSWORD: &str = "correct horse battery staple";

/// [`PASSWORD`] hashed with the least work there is, since a test signs in often. The parameters stand in the hash.
const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$Y8MagqVLQUV7TxFsbGtXdg$8EE2bsby0FXzO6hfsZ1lygrKmOnYtgLiQ1kXJWLQNCU";

/// How a server is to be started.
pub struct TestServerBuilder {
    config: Config,
    dir: TempDir,
    on_postgres: bool,
}

/// `MESH_TEST_DATABASE=postgres` runs any test on PostgreSQL.
const DATABASE: &str = "MESH_TEST_DATABASE";

impl TestServerBuilder {
    /// Changes a setting.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Keeps its data in an empty database of the test run's PostgreSQL.
    pub fn on_postgres(mut self) -> Self {
        self.on_postgres = true;
        self
    }

    /// Starts it.
    pub async fn start(mut self) -> Result<TestServer> {
        if self.on_postgres && self.config.database_url.is_none() {
            self.config.database_url = Some(Secret::new(postgres::database().await?));
        }
        let clock = Arc::new(ShiftedClock::default());
        let server = Server::start_with(self.config.clone(), clock.clone()).await?;
        Ok(TestServer {
            server,
            config: self.config,
            clock,
            dir: self.dir,
        })
    }
}

/// A running server, with its data in a folder that goes with it.
pub struct TestServer {
    server: Server,
    config: Config,
    clock: Arc<ShiftedClock>,
    dir: TempDir,
}

impl TestServer {
    /// One to be configured.
    pub fn builder() -> TestServerBuilder {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = Config::new(SocketAddr::from(([127, 0, 0, 1], 0)), dir.path().join("data"));
        TestServerBuilder {
            config,
            dir,
            on_postgres: std::env::var(DATABASE).is_ok_and(|name| name == "postgres"),
        }
    }

    /// One with the default settings.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Ends it in order and starts it again on the same port, with the same data.
    pub async fn restart(self) -> Result<Self> {
        let Self {
            server,
            mut config,
            clock,
            dir,
        } = self;
        config.listen = server.address();
        server.drain().await;
        let server = Server::start_with(config.clone(), clock.clone()).await?;
        Ok(Self {
            server,
            config,
            clock,
            dir,
        })
    }

    /// Ends it in order, and takes its data away.
    pub async fn drain(self) {
        self.server.drain().await;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where its metrics are, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.server.metrics_address()
    }

    /// `http://127.0.0.1:…`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The link that makes the first account, while there is none.
    pub fn setup_link(&self) -> Option<&str> {
        self.server.setup_link()
    }

    /// Bytes through its listener since the start.
    pub fn traffic(&self) -> Traffic {
        self.server.traffic()
    }

    /// How much it spent on passwords.
    pub fn hashing(&self) -> Hashing {
        self.server.hashing()
    }

    /// Live sockets.
    pub fn socket_count(&self) -> usize {
        self.server.socket_count()
    }

    /// Its store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.server.store()
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// Moves its clock forward. Capabilities, tickets, links and sessions follow it; rates and timeouts do not.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Moves its clock back.
    pub fn set_back(&self, by: Duration) {
        self.clock.set_back(by);
    }

    /// Unix seconds, as the server sees them.
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Makes an account with [`PASSWORD`].
    pub async fn add_user(&self, name: &str) -> Result<()> {
        let user = NewUser {
            id: random::id(),
            name: name.to_owned(),
            name_key: names::key(name),
            password_hash: Some(PASSWORD_HASH.to_owned()),
            admin: false,
            now: self.clock.now_ms(),
        };
        self.store()
            .create_user(&user)
            .await
            .with_context(|| format!("making {name}"))
    }

    /// A client that is not signed in.
    pub fn stranger(&self) -> TestClient {
        TestClient::new(self.url())
    }

    /// A client with an account of its own, signed in as a page.
    pub async fn client(&self, name: &str) -> Result<TestClient> {
        self.add_user(name).await?;
        self.sign_in(name).await
    }

    /// A further sign-in of an account that [`client`](Self::client) made.
    pub async fn sign_in(&self, name: &str) -> Result<TestClient> {
        let mut client = self.stranger();
        client.login(name, PASSWORD).await?;
        Ok(client)
    }

    /// A room of the first client, with the others as members.
    pub async fn room(&self, owner: &TestClient, others: &[&TestClient]) -> Result<RoomId> {
        let room = owner.create_room("Test").await?;
        if !others.is_empty() {
            let invite = owner
                .post(
                    &format!("/rooms/{room}/invites"),
                    json!({"max_uses": others.len()}),
                )
                .await?;
            for other in others {
                other
                    .post("/rooms/join", json!({"invite": invite["token"]}))
                    .await?;
            }
        }
        Ok(room)
    }
}
