//! The operator's commands, beside a server that runs: what they print, how they end, what people notice.

mod backup;
mod doctor;

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::common::process::{Running, command};
use anyhow::{Context as _, Result};
use mesh_testkit::{Closed, TestClient};
use serde_json::{Value, json};

/// How a command ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(dir: &Path, args: &[&str]) -> Result<Ended> {
    run_with(dir, args, "")
}

fn run_with(dir: &Path, args: &[&str], input: &str) -> Result<Ended> {
    let mut child = command(dir).args(args).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("stdin")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

fn done(dir: &Path, args: &[&str]) -> Result<String> {
    let ended = run(dir, args)?;
    assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.err);
    Ok(ended.out)
}

fn listed(dir: &Path, args: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&done(dir, args)?)?)
}

fn serve(dir: &Path) -> Result<Running> {
    Running::start(dir, "127.0.0.1:0", &[])
}

const PASSWORD: &str = "correct horse";

async fn sign_in(server: &Running, name: &str) -> Result<TestClient> {
    let mut client = TestClient::new(&server.url);
    client.login(name, PASSWORD).await?;
    Ok(client)
}

fn add_user(dir: &Path, name: &str) -> Result<()> {
    let ended = run_with(dir, &["user", "add", name, "--password-stdin"], PASSWORD)?;
    assert_eq!((ended.code, ended.out), (Some(0), format!("Added {name}\n")));
    Ok(())
}

#[tokio::test]
async fn rooms_invitations_and_accounts_are_managed_while_people_are_in_them() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let server = serve(dir)?;
    for name in ["alice", "bob"] {
        add_user(dir, name)?;
    }
    let room = done(dir, &["room", "add", "Workshop", "--owner", "alice"])?
        .trim()
        .to_owned();
    let rooms = listed(dir, &["room", "list", "--json"])?;
    assert_eq!(rooms["rooms"][0]["room_id"], room.as_str());
    assert!(done(dir, &["room", "list"])?.ends_with("1 members  0 messages  Workshop\n"));

    // The printed link lets somebody in; the list counts it; what is revoked lets nobody in.
    let link = done(dir, &["invite", "add", "Workshop", "--uses", "2"])?;
    let token = link
        .trim()
        .strip_prefix(&format!("{}/invite#token=", server.url))
        .context("a link")?
        .to_owned();
    let (alice, bob) = (sign_in(&server, "alice").await?, sign_in(&server, "bob").await?);
    bob.post("/rooms/join", json!({"invite": token})).await?;
    let invites = listed(dir, &["invite", "list", &room, "--json"])?;
    assert_eq!(
        (&invites["invites"][0]["uses"], &invites["invites"][0]["role"]),
        (&json!(1), &json!("member"))
    );
    let id = invites["invites"][0]["invite_id"].as_str().unwrap();
    assert_eq!(
        done(dir, &["invite", "revoke", "Workshop", id])?,
        format!("Revoked {id}\n")
    );
    assert_eq!(done(dir, &["invite", "list", "Workshop"])?, "");
    assert_eq!(run(dir, &["invite", "revoke", "Workshop", id])?.code, Some(1));
    let members = done(dir, &["room", "members", "Workshop"])?;
    assert!(
        members.starts_with("owner ") && members.contains("alice\nmember "),
        "{members}"
    );
    // The owner sees what the operator did.
    let record = alice.get(&format!("/rooms/{room}/audit")).await?;
    let acts: Vec<_> = record["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (&e["act"], &e["actor"]["name"]))
        .collect();
    assert!(
        acts.contains(&(&json!("invite.created"), &Value::Null)),
        "{acts:?}"
    );

    // An account that is removed is out at once, also where it is connected.
    let room_id = room.parse()?;
    let (mut a, mut b) = (alice.join(&room_id).await?, bob.join(&room_id).await?);
    let listed_users = listed(dir, &["user", "list", "--json"])?;
    let names: Vec<_> = listed_users["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["name"])
        .collect();
    assert_eq!(names, ["alice", "bob"]);
    assert_eq!(done(dir, &["user", "remove", "bob"])?, "Removed bob\n");
    assert_eq!(b.closed().await, Closed(Some(4401)));
    let gone = a.expect("room.member.removed").await?;
    assert_eq!(gone["payload"]["user_id"], bob.user_id);
    assert_eq!(bob.get("/me").await.unwrap_err().code, "UNAUTHENTICATED");
    assert_eq!(
        sign_in(&server, "bob").await.unwrap_err().to_string(),
        "401 WRONG_CREDENTIALS: the name or the password is wrong"
    );

    assert_eq!(done(dir, &["room", "remove", "Workshop"])?, "Removed Workshop\n");
    a.expect("room.left").await?;
    assert_eq!(
        alice.get(&format!("/rooms/{room}")).await.unwrap_err().code,
        "ROOM_NOT_FOUND"
    );
    Ok(())
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_from_standard_input() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    add_user(dir.path(), "alice")?;
    let alice = sign_in(&server, "alice").await?;
    let mut socket = alice.connect().await?;
    let args = ["user", "password", "alice", "--password-stdin"];
    let short = run_with(dir.path(), &args, "short\n")?;
    assert_eq!((short.code, short.out.as_str()), (Some(1), ""));
    assert!(
        short.err.contains("at least") && sign_in(&server, "alice").await.is_ok(),
        "nothing changed"
    );
    let changed = run_with(dir.path(), &args, "battery staple\r\n")?;
    assert_eq!(changed.code, Some(0));
    assert_eq!(
        changed.out,
        "The password of alice is changed; every session has ended.\n"
    );
    assert_eq!(socket.closed().await, Closed(Some(4401)));
    let mut client = TestClient::new(&server.url);
    assert_eq!(
        client.login("alice", PASSWORD).await.unwrap_err().code,
        "WRONG_CREDENTIALS"
    );
    client.login("alice", "battery staple").await?;
    Ok(())
}

#[test]
fn wrong_words_are_told_with_what_to_write() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    add_user(dir, "alice")?;
    for name in ["One", "Two", "Two"] {
        done(dir, &["room", "add", name, "--owner", "alice"])?;
    }
    for (args, code, said) in [
        (vec!["room", "members", "Nowhere"], 1, "mesh-server room list"),
        (vec!["room", "remove", "Two"], 1, "2 rooms have the name Two"),
        (
            vec!["room", "add", "Three", "--owner", "nobody"],
            1,
            "There is no account nobody",
        ),
        (
            vec!["room", "add", "", "--owner", "alice"],
            1,
            "1 to 64 printable characters",
        ),
        (
            vec!["invite", "add", "One", "--role", "king"],
            2,
            "owner, moderator, member, guest",
        ),
        (vec!["invite", "add", "One", "--uses", "0"], 2, "1..=10000"),
        (vec!["user", "remove", "nobody"], 1, "There is no account nobody"),
        (vec!["keys", "turn"], 2, "unrecognized subcommand"),
    ] {
        let ended = run(dir, &args)?;
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.err);
        assert!(
            ended.err.contains(said) && ended.out.is_empty(),
            "{args:?}: {}",
            ended.err
        );
    }
    Ok(())
}

