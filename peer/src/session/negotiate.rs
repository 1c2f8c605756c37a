//! Offer, answer and candidates of one session, until the channel is open and both ends have shown who they are.
//!
//! Owns one [`Attempt`]. The other end's token is judged against the fingerprint in its description before this end
//! takes that description. A terminal for which no direct connection comes about goes through the server, where that offers it: the
//! requester decides, with its first `terminal.data`.

use std::time::Duration;

use mesh_protocol::capability::{Capability, CapabilityError, Feature};
use mesh_protocol::http::CapabilityGrant;
use mesh_protocol::ids::PeerId;
use mesh_protocol::signal::{
    ClientMessage, Description, IceCandidate as WireCandidate, Reason, ServerMessage, SessionAnswer,
    TerminalData, TrickledCandidate,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info};

use super::carried::{Carriage, carry};
use super::hello::{HelloExchange, Turn, exchange_hello};
use super::live::{self, Carrier, OpenSession};
use super::message::{self, Answer};
use super::repath::Repath;
use super::{Binding, Judge, Renewal, SessionContext, SessionError, SessionRoute, sdp_fingerprint};
use crate::rtc::{Connection, ConnectionEvent, IceCandidate, RtcTransport, fingerprint_of_sdp};
use crate::signal::Posted;
use crate::transport::{FrameReceiver, FrameSender, LinkStats, Transport as _};

/// How long a direct connection may take, both descriptions being there, before a terminal goes through the server.
const DIRECT_WITHIN: Duration = Duration::from_secs(10);

/// How long what the other end says over the server may come after it closed the connection.
const EXPLAINED_WITHIN: Duration = Duration::from_secs(2);

/// Which end this is.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// Offers, with this token, to an end that puts DTLS records of up to so many bytes together, where it said so.
    Requester {
        cap_token: String,
        max_record: Option<usize>,
    },
    /// Answers, with a token that has these rights.
    Answerer { caps: Vec<Capability> },
}

/// How the frames of an attempt go.
enum Way {
    Direct(RtcTransport),
    /// Through the server, with the certificate that the other end's token and description name, and its first piece.
    Server {
        fingerprint: String,
        first: Option<TerminalData>,
    },
}

/// Frames and what carries them.
struct Joined {
    frames_tx: FrameSender,
    frames_rx: FrameReceiver,
    link: watch::Receiver<LinkStats>,
    events: mpsc::Receiver<ConnectionEvent>,
    carrier: Carrier,
    /// Of the other end's certificate.
    fingerprint: String,
}

/// Everything of a session that is being opened.
pub(super) struct Attempt {
    pub(super) ctx: SessionContext,
    pub(super) binding: Binding,
    pub(super) connection: Connection,
    pub(super) events: mpsc::Receiver<ConnectionEvent>,
    pub(super) route: SessionRoute,
    /// A message whose refusal ends the attempt: the last of accept, offer, answer.
    pub(super) posted: Option<Posted>,
}

