//! The two ways into a session: asking for one, and accepting one.
//!
//! Owns the order up to the offer: certificate, capability, request, consent. Enter at [`open_as_requester`] or
//! [`open_as_answerer`].

use std::time::Duration;

use mesh_protocol::capability::Feature;
use mesh_protocol::http::CapabilityGrant;
use mesh_protocol::ids::{PeerId, RoomId, SessionId};
use mesh_protocol::signal::{ClientMessage, Reason, SessionAnswer};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::message::{self, Answer};
use super::negotiate::{Attempt, Role, refused, tell};
use super::{Binding, OpenSession, SessionContext, SessionError, SessionRoute, Step};
use crate::rtc::{Connection, MAX_RECORD_BYTES};

/// From the consent to the open session, and the limit for everything before the request too.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// After a longer wait for consent the connection is made anew, and with it the token: routers forget the addresses
/// that were found before (many after 30 s of silence), and the opening must fit into the token's life.
const FRESH: Duration = Duration::from_secs(20);

/// What a requester asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where both are.
    pub room_id: RoomId,
    /// Whom; `None` asks the room, and the first to accept has it.
    pub target: Option<PeerId>,
    /// What for.
    pub feature: Feature,
    /// A new one by [`new_session_id`], or that of a transfer that is to be resumed.
    pub session_id: SessionId,
    /// The most bytes of a transfer.
    pub max_size: Option<u64>,
    /// How long the other person may think.
    pub consent: Duration,
}

/// What a request has to carry.
#[derive(Clone)]
pub struct Invitation {
    /// As in [`Wanted`].
    pub room_id: RoomId,
    /// As in [`Wanted`].
    pub target: Option<PeerId>,
    /// As in [`Wanted`].
    pub session_id: SessionId,
    /// The capability, bound to this session and this device's certificate.
    pub cap_token: String,
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

/// A request that the person (or a standing rule) said yes to.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Where it came from.
    pub room_id: RoomId,
    /// Who asked, as the server named it.
    pub remote: PeerId,
    /// What for.
    pub feature: Feature,
}

/// 128 random bits.
pub fn new_session_id() -> SessionId {
    let text = format!("{:032x}", rand::random::<u128>());
    text.parse().expect("hexadecimal digits are an identifier")
}

/// Asks for a session and opens it. `request` makes the message (`terminal.share.request`, `share.file.request`, …) from
/// the invitation. Takes at most [`Wanted::consent`] for the answer and 30 s for the rest. When it fails, the other end
/// has been told. Dropping the future gives it up without a word.
pub async fn open_as_requester(
    ctx: &SessionContext,
    wanted: Wanted,
    request: impl FnOnce(Invitation) -> ClientMessage,
) -> Result<OpenSession, SessionError> {
    let Wanted {
        room_id,
        target,
        feature,
        session_id,
        max_size,
        consent,
    } = wanted;
    let route = ctx.router().register(&session_id, &room_id, target.as_ref())?;
    let me = ctx.me()?;
    // Until someone accepts a request to the room, the other end is nobody; nothing is judged by it before then.
    let remote = target.clone().unwrap_or_else(|| me.clone());
    let binding = Binding {
        room_id,
        session_id,
        me,
        remote,
        feature,
    };
    let mut attempt = start(ctx, binding, route).await?;
    let caps = vec![feature.capability()];

    let asked_at = Instant::now();
    let grant = timeout(
        OPEN_TIMEOUT,
        attempt.renewal().ask(caps.clone(), target.as_ref(), max_size),
    )
    .await;
    let CapabilityGrant { mut cap_token, .. } =
        grant.map_err(|_| SessionError::Timeout(Step::Connection))??;
    let invitation = Invitation {
        room_id: attempt.binding.room_id.clone(),
        target: target.clone(),
        session_id: attempt.binding.session_id.clone(),
        cap_token: cap_token.clone(),
    };
    attempt.posted = Some(ctx.signal().post(request(invitation)).await?);

    let answered = timeout(consent, consent_of(&mut attempt)).await;
    let (remote, max_record) = match answered.unwrap_or(Err(SessionError::Timeout(Step::Consent))) {
        Ok(accepted) => accepted,
        Err(error) => {
            if !matches!(error, SessionError::Declined(_) | SessionError::Signal(_)) {
                tell(ctx, &attempt.binding, target, error.reason()).await;
            }
            return Err(error);
        }
    };
    attempt.route.bind(&remote);
    attempt.binding.remote = remote.clone();

    let binding = attempt.binding.clone();
    let opened = timeout(OPEN_TIMEOUT, async {
        let stale = asked_at.elapsed() > FRESH;
        if stale {
            let config = ctx.rtc_config(feature).await;
            (attempt.connection, attempt.events) = Connection::start(config, feature.as_str())?;
        }
        if stale || target.is_none() {
            cap_token = attempt
                .renewal()
                .ask(caps, Some(&remote), max_size)
                .await?
                .cap_token;
        }
        attempt
            .open(Role::Requester {
                cap_token,
                max_record,
            })
            .await
    });
    settle(
        ctx,
        &binding,
        opened
            .await
            .unwrap_or(Err(SessionError::Timeout(Step::Connection))),
    )
    .await
}

