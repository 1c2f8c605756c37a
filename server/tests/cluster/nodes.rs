//! Several nodes of one server as processes on this machine, over one PostgreSQL and a real NATS server, each with a folder of its own.

use anyhow::{Context as _, Result};
use mesh_protocol::ids::RoomId;
use mesh_testkit::nats::{Cable, Nats};
use mesh_testkit::{TestClient, eventually, postgres};
use serde_json::json;
use tempfile::TempDir;

use crate::common::process::Running;

const SECRET: &str = "what-all-nodes-of-this-test-have-in-common";
pub const PASSWORD: &str = "a long sentence";

pub struct Nodes {
    pub nats: Nats,
    pub running: Vec<Option<Running>>,
    /// One for each node, to NATS.
    pub cables: Vec<Cable>,
    urls: Vec<String>,
    pub alice: TestClient,
    pub room: RoomId,
    database: String,
    dir: TempDir,
}

impl Nodes {
    /// So many, with Alice and a room of hers.
    pub async fn start(count: usize) -> Result<Self> {
        let (nats, dir) = (Nats::start().await?, tempfile::tempdir()?);
        let database = postgres::database().await?;
        let mut nodes = Self {
            alice: TestClient::new(""),
            room: "none".parse()?,
            nats,
            running: Vec::new(),
            cables: Vec::new(),
            urls: Vec::new(),
            database,
            dir,
        };
        for at in 0..count {
            nodes.cables.push(Cable::to(nodes.nats.address()).await?);
            nodes.running.push(None);
            nodes.urls.push("http://127.0.0.1:0".into());
            nodes.run(at)?;
            if at == 0 {
                let running = nodes.running[0].as_ref().context("running")?;
                let account = json!({
                    "setup_token": running.setup_token(), "username": "alice", "password": PASSWORD
                });
                let mut alice = TestClient::new(nodes.url(0));
                alice.adopt(&alice.post("/auth/setup", account).await?);
                nodes.room = alice.create_room("Room").await?;
                nodes.alice = alice;
            }
        }
        Ok(nodes)
    }

    /// Starts a node, where it was before.
    pub fn run(&mut self, at: usize) -> Result<()> {
        let nats = format!("nats://{}", self.cables[at].address());
        let data = self.dir.path().join(at.to_string()).display().to_string();
        let listen = self.urls[at].trim_start_matches("http://").to_owned();
        let settings = [
            ("MESH_NATS_URL", nats.as_str()),
            ("MESH_JWT_SECRET", SECRET),
            ("MESH_DATA_DIR", data.as_str()),
            ("MESH_DATABASE_URL", self.database.as_str()),
            ("MESH_FRAMES_PER_SECOND", "100000"),
        ];
        let running = Running::start(self.dir.path(), &listen, &settings)?;
        self.urls[at] = running.url.clone();
        self.running[at] = Some(running);
        Ok(())
    }

    /// Kills a node: nothing is flushed, nobody is told.
    pub fn kill(&mut self, at: usize) {
        self.running[at] = None;
    }

    pub fn url(&self, at: usize) -> String {
        self.urls[at].clone()
    }

    /// Alice at a node.
    pub fn alice(&self, at: usize) -> TestClient {
        self.alice.via(self.url(at))
    }

    /// Somebody new who is a member of the room, at a node.
    pub async fn member(&self, name: &str, at: usize) -> Result<TestClient> {
        let ask = json!({"role": "member", "max_uses": 1});
        let invite = self
            .alice(at)
            .post(&format!("/rooms/{}/invites", self.room), ask)
            .await?;
        let account = json!({"invite": invite["token"], "username": name, "password": PASSWORD});
        let mut client = TestClient::new(self.url(at));
        client.adopt(&client.post("/auth/register", account).await?);
        Ok(client)
    }

    /// Waits until somebody who enters at `at` is shown so many peers.
    pub async fn shows(&self, at: usize, peers: usize) {
        let (client, room) = (self.alice(at), self.room.clone());
        eventually("so many peers are shown", async || {
            let Ok(mut socket) = client.connect().await else {
                return false;
            };
            let Ok(state) = socket.join(&room).await else {
                return false;
            };
            let shown = state["peers"].as_array().map_or(0, Vec::len) - 1;
            socket.close().await.is_ok() && shown == peers
        })
        .await;
    }
}
