//! `mesh-server serve`.

use std::io::Write as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::{Config, Server};

/// Runs until SIGTERM or SIGINT, then drains. Two lines at most go to standard output, "Listening on"
/// last; the log goes to standard error.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    start_log(config.log_format);
    let server = Server::start(config).await?;
    let mut out = std::io::stdout().lock();
    if let Some(link) = server.setup_link() {
        writeln!(out, "Setup link: {link}")?;
    }
    writeln!(out, "Listening on {}", server.public_url())?;
    out.flush()?;
    drop(out);
    stopped().await?;
    tracing::info!("draining");
    server.drain().await;
    tracing::info!("stopped");
    Ok(())
}

/// Libraries that would write frames, and so tokens, at their finest levels: silent whatever `RUST_LOG` says.
const TALKATIVE: [&str; 9] = [
    "tungstenite=warn",
    "tokio_tungstenite=warn",
    "hyper=warn",
    "hyper_util=warn",
    "reqwest=warn",
    "rustls=warn",
    "sqlx=warn",
    "oauth2=warn",
    "openidconnect=warn",
];

/// The level comes from `RUST_LOG`, `info` where it is unset.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let directives = TALKATIVE
        .into_iter()
        .filter_map(|directive| directive.parse().ok());
    let filter = directives.fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => log.json().init(),
    }
}

#[cfg(unix)]
async fn stopped() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn stopped() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
