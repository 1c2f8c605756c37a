//! `mesh receive`: waits for offers, shows them, asks, and receives.

mod code;
mod tree;

use std::collections::VecDeque;
use std::time::Duration;

use mesh_peer::session::{SessionEnd, SessionError};
use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{DeviceId, PeerId, RoomId};
use mesh_protocol::signal::{Reason, ServerMessage, TransferRequest};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::args::ReceiveArgs;
use super::output::size;
use super::{Context, connect, progress, prompt, steer, summary};
use crate::daemon::consent::{ANSWER_WITHIN, plain};
use crate::disk::{Folder, Inbox};
use crate::exit::{Failure, Outcome};
use crate::online::{Incoming, Online};
use crate::transfer::again::{AGAIN_WITHIN, CutOffers};
use crate::transfer::choice::Choice;
use crate::transfer::incoming::{self, Arrived, Destination};
use crate::transfer::offer::Offer;
use crate::transfer::{Flow, Shown, TransferError};

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
    let choice = args.taking.choice()?;
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
        choice,
        lines,
        queue: VecDeque::new(),
        cut: CutOffers::default(),
        lost: None,
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
    let (control, session) = connect::signed_in(&context.paths).await?;
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
    cut: CutOffers,
    /// The last transfer that was cut, unless it has gone on.
    lost: Option<Lost>,
}

/// A transfer that was cut, as it is told of if its sender does not come back.
struct Lost {
    until: Instant,
    failure: Failure,
    stands: Vec<Arrived>,
    who: String,
}

/// Whose offer it is, and whether it is one that was cut.
struct From {
    who: String,
    device: Option<DeviceId>,
    resumed: bool,
}

