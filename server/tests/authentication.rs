//! What proves who asks: sessions, cookies and capabilities, and that no forgery of them is taken.

use std::time::Duration;

use anyhow::Result;
use mesh_testkit::{PASSWORD, TestServer};
use reqwest::header;
use serde_json::{Value, json};

/// Every route that needs a session; `R` stands for a room.
const ROUTES: [(&str, &str); 37] = [
    ("POST", "/auth/device/request"),
    ("POST", "/auth/device/approve"),
    ("DELETE", "/auth/oidc/link"),
    ("POST", "/auth/links"),
    ("POST", "/auth/logout"),
    ("GET", "/auth/sessions"),
    ("DELETE", "/auth/sessions/x"),
    ("GET", "/me"),
    ("PATCH", "/me"),
    ("GET", "/devices"),
    ("DELETE", "/devices/x"),
    ("POST", "/rooms"),
    ("GET", "/rooms"),
    ("POST", "/rooms/join"),
    ("GET", "/rooms/R"),
    ("PATCH", "/rooms/R"),
    ("DELETE", "/rooms/R"),
    ("POST", "/rooms/R/join"),
    ("POST", "/rooms/R/leave"),
    ("GET", "/rooms/R/members"),
    ("PUT", "/rooms/R/members/x"),
    ("DELETE", "/rooms/R/members/x"),
    ("POST", "/rooms/R/invites"),
    ("GET", "/rooms/R/invites"),
    ("DELETE", "/rooms/R/invites/x"),
    ("GET", "/rooms/R/messages"),
    ("GET", "/rooms/R/audit"),
    ("POST", "/caps"),
    ("POST", "/caps/revoke"),
    ("GET", "/ice"),
    ("GET", "/notifications/preferences"),
    ("PUT", "/notifications/preferences"),
    ("POST", "/notifications/test"),
    ("PUT", "/notifications/browser"),
    ("DELETE", "/notifications/browser"),
    ("POST", "/ws/ticket"),
    ("GET", "/ws"),
];
/// Those that change something and need none.
const SIGN_IN_ROUTES: [&str; 9] = [
    "/auth/login",
    "/auth/setup",
    "/auth/register",
    "/auth/link",
    "/auth/invite",
    "/auth/guest",
    "/auth/device/code",
    "/auth/device/token",
    "/auth/oidc/start",
];

#[tokio::test]
async fn t1_every_route_needs_a_session_but_for_those_that_make_one() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, mallory) = (server.client("alice").await?, server.client("mallory").await?);
    let room = server.room(&alice, &[]).await?;
    let ended = server.sign_in("alice").await?;
    ended.post("/auth/logout", json!({})).await?;
    let stranger = server.stranger();
    let (mut refused, mut hidden) = (0, 0);
    for (method, path) in ROUTES {
        let path = path.replace('R', room.as_str());
        for client in [&stranger, &ended] {
            let error = client
                .request(method.parse()?, &path, Some(json!({})))
                .await
                .unwrap_err();
            assert_eq!(
                (error.status, error.code.as_str()),
                (401, "UNAUTHENTICATED"),
                "{method} {path}"
            );
            refused += 1;
        }
        if path.starts_with(&format!("/rooms/{room}")) {
            let body = json!({"name": "x", "role": "guest"});
            let foreign = mallory
                .request(method.parse()?, &path, Some(body.clone()))
                .await
                .unwrap_err();
            let absent = path.replace(room.as_str(), "absent");
            let absent = mallory
                .request(method.parse()?, &absent, Some(body))
                .await
                .unwrap_err();
            assert_eq!(
                foreign, absent,
                "{method} {path}: a foreign room looks like an absent one"
            );
            assert_eq!(
                (foreign.status, foreign.code.as_str()),
                (404, "ROOM_NOT_FOUND"),
                "{method} {path}"
            );
            hidden += 1;
        }
    }
    server.advance(Duration::from_secs(31 * 24 * 3_600));
    for (method, path) in ROUTES {
        let path = path.replace('R', room.as_str());
        let expired = alice.request(method.parse()?, &path, Some(json!({}))).await;
        assert_eq!(expired.unwrap_err().code, "UNAUTHENTICATED", "{method} {path}");
        refused += 1;
    }
    println!(
        "{} routes: {refused} requests without, with an ended or an expired session refused, {hidden} foreign rooms hidden",
        ROUTES.len()
    );
    for path in [
        "/health",
        "/.well-known/jwks.json",
        "/auth/methods",
        "/openapi.json",
        "/docs/api",
    ] {
        stranger.get(path).await?;
    }
    Ok(())
}

