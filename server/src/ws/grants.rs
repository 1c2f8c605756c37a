//! Judges the capability of each message of one socket (rule 5).
//!
//! Remembers the last four verified tokens, compared byte for byte, since one session's messages carry the same one;
//! their time is looked at on every use. Remembers the session of every token used, until it expires: a `sub` lives on
//! exactly one socket, so no other place needs to know.

use std::collections::HashMap;

use mesh_protocol::capability::{Capability, CapabilityError, Claims};
use mesh_protocol::error_code::SignalCode;
use mesh_protocol::ids::{PeerId, RoomId, SessionId, TokenId};
use mesh_protocol::limits::CLOCK_LEEWAY;

use crate::auth::capability_keys::CapabilityKeys;
use crate::auth::random;
use crate::hub::Rights;
use crate::hub::tokens::Tokens;

/// Verified tokens kept.
const CACHED: usize = 4;
/// Tokens whose session is remembered; expired ones go first, and past it a token is refused. The rate of a socket times
/// the life of a token stays below.
const BOUND: usize = 8_192;

/// What a message wants to do with its token.
pub(super) struct Want<'a> {
    pub(super) capability: Capability,
    pub(super) token: Option<&'a str>,
    pub(super) bearer: &'a PeerId,
    pub(super) room: &'a RoomId,
    pub(super) target: Option<&'a PeerId>,
    pub(super) session: Option<&'a SessionId>,
    /// Bytes that a transfer announces.
    pub(super) size: Option<u64>,
    /// Whether a token that is not among the verified ones may cost a signature check.
    pub(super) may_verify: bool,
}

/// The capability is good.
#[derive(Debug)]
pub(super) struct Granted {
    /// The session that the token is bound to, where the message names none.
    pub(super) session: Option<SessionId>,
    /// Whether the token is bound to the message's target, who may then see it.
    pub(super) bound_to_target: bool,
    /// The policy of the room has to allow one of these still: `rtc` stands beside the capability of a feature.
    pub(super) rights: Rights,
    /// The token, where it was used for the first time.
    pub(super) first_use: Option<TokenId>,
}

/// A token whose signature was checked.
struct Verified {
    token: Box<str>,
    claims: Claims,
    /// Of its first use.
    session: Option<SessionId>,
}

/// The tokens of one socket.
#[derive(Default)]
pub(super) struct Grants {
    /// Most recent first.
    verified: Vec<Verified>,
    /// How many keys had been dropped when the first of them was verified.
    dropped: u64,
    sessions: HashMap<TokenId, (SessionId, u64)>,
}

impl Grants {
    pub(super) fn check(
        &mut self,
        keys: &CapabilityKeys,
        tokens: &Tokens,
        want: Want<'_>,
        now: u64,
    ) -> Result<Granted, SignalCode> {
        let token = want.token.ok_or(SignalCode::CapRequired)?;
        if self.dropped != keys.dropped() {
            self.verified.clear();
            self.dropped = keys.dropped();
        }
        let Self {
            verified, sessions, ..
        } = self;
        let known = find(verified, keys, token, want.may_verify, now)?;
        let claims = &known.claims;
        let fits = claims.sub == *want.bearer
            && claims.room_id == *want.room
            && claims.allows(want.capability).is_ok()
            && claims
                .target_peer_id
                .as_ref()
                .is_none_or(|bound| want.target == Some(bound))
            && want
                .size
                .is_none_or(|size| claims.max_size.is_none_or(|most| size <= most))
            && claims
                .session_id
                .as_ref()
                .is_none_or(|bound| want.session.is_none_or(|asked| asked == bound))
            && !tokens.is_revoked(&claims.jti);
        if !fits {
            return Err(SignalCode::CapRequired);
        }
        let rights = match want.capability {
            Capability::Rtc => claims
                .caps
                .iter()
                .filter(|c| **c != Capability::Rtc)
                .copied()
                .collect(),
            named => Rights::from_iter([named]),
        };
        let asked = want.session.or(claims.session_id.as_ref());
        let mut first_use = None;
        let session = match &known.session {
            Some(bound) => bound,
            None => {
                let (bound, first) = bind(sessions, claims, asked, tokens, now)?;
                first_use = first.then(|| claims.jti.clone());
                known.session.insert(bound)
            }
        };
        if asked.is_some_and(|asked| asked != session) {
            return Err(SignalCode::CapReplayed);
        }
        Ok(Granted {
            session: want.session.is_none().then(|| session.clone()),
            bound_to_target: claims.target_peer_id.is_some(),
            rights,
            first_use,
        })
    }
}

/// The token among the verified ones, put in front; its time is looked at on every use.
fn find<'a>(
    verified: &'a mut Vec<Verified>,
    keys: &CapabilityKeys,
    token: &str,
    may_verify: bool,
    now: u64,
) -> Result<&'a mut Verified, SignalCode> {
    let refused = |error| match error {
        CapabilityError::Expired => SignalCode::CapExpired,
        _ => SignalCode::CapRequired,
    };
    match verified.iter().position(|known| *known.token == *token) {
        Some(at) => verified[..=at].rotate_right(1),
        None if !may_verify => return Err(SignalCode::RateLimited),
        None => {
            let claims = keys.verify(token, now).map_err(refused)?;
            verified.truncate(CACHED - 1);
            let known = Verified {
                token: token.into(),
                claims,
                session: None,
            };
            verified.insert(0, known);
        }
    }
    let known = verified.first_mut().ok_or(SignalCode::CapRequired)?;
    known.claims.check_time(now).map_err(refused)?;
    Ok(known)
}

/// The session of a token: its first use decides. And whether this is it.
fn bind(
    sessions: &mut HashMap<TokenId, (SessionId, u64)>,
    claims: &Claims,
    asked: Option<&SessionId>,
    tokens: &Tokens,
    now: u64,
) -> Result<(SessionId, bool), SignalCode> {
    if let Some((bound, _)) = sessions.get(&claims.jti) {
        return Ok((bound.clone(), false));
    }
    if sessions.len() >= BOUND {
        sessions.retain(|_, (_, until)| *until >= now);
    }
    if sessions.len() >= BOUND {
        return Err(SignalCode::CapReplayed);
    }
    let session = tokens.bind(&claims.jti, asked.cloned().unwrap_or_else(random::id));
    let until = claims.exp + CLOCK_LEEWAY.as_secs();
    sessions.insert(claims.jti.clone(), (session.clone(), until));
    Ok((session, true))
}
