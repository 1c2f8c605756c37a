//! The way to the server: signed in, reachable, the clocks agree, and its WebSocket comes through.

use std::time::{Duration, Instant};

use mesh_peer::signal::{ControlPlane, Signal, SignalEvent};
use tokio::time::timeout;

use super::Finding;
use crate::cli::{Context, connect};
use crate::exit::Exit;
use crate::online;

const SOCKET_WITHIN: Duration = Duration::from_secs(10);
/// Permissions are good for two minutes from the second they are made in; more than a few seconds and devices refuse them.
const CLOCKS_APART: u64 = 5;

/// Gives the server too, if it takes this device's sign-in.
pub(super) async fn look(context: &Context) -> (Vec<Finding>, Option<ControlPlane>) {
    let (control, session) = match connect::signed_in(&context.paths).await {
        Ok(signed_in) => signed_in,
        Err(failure) => return (vec![Finding::from_failure("sign-in", failure)], None),
    };
    let server = control.base().to_owned();
    let asked = Instant::now();
    let health = match control.health().await {
        Ok(health) => health,
        Err(error) => {
            let failure = connect::api_failure(&error, &server);
            return (vec![Finding::from_failure("server", failure)], None);
        }
    };
    let took = asked.elapsed();
    let mut found = Vec::new();
    let answers = format!(
        "{server} answers in {:.0} ms (version {})",
        took.as_secs_f64() * 1000.0,
        crate::daemon::consent::plain(&health.version)
    );
    found.push(if server.starts_with("http://") && !is_this_machine(&server) {
        Finding::warning(
            "server",
            format!("{answers}, unencrypted: everyone on the way can read along. Use https"),
        )
    } else {
        Finding::ok("server", answers)
    });
    found.push(clock(health.ts, connect::now(), took));
    match control.me().await {
        Ok(_) => {
            let text = format!("as {} (\"{}\")", session.name, session.device_name);
            found.push(Finding::ok("sign-in", crate::daemon::consent::plain(&text)));
        }
        Err(error) => {
            found.push(Finding::from_failure(
                "sign-in",
                connect::api_failure(&error, &server),
            ));
            return (found, None);
        }
    }
    found.push(socket(&control).await);
    (found, Some(control))
}

fn is_this_machine(server: &str) -> bool {
    let host = server.trim_start_matches("http://");
    ["localhost", "127.", "[::1]"]
        .iter()
        .any(|own| host.starts_with(own))
}

/// The server's clock was read somewhere in `took`.
fn clock(theirs: u64, ours: u64, took: Duration) -> Finding {
    let apart = ours.abs_diff(theirs).saturating_sub(took.as_secs());
    if apart <= CLOCKS_APART {
        return Finding::ok("clock", "as the server's");
    }
    let way = if ours > theirs { "ahead of" } else { "behind" };
    Finding::failed(
        "clock",
        format!(
            "{apart} s {way} the server's: permissions will be refused as too old or not yet good. Let both set their clocks \
             by the network (NTP)"
        ),
    )
}

async fn socket(control: &ControlPlane) -> Finding {
    const CHECK: &str = "websocket";
    let (signal, mut events) = Signal::start(control.clone());
    let connected = timeout(SOCKET_WITHIN, async {
        loop {
            match events.recv().await {
                Some(SignalEvent::Connected(_)) => return Finding::ok(CHECK, "it stands"),
                Some(SignalEvent::Ended(reason)) => {
                    return Finding::from_failure(CHECK, online::ended(&reason, control.base()));
                }
                Some(_) => {}
                None => return Finding::new(CHECK, super::Level::Failed(Exit::Network), "it was closed"),
            }
        }
    });
    let found = connected.await.unwrap_or_else(|_| {
        Finding::network(
            CHECK,
            "it does not come about, though the server answers: a proxy in between that does not pass WebSockets on may be the \
             cause",
        )
    });
    drop(events);
    signal.stop().await;
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn clocks_that_are_apart_are_found_whichever_is_wrong() {
        let at_once = Duration::from_millis(20);
        assert_eq!(clock(1_000, 1_003, at_once).level, Level::Ok);
        for (ours, way) in [(1_060, "60 s ahead of"), (940, "60 s behind")] {
            let found = clock(1_000, ours, at_once);
            assert_eq!(found.level, Level::Failed(Exit::Failure));
            assert!(found.text.starts_with(way), "{}", found.text);
        }
        // A slow answer does not make a wrong clock.
        assert_eq!(clock(1_000, 1_009, Duration::from_secs(8)).level, Level::Ok);
    }

    #[test]
    fn this_machine_needs_no_encryption() {
        assert!(is_this_machine("http://127.0.0.1:8000") && is_this_machine("http://localhost:1"));
        assert!(!is_this_machine("http://192.168.1.2:8000"));
    }
}
