//! The compiled server, as a process that a test can look at, stop and kill.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// The compiled command in `dir`, with nothing of this process's environment; what it says can be read.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-server"));
    command
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Killed when the test ends, however it ends.
pub struct Running {
    pub child: Child,
    /// `http://127.0.0.1:…`.
    pub url: String,
    /// Of the first start.
    pub setup: Option<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts it on `listen` with its data in `dir`, and waits until it listens.
    pub fn start(dir: &Path, listen: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let settings = settings.iter().copied();
        Self::of(quiet(&mut command(dir)).args(["--listen", listen]).envs(settings))
    }

    /// The same by a shell that does something before.
    pub fn start_by_shell(dir: &Path, before: &str) -> Result<Self> {
        let program = env!("CARGO_BIN_EXE_mesh-server");
        let script = format!("{before}; exec \"$0\" --listen 127.0.0.1:0");
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", &script, program])
            .current_dir(dir)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Self::of(quiet(&mut shell))
    }

    /// Starts what `command` says. Its output ends with the address, before which the setup link may stand and nothing else.
    pub fn of(command: &mut Command) -> Result<Self> {
        let mut running = Self {
            child: command.spawn()?,
            url: String::new(),
            setup: None,
        };
        let output = running.child.stdout.take().context("stdout")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some(url) = line.strip_prefix("Listening on ") {
                running.url = url.to_owned();
                return Ok(running);
            }
            let link = line.strip_prefix("Setup link: ");
            running.setup = Some(link.context("an unknown line")?.to_owned());
        }
        anyhow::bail!("it did not start")
    }

    /// The token of the setup link.
    pub fn setup_token(&self) -> &str {
        let link = self.setup.as_deref().unwrap_or_default();
        link.split_once("token=").map_or("", |(_, token)| token)
    }

    /// The most memory that it ever had resident, in bytes.
    pub fn most_resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .context("VmHWM")?
            .trim()
            .trim_end_matches(" kB")
            .trim()
            .parse()?;
        Ok(kib * 1024)
    }
}

/// Errors only, to where the test's own go.
fn quiet(command: &mut Command) -> &mut Command {
    command.env("RUST_LOG", "error").stderr(Stdio::inherit())
}
