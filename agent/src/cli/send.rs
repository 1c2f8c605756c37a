//! `mesh send`: offers files to a room, a person or a device, and sends them to the first that accepts; or to who has a code.

mod code;
mod delivery;
mod parcel;
mod recipients;

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use mesh_peer::session::{
    self, Invitation, OpenSession, SessionError, Wanted, new_session_id, open_as_requester,
};
use mesh_peer::transfer::FileHash;
use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, RoomId, SessionId};
use mesh_protocol::signal::{ClientMessage, Reason, SessionAnswer, TransferRequest};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use self::delivery::{Delivered, Delivery};
use self::parcel::Parcel;
use self::recipients::{Candidate, Recipients};
use super::args::SendArgs;
use super::summary::{self, LISTED};
use super::{Context, connect, progress};
use crate::exit::{Failure, Outcome};
use crate::online::{Incoming, Online};

/// Devices that are asked at once; more are left out.
const MAX_ASKED: usize = 32;

/// A device that was asked, and how it ended.
type Attempt = BoxFuture<'static, (Candidate, SessionId, Result<OpenSession, SessionError>)>;

pub(crate) async fn run(context: Context, args: SendArgs) -> Outcome {
    let args = Arc::new(args);
    let gathering = tokio::task::spawn_blocking({
        let (args, output) = (args.clone(), context.output);
        move || Parcel::gather(&args, output)
    });
    let gathering = async { gathering.await.map_err(Failure::general)? };
    let parcel = super::until_stopped(&context.stop, gathering).await?;
    let (control, own) = connect::signed_in(&context.paths).await?;
    let Some(to) = &args.to else {
        return code::run(&context, &args, &parcel, control, own).await;
    };
    let rooms = super::until_stopped(&context.stop, connect::rooms(&control)).await?;
    let room_ids: Vec<RoomId> = rooms.iter().map(|room| room.room_id.clone()).collect();
    let entering = Online::enter(control, &context.settings, &room_ids, &[]);
    let mut online = super::until_stopped(&context.stop, entering).await?;
    let recipients = Recipients::new(to, &rooms, own.user_id, own.device_id);
    let hashing = parcel.hash(context.stop.clone());

    let outcome = deliver(&context, &args, &mut online, &recipients, &parcel, hashing).await;
    online.close().await;
    outcome
}

async fn deliver(
    context: &Context,
    args: &SendArgs,
    online: &mut Online,
    recipients: &Recipients,
    parcel: &Parcel,
    hashing: JoinHandle<Outcome<Vec<FileHash>>>,
) -> Outcome {
    let output = context.output;
    output.note(
        &format!(
            "Waiting for {} to accept {}, {} at most.",
            recipients.shown(),
            parcel.described(),
            progress::duration(args.timeout.as_secs())
        ),
        json!({"event": "waiting", "to": recipients.shown(), "name": parcel.title, "size": parcel.total, "count": parcel.files.len(), "seconds": args.timeout.as_secs()}),
    );
    let (accepted_by, session) = offer(context, args, online, recipients, parcel).await?;
    let who = accepted_by.who.clone();
    output.note(
        &format!("{who} accepted."),
        json!({"event": "accepted", "by": who}),
    );

    let hashes = online.alongside(hashing).await.map_err(Failure::general)??;
    let begun = Instant::now();
    let delivered = Delivery::new(context, args, parcel, &hashes, accepted_by)
        .run(online, session)
        .await?;
    let Delivered {
        binding,
        skipped,
        wanted,
        moved,
        link,
    } = delivered;
    let time = begun.elapsed();
    let answer = SessionAnswer {
        room_id: binding.room_id,
        target: Some(binding.remote),
        session_id: binding.session_id,
        reason: None,
        max_record: None,
    };
    let _ = online
        .context
        .signal()
        .send(ClientMessage::ShareCompleted(answer))
        .await;
    summary::sent(output, moved, wanted, time, &link);
    let files = parcel.files.iter().zip(&hashes).zip(0..);
    let arrived = files.filter(|(_, number)| skipped.binary_search(number).is_err());
    for ((file, hash), _) in arrived {
        let hash = hash.whole();
        let name = file.name();
        let event = json!({"event": "verified", "name": name, "size": file.size(), "blake3": hash.to_string(), "by": who});
        if parcel.files.len() <= LISTED {
            output.result(&format!("BLAKE3 {hash} verified by {who}: {name}"), event);
        } else {
            output.event(event);
        }
    }
    let all = parcel.files.len();
    let taken = all - skipped.len();
    if all > LISTED && !output.is_json() {
        output.result(&format!("BLAKE3 of {taken} files verified by {who}."), json!({}));
    }
    if taken < all {
        return Err(Failure::partial(format!("{who} took {taken} of {all} files.")));
    }
    Ok(())
}

