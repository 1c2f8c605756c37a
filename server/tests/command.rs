//! The compiled command: what it prints, how it ends.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::process::{Running, command};
use anyhow::{Context as _, Result};

fn serve(dir: &Path) -> Result<Running> {
    Running::of(command(dir).args(["--listen", "127.0.0.1:0"]))
}

fn user_add(dir: &Path, name: &str, password: &str) -> Result<Output> {
    let mut child = command(dir)
        .args(["user", "add", name, "--password-stdin"])
        .stdin(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("stdin")?
        .write_all(password.as_bytes())?;
    Ok(child.wait_with_output()?)
}

#[test]
fn the_first_start_prints_the_setup_link_and_sigterm_ends_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut server = serve(dir.path())?;
    let url = server.url.clone();
    let setup = server.setup.take().context("the setup link")?;
    assert!(setup.starts_with(&format!("{url}/setup#token=")), "{setup}");
    // The operator's commands work beside it.
    let added = user_add(dir.path(), "alice", "correct horse\n")?;
    assert_eq!(String::from_utf8_lossy(&added.stdout), "Added alice\n");
    let again = user_add(dir.path(), "Alice", "correct horse\n")?;
    assert_eq!(again.status.code(), Some(1));
    assert!(!user_add(dir.path(), "bob", "short\n")?.status.success());
    let link = command(dir.path()).args(["user", "link", "alice"]).output()?;
    let link = String::from_utf8_lossy(&link.stdout).into_owned();
    assert!(link.starts_with(&format!("{url}/link#token=")), "{link}");
    assert_eq!(
        command(dir.path())
            .args(["user", "link", "nobody"])
            .output()?
            .status
            .code(),
        Some(1)
    );
    let password = |more: &[&str]| command(dir.path()).args(["user", "password"]).args(more).output();
    let reset = password(&["alice"])?;
    assert!(String::from_utf8_lossy(&reset.stdout).starts_with(&format!("{url}/link#token=")));
    assert!(String::from_utf8_lossy(&reset.stderr).contains("every session has ended"));
    assert_eq!(password(&["nobody"])?.status.code(), Some(1));
    assert_eq!(
        password(&["alice", "--password-stdin"])?.status.code(),
        Some(1),
        "an empty one"
    );
    let begun = std::time::Instant::now();
    assert!(
        Command::new("kill")
            .arg(server.child.id().to_string())
            .status()?
            .success()
    );
    assert_eq!(server.child.wait()?.code(), Some(0));
    assert!(begun.elapsed() < std::time::Duration::from_secs(15));
    Ok(())
}

/// Everything that is a secret, sent in every way there is, with the log at its finest.
#[tokio::test]
async fn t11_10_000_requests_with_canary_secrets_reach_no_log_and_no_error() -> Result<()> {
    for format in ["json", "text"] {
        secrets_reach_no_log(format).await?;
    }
    Ok(())
}

async fn secrets_reach_no_log(format: &str) -> Result<()> {
    use mesh_testkit::{Socket, TestClient};
    use serde_json::json;
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("log");
    let mut command = command(dir.path());
    command
        .args(["--listen", "127.0.0.1:0", "--log-format", format])
        .env("RUST_LOG", "trace")
        .env("TURN_SECRET", "canary-turn-secret")
        .env("TURN_URL", "turn:turn.example.com")
        // Nothing listens at the port that discards.
        .env("OIDC_ISSUER", "http://127.0.0.1:9")
        .env("OIDC_CLIENT_ID", "mesh")
        .env("OIDC_CLIENT_SECRET", "canary-oidc-secret")
        .stderr(std::fs::File::create(&log)?);
    let running = Running::of(&mut command)?;
    let (url, setup) = (running.url.clone(), running.setup_token().to_owned());
    let mut alice = TestClient::new(&url);
    let body = json!({"setup_token": setup, "username": "alice", "password": "canary-password"});
    let session = alice.post("/auth/setup", body).await?;
    alice.adopt(&session);
    let _ = alice.login("alice", "canary-wrong-password").await;
    let room = alice.create_room("Canary").await?;
    let invite = alice.post(&format!("/rooms/{room}/invites"), json!({})).await?;
    let link = alice.post("/auth/links", json!({})).await?;
    let body = json!({"invite": invite["token"], "return_to": "/canary-path"});
    let _ = alice.post("/auth/oidc/start", body).await;
    let _ = alice
        .get("/auth/oidc/callback?code=canary-code&state=canary-state")
        .await;
    let ice = alice.get("/ice").await?;
    let mut socket = alice.connect_by_ticket().await?;
    let ticket = alice.post("/ws/ticket", json!({})).await?;
    let _ = Socket::open(
        &url,
        &format!(
            "?token={}&resume=canary-resume",
            ticket["ticket"].as_str().unwrap_or("")
        ),
        None,
    )
    .await;
    let _ = Socket::open(&url, "?token=canary-ticket", None).await;
    socket.join(&room).await?;
    let token = alice.cap(&room, &socket.peer_id, &["call"], json!({})).await?;
    socket
        .send("call.request", json!({"room_id": room, "cap_token": token}))
        .await?;
    socket
        .send(
            "chat.message.create",
            json!({"room_id": room, "client_id": "c", "text": "canary-chat"}),
        )
        .await?;
    socket.expect("ack").await?;
    socket.send_text("canary-frame").await?;
    let _ = alice
        .post(
            "/auth/login",
            json!({"username": "canary-name", "password": ["canary-list"]}),
        )
        .await;
    drop(socket);
    let asked = alice.http().get(alice.at(&format!("/rooms/{room}?q=canary")));
    let answer = asked.bearer_auth(&alice.token).send().await?;
    let request_id = answer.headers()["x-request-id"].to_str()?.to_owned();
    let errors = canaries(&url, &alice.token, &format!("/rooms/{room}")).await?;
    drop(running);
    let log = std::fs::read_to_string(log)?;
    assert!(
        log.contains("/auth/setup") && log.contains("/ws"),
        "the log is on"
    );
    assert_eq!(
        log.matches(&request_id).count(),
        1,
        "one line a request, under its id"
    );
    if format == "json" {
        let lines = log.lines().map(serde_json::from_str::<serde_json::Value>);
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        let line = lines
            .iter()
            .find(|line| line["span"]["id"] == request_id.as_str());
        let said = &line.context("the line of the request")?["fields"];
        assert_eq!((&said["method"], &said["status"]), (&json!("GET"), &json!(200)));
        assert_eq!(said["route"], "/rooms/{room_id}");
        assert!(said["elapsed_ms"].is_u64());
    }
    let values = [
        &session["token"],
        &invite["token"],
        &link["token"],
        &ticket["ticket"],
        &ice["ice_servers"][0]["credential"],
    ];
    let secrets = values
        .into_iter()
        .map(|v| v.as_str().unwrap_or_default().to_owned())
        .chain([setup, token, "canary".into()]);
    for secret in secrets {
        assert!(
            secret.len() > 5 && !log.contains(&secret),
            "{secret} is in the log"
        );
    }
    println!(
        "10,000 requests with secrets: none in {} bytes of log as {format}, none in {errors} errors",
        log.len()
    );
    Ok(())
}

