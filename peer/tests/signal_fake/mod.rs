//! A control plane of one file: it does what it is told, right or wrong, which the real one never would.
//!
//! Relays blindly between its sockets, signs every capability asked for, and lets a test say anything on a socket. What
//! the real server does is tested against the real server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use mesh_protocol::capability::{AUDIENCE, CapabilitySigner, Claims, Confirmation, ISSUER, Jwks};
use mesh_protocol::http::CapabilityRequest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

/// What a test makes a socket do.
pub enum Do {
    Say(Value),
    Raw(String),
    Close(u16),
    Cut,
    /// Reads and writes nothing any more, with the connection open.
    Freeze,
}

/// Changes a frame before it is relayed.
pub type Alter = Box<dyn FnMut(&mut Value) + Send>;

/// Changes the claims before they are signed.
pub type Tamper = fn(&mut Claims);

#[derive(Default)]
pub struct State {
    /// By peer_id, in the order of `names`.
    pub sockets: HashMap<String, mpsc::UnboundedSender<Do>>,
    pub names: Vec<String>,
    /// Every frame that came, with its sender.
    pub heard: Vec<(String, Value)>,
    /// Every path asked for.
    pub asked: Vec<String>,
    /// The answer to the upgrade, where it is not a welcome.
    pub refuse_upgrade: Option<u16>,
    /// Answers of REST routes: status and body.
    pub answers: HashMap<String, (u16, String)>,
    pub tamper: Option<Tamper>,
    pub alter: Option<Alter>,
    /// Rooms that are not there.
    pub absent_rooms: Vec<String>,
    pub kid: u8,
}

pub struct Fake {
    pub base: String,
    pub state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn signer(kid: u8) -> CapabilitySigner {
    CapabilitySigner::from_seed(&format!("k{kid}"), &[kid + 1; 32]).unwrap()
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { base, state, task }
    }

    /// Makes a peer's socket do something.
    pub fn make(&self, peer: &str, what: Do) {
        let _ = self.state.lock().unwrap().sockets[peer].send(what);
    }

    /// The frames of a type that a peer sent.
    pub fn heard(&self, peer: &str, kind: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let of = |(from, frame): &&(String, Value)| from == peer && frame["type"] == kind;
        state
            .heard
            .iter()
            .filter(of)
            .map(|(_, frame)| frame.clone())
            .collect()
    }

    pub fn asked(&self, path: &str) -> usize {
        self.state
            .lock()
            .unwrap()
            .asked
            .iter()
            .filter(|asked| *asked == path)
            .count()
    }

