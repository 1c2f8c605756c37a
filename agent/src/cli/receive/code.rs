//! `mesh receive CODE`: into the room of who made the code, as a guest of that room, for as long as this command runs.
//!
//! Nothing of it is stored: the sign-in of this machine, where there is one, stays what it is and is not used.

use std::time::Duration;

use mesh_peer::rtc::Certificate;
use mesh_peer::session::sdp_fingerprint;
use mesh_peer::signal::{ApiError, ControlPlane, SessionToken};
use mesh_protocol::capability::Feature;
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::http::{CodeGuess, CodeReply, DeviceIntro, DeviceKind, GuestLogin, Session};
use tokio::time::{sleep, timeout};

use crate::cli::connect::{self, api_failure, capitalised};
use crate::cli::{Context, prompt};
use crate::code::phrase::Code;
use crate::code::seal::{self, FromRecipient, FromSender, Side};
use crate::config::StoredSession;
use crate::exit::{Failure, Outcome};
use crate::online::Online;

/// How long the sender may take to answer: it looks at once, and then makes a room.
const ANSWER: Duration = Duration::from_secs(60);
/// The pause after a question that got no answer from the server.
const AGAIN: Duration = Duration::from_secs(1);
/// What the sender sees, beside the name of the device; the second where the sender has the first.
const NAMES: [&str; 2] = ["guest", "other machine"];

/// Comes into the sender's room.
pub(super) async fn enter(context: &Context, typed: &[String]) -> Outcome<Online> {
    let typed = match typed {
        [dash] if dash == "-" && prompt::can_ask() => prompt::name("Code").await?,
        [dash] if dash == "-" => prompt::from_stdin("code").await?,
        typed => typed.join(" "),
    };
    let code = Code::parse(&typed).map_err(Failure::usage)?;
    let control = server_of(context, &code)?;
    let certificate =
        Certificate::generate().map_err(|error| Failure::general(capitalised(&error.to_string())))?;
    let sender = meet(&control, &code, &certificate).await?;
    let session = come_in(context, &control, &sender).await?;
    let control = control.with_session(SessionToken::new(session.token));
    let mut online = Online::enter(control, &context.settings, &[sender.room_id], &[Feature::File]).await?;
    online.context = online.context.clone().pinned(certificate, &sender.fingerprint);
    Ok(online)
}

/// The server that the code names, else the one of this machine's sign-in; without a session either way.
fn server_of(context: &Context, code: &Code) -> Outcome<ControlPlane> {
    match &code.server {
        Some(server) => ControlPlane::new(server).map_err(|error| api_failure(&error, server)),
        None => {
            let session = StoredSession::load(&context.paths, connect::now()).map_err(|_| {
                Failure::usage(
                    "This machine knows no server: type the code whole, as in mesh.example.org/7-copper-orbit.",
                )
            })?;
            connect::server(&session.server, session.plaintext)
        }
    }
}

/// Uses the one guess; gives what the sender said to it.
async fn meet(control: &ControlPlane, code: &Code, own: &Certificate) -> Outcome<FromSender> {
    let failed = |error: ApiError| api_failure(&error, control.base());
    let offer = control.code(code.nameplate).await.map_err(failed)?;
    let (exchange, pake) = seal::begin(Side::Recipient, &code.phrase);
    let keys = exchange.finish(&offer.pake, code.nameplate).map_err(wrong)?;
    let said = FromRecipient {
        fingerprint: sdp_fingerprint(own.fingerprint()),
    };
    let sealed = keys.seal_guess(&said).map_err(Failure::general)?;
    let guess = CodeGuess { pake, sealed };
    let reply = timeout(ANSWER, answer(control, code.nameplate, &guess))
        .await
        .map_err(|_| Failure::refused("The sender does not answer: ask for a new code."))?
        .map_err(|error| match error.code() {
            Some(HttpCode::CodeGone) => Failure::refused(
                "The sender did not take the code: a word was wrong, somebody else was faster, or the sender has stopped. Ask for a new code.",
            ),
            _ => failed(error),
        })?;
    keys.open_reply(&reply.sealed).map_err(wrong)
}

/// Whoever answered did not have the words.
fn wrong(_: seal::Broken) -> Failure {
    Failure::refused(
        "What answers is not who made the code: the server, or somebody on the way, is not to be trusted. Nothing was received.",
    )
}

async fn answer(control: &ControlPlane, nameplate: u32, guess: &CodeGuess) -> Result<CodeReply, ApiError> {
    loop {
        match control.guess_code(nameplate, guess).await {
            Ok(Some(reply)) => return Ok(reply),
            Ok(None) => {}
            // A guess that arrived counts, and the same again is no other one.
            Err(error @ ApiError::Problem { .. }) => return Err(error),
            Err(error) if error.is_transient() => sleep(AGAIN).await,
            Err(error) => return Err(error),
        }
    }
}

async fn come_in(context: &Context, control: &ControlPlane, sender: &FromSender) -> Outcome<Session> {
    let mut names = NAMES.iter();
    loop {
        let body = GuestLogin {
            invite: sender.invite.clone(),
            name: names.next().copied().unwrap_or_default().to_owned(),
            device: Some(DeviceIntro {
                name: context.settings.device_name(),
                kind: DeviceKind::Agent,
                key: None,
            }),
        };
        match control.guest_login(&body).await {
            Err(error) if error.code() == Some(HttpCode::NameTaken) && names.len() > 0 => {}
            Err(error) if error.code() == Some(HttpCode::InviteInvalid) => {
                return Err(Failure::refused("The sender has stopped: ask for a new code."));
            }
            entered => return entered.map_err(|error| api_failure(&error, control.base())),
        }
    }
}
