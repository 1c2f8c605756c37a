//! `mesh-server health`: whether the server of these settings is well, for whoever starts it again when it is not.
//!
//! Asks by a plain connection of its own: an image needs nothing but this program for its health check.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::Config;

const WAIT: Duration = Duration::from_secs(4);

/// Prints one line where all is well; else the error says what is not.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let listen = config.listen;
    let asked = timeout(WAIT, status(reached(listen))).await;
    let asked = asked.with_context(|| format!("{listen} takes connections and does not answer"))?;
    match asked
        .with_context(|| format!("nobody listens on {listen}"))?
        .as_str()
    {
        "200" => println!("{listen} is well"),
        "503" => bail!("the database of {listen} does not answer: see its log"),
        _ => bail!("another program answers on {listen}"),
    }
    Ok(())
}

/// Where this machine reaches what listens there.
pub(super) fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status of `GET /health`; empty where it is not ours that answers. Fails where nobody takes the connection.
pub(super) async fn status(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let ask = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    // However a stranger breaks off, what came until then tells who it is.
    if stream.write_all(ask.as_bytes()).await.is_ok() {
        let _ = stream.take(4_096).read_to_end(&mut answer).await;
    }
    let answer = String::from_utf8_lossy(&answer);
    let ours = answer.contains("\"ok\":") && answer.contains("\"version\":");
    let status = answer.split(' ').nth(1).filter(|_| ours);
    Ok(status.unwrap_or_default().to_owned())
}
