//! schemathesis over the real server: every answer to requests that people and programs make up is one that the OpenAPI
//! description has.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::{Owned, binary, program, root, step};

const FOLDER: &str = "server/api-check";
/// Examples of one operation and phase: few where everything is tested, many by `cargo xtask api-check`.
pub const FEW: u32 = 10;
pub const MANY: u32 = 200;

/// Installs schemathesis where it is missing, starts a server of its own with an account and a room, and runs it.
pub fn check(examples: u32) -> Result<()> {
    let tool = schemathesis()?;
    let data = tempfile::tempdir()?;
    let (server, url, setup_token) = start_server(&data)?;
    let _server = Owned(server);
    let (token, room) = set_up(&url, &setup_token)?;
    let cache = data.path().join("cache");
    step(
        &format!("the REST interface, {examples} examples of each operation"),
        Command::new(tool)
            // What it remembers of a run goes with the run.
            .current_dir(data.path())
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", root().join(FOLDER))
            .env("PYTHONPYCACHEPREFIX", cache)
            .env("MESH_URL", &url)
            .env("MESH_TOKEN", token)
            .env("MESH_ROOM", room)
            .args(["run", &format!("{url}/openapi.json"), "--no-color", "--warnings", "off"])
            .args([
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            ])
            .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure"])
            .args(["--max-examples", &examples.to_string(), "--generation-deterministic"])
            // A redirect leads to a page, which is no part of the description.
            .args(["--max-redirects", "0"]),
    )
}

fn schemathesis() -> Result<PathBuf> {
    let packages = root().join("target/api-check");
    let python = packages.join("bin/python3");
    if !python.exists() {
        step(
            "Python environment of schemathesis",
            program("python3", ".").args(["-m", "venv"]).arg(&packages),
        )?;
    }
    step(
        "schemathesis",
        Command::new(&python).current_dir(root().join(FOLDER)).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--requirement",
            "requirements.txt",
        ]),
    )?;
    Ok(packages.join("bin/st"))
}

fn start_server(data: &tempfile::TempDir) -> Result<(Child, String, String)> {
    let mut child = Command::new(binary("mesh-server"))
        .current_dir(data.path())
        .env("MESH_DATA_DIR", data.path())
        .env("MESH_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start mesh-server")?;
    let stdout = child.stdout.take().context("mesh-server has no output")?;
    let mut token = None;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if let Some((_, found)) = line.split_once("#token=") {
            token = Some(found.to_owned());
        }
        if let Some(url) = line.strip_prefix("Listening on ") {
            let token = token.context("mesh-server printed no setup link")?;
            return Ok((child, url.trim().to_owned(), token));
        }
    }
    child.wait()?;
    bail!("mesh-server did not start; the line above says why")
}

/// The account, and the room "Home" that comes with it.
fn set_up(url: &str, setup_token: &str) -> Result<(String, String)> {
    let body =
        json!({"setup_token": setup_token, "username": "owner", "password": "correct horse battery staple"});
    let session: Value = ureq::post(format!("{url}/auth/setup"))
        .send_json(body)?
        .body_mut()
        .read_json()?;
    let token = session["token"].as_str().context("no session")?.to_owned();
    let rooms: Value = ureq::get(format!("{url}/rooms"))
        .header("authorization", format!("Bearer {token}"))
        .call()?
        .body_mut()
        .read_json()?;
    let room = rooms["rooms"][0]["room_id"].as_str().context("no room")?;
    Ok((token, room.to_owned()))
}