impl Attempt {
    /// Runs it to the open session. The caller sets the time limit.
    pub(super) async fn open(mut self, role: Role) -> Result<OpenSession, SessionError> {
        let turn = match role {
            Role::Requester { .. } => Turn::Ours,
            Role::Answerer { .. } => Turn::Theirs,
        };
        let (way, cap_token) = match self.connect(role).await {
            Ok(connected) => connected,
            Err(error) => return Err(explained(error, &mut self.route, &self.binding.remote).await),
        };
        let renewal = self.renewal();
        let Self {
            ctx,
            binding,
            connection,
            events,
            mut route,
            ..
        } = self;
        let Joined {
            frames_tx,
            mut frames_rx,
            link,
            events,
            carrier,
            fingerprint,
        } = join(&ctx, &binding, way, connection, events)?;
        // What was presented counts, whatever was announced.
        ctx.check_pin(&fingerprint)?;
        let judge = Judge::new(ctx.keys().clone(), ctx.clock(), binding.clone(), &fingerprint);
        let exchange = HelloExchange::new(binding.clone(), cap_token.clone(), &fingerprint);
        let claims = tokio::select! {
            claims = exchange_hello(&exchange, turn, &frames_tx, &mut frames_rx, ctx.keys(), ctx.clock()) => claims,
            error = carrier.meanwhile(&mut route) => return Err(error),
        };
        let claims = match claims {
            Ok(claims) => claims,
            Err(error) => {
                // The BYE is to arrive: the connection closes by itself once the queue is delivered.
                drop((frames_tx, frames_rx));
                live::linger(carrier, events);
                return Err(explained(error.into(), &mut route, &binding.remote).await);
            }
        };
        let repath = Repath::new(&ctx, &renewal, &judge, turn == Turn::Ours);
        let control = live::supervise(ctx, binding.clone(), carrier, events, route, cap_token, repath);
        Ok(OpenSession {
            frames_tx,
            frames_rx,
            link,
            claims,
            binding,
            renewal,
            judge,
            control,
        })
    }

