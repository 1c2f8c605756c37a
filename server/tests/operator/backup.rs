//! A backup is taken while people write, holds what was acknowledged, and comes back whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use mesh_protocol::ids::RoomId;
use mesh_testkit::{Socket, TestClient};
use serde_json::json;
use tokio::sync::watch;

use super::{add_user, command, done, run, serve, sign_in};

/// Together 200 messages a second: a socket alone may send 50.
const AUTHORS: u64 = 5;
const EACH: Duration = Duration::from_millis(25);

/// Says something every so often until told to stop, and counts what is acknowledged.
async fn talk(
    author: u64,
    mut socket: Socket,
    room: RoomId,
    count: watch::Sender<u64>,
    stop: watch::Receiver<bool>,
) {
    let mut beat = tokio::time::interval(EACH);
    for n in 0_u64.. {
        beat.tick().await;
        if *stop.borrow() {
            return;
        }
        let text = format!("{author}-{n}");
        let message = json!({"room_id": room, "client_id": text, "text": text});
        socket.send("chat.message.create", message).await.unwrap();
        socket.expect("ack").await.unwrap();
        count.send_modify(|count| *count += 1);
    }
}

async fn history(client: &TestClient, room: &RoomId) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let mut before = u64::MAX >> 1;
    loop {
        let page = client
            .get(&format!("/rooms/{room}/messages?before={before}"))
            .await?;
        let page = page["messages"].as_array().context("messages")?.clone();
        let Some(first) = page.first() else { return Ok(all) };
        before = first["seq"].as_u64().context("seq")?;
        all.extend(
            page.iter()
                .map(|message| message["text"].as_str().unwrap().to_owned()),
        );
    }
}

#[tokio::test]
async fn a_backup_under_200_messages_a_second_holds_all_that_was_acknowledged_before_it_began() -> Result<()>
{
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let server = serve(dir)?;
    add_user(dir, "alice")?;
    let room: RoomId = done(dir, &["room", "add", "Talk", "--owner", "alice"])?
        .trim()
        .parse()?;
    let alice = sign_in(&server, "alice").await?;
    let (count, mut counted) = watch::channel(0);
    let (stop, stopped) = watch::channel(false);
    let mut talking = tokio::task::JoinSet::new();
    for author in 0..AUTHORS {
        let socket = alice.join(&room).await?;
        talking.spawn(talk(author, socket, room.clone(), count.clone(), stopped.clone()));
    }
    counted.wait_for(|count| *count >= 400).await?;
    let before = history(&alice, &room).await?;
    let at_begin = *counted.borrow();
    let (folder, begun) = (dir.to_owned(), std::time::Instant::now());
    let written = tokio::task::spawn_blocking(move || done(&folder, &["backup", "mesh.tar"])).await??;
    let took = begun.elapsed();
    assert!(written.starts_with("mesh.tar: database and 3 keys"), "{written}");
    let at_end = *counted.borrow_and_update();
    counted.wait_for(|count| *count > at_end).await?;
    stop.send(true)?;
    talking.join_all().await;
    drop(server);
    assert_private(&dir.join("mesh.tar"))?;

    // Elsewhere, from the one file.
    let other = tempfile::tempdir()?;
    let other = other.path();
    fs::copy(dir.join("mesh.tar"), other.join("mesh.tar"))?;
    done(other, &["restore", "mesh.tar"])?;
    let restored = serve(other)?;
    // The session is good there too, since the keys are.
    let mut again = TestClient::new(&restored.url);
    again.token.clone_from(&alice.token);
    let held = history(&again, &room).await?;
    let lost = before.iter().filter(|text| !held.contains(text)).count();
    assert_eq!(lost, 0);
    assert!(held.len() as u64 >= at_begin, "{} of {at_begin}", held.len());
    println!(
        "backup in {took:?} while {} messages were acknowledged: {at_begin} acknowledged before it began, {} in it, {lost} lost",
        at_end - at_begin,
        held.len()
    );
    Ok(())
}

#[cfg(unix)]
fn assert_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(
        fs::metadata(path)?.permissions().mode() & 0o777,
        0o600,
        "{}",
        path.display()
    );
    Ok(())
}