#[tokio::test]
async fn t3_no_forged_session_is_taken() -> Result<()> {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let secret = b"0123456789abcdef0123456789abcdef";
    let server = TestServer::builder()
        .config(|c| c.jwt_secret = Some(mesh_server::config::Secret::new(String::from_utf8_lossy(secret))))
        .start()
        .await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let socket = alice.join(&room).await?;
    let claims: Value = {
        use base64::Engine as _;
        let part = alice.token.split('.').nth(1).unwrap_or_default();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part)?)?
    };
    let forge = |key: &[u8], algorithm, typ: &str, change: &dyn Fn(&mut Value)| -> Result<String> {
        let mut header = Header::new(algorithm);
        header.typ = Some(typ.into());
        let mut claims = claims.clone();
        change(&mut claims);
        Ok(encode(&header, &claims, &EncodingKey::from_secret(key))?)
    };
    let jwks = alice.get("/.well-known/jwks.json").await?;
    let public = jwks["keys"][0]["x"].as_str().unwrap_or_default().to_owned();
    const TYP: &str = "mesh-session+jwt";
    let drop = |name: &'static str| {
        move |claims: &mut Value| drop(claims.as_object_mut().and_then(|c| c.remove(name)))
    };
    let tokens = [
        forge(public.as_bytes(), Algorithm::HS256, TYP, &|_| ())?,
        forge(secret, Algorithm::HS384, TYP, &|_| ())?,
        forge(secret, Algorithm::HS256, "JWT", &|_| ())?,
        forge(secret, Algorithm::HS256, TYP, &|c| c["iss"] = json!("mesh:caps"))?,
        forge(secret, Algorithm::HS256, TYP, &|c| c["aud"] = json!("mesh:cap"))?,
        forge(secret, Algorithm::HS256, TYP, &|c| c["sub"] = json!("someone"))?,
        forge(secret, Algorithm::HS256, TYP, &|c| c["sid"] = json!("none"))?,
        forge(secret, Algorithm::HS256, TYP, &|c| c["exp"] = json!("9999999999"))?,
        forge(secret, Algorithm::HS256, TYP, &|c| c["exp"] = json!(1))?,
        forge(secret, Algorithm::HS256, TYP, &drop("exp"))?,
        forge(secret, Algorithm::HS256, TYP, &drop("jti"))?,
        "eyJhbGciOiJub25lIiwidHlwIjoibWVzaC1zZXNzaW9uK2p3dCJ9.e30.".to_owned(),
        alice.cap(&room, &socket.peer_id, &["call"], json!({})).await?,
    ];
    for token in &tokens {
        let mut forged = server.stranger();
        forged.token = token.clone();
        assert_eq!(forged.get("/me").await.unwrap_err().status, 401, "{token}");
    }
    println!("{} forged sessions: 0 accepted", tokens.len());
    let mut same = server.stranger();
    same.token = forge(secret, Algorithm::HS256, TYP, &|_| ())?;
    same.get("/me").await?;
    Ok(())
}

