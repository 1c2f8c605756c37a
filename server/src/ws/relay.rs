//! The rules by which a message is passed on, in the order of `docs/protocol.md`, section 3.
//!
//! Everything here is decided in memory and without waiting; `room.join`, the one message that asks the store, is handed
//! back to the connection.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::error_code::SignalCode;
use mesh_protocol::http::AuditAct;
use mesh_protocol::ids::{MessageId, PeerId, RoomId, SessionId, TokenId};
use mesh_protocol::limits::MAX_BAD_FRAMES;
use mesh_protocol::signal::{Admission, ClientType, Destination, Share};

use super::chat::Pending;
use super::event::{error, relayed};
use super::frame::{self, Head, Incoming};
use super::grants::{Grants, Want};
use super::payload::{self, Act, Payload};
use super::rate::{BadFrames, Rate};
use super::signal;
use crate::app::App;
use crate::audit;
use crate::bus::BusEvent;
use crate::hub::sessions::Opening;
use crate::hub::{LivePeer, LiveRoom, Rights, ShareRefused, Standing, Whereabouts};
use crate::store::NewMessage;

/// Why a message is not passed on.
pub(super) struct Refusal {
    pub(super) code: SignalCode,
    pub(super) detail: Cow<'static, str>,
}

fn refuse<T>(code: SignalCode, detail: impl Into<Cow<'static, str>>) -> Result<T, Refusal> {
    Err(Refusal {
        code,
        detail: detail.into(),
    })
}

const NO_ROOM: &str = "there is no such room, or you have not joined it";
const TOO_FAST: &str = "too many messages: slow down";

/// What remains to be done by the connection.
pub(super) enum Outcome {
    Done,
    /// Ask the store, then enter.
    Join {
        room_id: RoomId,
        reference: Option<MessageId>,
    },
    /// Too many bad frames.
    Close,
}

/// The state of one socket that the rules need.
pub(super) struct Relay {
    app: Arc<App>,
    peer: Arc<LivePeer>,
    /// In the room of the last message: mostly that of the next one too.
    standing: Option<Standing>,
    grants: Grants,
    rate: Rate,
    bad_frames: BadFrames,
}

impl Relay {
    pub(super) fn new(app: Arc<App>, peer: Arc<LivePeer>) -> Self {
        let limits = app.config.limits;
        let rate = Rate::new(limits.frames_per_second, limits.frame_burst, Instant::now());
        Self {
            app,
            peer,
            standing: None,
            grants: Grants::default(),
            rate,
            bad_frames: BadFrames::default(),
        }
    }

    /// Answers a frame that is no text.
    pub(super) fn binary(&mut self) -> Outcome {
        self.bad(SignalCode::BadFrame, "frames are text", None)
    }

    /// One frame of this socket, read at `now`.
    pub(super) fn text(&mut self, text: &str, now: Instant) -> Outcome {
        let in_rate = self.rate.take(now);
        // Rule 1.
        let Ok(incoming) = frame::parse(text) else {
            return self.bad(
                SignalCode::BadFrame,
                "a frame is a JSON object with a string type and an object payload",
                None,
            );
        };
        match self.judge(&incoming, in_rate) {
            Ok(outcome) => outcome,
            Err(refusal) if refusal.code == SignalCode::BadPayload => {
                self.bad(refusal.code, &refusal.detail, incoming.reference())
            }
            Err(refusal) => {
                self.tell(refusal.code, &refusal.detail, incoming.reference());
                Outcome::Done
            }
        }
    }

    pub(super) fn tell(&self, code: SignalCode, detail: &str, reference: Option<MessageId>) {
        self.app.metrics.signal_error(code);
        let frame = error(&*self.app.clock, self.peer.id.as_str(), code, detail, reference);
        self.peer.outbound.push(frame);
    }

    fn bad(&mut self, code: SignalCode, detail: &str, reference: Option<MessageId>) -> Outcome {
        self.tell(code, detail, reference);
        if self.bad_frames.add(Instant::now()) >= MAX_BAD_FRAMES {
            Outcome::Close
        } else {
            Outcome::Done
        }
    }

