//! Which capability tokens are out, who holds them, and which were taken back.
//!
//! Bound: 200,000, each for as long as the token lives. Past the bound a token is issued all the same, and then can only be
//! taken back with its session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use mesh_protocol::capability::Claims;
use mesh_protocol::ids::{PeerId, RoomId, SessionId, TokenId};
use mesh_protocol::limits::CLOCK_LEEWAY;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

const ISSUED: usize = 200_000;

/// A token that is out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    pub bearer: PeerId,
    pub target: Option<PeerId>,
    pub room_id: RoomId,
    /// From its claims, or of its first use.
    pub session_id: Option<SessionId>,
    exp: u64,
}

/// What moves with a peer.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokensOfPeer {
    issued: Vec<(TokenId, Issued)>,
    revoked: Vec<(TokenId, u64)>,
}

#[derive(Default)]
struct Table {
    issued: HashMap<TokenId, Issued>,
    /// With the time until which it matters.
    revoked: HashMap<TokenId, u64>,
}

/// The tokens of this node's peers.
#[derive(Default)]
pub struct Tokens {
    /// Held for a lookup or a change.
    table: Mutex<Table>,
    /// How many are revoked: most messages need not look.
    revoked: AtomicUsize,
}

impl Tokens {
    /// A token was signed.
    pub fn issued(&self, claims: &Claims) {
        let mut table = self.table.lock();
        if table.issued.len() < ISSUED {
            let issued = Issued {
                bearer: claims.sub.clone(),
                target: claims.target_peer_id.clone(),
                room_id: claims.room_id.clone(),
                session_id: claims.session_id.clone(),
                exp: claims.exp,
            };
            table.issued.insert(claims.jti.clone(), issued);
        }
    }

    /// A token is used for the first time by its socket. Returns the session that it is bound to: that of an earlier socket of the
    /// peer, where it was used there.
    pub fn bind(&self, jti: &TokenId, session: SessionId) -> SessionId {
        match self.table.lock().issued.get_mut(jti) {
            Some(issued) => issued.session_id.get_or_insert(session).clone(),
            None => session,
        }
    }

    /// What is known of a token that is out.
    pub fn get(&self, jti: &TokenId) -> Option<Issued> {
        self.table.lock().issued.get(jti).cloned()
    }

    /// Takes a token back.
    pub fn revoke(&self, jti: &TokenId) {
        let mut table = self.table.lock();
        if let Some(issued) = table.issued.remove(jti) {
            table
                .revoked
                .insert(jti.clone(), issued.exp + CLOCK_LEEWAY.as_secs());
            self.revoked.store(table.revoked.len(), Ordering::Release);
        }
    }

    /// Whether the token was taken back.
    pub fn is_revoked(&self, jti: &TokenId) -> bool {
        self.revoked.load(Ordering::Acquire) > 0 && self.table.lock().revoked.contains_key(jti)
    }

    /// The tokens of a peer that moves to another node, and which were taken back.
    pub fn of_peer(&self, peer: &PeerId) -> TokensOfPeer {
        let table = self.table.lock();
        let own = table.issued.iter().filter(|(_, issued)| issued.bearer == *peer);
        TokensOfPeer {
            issued: own.map(|(jti, issued)| (jti.clone(), issued.clone())).collect(),
            revoked: table
                .revoked
                .iter()
                .map(|(jti, until)| (jti.clone(), *until))
                .collect(),
        }
    }

    /// Takes over what another node knew.
    pub fn take_over(&self, tokens: TokensOfPeer) {
        let mut table = self.table.lock();
        table.issued.extend(tokens.issued);
        table.revoked.extend(tokens.revoked);
        self.revoked.store(table.revoked.len(), Ordering::Release);
    }

    /// Drops what has expired.
    pub fn sweep(&self, now: u64) {
        let mut table = self.table.lock();
        table
            .issued
            .retain(|_, issued| issued.exp + CLOCK_LEEWAY.as_secs() >= now);
        table.revoked.retain(|_, until| *until >= now);
        self.revoked.store(table.revoked.len(), Ordering::Release);
    }
}
