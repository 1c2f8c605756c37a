//! `mesh receive`: waits for offers, shows them, asks, and receives.

use std::collections::VecDeque;
use std::sync::Arc;

use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_protocol::signal::{Reason, ServerMessage, TransferRequest};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::args::ReceiveArgs;
use super::output::size;
use super::{Context, connect, progress, prompt};
use crate::daemon::consent::{ANSWER_WITHIN, plain};
use crate::disk::Inbox;
use crate::exit::{Failure, Outcome};
use crate::online::{Incoming, Online};
use crate::transfer::Shown;
use crate::transfer::incoming::{self, Arrived};
use crate::transfer::offer::Offer;

/// Offers that wait while one is shown or received; more are left to time out.
const WAITING: usize = 16;

pub(crate) async fn run(context: Context, args: ReceiveArgs) -> Outcome {
    let out = match &args.out {
        Some(out) => out.clone(),
        None => context.settings.download_dir()?,
    };
    if !args.yes && !prompt::can_ask() {
        return Err(Failure::usage(
            "There is no terminal to ask on: give `--yes` to accept whatever is sent.",
        ));
    }
    let (control, session) = connect::signed_in(&context.paths)?;
    let rooms = super::until_stopped(&context.stop, connect::rooms(&control)).await?;
    if rooms.is_empty() {
        connect::pick_room(&rooms, None)?;
    }
    let ids: Vec<RoomId> = rooms.iter().map(|room| room.room_id.clone()).collect();
    let entering = Online::enter(control, &context.settings, &ids, &[Feature::File]);
    let mut online = super::until_stopped(&context.stop, entering).await?;
    let human = format!(
        "Waiting for files as {} in {}; they go to {}.",
        session.name,
        connect::names(&rooms),
        out.display()
    );
    let names: Vec<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
    context
        .output
        .note(&human, json!({"event": "waiting", "rooms": names, "out": out}));

    let lines = (!args.yes).then(prompt::lines);
    let mut waiting = Waiting {
        context: &context,
        args: &args,
        out,
        lines,
        queue: VecDeque::new(),
    };
    let outcome = waiting.serve(&mut online).await;
    online.close().await;
    outcome
}

type Request = (PeerId, TransferRequest);

struct Waiting<'a> {
    context: &'a Context,
    args: &'a ReceiveArgs,
    out: std::path::PathBuf,
    lines: Option<mpsc::Receiver<String>>,
    queue: VecDeque<Request>,
}

