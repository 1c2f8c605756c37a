//! A small OpenID provider that follows the published contract (Discovery 1.0, Core 1.0, RFC 7636), until it is told to lie.
//! The real one is in `e2e/stories/oidc.spec.ts`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mesh_server::config::{Oidc, Secret};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const CLIENT: &str = "mesh";
const SECRET: &str = "the secret of the client at the provider";
const DER_HEAD: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// Somebody there.
#[derive(Clone, Copy)]
pub struct Person {
    pub subject: &'static str,
    pub name: &'static str,
}

/// What the provider does wrong.
#[derive(Clone, Copy, Default)]
pub enum Lie {
    #[default]
    None,
    Claims(fn(&mut Value)),
    NoSignature,
    SignedWithTheSecret,
    SignedByAnother,
    NoToken,
    Huge,
    /// Tells a name at the UserInfo endpoint only, which is right, but of somebody else.
    UserInfoOfAnother,
}

struct Grant {
    person: Person,
    nonce: String,
    challenge: String,
}

struct Inner {
    url: String,
    issuer: Mutex<String>,
    grants: Mutex<HashMap<String, Grant>>,
    key: Mutex<(&'static str, [u8; 32])>,
    lie: Mutex<Lie>,
    read: AtomicUsize,
}

pub struct Issuer {
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Issuer {
    pub async fn start() -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub async fn start_at(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let inner = Arc::new(Inner {
            issuer: Mutex::new(url.clone()),
            url,
            grants: Mutex::default(),
            key: Mutex::new(("first", [1; 32])),
            lie: Mutex::default(),
            read: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/me", get(user_info))
            .with_state(inner.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { inner, task })
    }

    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.inner.url.trim_start_matches("http://").parse()?)
    }

    /// What a server is told about it.
    pub fn settings(&self, register: bool) -> Oidc {
        Oidc {
            issuer: self.inner.url.clone(),
            client_id: CLIENT.into(),
            client_secret: Some(Secret::new(SECRET)),
            name: "Test".into(),
            register,
        }
    }

    pub fn lie(&self, lie: Lie) {
        *lock(&self.inner.lie) = lie;
    }

    /// Says to be another issuer than it is found at.
    pub fn pose_as(&self, issuer: &str) {
        *lock(&self.inner.issuer) = issuer.to_owned();
    }

    pub fn change_keys(&self) {
        *lock(&self.inner.key) = ("second", [2; 32]);
    }

    /// How often its discovery document was read.
    pub fn read(&self) -> usize {
        self.inner.read.load(Ordering::Relaxed)
    }

    /// The person signs in there; the code of the answer.
    pub fn sign_in(&self, request: &HashMap<String, String>, person: Person) -> Result<String> {
        let get = |key: &str| request.get(key).cloned().with_context(|| format!("no {key}"));
        assert_eq!(
            (get("client_id")?.as_str(), get("response_type")?.as_str()),
            (CLIENT, "code")
        );
        assert_eq!(get("code_challenge_method")?, "S256");
        assert!(get("scope")?.split(' ').any(|scope| scope == "openid"));
        let code = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        let grant = Grant {
            person,
            nonce: get("nonce")?,
            challenge: get("code_challenge")?,
        };
        lock(&self.inner.grants).insert(code.clone(), grant);
        Ok(code)
    }
}

async fn discovery(State(inner): State<Arc<Inner>>) -> Json<Value> {
    inner.read.fetch_add(1, Ordering::Relaxed);
    let (issuer, url) = (lock(&inner.issuer).clone(), &inner.url);
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
        "userinfo_endpoint": format!("{url}/me"), "jwks_uri": format!("{url}/keys"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256", "EdDSA", "HS256", "none"],
    }))
}

async fn keys(State(inner): State<Arc<Inner>>) -> Json<Value> {
    let (kid, seed) = *lock(&inner.key);
    let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
    let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
    Json(
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x, "use": "sig", "alg": "EdDSA"}]}),
    )
}

fn refused(code: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": code}))).into_response()
}

async fn token(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let get = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
    let client = format!("{CLIENT}:{}", SECRET.replace(' ', "+"));
    let basic = format!("Basic {}", STANDARD.encode(client));
    if headers.get("authorization").is_none_or(|given| *given != basic) {
        return refused("invalid_client");
    }
    // A code works once.
    let Some(grant) = lock(&inner.grants).remove(get("code")) else {
        return refused("invalid_grant");
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
    if challenge != grant.challenge || !get("redirect_uri").ends_with("/auth/oidc/callback") {
        return refused("invalid_grant");
    }
    match answer(&inner, &grant) {
        Ok(answer) => answer,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn answer(inner: &Inner, grant: &Grant) -> Result<Response> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    let lie = *lock(&inner.lie);
    let mut claims = json!({
        "iss": inner.url, "sub": grant.person.subject, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": grant.nonce,
        "preferred_username": grant.person.name, "email": "same@example.com",
    });
    let (kid, seed) = *lock(&inner.key);
    let mut key = EncodingKey::from_ed_der(&[&DER_HEAD[..], &seed].concat());
    let mut header = Header::new(Algorithm::EdDSA);
    match lie {
        Lie::Claims(change) => change(&mut claims),
        Lie::SignedWithTheSecret => {
            header = Header::new(Algorithm::HS256);
            key = EncodingKey::from_secret(SECRET.as_bytes());
        }
        Lie::SignedByAnother => key = EncodingKey::from_ed_der(&[&DER_HEAD[..], &[9; 32]].concat()),
        Lie::UserInfoOfAnother => drop(
            claims
                .as_object_mut()
                .map(|claims| claims.remove("preferred_username")),
        ),
        Lie::None | Lie::NoSignature | Lie::NoToken | Lie::Huge => {}
    }
    header.kid = Some(kid.into());
    let token = if matches!(lie, Lie::NoSignature) {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims))
    } else {
        encode(&header, &claims, &key)?
    };
    let mut answer =
        json!({"access_token": "a", "token_type": "Bearer", "expires_in": 60, "id_token": token});
    match lie {
        Lie::NoToken => drop(answer.as_object_mut().map(|answer| answer.remove("id_token"))),
        Lie::Huge => answer["padding"] = json!("x".repeat(1024 * 1024)),
        _ => {}
    }
    Ok(Json(answer).into_response())
}

async fn user_info() -> Json<Value> {
    Json(json!({"sub": "somebody-else", "preferred_username": "Mallory"}))
}
