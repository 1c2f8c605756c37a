//! The other ends of notifications, each after its published interface, on a port of its own: Gotify (`POST /message`),
//! ntfy (JSON to the root), and a push service (RFC 8030, with RFC 8291 and 8292 checked as a browser and its service do).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use aes_gcm::aead::Aead as _;
use aes_gcm::{Aes128Gcm, KeyInit as _, Nonce};
use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::{PublicKey, SecretKey};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc;
use tokio::time::timeout;

use mesh_testkit::WAIT;

/// The token of the application that the Gotify here knows.
pub const GOTIFY_TOKEN: &str = "AbCdEfGh.canary";
/// The token that the ntfy here knows.
pub const NTFY_TOKEN: &str = "tk_canary";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Came {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Came {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

/// An answer in place of the usual one.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    /// With `Retry-After`, in seconds.
    Busy(u16, u64),
    Redirect(String),
    /// None at all, until the other end gives up.
    Silence,
}

struct Inner {
    came: mpsc::UnboundedSender<Came>,
    /// What the next requests are answered with.
    answers: Mutex<VecDeque<Answer>>,
    judge: fn(&Came) -> Response,
}

/// One of them. Ends with the test.
pub struct Receiver {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    came: mpsc::UnboundedReceiver<Came>,
}

impl Receiver {
    async fn start(judge: fn(&Came) -> Response) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (send, came) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            came: send,
            answers: Mutex::default(),
            judge,
        });
        let router = Router::new().fallback(take).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, inner, came })
    }

    pub async fn gotify() -> Result<Self> {
        Self::start(gotify).await
    }

    pub async fn ntfy() -> Result<Self> {
        Self::start(ntfy).await
    }

    /// A push service. What it takes is decrypted by [`Browser::read`].
    pub async fn push() -> Result<Self> {
        Self::start(push).await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next requests otherwise.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.answers.lock().extend(answers);
    }

    /// The next request.
    pub async fn next(&mut self) -> Result<Came> {
        timeout(WAIT, self.came.recv())
            .await
            .context("nothing came")?
            .context("the receiver ended")
    }

    /// Everything that came and was not looked at.
    pub fn rest(&mut self) -> Vec<Came> {
        std::iter::from_fn(|| self.came.try_recv().ok()).collect()
    }
}