impl Waiting<'_> {
    async fn serve(&mut self, online: &mut Online) -> Outcome {
        let stop = self.context.stop.clone();
        loop {
            let request = match self.queue.pop_front() {
                Some(request) => request,
                None => tokio::select! {
                    () = stop.cancelled() => return Err(Failure::interrupted()),
                    incoming = online.next() => {
                        self.incoming(online, incoming)?;
                        continue;
                    }
                },
            };
            let received = self.handle(online, request).await;
            if stop.is_cancelled() {
                return Err(Failure::interrupted());
            }
            match received {
                Ok(true) if self.args.once => return Ok(()),
                Ok(_) => {}
                Err(failure) if self.args.once => return Err(failure),
                Err(failure) => {
                    self.context
                        .output
                        .event(json!({"event": "transfer_failed", "detail": failure.sentence}));
                    self.context.output.say(&format!("mesh: {}", failure.sentence));
                }
            }
        }
    }

    fn incoming(&mut self, online: &Online, incoming: Incoming) -> Outcome {
        match incoming {
            Incoming::Message {
                from: Some(from),
                message: ServerMessage::ShareFileRequest(request),
            } => {
                if self.queue.len() < WAITING {
                    self.queue.push_back((from, request));
                }
                Ok(())
            }
            Incoming::Ended(reason) => Err(crate::online::ended(&reason, online.context.control().base())),
            _ => Ok(()),
        }
    }

    /// One offer from its judgement to its last file; `false` when it was not taken.
    async fn handle(&mut self, online: &mut Online, (from, request): Request) -> Outcome<bool> {
        let output = self.context.output;
        let (who, room) = (
            online.roster.who(&request.room_id, &from),
            online.roster.room_name(&request.room_id),
        );
        let context = online.context.clone();
        let judged = online.alongside(Offer::judge(&context, from, request)).await;
        let mut offer = match judged {
            Ok(offer) => offer,
            Err(rejected) => {
                output.say(&format!("An offer of {who} was refused: {}.", rejected.why));
                return Ok(false);
            }
        };
        let (name, bytes) = (plain(&offer.request.name), offer.request.size);
        output.note(
            &format!("{who} in {} offers:\n  {}", plain(&room), offer.lines().join("\n  ")),
            json!({"event": "offer", "from": who, "room": room, "name": name, "size": bytes, "count": offer.request.count}),
        );
        if self.args.max_size.is_some_and(|max| bytes > max) {
            offer.decline(&context, Reason::Declined).await;
            return Err(Failure::refused(format!(
                "{name} has {}, more than `--max-size` allows: it was declined.",
                size(bytes)
            )));
        }
        let inbox = match offer.inbox(&self.out) {
            Ok(inbox) => inbox,
            Err(why) => {
                offer.decline(&context, Reason::Failed).await;
                return Err(Failure::general(format!("{}.", why)));
            }
        };
        match self.consent(online, &mut offer).await {
            Ok(()) => {}
            Err(None) => {
                output.note(
                    &format!("{who} took the offer back."),
                    json!({"event": "withdrawn", "from": who}),
                );
                return Ok(false);
            }
            Err(Some(reason)) => {
                offer.decline(&context, reason).await;
                output.note("Declined.", json!({"event": "declined"}));
                return Ok(false);
            }
        }
        self.receive(online, offer, inbox, &who).await.map(|()| true)
    }

    /// Yes; no, with a reason; or (`Err(None)`) nobody asks any more.
    async fn consent(&mut self, online: &mut Online, offer: &mut Offer) -> Result<(), Option<Reason>> {
        let Some(lines) = &mut self.lines else {
            return Ok(());
        };
        // What was typed before the question was not meant for it.
        while lines.try_recv().is_ok() {}
        let output = self.context.output;
        output.say("Accept? [y/N] ");
        let until = Instant::now() + ANSWER_WITHIN;
        loop {
            tokio::select! {
                () = self.context.stop.cancelled() => return Err(Some(Reason::Cancelled)),
                () = tokio::time::sleep_until(until) => return Err(Some(Reason::Timeout)),
                _ = offer.withdrawn() => return Err(None),
                line = lines.recv() => match line.as_deref().map(prompt::yes_or_no) {
                    Some(Some(true)) => return Ok(()),
                    Some(Some(false)) | None => return Err(Some(Reason::Declined)),
                    Some(None) => output.say("Accept? [y/N] "),
                },
                incoming = online.next() => {
                    if let Incoming::Message { from: Some(from), message: ServerMessage::ShareFileRequest(request) } = incoming
                        && self.queue.len() < WAITING
                    {
                        self.queue.push_back((from, request));
                    }
                }
            }
        }
    }

    async fn receive(&mut self, online: &mut Online, offer: Offer, inbox: Arc<Inbox>, who: &str) -> Outcome {
        let output = self.context.output;
        let context = online.context.clone();
        let (session, accepted) = online
            .alongside(offer.accept(&context))
            .await
            .map_err(|error| Failure::network(format!("{who} could not be connected: {error}.")))?;
        let (shown, progress) = watch::channel(Shown::default());
        let link = session.link.clone();
        let (bar, begun) = (
            tokio::spawn(progress::show(output, progress, link.clone())),
            Instant::now(),
        );
        let mut stands: Vec<Arrived> = Vec::new();
        let receiving = incoming::receive(session, accepted, inbox, &shown, &self.context.stop, |file| {
            stands.push(file)
        });
        let received = online.alongside(receiving).await;
        bar.abort();
        let (seconds, moved) = (begun.elapsed(), shown.borrow().moved.min(accepted.size));
        let rate = progress::rate(moved, seconds);
        for file in &stands {
            output.result(
                &format!("BLAKE3 {} verified: {}", file.hash, file.path.display()),
                json!({"event": "received", "path": file.path, "size": file.size, "blake3": file.hash.to_string(), "from": who}),
            );
        }
        let again = "what has arrived is kept as .part, and the same file sent again goes on from there.";
        match received {
            Ok(()) => {
                let took = format!(
                    "{} {}/s.",
                    progress::took("Received", moved, accepted.size, seconds),
                    size(rate)
                );
                output.note(&took, json!({"event": "done", "bytes": moved, "total": accepted.size, "seconds": seconds.as_secs_f64(), "bytes_per_second": rate}));
                Ok(())
            }
            Err(error) => {
                let failure = error.failure(who, again);
                Err(match stands.len() {
                    0 => failure,
                    some => Failure::partial(format!(
                        "{some} of {} files arrived. {}",
                        accepted.count, failure.sentence
                    )),
                })
            }
        }
    }
}
