//! Another path for an open session whose path has died: a relay was started again, a machine moved to another network.
//!
//! Owns when another path is looked for, and what that takes from the server: a fresh token for the description, servers for ICE.
//! The end that made the first offer makes the next ones; the other end answers. Both judge each other's token as at the opening.
//! Without the server nothing is begun, so that a path that comes back by itself is still there.

use std::time::Duration;

use mesh_protocol::capability::CapabilityError;
use mesh_protocol::signal::{ClientMessage, Description, ServerMessage, TrickledCandidate};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::negotiate::{describe, take_candidate};
use super::{Binding, Judge, Renewal, SessionContext, SessionError};
use crate::rtc::{Connection, IceServer, RtcError};

/// From one offer to the next, while nothing is heard.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Offers of the other end are answered no faster.
const OFFERS_EVERY: Duration = Duration::from_secs(1);
/// Candidates that wait until the description that they belong to was judged; more are dropped.
const CANDIDATES: usize = 64;

/// One step of a new path.
enum Step {
    Offer,
    /// To this offer.
    Answer(Description),
    /// This answer.
    Take(Description),
}

/// A step, and what it takes.
pub(super) struct Ready {
    step: Step,
    /// Empty where nothing is sent.
    cap_token: String,
    ice_servers: Vec<IceServer>,
}

/// Looks for another path when there is need.
pub(super) struct Repath {
    ctx: SessionContext,
    binding: Binding,
    renewal: Renewal,
    judge: Judge,
    /// Whether this end made the first offer.
    offers: bool,
    /// The step that is being prepared: one at most, the newest.
    preparing: JoinSet<Result<Ready, SessionError>>,
    /// Candidates of an offer that is being judged. Bound: [`CANDIDATES`].
    held: Option<Vec<TrickledCandidate>>,
    again_at: Option<Instant>,
    last_offer: Option<Instant>,
}

impl Repath {
    pub(super) fn new(ctx: &SessionContext, renewal: &Renewal, judge: &Judge, offers: bool) -> Self {
        Self {
            ctx: ctx.clone(),
            binding: judge.binding().clone(),
            renewal: renewal.clone(),
            judge: judge.clone(),
            offers,
            preparing: JoinSet::new(),
            held: None,
            again_at: None,
            last_offer: None,
        }
    }

    /// Nothing has come over the path for a while.
    pub(super) fn on_disturbed(&mut self) {
        if self.offers {
            info!(session_id = %self.binding.session_id, "the path is disturbed; looking for another one");
            self.offer();
        }
    }

    /// The other end is heard, on whatever path.
    pub(super) fn on_restored(&mut self) {
        info!(session_id = %self.binding.session_id, "the other device is heard again");
        self.again_at = None;
        if self.offers {
            self.preparing = JoinSet::new();
        }
    }

    /// Takes what concerns another path of what the other end says; gives the rest back.
    pub(super) fn take(&mut self, message: ServerMessage) -> Option<ServerMessage> {
        match message {
            ServerMessage::RtcOffer(offer) if !self.offers => {
                let now = Instant::now();
                if self.last_offer.is_none_or(|last| now >= last + OFFERS_EVERY) {
                    self.last_offer = Some(now);
                    self.held = Some(Vec::new());
                    self.prepare(Step::Answer(offer));
                }
                None
            }
            ServerMessage::RtcAnswer(answer) if self.offers && self.again_at.is_some() => {
                self.prepare(Step::Take(answer));
                None
            }
            ServerMessage::RtcIce(candidate) if self.held.is_some() => {
                if let Some(held) = self.held.as_mut().filter(|held| held.len() < CANDIDATES) {
                    held.push(candidate);
                }
                None
            }
            other => Some(other),
        }
    }

    fn offer(&mut self) {
        self.again_at = Some(Instant::now() + AGAIN_AFTER);
        self.prepare(Step::Offer);
    }

    /// Ends with this value, or when another step takes its place.
    fn prepare(&mut self, step: Step) {
        self.preparing.abort_all();
        self.preparing = JoinSet::new();
        let (ctx, renewal, judge) = (self.ctx.clone(), self.renewal.clone(), self.judge.clone());
        self.preparing.spawn(async move {
            let feature = judge.binding().feature;
            let capability = feature.capability();
            if let Step::Answer(description) | Step::Take(description) = &step {
                let token = description.cap_token.as_deref();
                let token = token.ok_or(CapabilityError::Unbound("target"))?;
                judge.judge(token, capability).await?;
            }
            if matches!(step, Step::Take(_)) {
                return Ok(Ready {
                    step,
                    cap_token: String::new(),
                    ice_servers: Vec::new(),
                });
            }
            ctx.forget_ice();
            let ice_servers = ctx.rtc_config(feature).await.ice_servers;
            let cap_token = renewal.renew(&[capability]).await?.cap_token;
            Ok(Ready {
                step,
                cap_token,
                ice_servers,
            })
        });
    }

    /// The next step. Cancel safe.
    pub(super) async fn next(&mut self) -> Ready {
        loop {
            let again_at = self.again_at;
            let again = async move {
                match again_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(prepared) = self.preparing.join_next() => match prepared {
                    Ok(Ok(ready)) => return ready,
                    Ok(Err(error)) => {
                        debug!(%error, "no other path now");
                        self.held = None;
                    }
                    Err(_) => {}
                },
                () = again => self.offer(),
            }
        }
    }

    /// Takes a step; gives the token that candidates are sent with from now on.
    pub(super) async fn go(&mut self, connection: &Connection, ready: Ready) -> Option<String> {
        match self.step(connection, ready).await {
            Ok(cap_token) => cap_token,
            Err(error) => {
                debug!(%error, "no other path");
                None
            }
        }
    }

    async fn step(&mut self, connection: &Connection, ready: Ready) -> Result<Option<String>, SessionError> {
        let Ready {
            step,
            cap_token,
            ice_servers,
        } = ready;
        let message = match step {
            Step::Take(answer) => {
                connection.accept_answer(&answer.sdp).await?;
                return Ok(None);
            }
            Step::Offer => {
                let sdp = connection.restart(ice_servers).await?;
                ClientMessage::RtcOffer(describe(&self.binding, sdp, &cap_token))
            }
            Step::Answer(offer) => {
                let answered = self.answer(connection, &offer.sdp, ice_servers).await;
                ClientMessage::RtcAnswer(describe(&self.binding, answered?, &cap_token))
            }
        };
        self.ctx.signal().send(message).await?;
        Ok(Some(cap_token))
    }

    async fn answer(
        &mut self,
        connection: &Connection,
        sdp: &str,
        ice_servers: Vec<IceServer>,
    ) -> Result<String, RtcError> {
        let answered = connection.accept_restart(sdp, ice_servers).await;
        for candidate in self.held.take().unwrap_or_default() {
            take_candidate(connection, candidate).await;
        }
        answered
    }
}
