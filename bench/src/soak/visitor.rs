//! What one person does in one visit: all that costs the server something which it must give back.

use std::ops::AddAssign;

use anyhow::{Context as _, ensure};
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_testkit::TestClient;
use serde::Serialize;
use serde_json::json;

use super::server::PASSWORD;

/// Every so many visits of a person.
const SIGN_IN_ANEW: u64 = 10;
const ROOM_OF_ONES_OWN: u64 = 7;
const CUT: u64 = 4;

/// What was done.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Done {
    pub(super) visits: u64,
    pub(super) sign_ins: u64,
    pub(super) messages: u64,
    pub(super) relayed: u64,
    pub(super) rooms: u64,
    pub(super) cut: u64,
    pub(super) resumed: u64,
}

impl AddAssign for Done {
    fn add_assign(&mut self, more: Self) {
        self.visits += more.visits;
        self.sign_ins += more.sign_ins;
        self.messages += more.messages;
        self.relayed += more.relayed;
        self.rooms += more.rooms;
        self.cut += more.cut;
        self.resumed += more.resumed;
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} visits, {} sign-ins, {} messages stored, {} relayed, {} rooms made and removed, {} cut off, {} resumed",
            self.visits, self.sign_ins, self.messages, self.relayed, self.rooms, self.cut, self.resumed
        )
    }
}

/// Where the visits go.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) url: String,
    pub(super) room: RoomId,
    /// Who is always there, and answers nothing.
    pub(super) host: PeerId,
}

pub(super) struct Visitor {
    place: Place,
    client: TestClient,
    visits: u64,
    pub(super) done: Done,
}

impl Visitor {
    pub(super) async fn new(place: Place, name: &str) -> anyhow::Result<Self> {
        let mut client = TestClient::new(&place.url);
        client.login(name, PASSWORD).await?;
        Ok(Self {
            place,
            client,
            visits: 0,
            done: Done {
                sign_ins: 1,
                ..Done::default()
            },
        })
    }

    /// Comes, says something, asks the host for something, and goes: in order, or where `may_cut` some of the time without a word.
    pub(super) async fn visit(&mut self, may_cut: bool) -> anyhow::Result<()> {
        self.visits += 1;
        let nth = self.visits;
        if nth.is_multiple_of(SIGN_IN_ANEW) {
            let name = self.client.name.clone();
            self.client.post("/auth/logout", json!({})).await?;
            self.client.login(&name, PASSWORD).await?;
            self.done.sign_ins += 1;
        }
        if nth.is_multiple_of(ROOM_OF_ONES_OWN) {
            self.room_of_ones_own().await?;
        }
        let (room, host) = (&self.place.room, &self.place.host);
        let mut socket = if nth.is_multiple_of(2) {
            self.client.connect_by_ticket().await?
        } else {
            self.client.connect().await?
        };
        socket.join(room).await?;
        let message =
            json!({"room_id": room, "client_id": format!("{nth}-{}", socket.peer_id), "text": "soak"});
        socket.send("chat.message.create", message).await?;
        socket.expect("ack").await?;
        self.done.messages += 1;

        let session = format!("session-{}", socket.peer_id);
        let ask = json!({"target_peer_id": host, "session_id": session});
        let token = self
            .client
            .cap(room, &socket.peer_id, &["share:file"], ask)
            .await?;
        let request = json!({
            "room_id": room, "target": host, "session_id": session, "cap_token": token,
            "name": "notes.txt", "size": 10, "count": 1, "files": [{"path": "notes.txt", "size": 10}],
        });
        let refused = socket.error_of("share.file.request", request).await?;
        ensure!(refused.is_none(), "a request was refused: {refused:?}");
        self.done.relayed += 1;

        if may_cut && nth.is_multiple_of(CUT) {
            let cut = socket.cut();
            self.done.cut += 1;
            // Every second one comes back, and is cut off again for good.
            if nth.is_multiple_of(CUT * 2) {
                let back = self.client.resume(&cut).await?;
                ensure!(back.peer_id == cut.peer_id, "was somebody else after a cut");
                self.done.resumed += 1;
                drop(back);
            }
        } else {
            socket.close().await?;
        }
        self.done.visits += 1;
        Ok(())
    }

    async fn room_of_ones_own(&mut self) -> anyhow::Result<()> {
        let room = self.client.create_room("For a moment").await?;
        let invite = self
            .client
            .post(&format!("/rooms/{room}/invites"), json!({"max_uses": 1}))
            .await?;
        let id = invite["invite_id"].as_str().context("no invite_id")?;
        self.client.delete(&format!("/rooms/{room}/invites/{id}")).await?;
        self.client.delete(&format!("/rooms/{room}")).await?;
        self.done.rooms += 1;
        Ok(())
    }
}
