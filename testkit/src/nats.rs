//! A real NATS server, and a connection to it that can be cut.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::eventually;

/// `nats-server` on a port of its own, killed with this value.
pub struct Nats {
    child: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Nats {
    /// Starts one, and waits until it listens.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        // It chooses the port, and writes it down.
        let child = spawn(&dir, -1)?;
        let ports = dir.path().join(format!("nats-server_{}.ports", child.id()));
        let read = || -> Option<SocketAddr> {
            let text = std::fs::read_to_string(&ports).ok()?;
            let ports: Value = serde_json::from_str(&text).ok()?;
            ports["nats"][0].as_str()?.strip_prefix("nats://")?.parse().ok()
        };
        eventually("the port of NATS", async || read().is_some()).await;
        let address = read().context("no port")?;
        Ok(Self { child, address, dir })
    }

    /// What goes into `MESH_NATS_URL`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again where it was.
    pub async fn revive(&mut self) -> Result<()> {
        self.child = spawn(&self.dir, i32::from(self.address.port()))?;
        let address = self.address;
        eventually("NATS", async || TcpStream::connect(address).await.is_ok()).await;
        Ok(())
    }
}

fn spawn(dir: &TempDir, port: i32) -> Result<Child> {
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("nats-server")
        // Debian puts it where only root looks.
        .env("PATH", format!("{path}:/usr/sbin"))
        .args([
            "--addr",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--ports_file_dir",
        ])
        .arg(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("nats-server (Debian: apt-get install nats-server)")
}

/// A connection to somewhere, which can be cut and mended.
pub struct Cable {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cable {
    /// One that leads to `to`.
    pub async fn to(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (whole, watch) = watch::channel(true);
        let task = tokio::spawn(carry(listener, to, watch));
        Ok(Self { address, whole, task })
    }

    /// The near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks what goes through, and lets nothing new begin.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections begin again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn carry(listener: TcpListener, to: SocketAddr, whole: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let mut whole = whole.clone();
        connections.spawn(async move {
            let both = async {
                if let Ok(mut far) = TcpStream::connect(to).await {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            };
            let cut = async {
                let _ = whole.wait_for(|whole| !*whole).await;
            };
            tokio::select! {
                () = both => {}
                () = cut => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}
