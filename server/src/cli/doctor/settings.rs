//! Settings that contradict each other, and whether the port answers or is free.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use super::super::health;
use super::{Finding, failed, ok, warning};
use crate::Config;

const WAIT: Duration = Duration::from_secs(5);

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![public_url(config), secrets(config), port(config).await];
    findings.extend(content(config));
    findings
}

fn public_url(config: &Config) -> Finding {
    let Some(url) = &config.public_url else {
        if config.listen.ip().is_loopback() {
            return ok(
                "address",
                "for this machine only; others need MESH_PUBLIC_URL and a proxy that does HTTPS",
            );
        }
        let text = "MESH_PUBLIC_URL is unset, so that links name an address of this machine: set it to what people type";
        return warning("address", text);
    };
    let host = url.split("://").nth(1).unwrap_or_default();
    let near = ["127.", "localhost", "[::1]"]
        .iter()
        .any(|near| host.starts_with(near));
    if url.starts_with("http://") && !near {
        let text = format!(
            "{url} is not encrypted: sessions can be read on the way, and browsers give such a page neither camera nor \
             microphone. Put a proxy that does HTTPS in front"
        );
        return failed("address", text);
    }
    ok("address", url.clone())
}

fn secrets(config: &Config) -> Finding {
    if config.dev_login {
        return warning(
            "sign-in",
            "MESH_DEV_LOGIN lets anyone of this machine in: for development only",
        );
    }
    if config.allow_query_token {
        return warning(
            "sign-in",
            "MESH_ALLOW_QUERY_TOKEN lets sessions stand in addresses, and so in the logs of proxies",
        );
    }
    ok(
        "sign-in",
        "nobody comes in without an account, a link or an invitation",
    )
}

fn content(config: &Config) -> Option<Finding> {
    config.terminal_fallback.then(|| {
        warning(
            "content",
            "MESH_TERMINAL_FALLBACK lets terminals that find no direct way pass through this server, where they can be read; a relay \
             (TURN_URL) needs no such trust",
        )
    })
}

/// The server itself answers there, nobody does, or somebody else.
async fn port(config: &Config) -> Finding {
    let listen = config.listen;
    match timeout(WAIT, health::status(health::reached(listen))).await {
        Ok(Ok(status)) if status == "200" => ok("server", format!("runs on {listen} and is well")),
        Ok(Ok(status)) if status == "503" => failed(
            "server",
            format!("runs on {listen}, and its database does not answer: see its log"),
        ),
        Ok(Ok(_)) => failed(
            "server",
            format!("another program answers on {listen}: stop it, or set MESH_LISTEN"),
        ),
        Err(_) => failed(
            "server",
            format!("{listen} takes connections and does not answer: see the log of what runs there"),
        ),
        Ok(Err(_)) => match TcpListener::bind(listen).await {
            Ok(_) => ok("server", format!("does not run; {listen} is free")),
            Err(error) => failed(
                "server",
                format!("{listen} cannot be listened on ({error}): set MESH_LISTEN"),
            ),
        },
    }
}
