//! A program that speaks REST and the WebSocket, as another client would: JSON in and out, no types of the server.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use mesh_protocol::ids::{PeerId, RoomId};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take before the test fails.
pub const WAIT: Duration = Duration::from_secs(30);

/// An answer other than 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestError {
    pub status: u16,
    /// Of the problem details; empty where the body has none.
    pub code: String,
    pub detail: String,
}

impl std::fmt::Display for RestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)
    }
}

impl std::error::Error for RestError {}

/// A client, signed in or not.
#[derive(Clone, Debug)]
pub struct TestClient {
    http: reqwest::Client,
    base: String,
    /// The session token; empty before the sign-in.
    pub token: String,
    pub name: String,
    pub user_id: String,
    pub device_id: String,
}

impl TestClient {
    /// A client of the server at `base` (`http://127.0.0.1:…`).
    pub fn new(base: impl Into<String>) -> Self {
        // Beside mesh-peer the HTTP client is built for TLS and wants a provider, even where it only speaks plaintext.
        // An error says that one is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            http: reqwest::Client::new(),
            base: base.into(),
            token: String::new(),
            name: String::new(),
            user_id: String::new(),
            device_id: String::new(),
        }
    }

    /// The HTTP client, for requests that need headers of their own.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// `base` and a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The same client, at another node of the server.
    pub fn via(&self, base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            ..self.clone()
        }
    }

    /// Signs in by name and password.
    pub async fn login(&mut self, name: &str, password: &str) -> Result<(), RestError> {
        let session = self
            .post("/auth/login", json!({"username": name, "password": password}))
            .await?;
        self.adopt(&session);
        Ok(())
    }

    /// Takes over a session that any sign-in answered.
    pub fn adopt(&mut self, session: &Value) {
        let text = |key: &str| session[key].as_str().unwrap_or_default().to_owned();
        self.token = text("token");
        self.name = text("name");
        self.user_id = text("user_id");
        self.device_id = text("device_id");
    }

    /// Any request; an empty body is none.
    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, RestError> {
        let mut request = self.http.request(method, self.at(path));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let lost = |error: reqwest::Error| RestError {
            status: 0,
            code: String::new(),
            detail: error.to_string(),
        };
        let response = request.timeout(WAIT * 3).send().await.map_err(lost)?;
        let status = response.status();
        let text = response.text().await.map_err(lost)?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() {
            return Ok(body);
        }
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Err(RestError {
            status: status.as_u16(),
            code: text("code"),
            detail: text("detail"),
        })
    }

    pub async fn get(&self, path: &str) -> Result<Value, RestError> {
        self.request(Method::GET, path, None).await
    }
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, RestError> {
        self.request(Method::POST, path, Some(body)).await
    }
    pub async fn put(&self, path: &str, body: Value) -> Result<Value, RestError> {
        self.request(Method::PUT, path, Some(body)).await
    }
    pub async fn patch(&self, path: &str, body: Value) -> Result<Value, RestError> {
        self.request(Method::PATCH, path, Some(body)).await
    }
    pub async fn delete(&self, path: &str) -> Result<Value, RestError> {
        self.request(Method::DELETE, path, None).await
    }

    /// Makes a room.
    pub async fn create_room(&self, name: &str) -> Result<RoomId> {
        let room = self.post("/rooms", json!({"name": name})).await?;
        Ok(room["room_id"].as_str().context("no room_id")?.parse()?)
    }

    /// Asks for a capability token: `ask` beside `room_id`, `peer_id` and `caps`.
    pub async fn cap(
        &self,
        room: &RoomId,
        peer: &PeerId,
        caps: &[&str],
        ask: Value,
    ) -> Result<String, RestError> {
        let mut body = json!({"room_id": room, "peer_id": peer, "caps": caps});
        if let (Some(body), Value::Object(ask)) = (body.as_object_mut(), ask) {
            body.extend(ask);
        }
        let grant = self.post("/caps", body).await?;
        Ok(grant["cap_token"].as_str().unwrap_or_default().to_owned())
    }

    /// Opens a socket with the session in the header, and reads the welcome.
    pub async fn connect(&self) -> Result<Socket> {
        Socket::open(&self.base, "", Some(&self.token))
            .await?
            .welcomed()
            .await
    }

    /// Opens a socket with a ticket, as a page does, and reads the welcome.
    pub async fn connect_by_ticket(&self) -> Result<Socket> {
        let ticket = self.post("/ws/ticket", json!({})).await?;
        let query = format!("?token={}", ticket["ticket"].as_str().unwrap_or_default());
        Socket::open(&self.base, &query, None).await?.welcomed().await
    }

    /// Opens a socket that goes on after a cut, if the server lets it.
    pub async fn resume(&self, cut: &Cut) -> Result<Socket> {
        let query = format!("?resume={}&seq={}", cut.resume, cut.received);
        let mut socket = Socket::open(&self.base, &query, Some(&self.token))
            .await?
            .welcomed()
            .await?;
        if socket.peer_id == cut.peer_id {
            socket.received = cut.received;
        }
        Ok(socket)
    }

    /// Opens a socket that has joined a room; its `room.state` and `room.joined` are read.
    pub async fn join(&self, room: &RoomId) -> Result<Socket> {
        let mut socket = self.connect().await?;
        socket.join(room).await?;
        Ok(socket)
    }
}