/// Asks every device that fits, those that come later too, until one accepts.
async fn offer(
    context: &Context,
    args: &SendArgs,
    online: &mut Online,
    recipients: &Recipients,
    parcel: &Parcel,
) -> Outcome<(Candidate, OpenSession)> {
    let deadline = Instant::now() + args.timeout;
    let mut attempts: FuturesUnordered<Attempt> = FuturesUnordered::new();
    let mut asked: HashSet<PeerId> = HashSet::new();
    let mut pending: Vec<(Candidate, SessionId)> = Vec::new();
    let mut last: Option<SessionError> = None;
    loop {
        for candidate in recipients.among(&online.roster, online.context.signal().current_peer().as_ref()) {
            if pending.len() < MAX_ASKED && asked.insert(candidate.peer.clone()) {
                let session_id = new_session_id();
                pending.push((candidate.clone(), session_id.clone()));
                let event = json!({"event": "offered", "to": candidate.who});
                context.output.event(event);
                attempts.push(ask(online, candidate, session_id, parcel, deadline));
            }
        }
        // Everyone who was there has answered.
        if pending.is_empty()
            && let Some(error) = last.take()
        {
            return Err(connect::not_opened(&error, &recipients.nobody()));
        }
        tokio::select! {
            () = context.stop.cancelled() => {
                take_back(online, &pending, Reason::Cancelled).await;
                return Err(Failure::interrupted());
            }
            () = sleep_until(deadline) => {
                take_back(online, &pending, Reason::Timeout).await;
                let (waited, next_time) = (args.timeout.as_secs(), recipients.next_time());
                return Err(Failure::refused(format!("Nobody accepted within {waited} s: {next_time}.")));
            }
            incoming = online.next() => if let Incoming::Ended(reason) = incoming {
                return Err(crate::online::ended(&reason, online.context.control().base()));
            },
            Some((candidate, session_id, opened)) = attempts.next() => {
                pending.retain(|(_, pending)| *pending != session_id);
                match opened {
                    Ok(session) => {
                        // The word goes before their connections do.
                        take_back(online, &pending, Reason::Taken).await;
                        return Ok((candidate, session));
                    }
                    Err(error) => {
                        let human = format!("{}: {error}.", candidate.who);
                        context.output.note(&human, json!({"event": "declined", "by": candidate.who, "detail": error.to_string()}));
                        last = Some(error);
                    }
                }
            }
        }
    }
}

fn ask(
    online: &Online,
    candidate: Candidate,
    session_id: SessionId,
    parcel: &Parcel,
    deadline: Instant,
) -> Attempt {
    let context = online.context.clone();
    let wanted = Wanted {
        room_id: candidate.room.clone(),
        target: Some(candidate.peer.clone()),
        feature: Feature::File,
        session_id: session_id.clone(),
        max_size: Some(parcel.total),
        consent: deadline.saturating_duration_since(Instant::now()),
    };
    let files = parcel.listed();
    let (name, total, count) = (parcel.title.clone(), parcel.total, parcel.files.len() as u64);
    let request = move |invitation: Invitation| {
        ClientMessage::ShareFileRequest(TransferRequest {
            room_id: invitation.room_id,
            target: invitation.target,
            session_id: Some(invitation.session_id),
            cap_token: Some(invitation.cap_token),
            name,
            size: total,
            count,
            files,
            share_id: None,
        })
    };
    async move {
        let opened = open_as_requester(&context, wanted, request).await;
        (candidate, session_id, opened)
    }
    .boxed()
}

async fn take_back(online: &Online, pending: &[(Candidate, SessionId)], reason: Reason) {
    for (candidate, session_id) in pending {
        let answer = SessionAnswer {
            room_id: candidate.room.clone(),
            target: Some(candidate.peer.clone()),
            session_id: session_id.clone(),
            reason: Some(reason),
            max_record: None,
        };
        let _ = online
            .context
            .signal()
            .send(session::end(Feature::File, answer))
            .await;
    }
}