    pub fn answer(&self, path: &str, status: u16, body: &str) {
        self.state
            .lock()
            .unwrap()
            .answers
            .insert(path.to_owned(), (status, body.to_owned()));
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut start = [0; 7];
    while stream
        .peek(&mut start)
        .await
        .is_ok_and(|n| n > 0 && n < start.len())
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let refused = state.lock().unwrap().refuse_upgrade;
    if &start == b"GET /ws" && refused.is_none() {
        socket(stream, state).await;
    } else {
        rest(stream, state, refused).await;
    }
}

async fn rest(mut stream: TcpStream, state: Arc<Mutex<State>>, refused: Option<u16>) {
    let mut text = Vec::new();
    let (head, body) = loop {
        let mut part = [0; 4096];
        let Ok(n @ 1..) = stream.read(&mut part).await else {
            return;
        };
        text.extend_from_slice(&part[..n]);
        let all = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = all.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, body) = {
        let mut state = state.lock().unwrap();
        state.asked.push(path.clone());
        match (refused.filter(|_| path == "/ws"), state.answers.get(&path)) {
            (Some(status), _) => (status, String::new()),
            (_, Some(answer)) => answer.clone(),
            _ => route(&state, &path, &body),
        }
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn route(state: &State, path: &str, body: &str) -> (u16, String) {
    let answer = match path {
        "/.well-known/jwks.json" => serde_json::to_value(Jwks {
            keys: vec![signer(state.kid).jwk().clone()],
        })
        .unwrap(),
        "/ice" => json!({"ice_servers": [], "ttl": 600}),
        "/caps" => {
            let asked: CapabilityRequest = serde_json::from_str(body).unwrap();
            let mut claims = Claims {
                iss: ISSUER.into(),
                aud: AUDIENCE.into(),
                sub: asked.peer_id,
                room_id: asked.room_id,
                caps: asked.caps,
                target_peer_id: asked.target_peer_id,
                max_size: asked.max_size,
                session_id: asked.session_id,
                jti: format!("j{}", state.asked.len()).parse().unwrap(),
                iat: unix_now(),
                exp: unix_now() + 120,
                cnf: asked.fingerprint.map(|fp| Confirmation { fp }),
            };
            if let Some(tamper) = state.tamper {
                tamper(&mut claims);
            }
            json!({"cap_token": signer(state.kid).sign(&claims).unwrap(), "exp": claims.exp})
        }
        _ => {
            return (
                404,
                json!({"detail": "not here", "code": "NOT_FOUND"}).to_string(),
            );
        }
    };
    (200, answer.to_string())
}

async fn socket(stream: TcpStream, state: Arc<Mutex<State>>) {
    static PEERS: AtomicU64 = AtomicU64::new(1);
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    let me = format!("p{}", PEERS.fetch_add(1, Ordering::Relaxed));
    let (tx, mut rx) = mpsc::unbounded_channel();
    let welcome = json!({"type": "system.welcome", "from": "server", "payload":
        {"peer_id": me, "user_id": "u", "device_id": "d", "resume": "r", "protocol": 1}});
    if socket.send(Message::text(welcome.to_string())).await.is_err() {
        return;
    }
    {
        let mut state = state.lock().unwrap();
        state.sockets.insert(me.clone(), tx);
        state.names.push(me.clone());
    }
    loop {
        tokio::select! {
            what = rx.recv() => match what {
                Some(Do::Say(value)) => drop(socket.send(Message::text(value.to_string())).await),
                Some(Do::Raw(text)) => drop(socket.send(Message::text(text)).await),
                Some(Do::Close(code)) => {
                    let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
                    let _ = socket.close(Some(frame)).await;
                }
                Some(Do::Freeze) => std::future::pending().await,
                Some(Do::Cut) | None => return,
            },
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    let answers = hear(&mut state.lock().unwrap(), &me, &text);
                    for answer in answers {
                        let _ = socket.send(Message::text(answer.to_string())).await;
                    }
                }
                Some(Ok(_)) => {}
                _ => break,
            }
        }
    }
    state.lock().unwrap().sockets.remove(&me);
}

/// Takes a client's frame; gives what it is answered.
fn hear(state: &mut State, me: &str, text: &str) -> Vec<Value> {
    let mut frame: Value = serde_json::from_str(text).unwrap();
    state.heard.push((me.to_owned(), frame.clone()));
    let id = frame["id"].clone();
    let room = frame["payload"]["room_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let error = |code: &str| json!({"type": "error", "from": "server", "payload": {"code": code, "detail": "", "ref": id}});
    match frame["type"].as_str().unwrap_or_default() {
        _ if state.absent_rooms.contains(&room) => vec![error("ROOM_NOT_FOUND")],
        "room.join" => vec![json!({"type": "room.state", "from": "server", "payload":
            {"room_id": room, "name": "Room", "role": "member", "members": [], "peers": [], "shares": [], "last_seq": 0}})],
        "chat.message.create" => {
            vec![json!({"type": "ack", "from": "server", "payload": {"ref": id, "seq": 7}})]
        }
        "presence.set" | "room.leave" => Vec::new(),
        _ => {
            frame["from"] = me.into();
            if let Some(alter) = &mut state.alter {
                alter(&mut frame);
            }
            let targets: Vec<String> = match frame["payload"]["target"].as_str() {
                Some(target) => vec![target.to_owned()],
                None => state.names.iter().filter(|name| *name != me).cloned().collect(),
            };
            let mut sent = false;
            for target in targets {
                if let Some(socket) = state.sockets.get(&target) {
                    sent |= socket.send(Do::Say(frame.clone())).is_ok();
                }
            }
            if sent {
                Vec::new()
            } else {
                vec![error("UNROUTABLE")]
            }
        }
    }
}

/// Polls until it is so.
pub async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
