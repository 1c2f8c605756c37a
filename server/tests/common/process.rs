//! The compiled server, as a process that a test can look at, stop and kill.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

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
        let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-server"));
        command.args(["--listen", listen]);
        Self::spawn(dir, settings, &mut command)
    }

    /// The same by a shell that does something before.
    pub fn start_by_shell(dir: &Path, before: &str) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        let program = env!("CARGO_BIN_EXE_mesh-server");
        command.args([
            "-c",
            &format!("{before}; exec \"$0\" --listen 127.0.0.1:0"),
            program,
        ]);
        Self::spawn(dir, &[], &mut command)
    }

    fn spawn(dir: &Path, settings: &[(&str, &str)], command: &mut Command) -> Result<Self> {
        let child = command
            .current_dir(dir)
            .env_clear()
            .env("RUST_LOG", "error")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut running = Self {
            child,
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
            running.setup = line.strip_prefix("Setup link: ").map(str::to_owned);
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
