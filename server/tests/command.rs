//! The compiled command: what it prints, how it ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result};

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-server"));
    command.current_dir(dir).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server of the compiled command; killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(dir: &Path) -> Result<(Running, String, Option<String>)> {
    let mut child = command(dir).args(["--listen", "127.0.0.1:0"]).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("stdout")?).lines();
    let mut line = move || lines.next().transpose();
    let url = line()?.context("a line")?.strip_prefix("Listening on ").context("Listening on …")?.to_owned();
    let setup = line()?;
    Ok((Running(child), url, setup))
}

fn user_add(dir: &Path, name: &str, password: &str) -> Result<Output> {
    let mut child = command(dir).args(["user", "add", name, "--password-stdin"]).stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("stdin")?.write_all(password.as_bytes())?;
    Ok(child.wait_with_output()?)
}

#[test]
fn the_first_start_prints_the_setup_link_and_sigterm_ends_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut server, url, setup) = serve(dir.path())?;
    let setup = setup.context("the setup line")?;
    assert!(setup.starts_with(&format!("Setup link: {url}/setup#token=")), "{setup}");
    // The operator's commands work beside it.
    let added = user_add(dir.path(), "alice", "correct horse\n")?;
    assert_eq!(String::from_utf8_lossy(&added.stdout), "Added alice\n");
    let again = user_add(dir.path(), "Alice", "correct horse\n")?;
    assert_eq!(again.status.code(), Some(1));
    assert!(!user_add(dir.path(), "bob", "short\n")?.status.success());
    let link = command(dir.path()).args(["user", "link", "alice"]).output()?;
    let link = String::from_utf8_lossy(&link.stdout).into_owned();
    assert!(link.starts_with(&format!("{url}/link#token=")), "{link}");
    assert_eq!(command(dir.path()).args(["user", "link", "nobody"]).output()?.status.code(), Some(1));
    let begun = std::time::Instant::now();
    assert!(Command::new("kill").arg(server.0.id().to_string()).status()?.success());
    assert_eq!(server.0.wait()?.code(), Some(0));
    assert!(begun.elapsed() < std::time::Duration::from_secs(15));
    Ok(())
}

#[test]
fn unsafe_and_impossible_settings_end_it_with_a_sentence() -> Result<()> {
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
    let open = command(dir.path()).env("MESH_DEV_LOGIN", "1").env("MESH_LISTEN", "0.0.0.0:0").output()?;
    assert_eq!(open.status.code(), Some(2));
    let holder = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = holder.local_addr()?.to_string();
    let ended = command(dir.path()).args(["--listen", &taken]).output()?;
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text.starts_with(&format!("{taken} is taken")) && text.lines().count() == 1, "{text}");
    Ok(())
}
