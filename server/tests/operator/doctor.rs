//! What the doctor finds: a healthy server, a real coturn, and what people get wrong.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{add_user, command, run, serve};

const COTURN_LOG: &str = "coturn.log";

/// Check, level and text.
type Found = Vec<(String, String, String)>;

fn findings(dir: &Path, env: &[(&str, &str)]) -> Result<(Option<i32>, Found)> {
    let output = command(dir)
        .args(["doctor", "--json"])
        .envs(env.iter().copied())
        .output()?;
    let found: Value = serde_json::from_slice(&output.stdout)?;
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let list = found["findings"].as_array().context("findings")?.iter();
    let rows = list
        .map(|f| (text(f, "check"), text(f, "level"), text(f, "text")))
        .collect();
    Ok((output.status.code(), rows))
}

fn has(found: &[(String, String, String)], check: &str, level: &str, said: &str) {
    let fits = |f: &&(String, String, String)| f.0 == check && f.1 == level && f.2.contains(said);
    assert!(
        found.iter().any(|f| fits(&f)),
        "{check} {level} {said}: {found:#?}"
    );
}

/// A relay that ends with the test.
struct Coturn(Child);

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn coturn(dir: &Path, address: SocketAddrV4) -> Result<Coturn> {
    let child = Command::new("turnserver")
        .current_dir(dir)
        .args([
            "-n",
            "--use-auth-secret",
            "--static-auth-secret",
            "north",
            "--realm",
            "mesh",
        ])
        .args([
            "--listening-ip",
            &address.ip().to_string(),
            "--relay-ip",
            "127.0.0.1",
            "--no-tls",
            "--no-dtls",
            "--no-cli",
        ])
        // One thread: by default each core has a socket of its own at this port, and any of them may get a request.
        .args([
            "--relay-threads",
            "1",
            "--listening-port",
            &address.port().to_string(),
        ])
        .args(["--userdb", "turn.db", "--pidfile", "turn.pid"])
        .args(["--verbose", "--log-file", "stdout"])
        .stdin(Stdio::null())
        .stdout(fs::File::create(dir.join(COTURN_LOG))?)
        .stderr(Stdio::null())
        .spawn()
        .context("coturn is needed: apt-get install coturn")?;
    Ok(Coturn(child))
}