/// A secret in each place that takes one, and in places that take something else: 10,000 requests, of which the number
/// that failed is returned. No answer repeats the secret.
async fn canaries(url: &str, token: &str, room: &str) -> Result<usize> {
    use mesh_testkit::TestClient;
    use serde_json::json;
    let secret = "canary-in-a-request";
    let bodies = [
        (
            "POST",
            "/auth/login",
            json!({"username": "bob", "password": secret}),
        ),
        (
            "POST",
            "/auth/login",
            json!({"username": {"password": secret}, "password": 1}),
        ),
        (
            "POST",
            "/auth/login",
            json!({"username": "bob", "password": "x", "device": secret}),
        ),
        (
            "POST",
            "/auth/setup",
            json!({"setup_token": secret, "username": "bob", "password": secret}),
        ),
        (
            "POST",
            "/auth/register",
            json!({"invite": secret, "username": "bob", "password": secret}),
        ),
        ("POST", "/auth/link", json!({"token": secret})),
        ("POST", "/auth/invite", json!({"invite": secret})),
        ("POST", "/auth/guest", json!({"invite": secret, "name": "bob"})),
        ("POST", "/auth/device/token", json!({"device_code": secret})),
        (
            "POST",
            "/auth/device/code",
            json!({"device": {"name": "x", "kind": secret}}),
        ),
        (
            "POST",
            "/auth/device/approve",
            json!({"user_code": secret, "approve": secret}),
        ),
        (
            "PATCH",
            "/me",
            json!({"old_password": secret, "new_password": secret}),
        ),
        ("PATCH", room, json!({"name": [secret]})),
        ("POST", "/rooms/join", json!({"invite": secret})),
        (
            "POST",
            "/caps",
            json!({"room_id": secret, "peer_id": "p", "caps": [secret]}),
        ),
        ("POST", "/caps/revoke", json!({"jti": secret})),
        ("GET", "/me?token=canary-in-a-query", json!({})),
        ("GET", "/ws?token=canary-in-a-query", json!({})),
    ]
    .map(|(method, path, body)| (method, path.to_owned(), body));
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let (bodies, url, token) = (bodies.clone(), url.to_owned(), token.to_owned());
        tasks.spawn(async move {
            let client = TestClient::new(&url);
            let mut errors = 0;
            for n in 0..2_500 {
                let (method, path, body) = &bodies[(worker + n) % bodies.len()];
                let mut request = client.http().request(method.parse()?, client.at(path)).json(body);
                request = match n % 3 {
                    0 => request.bearer_auth(&token),
                    1 => request.bearer_auth("canary-in-a-header"),
                    _ => request.header("cookie", "mesh_session=canary-in-a-cookie"),
                };
                let answer = request.send().await?;
                errors += usize::from(!answer.status().is_success());
                let text = answer.text().await?;
                anyhow::ensure!(!text.contains("canary"), "{method} {path} answered {text}");
            }
            anyhow::Ok(errors)
        });
    }
    tasks.join_all().await.into_iter().sum()
}

#[test]
fn t2_unsafe_and_impossible_settings_end_it_with_a_sentence() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (name, value) in [
        ("MESH_JWT_SECRET", "change_me_super_secret"),
        ("MESH_JWT_SECRET", "tooshort"),
        ("MESH_CAP_TTL", "soon"),
        ("MESH_LISTEN", "8000"),
    ] {
        let ended = command(dir.path()).env(name, value).output()?;
        let text = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{name}={value}");
        assert!(text.contains(name) && text.lines().count() == 1, "{text}");
    }
    let open = command(dir.path())
        .env("MESH_DEV_LOGIN", "1")
        .env("MESH_LISTEN", "0.0.0.0:0")
        .output()?;
    assert_eq!(open.status.code(), Some(2));
    let holder = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = holder.local_addr()?.to_string();
    let ended = command(dir.path()).args(["--listen", &taken]).output()?;
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        text.starts_with(&format!("{taken} is taken")) && text.lines().count() == 1,
        "{text}"
    );
    Ok(())
}
