//! The REST interface, one method a route.
//!
//! Owns [`ControlPlane`]. Shapes are those of `mesh_protocol::http`; errors are [`ApiError`].

use std::sync::Arc;

use mesh_protocol::capability::Jwks;
use mesh_protocol::http::{
    AskPairing, CapabilityGrant, CapabilityRequest, ChatMessage, CodeGuess, CodeGuessed, CodeOffer,
    CodeReplied, CodeReply, CreateInvite, DeviceInfo, Devices, Done, GuestLogin, Health, IceServers, Invite,
    JoinRoom, LinkLogin, Login, Me, Member, Members, Messages, Nameplate, PairingCode, PollPairing, Register,
    Revocation, Room, RoomName, RoomRef, Rooms, Session, Setup, SignInLink, Ticket,
};
use mesh_protocol::ids::{DeviceId, RoomId};
use reqwest::Method;
use serde_json::json;

use super::ApiError;
use super::http::{Http, SessionToken};

/// A Mesh server as a client sees it: cheap to clone, safe to share. Every call ends within 10 s.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    http: Http,
}

impl ControlPlane {
    /// A client of the server at `base`: https, or http on this very machine.
    pub fn new(base: &str) -> Result<Self, ApiError> {
        Ok(Self {
            http: Http::new(base, false)?,
        })
    }

    /// As [`Self::new`], but http is taken anywhere: for networks that encrypt by themselves, and for tests. Everyone
    /// on the way can take over the account.
    pub fn allowing_plaintext(base: &str) -> Result<Self, ApiError> {
        Ok(Self {
            http: Http::new(base, true)?,
        })
    }

    /// The same server with a session.
    pub fn with_session(&self, token: SessionToken) -> Self {
        Self {
            http: self.http.with_token(Some(token)),
        }
    }

    /// The session that calls are made with.
    pub fn session(&self) -> Option<&SessionToken> {
        self.http.token()
    }

    /// The server's address, without a trailing slash.
    pub fn base(&self) -> &str {
        self.http.base()
    }

    pub(super) fn socket_url(&self) -> String {
        self.http.socket_url()
    }