    /// Until the channel is open. Gives our own token too.
    async fn connect(&mut self, role: Role) -> Result<(Way, String), SessionError> {
        // Our candidates can go once we have a token to send them with.
        let mut token: Option<String> = None;
        // Of the other end's certificate, once its description was judged.
        let mut described: Option<String> = None;
        let mut direct_until = None;
        let mut direct_failed = false;
        let otherwise = self.binding.feature == Feature::Terminal && self.ctx.signal().carries_terminals();
        if let Role::Requester {
            cap_token,
            max_record,
        } = &role
        {
            let sdp = self.connection.offer(*max_record).await?;
            self.post(ClientMessage::RtcOffer(describe(&self.binding, sdp, cap_token)))
                .await?;
            token = Some(cap_token.clone());
        }
        loop {
            let given_up = async {
                match direct_until {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.events.recv(), if token.is_some() && !direct_failed => match (event, &token) {
                    (Some(ConnectionEvent::Candidate(candidate)), Some(token)) => {
                        trickle(&self.ctx, &self.binding, token, Some(candidate)).await;
                    }
                    (Some(ConnectionEvent::EndOfCandidates), Some(token)) => {
                        trickle(&self.ctx, &self.binding, token, None).await;
                    }
                    (Some(ConnectionEvent::Open(transport)), Some(token)) => {
                        return Ok((Way::Direct(transport), token.clone()));
                    }
                    (Some(ConnectionEvent::Closed(why)), _) if otherwise => {
                        info!(why, "no direct connection; the terminal may go through the server");
                        direct_failed = true;
                        direct_until = direct_until.map(|_| Instant::now());
                    }
                    // Only what is open is disturbed.
                    (Some(ConnectionEvent::Disturbed | ConnectionEvent::Restored), _) => {}
                    (Some(ConnectionEvent::Closed(why)), _) => return Err(SessionError::Closed(why)),
                    (None, _) | (_, None) => return Err(SessionError::Closed("the connection ended".to_owned())),
                },
                () = given_up => if let (Some(token), Some(fingerprint)) = (&token, described.take()) {
                    return Ok((Way::Server { fingerprint, first: None }, token.clone()));
                },
                said = self.route.next() => {
                    let (from, message) = said?;
                    if from != self.binding.remote {
                        turn_away(&self.ctx, &self.binding, from).await;
                        continue;
                    }
                    match message {
                        ServerMessage::RtcOffer(offer) => {
                            let Role::Answerer { caps } = &role else { continue };
                            if described.is_some() {
                                continue;
                            }
                            let fingerprint = self.judge(&offer).await?;
                            described = Some(fingerprint);
                            token = Some(self.answer(&offer, caps.clone()).await?);
                        }
                        ServerMessage::RtcAnswer(answer) => {
                            if described.is_some() || matches!(role, Role::Answerer { .. }) {
                                continue;
                            }
                            described = Some(self.judge(&answer).await?);
                            match self.connection.accept_answer(&answer.sdp).await {
                                Err(error) if !otherwise => return Err(error.into()),
                                accepted => direct_failed |= accepted.is_err(),
                            }
                            let within = if direct_failed { Duration::ZERO } else { DIRECT_WITHIN };
                            direct_until = otherwise.then(|| Instant::now() + within);
                        }
                        ServerMessage::RtcIce(trickled) => take_candidate(&self.connection, trickled).await,
                        ServerMessage::TerminalData(first) => {
                            let wanted = otherwise && matches!(role, Role::Answerer { .. });
                            if let (true, Some(token), Some(fingerprint)) = (wanted, &token, &described) {
                                let (fingerprint, first) = (fingerprint.clone(), Some(first));
                                return Ok((Way::Server { fingerprint, first }, token.clone()));
                            }
                        }
                        other => if let Some(Answer::No(reason)) = message::answer_of(&other) {
                            return Err(SessionError::Declined(reason));
                        }
                    }
                }
                error = refused(&mut self.posted) => return Err(error),
            }
        }
    }

    /// Gets our own token for an offer that was judged, and answers. Gives that token.
    async fn answer(&mut self, offer: &Description, caps: Vec<Capability>) -> Result<String, SessionError> {
        let CapabilityGrant { cap_token, .. } = self.renewal().renew(&caps).await?;
        let sdp = self.connection.accept_offer(&offer.sdp).await?;
        self.post(ClientMessage::RtcAnswer(describe(&self.binding, sdp, &cap_token)))
            .await?;
        Ok(cap_token)
    }

    /// The token that came with a description, against the certificate that this description promises; gives its fingerprint.
    /// The transport holds the certificate that is then presented against the same promise.
    async fn judge(&self, description: &Description) -> Result<String, SessionError> {
        let unusable = || SessionError::Protocol("a description without one SHA-256 fingerprint".to_owned());
        let fingerprint = fingerprint_of_sdp(&description.sdp).ok_or_else(unusable)?;
        self.ctx.check_pin(&fingerprint)?;
        let token = description
            .cap_token
            .as_deref()
            .ok_or(CapabilityError::Unbound("target"))?;
        let (ctx, binding) = (&self.ctx, &self.binding);
        let judge = Judge::new(
            ctx.keys().clone(),
            ctx.clock(),
            binding.clone(),
            &sdp_fingerprint(&fingerprint),
        );
        judge.judge(token, binding.feature.capability()).await?;
        Ok(fingerprint)
    }

    pub(super) fn renewal(&self) -> Renewal {
        Renewal::new(
            self.ctx.clone(),
            self.binding.clone(),
            self.connection.fingerprint(),
        )
    }

    async fn post(&mut self, message: ClientMessage) -> Result<(), SessionError> {
        self.posted = Some(self.ctx.signal().post(message).await?);
        Ok(())
    }
}

/// An offer or an answer of ours.
pub(super) fn describe(binding: &Binding, sdp: String, cap_token: &str) -> Description {
    let Binding {
        room_id,
        session_id,
        remote,
        feature,
        ..
    } = binding.clone();
    Description {
        room_id,
        target: remote,
        session_id,
        feature: Some(feature),
        cap_token: Some(cap_token.to_owned()),
        sdp,
    }
}

/// The frames of a way that was found. What is not taken any more ends here.
fn join(
    ctx: &SessionContext,
    binding: &Binding,
    way: Way,
    connection: Connection,
    events: mpsc::Receiver<ConnectionEvent>,
) -> Result<Joined, SessionError> {
    match way {
        Way::Direct(transport) => {
            let (fingerprint, link) = (transport.remote_fingerprint().to_owned(), transport.link());
            let (frames_tx, frames_rx) = transport.split();
            Ok(Joined {
                frames_tx,
                frames_rx,
                link,
                events,
                carrier: Carrier::Direct(connection),
                fingerprint,
            })
        }
        Way::Server { fingerprint, first } => {
            let Carriage {
                frames_tx,
                frames_rx,
                link,
                events,
                carried,
            } = carry(ctx, binding);
            first.map_or(Ok(()), |first| carried.take(first))?;
            Ok(Joined {
                frames_tx,
                frames_rx,
                link,
                events,
                carrier: Carrier::Server(carried),
                fingerprint,
            })
        }
    }
}

/// Resolves when what was posted last is refused.
pub(super) async fn refused(posted: &mut Option<Posted>) -> SessionError {
    use mesh_protocol::error_code::SignalCode;
    let error = match posted {
        Some(posted) => posted.refused().await,
        None => std::future::pending().await,
    };
    match error {
        crate::signal::SignalError::Refused {
            code: SignalCode::Unroutable,
            ..
        } => SessionError::PeerGone,
        error => error.into(),
    }
}

/// A connection that the other end closed, by what that end says of it over the server, if it says so in time.
async fn explained(error: SessionError, route: &mut SessionRoute, remote: &PeerId) -> SessionError {
    if !matches!(error, SessionError::Closed(_)) {
        return error;
    }
    let said = async {
        loop {
            match route.next().await {
                Ok((from, message)) if from == *remote => {
                    if let Some(Answer::No(reason)) = message::answer_of(&message) {
                        return SessionError::Declined(reason);
                    }
                }
                Ok(_) => {}
                Err(end) => return end.into(),
            }
        }
    };
    timeout(EXPLAINED_WITHIN, said).await.unwrap_or(error)
}

/// Sends one of our candidates, or the end of them. A lost one is not the end: others are tried.
pub(super) async fn trickle(
    ctx: &SessionContext,
    binding: &Binding,
    cap_token: &str,
    candidate: Option<IceCandidate>,
) {
    let candidate = candidate.map(|candidate| WireCandidate {
        candidate: candidate.candidate,
        sdp_mid: candidate.sdp_mid,
        sdp_mline_index: candidate.sdp_mline_index,
        username_fragment: candidate.username_fragment,
    });
    let Binding {
        room_id,
        session_id,
        remote,
        feature,
        ..
    } = binding.clone();
    let message = TrickledCandidate {
        room_id,
        target: remote,
        session_id,
        feature: Some(feature),
        cap_token: Some(cap_token.to_owned()),
        candidate,
    };
    if let Err(error) = ctx.signal().send(ClientMessage::RtcIce(message)).await {
        debug!(%error, "a candidate was not sent");
    }
}

/// Takes one of the other end's candidates; one that cannot be used is left out.
pub(super) async fn take_candidate(connection: &Connection, trickled: TrickledCandidate) {
    let candidate = trickled.candidate.unwrap_or_default();
    let candidate = IceCandidate {
        candidate: candidate.candidate,
        sdp_mid: candidate.sdp_mid,
        sdp_mline_index: candidate.sdp_mline_index,
        username_fragment: candidate.username_fragment,
    };
    if let Err(error) = connection.add_candidate(candidate).await {
        debug!(%error, "a candidate was not taken");
    }
}

/// Tells a device that accepted a request to the room after another one had.
pub(super) async fn turn_away(ctx: &SessionContext, binding: &Binding, late: PeerId) {
    tell(ctx, binding, Some(late), Reason::Taken).await;
}

/// Says "stop" for this session, to one peer or to the room.
pub(super) async fn tell(ctx: &SessionContext, binding: &Binding, target: Option<PeerId>, reason: Reason) {
    let answer = SessionAnswer {
        room_id: binding.room_id.clone(),
        target,
        session_id: binding.session_id.clone(),
        reason: Some(reason),
        max_record: None,
    };
    if let Err(error) = ctx.signal().send(message::end(binding.feature, answer)).await {
        debug!(%error, "the other end was not told");
    }
}