/// How a socket ended: the close code, or `None` where the connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed(pub Option<u16>);

/// A WebSocket to the server. Messages are whole envelopes as JSON.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Its own peer, from the welcome.
    pub peer_id: PeerId,
    /// The welcome's payload.
    pub welcome: Value,
    /// Messages that came after the welcome.
    pub received: u64,
    next_id: u64,
}

/// What a client keeps of a socket that was cut, to go on.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The peer that it was.
    pub peer_id: PeerId,
    /// From the welcome.
    pub resume: String,
    /// Messages that came after the welcome.
    pub received: u64,
}

impl Socket {
    /// Opens `/ws` and reads nothing. Fails with the HTTP status where the upgrade is refused.
    pub async fn open(base: &str, query: &str, bearer: Option<&str>) -> Result<Self> {
        Self::open_with(base, query, bearer, &[]).await
    }

    /// The same with headers of one's own.
    pub async fn open_with(
        base: &str,
        query: &str,
        bearer: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Result<Self> {
        let url = format!("{}/ws{query}", base.replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        if let Some(token) = bearer {
            request.headers_mut().insert(
                "authorization",
                HeaderValue::from_str(&format!("Bearer {token}"))?,
            );
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value)?);
        }
        match timeout(WAIT, tokio_tungstenite::connect_async(request)).await? {
            Ok((stream, _)) => Ok(Self {
                stream,
                peer_id: "none".parse()?,
                welcome: Value::Null,
                received: 0,
                next_id: 0,
            }),
            Err(tungstenite::Error::Http(response)) => {
                bail!("the upgrade was refused: {}", response.status().as_u16())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the welcome.
    pub async fn welcomed(mut self) -> Result<Self> {
        let welcome = self.expect("system.welcome").await?;
        self.welcome = welcome["payload"].clone();
        self.peer_id = self.welcome["peer_id"].as_str().context("no peer_id")?.parse()?;
        Ok(self)
    }

    /// Breaks the connection without a word.
    pub fn cut(self) -> Cut {
        Cut {
            resume: self.welcome["resume"].as_str().unwrap_or_default().to_owned(),
            peer_id: self.peer_id,
            received: self.received,
        }
    }

    /// Joins a room and returns the `room.state` payload.
    pub async fn join(&mut self, room: &RoomId) -> Result<Value> {
        self.send("room.join", json!({"room_id": room})).await?;
        let state = self.expect("room.state").await?;
        let own = self.peer_id.to_string();
        self.expect_where("its own room.joined", |m| {
            m["type"] == "room.joined" && m["payload"]["peer_id"] == own
        })
        .await?;
        Ok(state["payload"].clone())
    }

    /// Sends a message and returns the `id` that its answer will name.
    pub async fn send(&mut self, kind: &str, payload: Value) -> Result<String> {
        self.next_id += 1;
        let id = format!("m{}", self.next_id);
        self.send_text(json!({"type": kind, "id": id, "payload": payload}).to_string())
            .await?;
        Ok(id)
    }

    /// Sends a frame as it is.
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<()> {
        self.send_frame(Message::text(text.into())).await
    }

    /// Sends any frame.
    pub async fn send_frame(&mut self, frame: Message) -> Result<()> {
        Ok(timeout(WAIT, self.stream.send(frame)).await??)
    }

    /// The next message, or how the socket ended.
    pub async fn next(&mut self) -> Result<Value, Closed> {
        let read = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        self.received += u64::from(self.welcome != Value::Null);
                        return Ok(serde_json::from_str(&text).unwrap_or(Value::String(text.to_string())));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Err(Closed(frame.map(|frame| u16::from(frame.code))));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(Closed(None)),
                }
            }
        };
        match timeout(WAIT, read).await {
            Ok(read) => read,
            Err(_) => panic!("nothing came within {WAIT:?}"),
        }
    }