impl Waiting<'_> {
    async fn serve(&mut self, online: &mut Online) -> Outcome {
        let stop = self.context.stop.clone();
        loop {
            let request = match self.queue.pop_front() {
                Some(request) => request,
                None => tokio::select! {
                    () = stop.cancelled() => return Err(Failure::interrupted()),
                    lost = given_up(&mut self.lost) => {
                        self.give_up(lost)?;
                        continue;
                    }
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
                Err(failure) => self.failed(failure)?,
            }
        }
    }

    /// The one offer of who made the code: nothing else is waited for.
    async fn serve_code(&mut self, online: &mut Online) -> Outcome {
        let stop = self.context.stop.clone();
        let mut until = Instant::now() + OFFER_WITHIN;
        loop {
            let Some(request) = self.queue.pop_front() else {
                tokio::select! {
                    () = stop.cancelled() => return Err(Failure::interrupted()),
                    () = sleep_until(until) => return Err(match self.lost.take() {
                        Some(lost) => {
                            self.tell(&lost.stands, &lost.who);
                            lost.failure
                        }
                        None => sender_stopped(),
                    }),
                    // The sign-in is for this transfer: it ends when the sender does.
                    incoming = online.next() => self.incoming(online, incoming).map_err(|_| sender_stopped())?,
                }
                continue;
            };
            let received = self.handle(online, request).await;
            if stop.is_cancelled() {
                return Err(Failure::interrupted());
            }
            until = match (received?, &self.lost) {
                (true, _) => return Ok(()),
                (false, Some(lost)) => lost.until,
                (false, None) => return Err(Failure::refused("Nothing was received.")),
            };
        }
    }

    /// The end of a transfer, and of the command if there was to be one only.
    fn failed(&self, failure: Failure) -> Outcome {
        if self.args.once {
            return Err(failure);
        }
        let output = self.context.output;
        output.event(json!({"event": "transfer_failed", "detail": failure.sentence}));
        output.say(&format!("mesh: {}", failure.sentence));
        Ok(())
    }

    fn give_up(&self, lost: Lost) -> Outcome {
        self.tell(&lost.stands, &lost.who);
        self.failed(lost.failure)
    }

    fn incoming(&mut self, online: &Online, incoming: Incoming) -> Outcome {
        if let Incoming::Ended(reason) = incoming {
            return Err(crate::online::ended(&reason, online.context.control().base()));
        }
        enqueue(&mut self.queue, incoming);
        Ok(())
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
        let device = online.roster.peer(&offer.room_id, &offer.from);
        let device = device.map(|peer| peer.device_id.clone());
        let known = device
            .as_ref()
            .and_then(|device| self.cut.take(device, &offer.request));
        let (name, bytes) = (plain(&offer.request.name), offer.request.size);
        let place = match self.args.code[..] {
            [] => format!(" in {}", plain(&room)),
            _ => String::new(),
        };
        let human = format!("{who}{place} offers {}", tree::shown(&offer.request));
        let resumed = known.is_some();
        if resumed {
            self.lost = None;
            output.note(
                &format!("{who} is back: {name} goes on."),
                json!({"event": "resumed", "from": who, "name": name}),
            );
        } else if self.args.yes {
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
        let inbox = match Folder::open(&self.out) {
            Ok(folder) => Inbox::new(folder),
            Err(error) => {
                offer.decline(&context, Reason::Failed).await;
                return Err(connect::disk_failure(&error));
            }
        };
        let consent = match known {
            Some(choice) => Ok(choice),
            None => self.consent(online, &mut offer).await,
        };
        let choice = match consent {
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
        let destination = Destination {
            inbox: inbox.with_existing(self.args.taking.existing()),
            choice,
        };
        let from = From { who, device, resumed };
        self.receive(online, offer, destination, &from).await
    }

    /// Yes, to what; no, with a reason; or (`Err(None)`) nobody asks any more.
    async fn consent(&mut self, online: &mut Online, offer: &mut Offer) -> Result<Choice, Option<Reason>> {
        let all = &self.choice;
        let Some(lines) = self.lines.as_mut().filter(|_| !self.args.yes) else {
            return Ok(all.clone());
        };
        let listed = offer.request.files.clone();
        let within = ANSWER_WITHIN.as_secs();
        let which = match offer.request.count {
            1 => "",
            _ => ", or which: `1 3-5 *.jpg folder`",
        };
        let question = format!("Accept within {within} s? [y/N/busy{which}] ");
        // What was typed before the question was not meant for it.
        while lines.try_recv().is_ok() {}
        let output = self.context.output;
        output.say(&question);
        let until = Instant::now() + ANSWER_WITHIN;
        loop {
            tokio::select! {
                () = self.context.stop.cancelled() => return Err(Some(Reason::Cancelled)),
                () = tokio::time::sleep_until(until) => return Err(Some(Reason::Timeout)),
                _ = offer.withdrawn() => return Err(None),
                line = lines.recv() => match line.as_deref().map(|line| (line, prompt::yes_or_no(line))) {
                    Some((_, Some(true))) => return Ok(all.clone()),
                    Some((_, Some(false))) | None => return Err(Some(Reason::Declined)),
                    Some((answer, None)) if answer.trim().eq_ignore_ascii_case("busy") => return Err(Some(Reason::Busy)),
                    Some((answer, None)) => {
                        let all_are_listed = listed.len() as u64 == offer.request.count;
                        match all.picked(answer.trim(), &listed, all_are_listed) {
                            Ok(choice) => return Ok(choice),
                            Err(why) => output.say(&format!("{why} {question}")),
                        }
                    }
                },
                incoming = online.next() => enqueue(&mut self.queue, incoming),
            }
        }
    }

    /// `false` when the connection was lost and the sender may come back.
    async fn receive(
        &mut self,
        online: &mut Online,
        offer: Offer,
        destination: Destination,
        from: &From,
    ) -> Outcome<bool> {
        let (output, who) = (self.context.output, &from.who);
        let context = online.context.clone();
        let (request, choice) = (offer.request.clone(), destination.choice.clone());
        let (session, accepted) = match online.alongside(offer.accept(&context)).await {
            Ok(opened) => opened,
            // Two have said yes at once: what is waited for is still to come.
            Err(SessionError::Declined(Reason::Taken)) => {
                self.taken_elsewhere(who);
                return Ok(false);
            }
            Err(error) => {
                let failure = connect::not_opened(&error, &format!("{who} could not be connected"));
                return self.ended(from, from.resumed, (request, choice), failure, Vec::new());
            }
        };
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
            throttle: self.args.taking.throttle,
            ..Flow::from(self.context.stop.clone())
        };
        let receiving = incoming::receive(session, accepted, destination, &shown, &flow, |file| {
            stands.push(file)
        });
        let receiving = steer::pausing(self.lines.as_mut(), &pause, receiving);
        let received = enqueuing(&mut self.queue, online, receiving).await;
        bar.abort();
        let time = begun.elapsed();
        let again = "what has arrived is kept as .part, and the same file sent again goes on from there.";
        match received {
            Ok(()) => {
                self.tell(&stands, who);
                summary::received(output, *shown.borrow(), accepted.count, time);
                Ok(true)
            }
            // The same, but noticed only by the one who offered it.
            Err(TransferError::Lost(SessionEnd::Stopped(Reason::Taken))) => {
                self.taken_elsewhere(who);
                Ok(false)
            }
            Err(error) => {
                let failure = error
                    .failure(who, again)
                    .in_part(stands.len() as u64, accepted.count);
                self.ended(from, error.is_cut(), (request, choice), failure, stands)
            }
        }
    }

    fn taken_elsewhere(&self, who: &str) {
        self.context.output.note(
            &format!("Another device took what {who} offered."),
            json!({"event": "withdrawn", "from": who}),
        );
    }

    /// The end of a transfer that did not come to its own; `Ok` when it may go on, because its connection was cut.
    fn ended(
        &mut self,
        from: &From,
        cut: bool,
        (request, choice): (TransferRequest, Choice),
        failure: Failure,
        stands: Vec<Arrived>,
    ) -> Outcome<bool> {
        let who = &from.who;
        let Some(device) = from.device.clone().filter(|_| cut) else {
            self.tell(&stands, who);
            return Err(failure);
        };
        let lost = Lost {
            until: self.cut.remember(device, request, choice),
            failure,
            stands,
            who: who.clone(),
        };
        if let Some(earlier) = self.lost.replace(lost) {
            self.give_up(earlier)?;
        }
        let wait = AGAIN_WITHIN.as_secs();
        self.context.output.note(
            &format!("The connection to {who} was lost: it has {wait} s to come back."),
            json!({"event": "lost", "from": who}),
        );
        Ok(false)
    }

    /// What stands now.
    fn tell(&self, stands: &[Arrived], who: &str) {
        summary::arrived(self.context.output, stands, who, &self.out);
    }
}

/// Does the work; meanwhile offers are kept for later. What goes on from device to device needs no server, so that even
/// the end of this connection does not end it.
async fn enqueuing<T>(
    queue: &mut VecDeque<Request>,
    online: &mut Online,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            incoming = online.next() => enqueue(queue, incoming),
        }
    }
}

/// Keeps an offer for later, if there is room; whatever else happens is of no interest here.
fn enqueue(queue: &mut VecDeque<Request>, incoming: Incoming) {
    if let Incoming::Message {
        from: Some(from),
        message: ServerMessage::ShareFileRequest(request),
    } = incoming
        && queue.len() < WAITING
    {
        queue.push_back((from, request));
    }
}

/// A transfer that was cut and has not gone on in time.
async fn given_up(lost: &mut Option<Lost>) -> Lost {
    loop {
        match lost {
            Some(cut) => sleep_until(cut.until).await,
            None => std::future::pending().await,
        }
        if let Some(cut) = lost.take() {
            return cut;
        }
    }
}
