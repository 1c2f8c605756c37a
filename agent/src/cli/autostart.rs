//! `mesh autostart`: whether the daemon starts with the person's session.

use serde_json::json;

use super::args::AutostartWhat;
use super::{Context, connect, until_stopped};
use crate::autostart::{self, Autostart, Launch};
use crate::config::StoredSession;
use crate::daemon::ipc::Client;
use crate::exit::{Failure, Outcome};

pub(crate) async fn run(context: Context, what: AutostartWhat) -> Outcome {
    let stop = context.stop.clone();
    until_stopped(&stop, async {
        let launch = Launch::of_this_process()?;
        let ways = autostart::here().await?;
        match what {
            AutostartWhat::On => turn_on(&context, &ways, &launch).await,
            AutostartWhat::Off => turn_off(&context, &ways, &launch).await,
            AutostartWhat::Status => status(&context, &ways, &launch).await,
        }
    })
    .await
}

async fn turn_on(context: &Context, ways: &[Box<dyn Autostart>], launch: &Launch) -> Outcome {
    let way = ways
        .first()
        .ok_or_else(|| Failure::general("This system has no way to start it."))?;
    autostart::turn_on(way.as_ref(), launch).await?;
    // One that was turned on before the better way was there would start it twice.
    for other in &ways[1..] {
        autostart::turn_off(other.as_ref(), launch).await?;
    }
    let signed_in = StoredSession::load(&context.paths, connect::now()).is_ok();
    let running = Client::connect(&context.paths.socket()?).await?.is_some();
    let started = match way.start() {
        Some(start) if signed_in && !running => autostart::run(&start).await.map(|()| true)?,
        _ => false,
    };
    let now = match (running, started, signed_in) {
        (true, ..) => "It runs already.",
        (_, true, _) => "It was started now, too.",
        (_, _, false) => "Sign in first: `mesh login URL`.",
        _ => "`mesh up --detach` starts it now.",
    };
    let hint = way.hint().map_or_else(String::new, |hint| format!("\n{hint}"));
    context.output.result(
        &format!("The daemon starts with your session, by {}. {now}{hint}", way.name()),
        json!({"event": "autostart", "on": true, "by": way.name(), "started": started, "signed_in": signed_in}),
    );
    Ok(())
}

async fn turn_off(context: &Context, ways: &[Box<dyn Autostart>], launch: &Launch) -> Outcome {
    let mut was_on = false;
    for way in ways {
        was_on |= autostart::turn_off(way.as_ref(), launch).await?;
    }
    let human = if was_on {
        "The daemon does not start with your session any more. One that runs goes on: `mesh down` stops it."
    } else {
        "The daemon did not start with your session."
    };
    let event = json!({"event": "autostart", "on": false, "was_on": was_on});
    context.output.result(human, event);
    Ok(())
}

async fn status(context: &Context, ways: &[Box<dyn Autostart>], launch: &Launch) -> Outcome {
    for way in ways {
        if autostart::is_on(way.as_ref(), launch).await? {
            let hint = way.hint().map_or_else(String::new, |hint| format!("\n{hint}"));
            context.output.result(
                &format!("The daemon starts with your session, by {}.{hint}", way.name()),
                json!({"event": "autostart", "on": true, "by": way.name()}),
            );
            return Ok(());
        }
    }
    context.output.result(
        "The daemon does not start with your session: `mesh autostart on` changes that.",
        json!({"event": "autostart", "on": false}),
    );
    Ok(())
}
