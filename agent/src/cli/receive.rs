//! `mesh receive`: waits for offers, shows them, asks, and receives.

mod code;
mod tree;

use std::collections::VecDeque;
use std::time::Duration;

use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_protocol::signal::{Reason, ServerMessage, TransferRequest};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::args::ReceiveArgs;
use super::output::size;
use super::{Context, connect, progress, prompt, steer};
use crate::daemon::consent::{ANSWER_WITHIN, plain};
use crate::disk::{Existing, Patterns};
use crate::exit::{Failure, Outcome};
use crate::online::{Incoming, Online};
use crate::transfer::choice::Choice;
use crate::transfer::incoming::{self, Arrived, Destination};
use crate::transfer::offer::Offer;
use crate::transfer::{Flow, Shown};

/// Offers that wait while one is shown or received; more are left to time out.
const WAITING: usize = 16;
/// How long who made a code may take from letting this machine in to its offer.
const OFFER_WITHIN: Duration = Duration::from_secs(60);

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
    let exclude = Patterns::parse(args.exclude.iter().map(String::as_str))
        .map_err(|why| Failure::usage(format!("{why}.")))?;
    let by_code = !args.code.is_empty();
    let mut online = if by_code {
        super::until_stopped(&context.stop, code::enter(&context, &args.code)).await?
    } else {
        enter(&context, &out).await?
    };
    let lines = (!args.yes || steer::can_steer(context.output)).then(prompt::lines);
    let mut waiting = Waiting {
        context: &context,
        args: &args,
        out,
        choice: Choice::all_but(exclude),
        lines,
        queue: VecDeque::new(),
    };
    let outcome = if by_code {
        waiting.serve_code(&mut online).await
    } else {
        waiting.serve(&mut online).await
    };
    online.close().await;
    outcome
}

/// Into all rooms of who is signed in.
async fn enter(context: &Context, out: &std::path::Path) -> Outcome<Online> {
    let (control, session) = connect::signed_in(&context.paths)?;
    let rooms = super::until_stopped(&context.stop, connect::rooms(&control)).await?;
    if rooms.is_empty() {
        connect::pick_room(&rooms, None)?;
    }
    let ids: Vec<RoomId> = rooms.iter().map(|room| room.room_id.clone()).collect();
    let entering = Online::enter(control, &context.settings, &ids, &[Feature::File]);
    let online = super::until_stopped(&context.stop, entering).await?;
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
    Ok(online)
}

fn sender_stopped() -> Failure {
    Failure::refused("The sender has stopped: ask for a new code.")
}

type Request = (PeerId, TransferRequest);

struct Waiting<'a> {
    context: &'a Context,
    args: &'a ReceiveArgs,
    out: std::path::PathBuf,
    choice: Choice,
    /// What is typed, where somebody can.
    lines: Option<mpsc::Receiver<String>>,
    queue: VecDeque<Request>,
}