    /// The next message of a type; others before it are dropped.
    pub async fn expect(&mut self, kind: &str) -> Result<Value> {
        self.expect_where(kind, |message| message["type"] == kind).await
    }

    /// The next message that fits; others before it are dropped.
    pub async fn expect_where(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut dropped = Vec::new();
        loop {
            match self.next().await {
                Ok(message) if fits(&message) => return Ok(message),
                Ok(message) => dropped.push(message["type"].to_string()),
                Err(Closed(code)) => {
                    return Err(anyhow!("closed ({code:?}) before {what}; came: {dropped:?}"));
                }
            }
        }
    }

    /// Sends a message and returns the code of the `error` that answers it, or `None` where something else does: a
    /// message that it causes to this socket, or nothing by the time a second message is answered.
    pub async fn error_of(&mut self, kind: &str, payload: Value) -> Result<Option<String>> {
        let id = self.send(kind, payload).await?;
        self.error_for(&id).await
    }

    /// The code of the `error` for a message that was sent, or `None` where it was not refused.
    pub async fn error_for(&mut self, id: &str) -> Result<Option<String>> {
        // A message of an unknown type is always answered, after everything before it.
        let fence = self.send("fence", json!({})).await?;
        let mut found = None;
        loop {
            let message = self
                .next()
                .await
                .map_err(|Closed(code)| anyhow!("closed: {code:?}"))?;
            if message["type"] != "error" {
                continue;
            }
            if message["payload"]["ref"] == fence.as_str() {
                return Ok(found);
            }
            if message["payload"]["ref"] == id {
                found = message["payload"]["code"].as_str().map(str::to_owned);
            }
        }
    }

    /// Everything that came until now, the fence's own answer left out.
    pub async fn drain(&mut self) -> Result<Vec<Value>> {
        let fence = self.send("fence", json!({})).await?;
        let mut seen = Vec::new();
        loop {
            let message = self
                .next()
                .await
                .map_err(|Closed(code)| anyhow!("closed: {code:?}"))?;
            if message["type"] == "error" && message["payload"]["ref"] == fence.as_str() {
                return Ok(seen);
            }
            seen.push(message);
        }
    }

    /// Reads to the end and returns the close code.
    pub async fn closed(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.next().await {
                return closed;
            }
        }
    }

    /// Closes it in order.
    pub async fn close(mut self) -> Result<()> {
        self.stream.close(None).await?;
        while let Some(Ok(_)) = self.stream.next().await {}
        Ok(())
    }
}
