//! `mesh-server serve`.

use std::cell::Cell;
use std::io::Write as _;
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;
use crate::{Config, Server};

/// Soon enough for who looks at the memory, and seldom enough for a busy machine.
const GIVE_MEMORY_BACK_EVERY: Duration = Duration::from_secs(2);

thread_local! {
    static GAVE_BACK: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The threads that serve. Each has memory of its own to give back, when it has nothing else to do.
pub(super) fn threads(give_memory_back: fn()) -> tokio::runtime::Builder {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.on_thread_park(move || {
        let now = Instant::now();
        let rested = |before| now.duration_since(before) >= GIVE_MEMORY_BACK_EVERY;
        if GAVE_BACK.get().is_none_or(rested) {
            GAVE_BACK.set(Some(now));
            give_memory_back();
        }
    });
    threads
}

/// Runs until SIGTERM or SIGINT, then drains. Two lines at most go to standard output, "Listening on"
/// last; the log goes to standard error.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    start_log(config.log_format);
    log_panics();
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
const TALKATIVE: [&str; 10] = [
    "tungstenite=warn",
    "tokio_tungstenite=warn",
    "hyper=warn",
    "hyper_util=warn",
    "reqwest=warn",
    "rustls=warn",
    "sqlx=warn",
    "oauth2=warn",
    // Every attempt to reach NATS again; the bus says when it is lost and found.
    "async_nats=off",
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
        // A request is one span deep.
        LogFormat::Json => log.json().with_span_list(false).init(),
    }
}

/// A panic is a line of the log as everything else, in its format.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(place, %backtrace, "panicked: {}", info.payload_as_str().unwrap_or("?"));
    }));
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_one_line_of_the_log() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .finish();
        let before = std::panic::take_hook();
        super::log_panics();
        let panicked = tracing::subscriber::with_default(log, || {
            std::panic::catch_unwind(|| panic!("a defect with number {}", 7))
        });
        std::panic::set_hook(before);
        assert!(panicked.is_err());
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["fields"]["message"], "panicked: a defect with number 7");
        assert!(
            line["fields"]["place"].as_str().unwrap().contains("serve.rs"),
            "{text}"
        );
    }
}
