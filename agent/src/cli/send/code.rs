//! `mesh send --code`: one recipient without an account, found by a number and two words.
//!
//! The order matters: a room is made only for who proved that they had the words, both ends know each other's certificate by
//! then, and the room goes with this command however it ends.

use std::time::Duration;

use mesh_peer::rtc::Certificate;
use mesh_peer::session::sdp_fingerprint;
use mesh_peer::signal::{ApiError, ControlPlane};
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::{CodeGuess, CodeOffer, CodeReply, CreateInvite};
use mesh_protocol::ids::RoomId;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::parcel::Parcel;
use super::recipients::Recipients;
use super::{SendArgs, deliver};
use crate::cli::connect::{api_failure, capitalised};
use crate::cli::{Context, until_stopped};
use crate::code::phrase::{Code, Phrase};
use crate::code::seal::{self, Broken, FromRecipient, FromSender, Keys, Side};
use crate::config::StoredSession;
use crate::exit::{Failure, Outcome};
use crate::online::Online;

/// Codes that are made one after the other, where somebody uses them with wrong words.
const CODES: usize = 3;
/// The pause after a question that got no answer from the server.
const AGAIN: Duration = Duration::from_secs(1);
/// What the room is called for as long as it is there.
const ROOM: &str = "Transfer by code";
/// How long a room stays that this command could not remove, seconds; while somebody is in it, it stays in any case.
const ROOM_STAYS: u64 = 3_600;
/// How long the other machine may take to come in, seconds.
const COME_IN: u64 = 300;

/// Who proved to have the words.
struct Met {
    nameplate: u32,
    keys: Keys,
    /// Of its certificate.
    fingerprint: String,
}

pub(super) async fn run(
    context: &Context,
    args: &SendArgs,
    parcel: &Parcel,
    control: ControlPlane,
    own: StoredSession,
) -> Outcome {
    let certificate =
        Certificate::generate().map_err(|error| Failure::general(capitalised(&error.to_string())))?;
    let hashing = parcel.hash(context.stop.clone());
    let met = meet(context, args, &control).await?;
    let room = control.create_short_room(ROOM, ROOM_STAYS).await;
    let outcome = async {
        let room = room
            .as_ref()
            .map_err(|error| api_failure(error, control.base()))?;
        let recipients = Recipients::by_code(room, own.user_id, own.device_id);
        let let_in = let_in(&control, &met, room, &certificate);
        until_stopped(&context.stop, let_in).await?;
        let rooms = [room.clone()];
        let entering = Online::enter(control.clone(), &context.settings, &rooms, &[]);
        let mut online = until_stopped(&context.stop, entering).await?;
        online.context = online
            .context
            .clone()
            .pinned(certificate.clone(), &met.fingerprint);
        let outcome = deliver(context, args, &mut online, &recipients, parcel, hashing).await;
        online.close().await;
        outcome
    }
    .await;
    if let Ok(room) = &room
        && let Err(error) = control.delete_room(room).await
    {
        tracing::warn!(%error, "the room of this transfer was not removed; the server does it in an hour");
    }
    // Who waits for an answer that will not come need not wait.
    let _ = control.withdraw_code(met.nameplate).await;
    outcome
}

/// Shows a code and waits for who has it; another one where the words were wrong.
async fn meet(context: &Context, args: &SendArgs, control: &ControlPlane) -> Outcome<Met> {
    let failed = |error: ApiError| api_failure(&error, control.base());
    for _ in 0..CODES {
        let phrase = Phrase::random();
        let (exchange, pake) = seal::begin(Side::Sender, &phrase);
        let offering = async { control.offer_code(&CodeOffer { pake }).await.map_err(failed) };
        let nameplate = until_stopped(&context.stop, offering).await?.nameplate;
        show(context, &Code::written(control.base(), nameplate, &phrase));
        let waiting = timeout(args.timeout, who_comes(control, nameplate));
        let came = until_stopped(&context.stop, async { Ok(waiting.await) }).await;
        let guess = match came {
            Ok(Ok(Ok(guess))) => guess,
            ended => {
                let _ = control.withdraw_code(nameplate).await;
                return Err(match ended {
                    Ok(Ok(Err(error))) if error.code() == Some(HttpCode::CodeGone) => Failure::network(
                        "The server has let go of the code, after a long silence or a restart: send again for a new one.",
                    ),
                    Ok(Ok(Err(error))) => failed(error),
                    Err(stopped) => stopped,
                    _ => Failure::refused(format!(
                        "Nobody used the code within {} s: send again for a new one.",
                        args.timeout.as_secs()
                    )),
                });
            }
        };
        let opened = exchange.finish(&guess.pake, nameplate).and_then(|keys| {
            let FromRecipient { fingerprint } = keys.open_guess(&guess.sealed)?;
            Ok(Met {
                nameplate,
                keys,
                fingerprint,
            })
        });
        match opened {
            Ok(met) => return Ok(met),
            Err(Broken) => {
                let _ = control.withdraw_code(nameplate).await;
                context.output.note(
                    "Somebody used the code with wrong words: it is void, and they learned nothing.",
                    json!({"event": "wrong_words"}),
                );
            }
        }
    }
    Err(Failure::refused(format!(
        "{CODES} codes in a row were used with wrong words: somebody may be guessing. Nothing was sent; tell the operator of {}.",
        control.base()
    )))
}

fn show(context: &Context, code: &str) {
    let output = context.output;
    let human = if output.is_quiet() {
        code.to_owned()
    } else {
        format!("On the other machine run: mesh receive {code}")
    };
    output.result(&human, json!({"event": "code", "code": code}));
    output.note(
        "Waiting for the other machine…",
        json!({"event": "waiting_for_code"}),
    );
}

/// Asks until somebody has used the code; a server that is out of reach for a moment is asked again.
async fn who_comes(control: &ControlPlane, nameplate: u32) -> Result<CodeGuess, ApiError> {
    loop {
        match control.code_guess(nameplate).await {
            Ok(Some(guess)) => return Ok(guess),
            Ok(None) => {}
            Err(error) if error.is_transient() => sleep(AGAIN).await,
            Err(error) => return Err(error),
        }
    }
}

/// Tells who had the words how to come in, and whom to take for the sender.
async fn let_in(control: &ControlPlane, met: &Met, room: &RoomId, own: &Certificate) -> Outcome {
    let failed = |error: ApiError| api_failure(&error, control.base());
    let body = CreateInvite {
        role: Some(mesh_protocol::http::Role::Guest),
        expires_in: Some(COME_IN),
        max_uses: Some(1),
        guest: Some(true),
    };
    let invite = control.create_invite(room, &body).await.map_err(failed)?;
    let said = FromSender {
        fingerprint: sdp_fingerprint(own.fingerprint()),
        room_id: room.clone(),
        invite: invite.token,
    };
    let sealed = met.keys.seal_reply(&said).map_err(Failure::general)?;
    control
        .reply_code(met.nameplate, &CodeReply { sealed })
        .await
        .map_err(failed)
}