/// Waits for the first yes; gives who said it, and how long a record that end puts together.
async fn consent_of(attempt: &mut Attempt) -> Result<(PeerId, Option<usize>), SessionError> {
    let to_room = attempt.binding.remote == attempt.binding.me;
    loop {
        tokio::select! {
            said = attempt.route.next() => {
                let (from, message) = said?;
                match message::answer_of(&message) {
                    Some(Answer::Yes { max_record }) => return Ok((from, max_record)),
                    // One of many that were asked does not decide for the others.
                    Some(Answer::No(reason)) if to_room => debug!(%from, ?reason, "one device declined"),
                    Some(Answer::No(reason)) => return Err(SessionError::Declined(reason)),
                    None => {}
                }
            }
            error = refused(&mut attempt.posted) => return Err(error),
        }
    }
}

/// Accepts a request (sends `….accept` itself) and opens the session within 30 s. `route` was registered when the request
/// came; a decline is sent by the caller instead ([`super::decline`]). When it fails, the other end has been told.
pub async fn open_as_answerer(
    ctx: &SessionContext,
    accepted: Accepted,
    route: SessionRoute,
) -> Result<OpenSession, SessionError> {
    let Accepted {
        room_id,
        remote,
        feature,
    } = accepted;
    let me = ctx.me()?;
    let binding = Binding {
        room_id,
        session_id: route.session_id().clone(),
        me,
        remote,
        feature,
    };
    let opened = timeout(OPEN_TIMEOUT, async {
        let mut attempt = start(ctx, binding.clone(), route).await?;
        let answer = SessionAnswer {
            room_id: binding.room_id.clone(),
            target: Some(binding.remote.clone()),
            session_id: binding.session_id.clone(),
            reason: None,
            max_record: Some(MAX_RECORD_BYTES as u32),
        };
        attempt.posted = Some(ctx.signal().post(message::accept(feature, answer)).await?);
        attempt
            .open(Role::Answerer {
                caps: vec![feature.capability()],
            })
            .await
    });
    settle(
        ctx,
        &binding,
        opened
            .await
            .unwrap_or(Err(SessionError::Timeout(Step::Connection))),
    )
    .await
}

/// The connection comes first, so that its certificate is in every token.
async fn start(ctx: &SessionContext, binding: Binding, route: SessionRoute) -> Result<Attempt, SessionError> {
    let (connection, events) =
        Connection::start(ctx.rtc_config(binding.feature).await, binding.feature.as_str())?;
    Ok(Attempt {
        ctx: ctx.clone(),
        binding,
        connection,
        events,
        route,
        posted: None,
    })
}

/// Tells the other end of a failure that it cannot see for itself.
async fn settle(
    ctx: &SessionContext,
    binding: &Binding,
    opened: Result<OpenSession, SessionError>,
) -> Result<OpenSession, SessionError> {
    if let Err(error) = &opened {
        debug!(%error, session_id = %binding.session_id, "a session was not opened");
        let knows = matches!(
            error,
            SessionError::Declined(_)
                | SessionError::PeerGone
                | SessionError::Bye(_)
                | SessionError::Revoked(_)
        );
        if !knows {
            tell(ctx, binding, Some(binding.remote.clone()), Reason::Failed).await;
        }
    }
    opened
}
