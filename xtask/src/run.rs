//! `cargo xtask run`: from a fresh clone to a signed-in page.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::process::{Owned, binary, program, root};
use crate::suites;

const OWNER: &str = "owner";

/// Builds, starts, enrols, prints the link, and stays in the foreground with the agent's questions.
pub fn run(up: &[String]) -> Result<()> {
    build()?;
    let data = root().join("data");
    std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;

    let (server, url, setup_token) = start_server(&data)?;
    let _server = Owned(server);
    if let Some(token) = setup_token {
        set_up(&url, &token)?;
    }
    let home = data.join("agent");
    enrol(&data, &home)?;
    announce(&sign_in_link(&data)?);

    stay_for_the_end();
    let status = agent(&home)
        .arg("up")
        .args(up)
        .status()
        .context("could not start the agent")?;
    match status.code() {
        Some(0 | 130) | None => Ok(()),
        Some(code) => bail!("the agent ended with exit code {code}; its last line says why"),
    }
}

/// The page builds beside the binaries. The server carries the page inside: where it was compiled before the page was
/// ready, the last step compiles that one crate again, and else does nothing.
fn build() -> Result<()> {
    let mut binaries = Owned(suites::binaries_command().spawn()?);
    suites::web_client()?;
    if !binaries.0.wait()?.success() {
        bail!("the binaries did not build");
    }
    suites::binaries()
}

/// Starts the server and reads its first lines: the setup link while there is no account, then the address.
fn start_server(data: &Path) -> Result<(Child, String, Option<String>)> {
    let mut child = Command::new(binary("mesh-server"))
        .current_dir(root())
        .env("MESH_DATA_DIR", data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start mesh-server")?;
    let stdout = child.stdout.take().context("mesh-server has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut token = None;
    for line in lines.by_ref() {
        let line = line?;
        if let Some(link) = line.strip_prefix("Setup link: ") {
            token = link.split_once("#token=").map(|(_, token)| token.to_owned());
        }
        if let Some(url) = line.strip_prefix("Listening on ") {
            let _drained: JoinHandle<()> =
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return Ok((child, url.trim().to_owned(), token));
        }
    }
    child.wait()?;
    bail!("mesh-server did not start; the line above says why")
}

/// Makes the owner. Nobody needs the password: every start prints a fresh link.
fn set_up(url: &str, token: &str) -> Result<()> {
    let body = serde_json::json!({ "setup_token": token, "username": OWNER, "password": random_password()? });
    ureq::post(format!("{url}/auth/setup"))
        .send_json(body)
        .context("the server refused its own setup link")?;
    Ok(())
}

fn random_password() -> Result<String> {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn sign_in_link(data: &Path) -> Result<String> {
    let output = Command::new(binary("mesh-server"))
        .env("MESH_DATA_DIR", data)
        .args(["user", "link", OWNER])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!(
            "no sign-in link for \"{OWNER}\": remove the folder data to start over, or run mesh-server yourself"
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The link goes to the agent through its standard input, so that it never stands in a process list.
fn enrol(data: &Path, home: &Path) -> Result<()> {
    let link = sign_in_link(data)?;
    let mut login = agent(home)
        .args(["login", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("could not start the agent")?;
    if let Some(mut input) = login.stdin.take() {
        writeln!(input, "{link}")?;
    }
    if !login.wait()?.success() {
        bail!("this machine could not sign in; the line above says why");
    }
    Ok(())
}

fn agent(home: &Path) -> Command {
    let mut command = program(&binary("mesh").to_string_lossy(), ".");
    command.env("MESH_HOME", home);
    // What is tried out goes with its folder.
    command.env("MESH_SECRETS", "file");
    command
}

fn announce(link: &str) {
    if let Ok(code) = QrCode::new(link) {
        println!("{}", code.render::<Dense1x2>().quiet_zone(true).build());
    }
    println!("Open this link to sign in (it works once, for 10 minutes):\n\n  {link}\n");
}

/// Ctrl-C goes to every process of the terminal. Agent and server end in order by it; this one waits for their last words.
#[cfg(unix)]
fn stay_for_the_end() {
    // SAFETY: sets a disposition that runs no code of ours; the agent sets its own.
    #[allow(unsafe_code)]
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
    }
}

#[cfg(not(unix))]
fn stay_for_the_end() {}