    fn judge(&mut self, incoming: &Incoming<'_>, in_rate: bool) -> Result<Outcome, Refusal> {
        // Rule 2.
        let Some(kind) = ClientType::parse(&incoming.kind) else {
            return refuse(SignalCode::UnknownType, "clients do not send this type");
        };
        if kind == ClientType::TerminalData && !self.app.config.terminal_fallback {
            return refuse(
                SignalCode::UnknownType,
                "this server carries no content (MESH_TERMINAL_FALLBACK is off)",
            );
        }
        self.app.metrics.message(kind);
        // Rule 3.
        let (head, decoded) = match signal::decode(kind, incoming.payload) {
            Some((head, payload)) => (head, Some(payload)),
            None => match Head::parse(incoming.payload) {
                Ok(head) => (head, None),
                Err(error) => return refuse(SignalCode::BadPayload, error.to_string()),
            },
        };
        let Some(room_id) = head.room_id() else {
            return refuse(SignalCode::MissingRoomId, "the payload needs a room_id");
        };
        let Some(room_id) = frame::text(room_id) else {
            return refuse(SignalCode::BadPayload, "room_id must be a string");
        };
        // Rule 4; for `room.join` the store is asked.
        if kind == ClientType::RoomJoin {
            if !in_rate {
                return refuse(SignalCode::RateLimited, TOO_FAST);
            }
            let Ok(room_id) = room_id.parse::<RoomId>() else {
                return refuse(SignalCode::RoomNotFound, NO_ROOM);
            };
            return Ok(Outcome::Join {
                room_id,
                reference: incoming.reference(),
            });
        }
        let Some((room, rights)) = self.standing(&room_id) else {
            return refuse(SignalCode::RoomNotFound, NO_ROOM);
        };
        let here = Here {
            room: &room,
            rights,
            in_rate,
            now: self.app.clock.now(),
        };
        let payload = match decoded.map_or_else(|| payload::decode(kind, incoming.payload), Ok) {
            Ok(payload) => payload,
            Err(detail) => return refuse(SignalCode::BadPayload, detail),
        };
        // Rule 5.
        let admitted = self.admit(kind, here, &payload)?;
        // Rule 6.
        let target = match kind.destination() {
            Destination::Room => None,
            Destination::Target | Destination::TargetOrRoom => payload.target.as_ref(),
        };
        let receiver = match target.map(|id| (id, room.find(id))) {
            Some((_, None)) => return refuse(SignalCode::Unroutable, "the target is not in this room"),
            Some((id, Some(whereabouts))) => Some((id, whereabouts)),
            None => None,
        };
        // Rule 7.
        if !in_rate {
            return refuse(SignalCode::RateLimited, TOO_FAST);
        }
        let session = payload.session_id.as_ref().or(admitted.session.as_ref());
        let forward = self.act(&payload, here, target, session, incoming)?;
        if forward {
            // Before anybody can answer.
            // A folder that is shared with the room asks nobody.
            if !matches!(payload.act, Act::Open(Feature::Folder)) {
                let notices = &self.app.notices;
                notices.relayed(kind, &self.peer, room.id(), target, session);
            }
            let keep = admitted.show_token && target.is_some();
            let body = head.forwarded(incoming.payload, keep, admitted.session.as_ref());
            self.forward(kind, here, receiver, &body);
        }
        Ok(Outcome::Done)
    }

    /// The room, where this peer has joined it, and what it may ask for there.
    fn standing(&mut self, room: &str) -> Option<(Arc<LiveRoom>, Rights)> {
        if !self.standing.as_ref().is_some_and(|known| known.holds_in(room)) {
            self.standing = self.app.hub.standing(room, &self.peer.id);
        }
        self.standing.as_ref().map(Standing::get)
    }

    fn admit(&mut self, kind: ClientType, here: Here<'_>, payload: &Payload) -> Result<Admitted, Refusal> {
        match kind.admission() {
            Admission::Membership => Ok(Admitted::default()),
            Admission::Capability(capability) => self.admit_capability(capability, here, payload),
            Admission::NamedFeature => {
                let capability = payload.feature.map_or(Capability::Rtc, Feature::capability);
                self.admit_capability(capability, here, payload)
            }
            Admission::Party(feature) => self.admit_party(here, payload, |f| f == feature, feature.as_str()),
            Admission::TransferParty => self.admit_party(
                here,
                payload,
                |f| matches!(f, Feature::File | Feature::Folder),
                "file or folder",
            ),
        }
    }