#[test]
fn a_healthy_server_passes_and_a_real_relay_is_asked() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let server = serve(dir)?;
    add_user(dir, "alice")?;
    let listen = server.url.strip_prefix("http://").context("a url")?.to_owned();
    let (code, found) = findings(dir, &[("MESH_LISTEN", &listen)])?;
    assert_eq!(code, Some(0), "{found:#?}");
    for check in ["data", "keys", "space", "database", "clock", "server"] {
        has(&found, check, "ok", "");
    }
    has(&found, "turn", "warning", "TURN_URL is unset");

    // An address of this process alone: a port that is free for UDP may be some connection's over TCP.
    let own = Ipv4Addr::from(0x7f40_0000 | (std::process::id() & 0x3f_ffff));
    let address = SocketAddrV4::new(own, 3478);
    let relay = coturn(dir, address)?;
    let (stun, turn) = (
        format!("stun:{address}"),
        format!("turn:{address},turn:{address}?transport=tcp"),
    );
    let with = |secret| {
        findings(
            dir,
            &[
                ("MESH_LISTEN", &listen),
                ("STUN_URL", &stun),
                ("TURN_URL", &turn),
                ("TURN_SECRET", secret),
            ],
        )
    };
    let begun = std::time::Instant::now();
    let found = loop {
        // It needs a moment to listen.
        let (code, found) = with("north")?;
        if code == Some(0) {
            break found;
        }
        let log = || fs::read_to_string(dir.join(COTURN_LOG));
        assert!(begun.elapsed().as_secs() < 20, "{found:#?}\n{}", log()?);
    };
    has(&found, "stun", "ok", "this machine is seen as 127.0.0.1:");
    assert_eq!(
        found
            .iter()
            .filter(|f| f.2.contains("relays, from 127.0.0.1:"))
            .count(),
        2,
        "{found:#?}"
    );
    let (code, found) = with("south")?;
    assert_eq!(code, Some(1));
    has(
        &found,
        "turn",
        "failed",
        "TURN_SECRET is not coturn's static-auth-secret",
    );
    drop(relay);
    let (code, found) = with("north")?;
    assert_eq!(code, Some(1));
    has(&found, "turn", "failed", "nobody listens there");
    Ok(())
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let (code, found) = findings(dir, &[("MESH_LISTEN", "127.0.0.1:1")])?;
    has(&found, "data", "warning", "the first start makes it");
    assert!(
        code.is_some() && !dir.join("data").exists(),
        "the doctor makes nothing"
    );
    drop(serve(dir)?);
    let gotify = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", gotify.local_addr()?);
    let asked = std::thread::spawn(move || {
        use std::io::{BufRead as _, Write as _};
        // Answers one question; then nobody does.
        let (mut stream, _) = gotify.accept().unwrap();
        let mut lines = std::io::BufReader::new(&stream).lines();
        let first = lines.next().unwrap().unwrap();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .unwrap();
        first
    });
    let (_, found) = findings(dir, &[("GOTIFY_URL", &url)])?;
    has(&found, "notifications", "ok", "Gotify answers");
    assert_eq!(asked.join().unwrap(), "GET /version HTTP/1.1");
    let (_, found) = findings(dir, &[("GOTIFY_URL", &url)])?;
    has(&found, "notifications", "failed", "cannot be reached");
    let holder = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = holder.local_addr()?.to_string();
    let another = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = holder.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
    });
    let (code, found) = findings(
        dir,
        &[
            ("MESH_LISTEN", &address),
            ("MESH_PUBLIC_URL", "http://mesh.example.com"),
        ],
    )?;
    another.join().unwrap();
    assert_eq!(code, Some(1));
    has(&found, "server", "failed", "another program answers");
    has(&found, "address", "failed", "is not encrypted");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(dir.join("data/session.key"), fs::Permissions::from_mode(0o644))?;
        let (_, found) = findings(dir, &[])?;
        has(&found, "keys", "failed", "chmod 600");
        fs::set_permissions(dir.join("data/session.key"), fs::Permissions::from_mode(0o600))?;
    }
    fs::write(dir.join("data/session.key"), "short")?;
    let (_, found) = findings(dir, &[])?;
    has(&found, "keys", "failed", "is not a key of this server");
    let database = dir.join("data/mesh.db");
    let mut bytes = fs::read(&database)?;
    bytes[4_096..].fill(0x5a);
    fs::write(&database, bytes)?;
    let ended = run(dir, &["doctor"])?;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.out.contains("FAILED   database") && ended.err.ends_with("checks failed.\n"),
        "{}{}",
        ended.out,
        ended.err
    );
    Ok(())
}

#[test]
fn a_health_check_needs_nothing_but_the_program() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let server = serve(dir)?;
    let listen = server.url.strip_prefix("http://").context("a url")?.to_owned();
    let health = || run(dir, &["health", "--listen", &listen]);
    let well = health()?;
    assert_eq!((well.code, well.out), (Some(0), format!("{listen} is well\n")));
    // In a container it listens everywhere, and is asked on the inside.
    let port = listen.rsplit(':').next().context("a port")?;
    assert_eq!(
        run(dir, &["health", "--listen", &format!("0.0.0.0:{port}")])?.code,
        Some(0)
    );
    drop(server);
    let gone = health()?;
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("nobody listens on"), "{}", gone.err);
    // Somebody who takes connections and says nothing of the kind.
    let stranger = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = stranger.local_addr()?.to_string();
    let talks = std::thread::spawn(move || {
        use std::io::Write as _;
        stranger.accept()?.0.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello")
    });
    let other = run(dir, &["health", "--listen", &address])?;
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("another program answers"), "{}", other.err);
    talks.join().map_err(|_| anyhow::anyhow!("the stranger"))??;
    Ok(())
}