#[tokio::test]
async fn keys_are_rotated_under_a_running_server() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let published = async || -> Result<Vec<String>> {
        let jwks = TestClient::new(&server.url).get("/.well-known/jwks.json").await?;
        Ok(jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().into())
            .collect())
    };
    let first = published().await?;
    let told = done(dir.path(), &["keys", "rotate"])?;
    assert!(told.contains("signing") && told.contains("waiting"), "{told}");
    mesh_testkit::eventually("the new key", async || {
        published().await.is_ok_and(|kids| kids.len() == 2)
    })
    .await;
    done(dir.path(), &["keys", "rotate", "--compromised"])?;
    mesh_testkit::eventually("only the newest", async || {
        published()
            .await
            .is_ok_and(|kids| kids.len() == 1 && kids != first)
    })
    .await;
    let list = listed(dir.path(), &["keys", "list", "--json"])?;
    assert_eq!(list["keys"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&list["keys"][0]["state"], &list["keys"][0]["kid"]),
        (&json!("signing"), &json!(published().await?[0]))
    );
    Ok(())
}

#[tokio::test]
async fn a_database_of_another_version_or_half_a_migration_is_told_in_a_sentence() -> Result<()> {
    let dir = tempfile::tempdir()?;
    add_user(dir.path(), "alice")?;
    let database = dir.path().join("data/mesh.db");
    let sql = async |text: &'static str| -> Result<()> {
        use sqlx::{ConnectOptions as _, Connection as _};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&database);
        let mut connection = options.connect().await?;
        sqlx::raw_sql(text).execute(&mut connection).await?;
        Ok(connection.close().await?)
    };
    sql("PRAGMA user_version = 999").await?;
    let newer = run(dir.path(), &["--listen", "127.0.0.1:0"])?;
    assert_eq!(newer.code, Some(1));
    assert!(
        newer.err.contains("a newer version of Mesh wrote it (schema 999"),
        "{}",
        newer.err
    );
    assert!(
        newer.err.contains("run that version, or restore a backup"),
        "{}",
        newer.err
    );
    // A migration happens whole or not at all: one that cannot be finished leaves the version, and says what stood in its way.
    sql("PRAGMA user_version = 1").await?;
    let half = run(dir.path(), &["--listen", "127.0.0.1:0"])?;
    assert_eq!(half.code, Some(1));
    assert!(
        half.err.contains("to schema 2") && half.err.contains("mesh-server restore"),
        "{}",
        half.err
    );
    assert_eq!(half.err.lines().count(), 1, "{}", half.err);
    Ok(())
}
