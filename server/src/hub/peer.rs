//! One live connection, as others see it.

use std::collections::HashMap;
use std::sync::Arc;

use mesh_protocol::http::DeviceKind;
use mesh_protocol::ids::{DeviceId, PeerId, RoomId, UserId};
use mesh_protocol::signal::{Peer, Status};
use parking_lot::Mutex;

use super::LiveRoom;
use crate::auth::random;
use crate::store::{SignIn, SignInId};
use crate::ws::outbound::Outbound;

/// A live connection. Made at the upgrade, ended with the socket.
pub struct LivePeer {
    pub id: PeerId,
    pub user_id: UserId,
    /// Held to read it or to put another.
    user_name: Mutex<String>,
    pub device_id: DeviceId,
    pub device_name: String,
    pub kind: DeviceKind,
    /// What opened the socket, and closes it when it ends.
    pub sign_in: SignInId,
    /// Unix milliseconds.
    pub expires_at: u64,
    /// What waits to be written.
    pub outbound: Outbound,
    /// Goes into `?resume=`, after the id.
    resume: String,
    _place: SocketPlace,
    /// The rooms that it has joined. Held for an insertion or a removal.
    rooms: Mutex<Vec<Arc<LiveRoom>>>,
}

impl LivePeer {
    /// A new peer for a sign-in.
    pub fn new(id: PeerId, sign_in: SignIn, place: SocketPlace) -> Self {
        Self {
            id,
            user_id: sign_in.user_id,
            user_name: Mutex::new(sign_in.user_name),
            device_id: sign_in.device_id,
            device_name: sign_in.device_name,
            kind: sign_in.kind,
            sign_in: sign_in.id,
            expires_at: sign_in.expires_at,
            outbound: Outbound::default(),
            resume: random::token(),
            _place: place,
            rooms: Mutex::default(),
        }
    }

    /// What its user is called.
    pub fn user_name(&self) -> String {
        self.user_name.lock().clone()
    }

    pub(super) fn rename(&self, name: &str) {
        name.clone_into(&mut *self.user_name.lock());
    }

    /// What lets a client go on as this peer after a cut, together with its sign-in.
    pub fn resume_token(&self) -> String {
        format!("{}.{}", self.id, self.resume)
    }

    /// One that another node handed over, with what waits for it.
    pub fn handed_over(id: PeerId, sign_in: SignIn, place: SocketPlace, outbound: Outbound) -> Self {
        Self {
            outbound,
            ..Self::new(id, sign_in, place)
        }
    }

    pub(super) fn admits(&self, resume: &str, sign_in: &SignInId) -> bool {
        // Hashed, so that the comparison tells nothing by its time.
        self.sign_in == *sign_in && random::hash(&self.resume) == random::hash(resume)
    }

    /// As it is shown to others.
    pub fn card(&self, status: Status, offers: Vec<mesh_protocol::capability::Feature>) -> Peer {
        Peer {
            peer_id: self.id.clone(),
            user_id: self.user_id.clone(),
            name: self.user_name(),
            device_id: self.device_id.clone(),
            device_name: self.device_name.clone(),
            kind: self.kind,
            status,
            offers,
        }
    }

    pub(super) fn add_room(&self, room: Arc<LiveRoom>) {
        self.rooms.lock().push(room);
    }

    pub(super) fn remove_room(&self, id: &RoomId) {
        self.rooms.lock().retain(|room| room.id() != id);
    }

    pub(super) fn rooms(&self) -> Vec<Arc<LiveRoom>> {
        self.rooms.lock().clone()
    }

    pub(super) fn take_rooms(&self) -> Vec<Arc<LiveRoom>> {
        std::mem::take(&mut *self.rooms.lock())
    }
}

/// One of the sockets that a user may have; given back when it is dropped.
pub struct SocketPlace {
    places: Arc<Mutex<HashMap<UserId, usize>>>,
    user: UserId,
}

impl SocketPlace {
    pub(super) fn take(
        places: &Arc<Mutex<HashMap<UserId, usize>>>,
        user: &UserId,
        most: usize,
    ) -> Option<Self> {
        let mut counts = places.lock();
        let count = counts.entry(user.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self {
            places: places.clone(),
            user: user.clone(),
        })
    }
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        let mut counts = self.places.lock();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}