#[tokio::test]
async fn t3_no_forged_capability_is_taken() -> Result<()> {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut socket = alice.join(&room).await?;
    let seed = {
        use base64::Engine as _;
        let text = std::fs::read_to_string(server.data_dir().join("capability.key"))?;
        let seed = text.split_ascii_whitespace().next().unwrap_or_default();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(seed)?
    };
    let der = [
        &[
            0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
        ][..],
        &seed,
    ]
    .concat();
    let jwks = alice.get("/.well-known/jwks.json").await?;
    let kid = jwks["keys"][0]["kid"].as_str().unwrap_or_default().to_owned();
    let now = server.now();
    let good = json!({"iss": "mesh:caps", "aud": "mesh:cap", "sub": socket.peer_id, "room_id": room, "caps": ["call"],
        "jti": "j1", "iat": now, "exp": now + 60});
    let forge =
        |kid: &str, typ: &str, key: &EncodingKey, algorithm, change: &dyn Fn(&mut Value)| -> Result<String> {
            let mut header = Header::new(algorithm);
            header.typ = Some(typ.into());
            header.kid = Some(kid.into());
            let mut claims = good.clone();
            change(&mut claims);
            Ok(encode(&header, &claims, key)?)
        };
    let (own, other) = (
        EncodingKey::from_ed_der(&der),
        EncodingKey::from_ed_der(&[&der[..16], &[9; 32]].concat()),
    );
    let public = EncodingKey::from_secret(jwks["keys"][0]["x"].as_str().unwrap_or_default().as_bytes());
    const TYP: &str = "mesh-cap+jwt";
    use Algorithm::{EdDSA, HS256};
    let drop = |name: &'static str| {
        move |claims: &mut Value| drop(claims.as_object_mut().and_then(|c| c.remove(name)))
    };
    let forged = [
        ("another key", forge(&kid, TYP, &other, EdDSA, &|_| ())?),
        (
            "HS256 with the public key",
            forge(&kid, TYP, &public, HS256, &|_| ())?,
        ),
        ("unknown kid", forge("x", TYP, &own, EdDSA, &|_| ())?),
        ("typ", forge(&kid, "JWT", &own, EdDSA, &|_| ())?),
        ("iss", forge(&kid, TYP, &own, EdDSA, &|c| c["iss"] = json!("x"))?),
        (
            "aud",
            forge(&kid, TYP, &own, EdDSA, &|c| c["aud"] = json!("mesh:session"))?,
        ),
        (
            "sub",
            forge(&kid, TYP, &own, EdDSA, &|c| c["sub"] = json!("someone"))?,
        ),
        (
            "string exp",
            forge(&kid, TYP, &own, EdDSA, &|c| c["exp"] = json!("9999999999"))?,
        ),
        ("no exp", forge(&kid, TYP, &own, EdDSA, &drop("exp"))?),
        ("no jti", forge(&kid, TYP, &own, EdDSA, &drop("jti"))?),
        (
            "future",
            forge(&kid, TYP, &own, EdDSA, &|c| c["iat"] = json!(now + 60))?,
        ),
        ("a session", alice.token.clone()),
        ("nonsense", "a.b.c".to_owned()),
    ];
    println!("{} forged capabilities: 0 accepted", forged.len());
    for (what, token) in forged {
        let request = json!({"room_id": room, "session_id": "s", "cap_token": token});
        assert_eq!(
            socket.error_of("call.request", request).await?.as_deref(),
            Some("CAP_REQUIRED"),
            "{what}"
        );
    }
    let right = forge(&kid, TYP, &own, EdDSA, &|_| ())?;
    let request = json!({"room_id": room, "session_id": "s", "cap_token": right});
    assert_eq!(
        socket.error_of("call.request", request).await?,
        None,
        "the forger's tools do work"
    );
    Ok(())
}

#[tokio::test]
async fn t4_a_capability_is_no_session_and_a_session_no_capability() -> Result<()> {
    let server = TestServer::builder()
        .config(|config| config.allow_query_token = true)
        .start()
        .await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut socket = alice.join(&room).await?;
    let capability = alice.cap(&room, &socket.peer_id, &["call"], json!({})).await?;
    let mut tried = 0;
    let mut holder = server.stranger();
    holder.token = capability.clone();
    for (method, path) in ROUTES {
        let path = path.replace('R', room.as_str());
        let answer = holder.request(method.parse()?, &path, Some(json!({}))).await;
        assert_eq!(answer.unwrap_err().code, "UNAUTHENTICATED", "{method} {path}");
        tried += 1;
    }
    for (query, bearer) in [
        (format!("?token={capability}"), None),
        (String::new(), Some(&*capability)),
    ] {
        assert!(
            mesh_testkit::Socket::open(&server.url(), &query, bearer)
                .await
                .is_err()
        );
        tried += 1;
    }
    for kind in [
        "call.request",
        "screen.share.request",
        "terminal.share.request",
        "rtc.offer",
    ] {
        let message = json!({"room_id": room, "target": socket.peer_id, "session_id": "s", "feature": "call", "sdp": "v=0",
            "cap_token": alice.token});
        let refused = socket.error_of(kind, message).await?;
        assert_eq!(refused.as_deref(), Some("CAP_REQUIRED"), "{kind}");
        tried += 1;
    }
    println!("{tried} uses of one kind of token as the other: 0 accepted");
    Ok(())
}