    fn admit_capability(
        &mut self,
        capability: Capability,
        here: Here<'_>,
        payload: &Payload,
    ) -> Result<Admitted, Refusal> {
        let Here { room, now, .. } = here;
        let (size, announced) = match &payload.act {
            Act::Transfer(_, size) => (Some(*size), None),
            // A share has no session of its own: its token is bound to the share.
            Act::ShareStarted(_, share, _) | Act::ShareEnded(share) => (None, share.as_str().parse().ok()),
            _ => (None, None),
        };
        let named = payload.session_id.as_ref().or(announced.as_ref());
        let want = Want {
            capability,
            token: payload.cap_token.as_deref(),
            bearer: &self.peer.id,
            room: room.id(),
            target: payload.target.as_ref(),
            session: named,
            size,
            may_verify: here.in_rate,
        };
        let granted = self
            .grants
            .check(&self.app.capability_keys, &self.app.hub.tokens, want, now)
            .map_err(|code| {
                let detail = if code == SignalCode::RateLimited {
                    TOO_FAST
                } else {
                    capability.as_str()
                };
                Refusal {
                    code,
                    detail: detail.into(),
                }
            })?;
        let Some(session) = named.or(granted.session.as_ref()) else {
            return refuse(SignalCode::CapRequired, capability.as_str());
        };
        if let Some(jti) = granted.first_use {
            self.record_use(capability, room, payload, session, jti);
        }
        let sessions = &self.app.hub.sessions;
        if sessions.is_revoked(session, &self.peer.id, payload.target.as_ref()) {
            return refuse(SignalCode::CapRequired, capability.as_str());
        }
        // The policy of this moment, and not of when the token was signed. Who was asked may answer all the same.
        let answers = || {
            let requester = payload.target.as_ref()?;
            let feature = sessions.answering(room.id(), session, &self.peer.id, requester, now)?;
            Some(feature.capability())
        };
        let lacks_all = granted.rights.without(here.rights) == granted.rights;
        if lacks_all && !answers().is_some_and(|right| granted.rights.contains(right)) {
            return refuse(SignalCode::CapRequired, capability.as_str());
        }
        Ok(Admitted {
            session: granted.session,
            show_token: granted.bound_to_target,
        })
    }

    fn record_use(
        &self,
        capability: Capability,
        room: &LiveRoom,
        payload: &Payload,
        session: &SessionId,
        jti: TokenId,
    ) {
        let target = payload.target.as_ref().and_then(|id| self.app.hub.party(id));
        let (act, actor) = (AuditAct::CapabilityUsed, audit::peer(&self.peer));
        self.app.audit.record(room.id(), act, actor, |entry| {
            entry.capabilities = vec![capability];
            entry.target = target;
            entry.session_id = Some(session.clone());
            entry.jti = Some(jti);
        });
    }

    fn admit_party(
        &self,
        here: Here<'_>,
        payload: &Payload,
        feature: impl Fn(Feature) -> bool,
        name: &'static str,
    ) -> Result<Admitted, Refusal> {
        let session = payload.session_id.as_ref();
        let Here { room, now, .. } = here;
        let (sender, to) = (&self.peer.id, payload.target.as_ref());
        if session.is_some_and(|id| {
            self.app
                .hub
                .sessions
                .is_party(room.id(), id, sender, to, feature, now)
        }) {
            return Ok(Admitted::default());
        }
        refuse(
            SignalCode::CapRequired,
            format!("not a party of this {name} session"),
        )
    }