#[cfg(not(unix))]
fn assert_private(_: &Path) -> Result<()> {
    Ok(())
}

/// Everything in the data folder but the locks, with its content.
fn content(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir.join("data"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "lock") {
            let bytes = fs::read(&path)?;
            all.push((path, bytes));
        }
    }
    all.sort();
    Ok(all)
}

#[test]
fn a_wrong_file_a_running_server_and_missing_consent_change_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let nothing = run(dir, &["backup", "mesh.tar"])?;
    assert!(
        nothing.code == Some(1) && nothing.err.contains("There is nothing to back up"),
        "{}",
        nothing.err
    );
    add_user(dir, "alice")?;
    drop(serve(dir)?);
    done(dir, &["backup", "mesh.tar"])?;
    let good = fs::read(dir.join("mesh.tar"))?;
    let twice = run(dir, &["backup", "mesh.tar"])?;
    assert!(
        twice.code == Some(1) && twice.err.contains("--force"),
        "{}",
        twice.err
    );
    assert_eq!(fs::read(dir.join("mesh.tar"))?, good);
    add_user(dir, "bob")?;
    let before = content(dir)?;
    let refused = |file: &str, said: &str| -> Result<()> {
        let ended = run(dir, &["restore", file, "--force"])?;
        assert_eq!(ended.code, Some(1), "{file}: {}", ended.out);
        assert!(ended.err.contains(said), "{file}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert!(content(dir)? == before, "{file} changed something");
        Ok(())
    };
    refused("absent.tar", "There is no file")?;
    fs::write(dir.join("text"), "no archive")?;
    refused("text", "not a backup of Mesh")?;
    // Cut off at many places, also between two entries, and with one bit flipped.
    for part in 0..24 {
        fs::write(dir.join("cut"), &good[..good.len() * part / 24 / 512 * 512])?;
        if good[good.len() * part / 24 / 512 * 512..]
            .iter()
            .any(|byte| *byte != 0)
        {
            refused("cut", "not a backup of Mesh, or is damaged. Nothing was changed.")?;
        }
    }
    let mut flipped = good.clone();
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    fs::write(dir.join("flipped"), flipped)?;
    refused(
        "flipped",
        "not a backup of Mesh, or is damaged. Nothing was changed.",
    )?;
    let unasked = run(dir, &["restore", "mesh.tar"])?;
    assert!(
        unasked.code == Some(1) && unasked.err.contains("--force"),
        "{}",
        unasked.err
    );
    assert!(content(dir)? == before);
    let server = serve(dir)?;
    let used = run(dir, &["restore", "mesh.tar", "--force"])?;
    assert!(
        used.code == Some(1) && used.err.contains("stop it first"),
        "{}",
        used.err
    );
    drop(server);
    // And the good one brings back what was then.
    done(dir, &["restore", "mesh.tar", "--force"])?;
    assert!(done(dir, &["user", "list"])?.starts_with("alice "));
    assert_eq!(done(dir, &["user", "list"])?.lines().count(), 1);
    let left: Vec<_> = content(dir)?.into_iter().map(|(path, _)| path).collect();
    assert!(
        left.iter().all(|path| !path.to_string_lossy().contains(".mesh-")),
        "{left:?}"
    );
    // Through a pipe as well, where a container has no place that both sides reach.
    let piped = |file: &str| -> Result<_> {
        let mut restore = command(dir);
        restore
            .args(["restore", "-", "--force"])
            .stdin(fs::File::open(dir.join(file))?);
        Ok(restore.output()?)
    };
    let before = content(dir)?;
    let cut = piped("cut")?;
    assert_eq!(cut.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(cut.stderr)?,
        "standard input is not a backup of Mesh, or is damaged. Nothing was changed.\n"
    );
    assert!(content(dir)? == before);
    add_user(dir, "carol")?;
    assert!(piped("mesh.tar")?.status.success());
    assert_eq!(done(dir, &["user", "list"])?.lines().count(), 1);
    done(dir, &["backup", "mesh.tar", "--force"])?;
    Ok(())
}