async fn take(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let came = Came {
        method,
        path: uri.to_string(),
        headers,
        body: body.to_vec(),
    };
    let answer = inner.answers.lock().pop_front();
    let response = match &answer {
        None => (inner.judge)(&came),
        Some(Answer::Status(status)) => status_code(*status).into_response(),
        Some(Answer::Busy(status, seconds)) => {
            (status_code(*status), [(header::RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Some(Answer::Redirect(to)) => (StatusCode::FOUND, [(header::LOCATION, to.clone())]).into_response(),
        Some(Answer::Silence) => StatusCode::OK.into_response(),
    };
    let _ = inner.came.send(came);
    if matches!(answer, Some(Answer::Silence)) {
        std::future::pending::<()>().await;
    }
    response
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT)
}

fn problem(status: u16, what: &str) -> Response {
    (status_code(status), what.to_owned()).into_response()
}

fn is_json(came: &Came) -> bool {
    came.header("content-type").starts_with("application/json")
}

/// Gotify 2, `spec.json`, operation createMessage.
fn gotify(came: &Came) -> Response {
    if came.method != Method::POST || came.path != "/message" {
        return problem(404, "page not found");
    }
    if came.header("x-gotify-key") != GOTIFY_TOKEN {
        return problem(
            401,
            "you need to provide a valid access token or user credentials to access this api",
        );
    }
    let body = came.json();
    let click = &body["extras"]["client::notification"]["click"]["url"];
    let right = is_json(came)
        && body["message"].as_str().is_some_and(|text| !text.is_empty())
        && body["title"].is_string()
        && body["priority"].as_i64().is_some_and(|n| (0..=10).contains(&n))
        && click.as_str().is_some_and(|url| url.starts_with("http"));
    if !right {
        return problem(400, "Field 'message' is required");
    }
    axum::Json(json!({
        "id": 25, "appid": 5, "message": body["message"], "title": body["title"], "priority": body["priority"],
        "extras": body["extras"], "date": "2026-01-01T00:00:00Z",
    }))
    .into_response()
}

/// ntfy, "Publish as JSON": the root, topic required, priority 1 to 5.
fn ntfy(came: &Came) -> Response {
    if !matches!(came.method, Method::POST | Method::PUT) || came.path != "/" {
        return problem(404, "page not found");
    }
    let authorization = came.header("authorization");
    if !authorization.is_empty() && authorization != format!("Bearer {NTFY_TOKEN}") {
        return problem(401, "unauthorized");
    }
    let body = came.json();
    let right = body["topic"].as_str().is_some_and(|topic| !topic.is_empty())
        && body["message"].is_string()
        && body["title"].is_string()
        && body["priority"].as_i64().is_some_and(|n| (1..=5).contains(&n))
        && body["click"].as_str().is_some_and(|url| url.starts_with("http"));
    if right {
        axum::Json(json!({"id": "x", "event": "message", "topic": body["topic"]})).into_response()
    } else {
        problem(400, "invalid request")
    }
}

/// RFC 8030, section 5, and RFC 8292, section 2.
fn push(came: &Came) -> Response {
    match judge_push(came) {
        Ok(()) => (StatusCode::CREATED, [(header::LOCATION, "/message/1")]).into_response(),
        Err(error) => problem(400, &error.to_string()),
    }
}

fn judge_push(came: &Came) -> Result<()> {
    ensure!(came.method == Method::POST, "the method");
    came.header("ttl").parse::<u32>().context("TTL")?;
    ensure!(came.header("content-encoding") == "aes128gcm", "the encoding");
    ensure!(
        ["low", "normal", "high"].contains(&came.header("urgency")),
        "the urgency"
    );
    let topic = came.header("topic");
    ensure!(
        topic.len() <= 32 && URL_SAFE_NO_PAD.decode(topic).is_ok(),
        "the topic"
    );
    ensure!(came.body.len() <= 4_096, "the size");
    let authorization = came.header("authorization").strip_prefix("vapid t=");
    let (token, key) = authorization
        .and_then(|rest| rest.split_once(", k="))
        .context("vapid")?;
    let key = URL_SAFE_NO_PAD.decode(key)?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[format!("http://{}", came.header("host"))]);
    validation.leeway = 0;
    let claims = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_ec_der(&key), &validation)?.claims;
    let exp = claims["exp"].as_u64().context("exp")?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    ensure!(exp <= now + 24 * 3_600, "a token is good for a day at most");
    Ok(())
}

/// A browser that is subscribed.
pub struct Browser {
    secret: SecretKey,
    auth: [u8; 16],
}

impl Browser {
    pub fn new() -> Self {
        Self {
            secret: SecretKey::from_slice(&[0x42; 32]).unwrap(),
            auth: *b"sixteen bytes !!",
        }
    }

    /// As `PushSubscription.toJSON()` has it.
    pub fn subscription(&self, endpoint: &str) -> Value {
        let key = self.secret.public_key().to_encoded_point(false);
        json!({
            "endpoint": endpoint,
            "expirationTime": null,
            "keys": {
                "p256dh": URL_SAFE_NO_PAD.encode(key.as_bytes()),
                "auth": URL_SAFE_NO_PAD.encode(self.auth),
            },
        })
    }

    /// Decrypts what came, after RFC 8291, section 3, and RFC 8188, section 2.
    pub fn read(&self, came: &Came) -> Result<Value> {
        let (salt, rest) = came.body.split_at(16);
        ensure!(rest[..4] == 4_096_u32.to_be_bytes() && rest[4] == 65, "the head");
        let (sender, sealed) = rest[5..].split_at(65);
        let shared = p256::ecdh::diffie_hellman(
            self.secret.to_nonzero_scalar(),
            PublicKey::from_sec1_bytes(sender)?.as_affine(),
        );
        let own = self.secret.public_key().to_encoded_point(false);
        let expand = |keys: Hkdf<Sha256>, info: &[u8], into: &mut [u8]| {
            keys.expand(info, into).map_err(|_| anyhow::anyhow!("HKDF"))
        };
        let mut input = [0; 32];
        let info = [b"WebPush: info\0", own.as_bytes(), sender].concat();
        expand(
            Hkdf::new(Some(&self.auth), shared.raw_secret_bytes()),
            &info,
            &mut input,
        )?;
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        let keys = || Hkdf::<Sha256>::new(Some(salt), &input);
        expand(keys(), b"Content-Encoding: aes128gcm\0", &mut key)?;
        expand(keys(), b"Content-Encoding: nonce\0", &mut nonce)?;
        let plain = Aes128Gcm::new(&key.into())
            .decrypt(Nonce::from_slice(&nonce), sealed)
            .map_err(|_| anyhow::anyhow!("it does not decrypt"))?;
        let (delimiter, text) = plain.split_last().context("empty")?;
        ensure!(*delimiter == 2, "the delimiter of the last record");
        Ok(serde_json::from_slice(text)?)
    }
}