    pub(super) fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.http.tls()
    }

    /// `GET /health`.
    pub async fn health(&self) -> Result<Health, ApiError> {
        self.http.get("/health").await
    }

    /// `POST /auth/login`.
    pub async fn login(&self, body: &Login) -> Result<Session, ApiError> {
        self.http.post("/auth/login", body).await
    }

    /// `POST /auth/setup`: the first account.
    pub async fn setup(&self, body: &Setup) -> Result<Session, ApiError> {
        self.http.post("/auth/setup", body).await
    }

    /// `POST /auth/register`: an account by invitation.
    pub async fn register(&self, body: &Register) -> Result<Session, ApiError> {
        self.http.post("/auth/register", body).await
    }

    /// `POST /auth/link`: signs in with a one-time link.
    pub async fn link_login(&self, body: &LinkLogin) -> Result<Session, ApiError> {
        self.http.post("/auth/link", body).await
    }

    /// `POST /auth/guest`: into the one room of an invitation, without an account.
    pub async fn guest_login(&self, body: &GuestLogin) -> Result<Session, ApiError> {
        self.http.post("/auth/guest", body).await
    }

    /// `POST /auth/device/code`: a code that somebody who is signed in enters on the page.
    pub async fn ask_pairing(&self, body: &AskPairing) -> Result<PairingCode, ApiError> {
        self.http.post("/auth/device/code", body).await
    }

    /// `POST /auth/device/token`: the session, once the code was entered and the device approved.
    pub async fn poll_pairing(&self, body: &PollPairing) -> Result<Session, ApiError> {
        self.http.post("/auth/device/token", body).await
    }

    /// `POST /auth/links`: a link for oneself, to go on with on another device.
    pub async fn create_link(&self) -> Result<SignInLink, ApiError> {
        self.http.post("/auth/links", &json!({})).await
    }

    /// `POST /auth/logout`.
    pub async fn logout(&self) -> Result<(), ApiError> {
        self.http
            .post::<_, Done>("/auth/logout", &json!({}))
            .await
            .map(drop)
    }

    /// `GET /me`.
    pub async fn me(&self) -> Result<Me, ApiError> {
        self.http.get("/me").await
    }

    /// `GET /devices`.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, ApiError> {
        self.http
            .get::<Devices>("/devices")
            .await
            .map(|answer| answer.devices)
    }

    /// `DELETE /devices/{id}`: ends its sessions and sockets too.
    pub async fn remove_device(&self, device: &DeviceId) -> Result<(), ApiError> {
        self.delete(&format!("/devices/{device}")).await
    }

    async fn delete(&self, path: &str) -> Result<(), ApiError> {
        self.http
            .call::<(), Done>(Method::DELETE, path, None)
            .await
            .map(drop)
    }

    /// `GET /rooms`.
    pub async fn rooms(&self) -> Result<Vec<Room>, ApiError> {
        self.http.get::<Rooms>("/rooms").await.map(|answer| answer.rooms)
    }

    /// `GET /rooms/{room_id}`.
    pub async fn room(&self, room: &RoomId) -> Result<Room, ApiError> {
        self.http.get(&format!("/rooms/{room}")).await
    }

    /// `POST /rooms`; the caller owns it.
    pub async fn create_room(&self, name: &str) -> Result<RoomId, ApiError> {
        self.new_room(name, None).await
    }

    /// The same for a room that is removed after so many seconds, once nobody is in it.
    pub async fn create_short_room(&self, name: &str, seconds: u64) -> Result<RoomId, ApiError> {
        self.new_room(name, Some(seconds)).await
    }

    async fn new_room(&self, name: &str, expires_in: Option<u64>) -> Result<RoomId, ApiError> {
        let body = RoomName {
            name: name.to_owned(),
            expires_in,
        };
        self.http
            .post::<_, RoomRef>("/rooms", &body)
            .await
            .map(|answer| answer.room_id)
    }

    /// `DELETE /rooms/{room_id}`: ends the sessions of its guests too.
    pub async fn delete_room(&self, room: &RoomId) -> Result<(), ApiError> {
        self.delete(&format!("/rooms/{room}")).await
    }

    /// `POST /rooms/{room_id}/join`: becomes a member. Being present is [`super::SignalHandle::join`].
    pub async fn join(&self, room: &RoomId, invite: Option<&str>) -> Result<(), ApiError> {
        let body = JoinRoom {
            invite: invite.map(str::to_owned),
        };
        self.http
            .post::<_, Done>(&format!("/rooms/{room}/join"), &body)
            .await
            .map(drop)
    }

    /// `POST /rooms/join`: by an invitation, where the room is not known.
    pub async fn join_by_invite(&self, invite: &str) -> Result<RoomId, ApiError> {
        let body = JoinRoom {
            invite: Some(invite.to_owned()),
        };
        self.http
            .post::<_, RoomRef>("/rooms/join", &body)
            .await
            .map(|answer| answer.room_id)
    }

    /// `POST /rooms/{room_id}/leave`: gives the membership up.
    pub async fn leave(&self, room: &RoomId) -> Result<(), ApiError> {
        self.http
            .post::<_, Done>(&format!("/rooms/{room}/leave"), &json!({}))
            .await
            .map(drop)
    }

    /// `GET /rooms/{room_id}/members`.
    pub async fn members(&self, room: &RoomId) -> Result<Vec<Member>, ApiError> {
        self.http
            .get::<Members>(&format!("/rooms/{room}/members"))
            .await
            .map(|answer| answer.members)
    }

    /// `POST /rooms/{room_id}/invites`.
    pub async fn create_invite(&self, room: &RoomId, body: &CreateInvite) -> Result<Invite, ApiError> {
        self.http.post(&format!("/rooms/{room}/invites"), body).await
    }

    /// `GET /rooms/{room_id}/messages`: oldest first, those with a `seq` under `before`, at most `limit` (≤ 100).
    pub async fn messages(
        &self,
        room: &RoomId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<ChatMessage>, ApiError> {
        let before = before.map(|seq| format!("&before={seq}")).unwrap_or_default();
        let path = format!("/rooms/{room}/messages?limit={limit}{before}");
        self.http
            .get::<Messages>(&path)
            .await
            .map(|answer| answer.messages)
    }

    /// `POST /codes`: waits for another device under a number.
    pub async fn offer_code(&self, body: &CodeOffer) -> Result<Nameplate, ApiError> {
        self.http.post("/codes", body).await
    }

    /// `GET /codes/{nameplate}`: what the sender said first.
    pub async fn code(&self, nameplate: u32) -> Result<CodeOffer, ApiError> {
        self.http.get(&format!("/codes/{nameplate}")).await
    }

    /// `POST /codes/{nameplate}`: the one guess. `None` where the sender has not answered yet: the same is asked again.
    pub async fn guess_code(&self, nameplate: u32, guess: &CodeGuess) -> Result<Option<CodeReply>, ApiError> {
        self.http
            .post::<_, CodeReplied>(&format!("/codes/{nameplate}"), guess)
            .await
            .map(|answer| answer.reply)
    }

    /// `GET /codes/{nameplate}/guess`: who came; `None` where nobody has yet, and to ask again keeps the number.
    pub async fn code_guess(&self, nameplate: u32) -> Result<Option<CodeGuess>, ApiError> {
        self.http
            .get::<CodeGuessed>(&format!("/codes/{nameplate}/guess"))
            .await
            .map(|answer| answer.guess)
    }

    /// `PUT /codes/{nameplate}`: the answer to a guess that was right.
    pub async fn reply_code(&self, nameplate: u32, reply: &CodeReply) -> Result<(), ApiError> {
        self.http
            .call::<_, Done>(Method::PUT, &format!("/codes/{nameplate}"), Some(reply))
            .await
            .map(drop)
    }

    /// `DELETE /codes/{nameplate}`: waits no more.
    pub async fn withdraw_code(&self, nameplate: u32) -> Result<(), ApiError> {
        self.delete(&format!("/codes/{nameplate}")).await
    }

    /// `POST /caps`.
    pub async fn caps(&self, body: &CapabilityRequest) -> Result<CapabilityGrant, ApiError> {
        self.http.post("/caps", body).await
    }

    /// `POST /caps/revoke`.
    pub async fn revoke(&self, body: &Revocation) -> Result<(), ApiError> {
        self.http
            .post::<_, serde_json::Value>("/caps/revoke", body)
            .await
            .map(drop)
    }

    /// `GET /ice`.
    pub async fn ice(&self) -> Result<IceServers, ApiError> {
        self.http.get("/ice").await
    }

    /// `POST /ws/ticket`: for clients that cannot set headers.
    pub async fn ticket(&self) -> Result<Ticket, ApiError> {
        self.http.post("/ws/ticket", &json!({})).await
    }

    /// `GET /.well-known/jwks.json`.
    pub async fn jwks(&self) -> Result<Jwks, ApiError> {
        self.http.get("/.well-known/jwks.json").await
    }
}