    /// What the message changes here; whether it is passed on.
    fn act(
        &self,
        payload: &Payload,
        here: Here<'_>,
        target: Option<&PeerId>,
        session: Option<&SessionId>,
        incoming: &Incoming<'_>,
    ) -> Result<bool, Refusal> {
        let (app, peer) = (&self.app, &self.peer);
        let Here { room, now, .. } = here;
        match (&payload.act, session) {
            (Act::Join | Act::Relay, _) => {}
            (Act::Leave, _) => {
                app.hub
                    .tell_ended(app.hub.sessions.end_of(&peer.id, Some(room.id()), now), "left");
                app.hub.leave(room, peer);
                return Ok(false);
            }
            (Act::Presence(presence), _) => {
                if let Some(card) = room.set_presence(&peer.id, presence.status, presence.offers.clone()) {
                    app.hub.show_changed(room, card);
                }
                return Ok(false);
            }
            (Act::Chat(message), _) => {
                let message = NewMessage {
                    room_id: room.id().clone(),
                    user_id: peer.user_id.clone(),
                    name: peer.user_name(),
                    device_id: peer.device_id.clone(),
                    client_id: message.client_id.clone(),
                    text: message.text.clone(),
                    // The writer names them, from the members of that moment.
                    mentions: Vec::new(),
                    now: app.clock.now_ms(),
                };
                // A client that names no message still learns which one was stored.
                let reference = incoming
                    .reference()
                    .or_else(|| message.client_id.as_str().parse().ok());
                if !app.chat.push(Pending {
                    message,
                    author: peer.clone(),
                    reference,
                }) {
                    return refuse(
                        SignalCode::StoreUnavailable,
                        "too many messages wait to be stored: try again",
                    );
                }
                return Ok(false);
            }
            (Act::Open(feature) | Act::Transfer(feature, _), Some(session_id)) => {
                let opening = Opening {
                    room_id: room.id(),
                    session_id,
                    feature: *feature,
                    requester: &peer.id,
                    target,
                };
                if app.hub.open_session(&opening, now).is_err() {
                    return refuse(SignalCode::RateLimited, "too many open sessions: end some first");
                }
            }
            (Act::Accept, Some(session)) => app.hub.accept_session(room.id(), session, &peer.id, target),
            (Act::End, Some(session)) => app.hub.end_session(room.id(), session, &peer.id, target, now),
            // The types leave no session out here.
            (Act::Open(_) | Act::Transfer(..) | Act::Accept | Act::End, None) => {
                return refuse(SignalCode::BadPayload, "session_id is missing");
            }
            (Act::ShareStarted(feature, share_id, label), _) => {
                let share = Share {
                    share_id: share_id.clone(),
                    feature: *feature,
                    peer_id: peer.id.clone(),
                    user_id: peer.user_id.clone(),
                    label: label.clone(),
                };
                match room.add_share(share) {
                    Ok(()) => {}
                    Err(ShareRefused::Taken) => {
                        return refuse(SignalCode::BadPayload, "this share_id is another peer's");
                    }
                    Err(ShareRefused::TooMany) => {
                        return refuse(SignalCode::RateLimited, "too many shares: end some first");
                    }
                }
            }
            (Act::ShareEnded(share_id), _) => return Ok(room.remove_share(&peer.id, share_id)),
        }
        Ok(true)
    }

    /// Passes it on to one peer or to the whole room.
    fn forward(
        &self,
        kind: ClientType,
        here: Here<'_>,
        receiver: Option<(&PeerId, Whereabouts)>,
        body: &str,
    ) {
        let room = here.room;
        let to = receiver
            .as_ref()
            .map_or(room.id().as_str(), |(id, _)| id.as_str());
        let frame = relayed(here.now, kind.as_str(), self.peer.id.as_str(), to, body);
        match receiver {
            Some((_, Whereabouts::Here(peer))) => peer.outbound.push(frame),
            Some((id, Whereabouts::Elsewhere)) => self.app.bus.publish(BusEvent::Peer {
                peer_id: id.clone(),
                frame,
            }),
            None => self.app.bus.publish(BusEvent::Room {
                room_id: room.id().clone(),
                frame,
            }),
        }
    }
}

/// Where and when a message is judged.
#[derive(Clone, Copy)]
struct Here<'a> {
    room: &'a Arc<LiveRoom>,
    /// What the sender may ask for in the room.
    rights: Rights,
    /// Whether the sender keeps to its rate.
    in_rate: bool,
    /// Unix seconds.
    now: u64,
}

/// The message may pass.
#[derive(Default)]
struct Admitted {
    /// The session that a message with a capability belongs to, where it names none.
    session: Option<SessionId>,
    /// The token is bound to the target, who may see it to verify it.
    show_token: bool,
}
