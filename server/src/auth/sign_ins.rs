//! Who a sign-in is, without asking the store each time.
//!
//! A page asks many things in one second, and after a restart every device comes back in the same one. Bound: 4,096 sign-ins,
//! each for [`FRESH_MS`]; past it the store is asked. **Invariant:** once [`SignIns::forget`] returned, an ended sign-in is
//! not taken for a live one: what was read before is not kept after.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use mesh_protocol::ids::UserId;
use parking_lot::Mutex;

use crate::store::{SignIn, SignInId, Store, StoreError};

const KEPT: usize = 4_096;
/// A sign-in that another process ends (an operator's command) is noticed within this time.
const FRESH_MS: u64 = 2_000;

#[derive(Default)]
struct Known {
    sign_ins: HashMap<SignInId, (SignIn, u64)>,
    /// How often something was forgotten.
    endings: u64,
}

/// The sign-ins that were used lately.
pub struct SignIns {
    store: Arc<dyn Store>,
    /// Held for a lookup or a change.
    known: Mutex<Known>,
}

impl SignIns {
    /// Over a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    /// The sign-in, ended or not.
    pub async fn get(&self, id: &SignInId, now_ms: u64) -> Result<Option<SignIn>, StoreError> {
        let endings = {
            let known = self.known.lock();
            if let Some((sign_in, read_at)) = known.sign_ins.get(id)
                && now_ms.saturating_sub(*read_at) < FRESH_MS
            {
                return Ok(Some(sign_in.clone()));
            }
            known.endings
        };
        let read = self.store.sign_in(id).await?;
        if let Some(sign_in) = &read {
            self.keep(sign_in, endings, now_ms);
        }
        Ok(read)
    }

    fn keep(&self, sign_in: &SignIn, endings: u64, now_ms: u64) {
        let mut known = self.known.lock();
        if known.endings != endings {
            return;
        }
        if known.sign_ins.len() >= KEPT {
            let fresh = |read_at: u64| now_ms.saturating_sub(read_at) < FRESH_MS;
            known.sign_ins.retain(|_, (_, read_at)| fresh(*read_at));
        }
        if known.sign_ins.len() < KEPT {
            known
                .sign_ins
                .insert(sign_in.id.clone(), (sign_in.clone(), now_ms));
        }
    }

    /// Notes when and from where it was used, here and in the store.
    pub async fn touch(&self, id: &SignInId, address: IpAddr, now_ms: u64) -> Result<(), StoreError> {
        if let Some((sign_in, _)) = self.known.lock().sign_ins.get_mut(id) {
            (sign_in.address, sign_in.last_seen_at) = (Some(address), now_ms);
        }
        self.store.touch_sign_in(id, address, now_ms).await
    }

    /// Something about this user has changed.
    pub fn forget_user(&self, user: &UserId) {
        let mut known = self.known.lock();
        known.endings += 1;
        known.sign_ins.retain(|_, (sign_in, _)| sign_in.user_id != *user);
    }

    /// It has ended.
    pub fn forget(&self, id: &SignInId) {
        let mut known = self.known.lock();
        known.endings += 1;
        known.sign_ins.remove(id);
    }
}
