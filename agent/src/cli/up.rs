//! `mesh up`: the daemon, in this terminal or in the background.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh_peer::signal::ControlPlane;
use serde_json::json;
use tokio::sync::mpsc;

use super::args::UpArgs;
use super::background::{self, Flags};
use super::{Context, connect, down, prompt};
use crate::config::StoredSession;
use crate::daemon::consent::{Desk, DeskEvent, Policy, Question};
use crate::daemon::ipc::{Client, FromDaemon, Request};
use crate::daemon::{self, Daemon, Notify, Options};
use crate::exit::{Exit, Failure, Outcome};
use crate::system;

/// How long a daemon that runs may take to say how it is.
const STATUS_WITHIN: Duration = Duration::from_secs(5);
/// How long a secret store may take to be opened after a login, and how often it is asked.
const STORE_WITHIN: Duration = Duration::from_secs(60);
const STORE_AGAIN: Duration = Duration::from_secs(2);

pub(crate) async fn run(context: Context, args: UpArgs) -> Outcome {
    if background::is_child() {
        return in_background(context, args).await;
    }
    // Asked before a daemon that runs is taken away, and here rather than in a child, where nobody reads.
    StoredSession::load(&context.paths, connect::now())?;
    super::until_stopped(&context.stop, make_room(&context, args.replace)).await?;
    if args.detach {
        let flags = Flags {
            allow: args.allow,
            deny: args.deny,
            out: args.out,
        };
        let pid = super::until_stopped(&context.stop, background::start(&context.paths, &flags)).await?;
        context.output.result(
            &format!("The daemon runs in the background (process {pid}); `mesh down` stops it."),
            json!({"event": "up", "pid": pid}),
        );
        return Ok(());
    }
    in_foreground(context, args).await
}

/// A daemon of another version gives way: at once where it shares nothing, else when it is told to. One of this version
/// stays, unless it is told to.
async fn make_room(context: &Context, replace: bool) -> Outcome {
    let Some(mut client) = Client::connect(&context.paths.socket()?).await? else {
        return Ok(());
    };
    client.request(Request::Status).await?;
    let status = match tokio::time::timeout(STATUS_WITHIN, client.reader.next()).await {
        Ok(Ok(Some(FromDaemon::Status { status }))) => Some(status),
        _ => None,
    };
    let same = status
        .as_ref()
        .is_some_and(|status| status.version == env!("CARGO_PKG_VERSION"));
    if !replace {
        if same {
            return Err(daemon::already_runs());
        }
        let idle = status.as_ref().is_some_and(|status| {
            status.shares.is_empty() && status.folders.is_empty() && status.transfers.is_empty()
        });
        if !idle {
            return Err(Failure::general(
                "A daemon of another version runs, and what it shares would end: `mesh up --replace` takes its place.",
            ));
        }
    }
    // Each request has a connection of its own.
    let Some(client) = Client::connect(&context.paths.socket()?).await? else {
        return Ok(());
    };
    down::stop(&context.paths, client).await?;
    let said = if same {
        "The daemon that ran was stopped."
    } else {
        "The daemon that ran was of another version and was stopped."
    };
    context
        .output
        .note(said, json!({"event": "replaced", "same_version": same}));
    Ok(())
}

fn options(context: &Context, args: &UpArgs) -> Outcome<Options> {
    let mut allow = context.settings.allow.clone();
    allow.extend(args.allow.iter().copied());
    let downloads = match &args.out {
        Some(out) => out.clone(),
        None => context.settings.download_dir()?,
    };
    Ok(Options {
        asks: !background::is_child() && prompt::can_ask(),
        policy: Policy {
            allow,
            deny: args.deny || context.settings.deny,
        },
        downloads,
    })
}

/// The sign-in. What the system starts at a login may come before the secret store is open, and then nobody is there to try
/// again.
async fn patiently_signed_in(context: &Context) -> Outcome<(ControlPlane, StoredSession)> {
    let since = Instant::now();
    let by_the_system = !background::is_child() && !prompt::can_ask();
    loop {
        match connect::signed_in(&context.paths).await {
            Err(failure)
                if failure.exit == Exit::Failure && by_the_system && since.elapsed() < STORE_WITHIN =>
            {
                tracing::info!(%failure, "waiting for the secret store");
                tokio::time::sleep(STORE_AGAIN).await;
            }
            other => return other,
        }
    }
}