#[tokio::test]
async fn t49_a_foreign_page_changes_nothing_by_any_route() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let invite = alice
        .post(
            &format!("/rooms/{room}/invites"),
            json!({"guest": true, "max_uses": 9}),
        )
        .await?;
    let link = alice.post("/auth/links", json!({})).await?;
    let state = async || -> Result<Vec<Value>> {
        let of_room = ["", "/members", "/invites", "/messages"].map(|part| format!("/rooms/{room}{part}"));
        let own = ["/rooms", "/devices", "/auth/sessions"].map(str::to_owned);
        let mut state = Vec::new();
        for path in of_room.into_iter().chain(own) {
            state.push(alice.get(&path).await?);
        }
        Ok(state)
    };
    let before = state().await?;
    let session = before[before.len() - 1]["sessions"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let invite_id = invite["invite_id"].as_str().unwrap_or_default();
    // Everything that any route asks for, so that only the origin is wrong.
    let body = json!({
        "name": "stolen", "role": "guest", "max_uses": 5, "invite": invite["token"], "token": link["token"],
        "username": "alice", "password": PASSWORD, "setup_token": "x", "old_password": PASSWORD,
        "new_password": "quite another sentence", "user_code": "BCDF-GHJK", "device_code": "x", "session_id": "s",
        "room_id": room, "peer_id": "p", "caps": ["call"],
    });
    let foreign: [&[(&str, &str)]; 5] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
    ];
    let changing = ROUTES
        .into_iter()
        .filter(|(method, _)| *method != "GET")
        .chain(SIGN_IN_ROUTES.map(|path| ("POST", path)));
    let mut refused = 0;
    for (method, path) in changing {
        let path = path
            .replace('R', room.as_str())
            .replace("members/x", &format!("members/{}", bob.user_id))
            .replace("invites/x", &format!("invites/{invite_id}"))
            .replace("devices/x", &format!("devices/{}", alice.device_id))
            .replace("sessions/x", &format!("sessions/{session}"));
        for headers in foreign {
            let mut request = alice
                .http()
                .request(method.parse()?, alice.at(&path))
                .header("cookie", format!("mesh_session={}", alice.token))
                .json(&body);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request.send().await?;
            let status = answer.status().as_u16();
            let problem: Value = answer.json().await?;
            assert_eq!(
                (status, problem["code"].as_str()),
                (403, Some("ORIGIN_REFUSED")),
                "{method} {path} {headers:?}"
            );
            refused += 1;
        }
    }
    println!("{refused} requests of foreign pages refused on every route that changes something");
    assert_eq!(state().await?, before, "none had an effect");
    Ok(())
}

#[tokio::test]
async fn t23_a_cookie_needs_a_page_of_ours() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let login = alice
        .http()
        .post(alice.at("/auth/login"))
        .json(&json!({"username": "alice", "password": PASSWORD}));
    let answer = login.send().await?;
    let set = answer.headers()[header::SET_COOKIE].to_str()?.to_owned();
    assert!(
        set.starts_with("mesh_session=")
            && set.contains("; HttpOnly; SameSite=Lax")
            && !set.contains("Secure"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap_or_default().to_owned();
    let post = async |headers: &[(&'static str, &str)]| -> Result<(u16, Value)> {
        let mut request = alice
            .http()
            .post(alice.at("/rooms"))
            .header("cookie", &cookie)
            .json(&json!({"name": "R"}));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    };
    let own = server.url();
    assert_eq!(post(&[("origin", &own)]).await?.0, 200);
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]).await?.0, 200);
    for foreign in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
    ] {
        let (status, problem) = post(foreign).await?;
        assert_eq!(
            (status, problem["code"].as_str()),
            (403, Some("ORIGIN_REFUSED")),
            "{foreign:?}"
        );
    }
    assert_eq!(
        alice.get("/rooms").await?["rooms"].as_array().map(Vec::len),
        Some(2),
        "refused requests had no effect"
    );
    let evil_login = alice
        .http()
        .post(alice.at("/auth/login"))
        .header("origin", "https://evil.example");
    let status = evil_login
        .json(&json!({"username": "alice", "password": PASSWORD}))
        .send()
        .await?
        .status();
    assert_eq!(status, 403, "no page signs its visitor in elsewhere");
    let https = TestServer::builder()
        .config(|c| c.public_url = Some("https://mesh.example.com".into()))
        .start()
        .await?;
    https.add_user("bob").await?;
    let bob = https.stranger();
    let login = bob
        .http()
        .post(bob.at("/auth/login"))
        .json(&json!({"username": "bob", "password": PASSWORD}));
    assert!(
        login.send().await?.headers()[header::SET_COOKIE]
            .to_str()?
            .ends_with("; Secure")
    );
    Ok(())
}