impl Waiting<'_> {
    /// The one offer of who made the code: nothing else is waited for.
    async fn serve_code(&mut self, online: &mut Online) -> Outcome {
        let stop = self.context.stop.clone();
        let until = Instant::now() + OFFER_WITHIN;
        let request = loop {
            if let Some(request) = self.queue.pop_front() {
                break request;
            }
            tokio::select! {
                () = stop.cancelled() => return Err(Failure::interrupted()),
                () = tokio::time::sleep_until(until) => return Err(sender_stopped()),
                // The sign-in is for this transfer: it ends when the sender does.
                incoming = online.next() => self.incoming(online, incoming).map_err(|_| sender_stopped())?,
            }
        };
        let received = self.handle(online, request).await;
        if stop.is_cancelled() {
            return Err(Failure::interrupted());
        }
        match received? {
            true => Ok(()),
            false => Err(Failure::refused("Nothing was received.")),
        }
    }

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
        let place = match self.args.code[..] {
            [] => format!(" in {}", plain(&room)),
            _ => String::new(),
        };
        let human = format!("{who}{place} offers {}", tree::shown(&offer.request));
        if self.args.yes {
            output.note(&human, tree::event(&who, &room, &offer.request));
        } else {
            // Whoever is asked has to see what for.
            output.say(&human);
            output.event(tree::event(&who, &room, &offer.request));
        }
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
        let choice = match self.consent(online, &mut offer).await {
            Ok(choice) => choice,
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
        };
        let existing = match self.args {
            ReceiveArgs { overwrite: true, .. } => Existing::Overwrite,
            ReceiveArgs { skip: true, .. } => Existing::Skip,
            _ => Existing::Rename,
        };
        let destination = Destination {
            inbox: inbox.with_existing(existing),
            choice,
        };
        self.receive(online, offer, destination, &who)
            .await
            .map(|()| true)
    }

    /// Yes, to what; no, with a reason; or (`Err(None)`) nobody asks any more.
    async fn consent(&mut self, online: &mut Online, offer: &mut Offer) -> Result<Choice, Option<Reason>> {
        let all = &self.choice;
        let Some(lines) = self.lines.as_mut().filter(|_| !self.args.yes) else {
            return Ok(all.clone());
        };
        let listed = offer.request.files.clone();
        let question = match offer.request.count {
            1 => "Accept? [y/N] ",
            _ => "Accept? [y/N, or which: `1 3-5 *.jpg folder`] ",
        };
        // What was typed before the question was not meant for it.
        while lines.try_recv().is_ok() {}
        let output = self.context.output;
        output.say(question);
        let until = Instant::now() + ANSWER_WITHIN;
        loop {
            tokio::select! {
                () = self.context.stop.cancelled() => return Err(Some(Reason::Cancelled)),
                () = tokio::time::sleep_until(until) => return Err(Some(Reason::Timeout)),
                _ = offer.withdrawn() => return Err(None),
                line = lines.recv() => match line.as_deref().map(|line| (line, prompt::yes_or_no(line))) {
                    Some((_, Some(true))) => return Ok(all.clone()),
                    Some((_, Some(false))) | None => return Err(Some(Reason::Declined)),
                    Some((answer, None)) => {
                        let all_are_listed = listed.len() as u64 == offer.request.count;
                        match all.picked(answer.trim(), &listed, all_are_listed) {
                            Ok(choice) => return Ok(choice),
                            Err(why) => output.say(&format!("{why} {question}")),
                        }
                    }
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

    async fn receive(
        &mut self,
        online: &mut Online,
        offer: Offer,
        destination: Destination,
        who: &str,
    ) -> Outcome {
        let output = self.context.output;
        let context = online.context.clone();
        let (session, accepted) = online
            .alongside(offer.accept(&context))
            .await
            .map_err(|error| connect::not_opened(&error, &format!("{who} could not be connected")))?;
        let (shown, progress) = watch::channel(Shown::default());
        let link = session.link.clone();
        let (bar, begun) = (
            tokio::spawn(progress::show(output, progress, link.clone())),
            Instant::now(),
        );
        let mut stands: Vec<Arrived> = Vec::new();
        let (pause, paused) = watch::channel(false);
        let flow = Flow {
            paused,
            throttle: self.args.throttle,
            ..Flow::from(self.context.stop.clone())
        };
        let receiving = incoming::receive(session, accepted, destination, &shown, &flow, |file| {
            stands.push(file)
        });
        let received = online
            .alongside(steer::pausing(self.lines.as_mut(), &pause, receiving))
            .await;
        bar.abort();
        let last = *shown.borrow();
        let (seconds, wanted) = (begun.elapsed(), last.progress.bytes_total);
        let moved = last.moved.min(wanted);
        let rate = progress::rate(moved, seconds);
        self.tell(&stands, who);
        let again = "what has arrived is kept as .part, and the same file sent again goes on from there.";
        match received {
            Ok(()) => {
                let skipped = accepted
                    .count
                    .saturating_sub(u64::from(last.progress.files_total));
                if skipped > 0 {
                    output.note(
                        &format!("{skipped} of {} files were left out.", accepted.count),
                        json!({}),
                    );
                }
                let took = format!(
                    "{} {}/s.",
                    progress::took("Received", moved, wanted, seconds),
                    size(rate)
                );
                output.note(&took, json!({"event": "done", "bytes": moved, "total": wanted, "files": last.progress.files_total, "skipped": skipped, "seconds": seconds.as_secs_f64(), "bytes_per_second": rate}));
                Ok(())
            }
            Err(error) => {
                let failure = error.failure(who, again);
                Err(failure.in_part(stands.len() as u64, accepted.count))
            }
        }
    }

    /// What stands now: each file, or how many where they are many.
    fn tell(&self, stands: &[Arrived], who: &str) {
        let output = self.context.output;
        for file in stands {
            let event = json!({"event": "received", "path": file.path, "size": file.size, "blake3": file.hash.to_string(), "from": who});
            if stands.len() <= progress::LISTED {
                output.result(
                    &format!("BLAKE3 {} verified: {}", file.hash, file.path.display()),
                    event,
                );
            } else {
                output.event(event);
            }
        }
        if stands.len() > progress::LISTED && !output.is_json() {
            let human = format!(
                "BLAKE3 of {} files verified, in {}",
                stands.len(),
                self.out.display()
            );
            output.result(&human, json!({}));
        }
    }
}