async fn start(context: &Context, args: &UpArgs, notify: Notify) -> Outcome<Daemon> {
    crate::config::settle(&context.paths, context.settings.secrets, connect::now()).await?;
    let signed_in = patiently_signed_in(context).await?;
    let options = options(context, args)?;
    Daemon::start(
        &context.paths,
        &context.settings,
        options,
        signed_in,
        context.stop.clone(),
        notify,
    )
    .await
}

async fn in_background(context: Context, args: UpArgs) -> Outcome {
    system::leave_terminal();
    let notify: Notify = Arc::new(|sentence| tracing::info!("{sentence}"));
    match start(&context, &args, notify).await {
        Ok(daemon) => daemon.run(|| background::tell_parent(Ok(()))).await,
        Err(failure) => {
            background::tell_parent(Err(failure.clone()));
            Err(failure)
        }
    }
}

async fn in_foreground(context: Context, args: UpArgs) -> Outcome {
    let output = context.output;
    let notify: Notify = Arc::new(move |sentence| {
        tracing::info!("{sentence}");
        output.note(&sentence, json!({"event": "notice", "detail": sentence}));
    });
    let daemon = super::until_stopped(&context.stop, start(&context, &args, notify)).await?;
    let session = StoredSession::load(&context.paths, connect::now())?;
    let desk = daemon.desk();
    let questions = prompt::can_ask().then(|| tokio::spawn(ask(desk, output)));
    let asks = questions.is_some();
    let ready = move || {
        let human = format!(
            "This device is up as {} on {}; Ctrl-C stops it and everything that it shares.",
            session.name, session.server
        );
        output.note(&human, json!({"event": "up", "pid": std::process::id()}));
        if !asks && !output.is_json() {
            output.note(
                "This terminal cannot ask: what `--allow` does not name is asked in the tray or on a page, or declined.",
                json!({}),
            );
        }
    };
    let outcome = daemon.run(ready).await;
    if let Some(questions) = questions {
        questions.abort();
    }
    outcome?;
    output.note(
        "Stopped; nothing is shared any more.",
        json!({"event": "stopped"}),
    );
    Ok(())
}

/// Puts questions one after the other; the next line typed answers the one that stands.
async fn ask(desk: Desk, output: super::output::Output) {
    let mut source = desk.attach();
    let mut lines: mpsc::Receiver<String> = prompt::lines();
    let mut waiting: Vec<(u64, Question)> = Vec::new();
    let show = |question: &Question| {
        output.say(&format!(
            "{} Allow it? [y/N] ({}) ",
            question.sentence(),
            prompt::answers(question)
        ));
    };
    loop {
        tokio::select! {
            event = source.next() => match event {
                Some(DeskEvent::Ask { id, question }) => {
                    waiting.push((id, question));
                    if let [(_, only)] = &waiting[..] {
                        show(only);
                    }
                }
                Some(DeskEvent::Withdrawn { id }) => {
                    let first = waiting.first().is_some_and(|(first, _)| *first == id);
                    waiting.retain(|(other, _)| *other != id);
                    if first {
                        output.say("That question is settled.");
                        if let Some((_, next)) = waiting.first() {
                            show(next);
                        }
                    }
                }
                None => break,
            },
            line = lines.recv() => {
                // End of input: nobody is there to answer any more.
                let Some(line) = line else { break };
                let Some((id, question)) = waiting.first() else { continue };
                match prompt::answer(&line) {
                    Some(answer) => {
                        // Its withdrawal comes back as an event, which must not be announced again.
                        desk.answer(*id, answer);
                        waiting.remove(0);
                        if let Some((_, next)) = waiting.first() {
                            show(next);
                        }
                    }
                    None => show(question),
                }
            }
        }
    }
}
