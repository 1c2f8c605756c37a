//! The server of a soak: the real program with the settings of an operator, its first account, and its metrics.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use mesh_protocol::ids::RoomId;
use mesh_testkit::TestClient;
use serde_json::json;
use tempfile::TempDir;

use super::numbers::Reading;
use crate::process::{Running, free_port, start};

pub(super) const PASSWORD: &str = "soak-password";
/// Uses of one invitation.
const PEOPLE: usize = 1_000;

pub(super) struct Server {
    pub(super) url: String,
    pub(super) owner: TestClient,
    pub(super) room: RoomId,
    metrics: String,
    begun: Instant,
    _process: Running,
    /// Removed at the end, after the process.
    _data: TempDir,
}

impl Server {
    pub(super) async fn start(program: &Path) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let metrics = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .current_dir(data.path())
            .env("MESH_DATA_DIR", data.path())
            .env("MESH_LISTEN", "127.0.0.1:0")
            .env("MESH_METRICS_LISTEN", &metrics)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = start(&mut command)?;
        let output = process.0.stdout.take().context("no output")?;
        let (mut token, mut url) = (None, None);
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some((_, found)) = line.split_once("/setup#token=") {
                token = Some(found.to_owned());
            }
            if let Some(found) = line.strip_prefix("Listening on ") {
                url = Some(found.to_owned());
                break;
            }
        }
        let (url, token) = (
            url.context("mesh-server did not start")?,
            token.context("no setup link")?,
        );
        let mut owner = TestClient::new(&url);
        let setup = json!({"setup_token": token, "username": "owner", "password": PASSWORD});
        let session = owner.post("/auth/setup", setup).await?;
        owner.adopt(&session);
        let room = owner.create_room("Soak").await?;
        Ok(Self {
            url,
            owner,
            room,
            metrics: format!("http://{metrics}/metrics"),
            begun: Instant::now(),
            _process: process,
            _data: data,
        })
    }

    /// Accounts by invitation, members of the room; only their names are kept.
    pub(super) async fn people(&self, count: usize) -> anyhow::Result<Vec<String>> {
        ensure!(count <= PEOPLE, "one invitation is not enough");
        let ask = json!({"role": "member", "max_uses": PEOPLE});
        let invites = format!("/rooms/{}/invites", self.room);
        let invite = self.owner.post(&invites, ask).await?;
        let mut names = Vec::new();
        for n in 0..count {
            let name = format!("person-{n}");
            let register = json!({"invite": invite["token"], "username": name, "password": PASSWORD});
            TestClient::new(&self.url)
                .post("/auth/register", register)
                .await?;
            names.push(name);
        }
        Ok(names)
    }

    pub(super) async fn reading(&self) -> anyhow::Result<Reading> {
        // A connection of its own, closed with the answer: one that is kept would be a descriptor now and then.
        let client = TestClient::new(&self.metrics);
        let text = client.http().get(&self.metrics).send().await?.text().await?;
        Reading::parse(&text, self.begun.elapsed().as_secs_f64())
    }
}
