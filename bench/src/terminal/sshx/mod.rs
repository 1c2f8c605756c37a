//! sshx 0.4: its server and its client as they are installed, each a process of its own for every script.

mod viewer;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use viewer::Viewer;

use super::report::Measured;
use super::{ECHO_SCRIPT, Options, Seat as _, bulk, bulk_script};
use crate::process::{Running, free_port, listening, resident_mib, start};

/// 0.4.1 does not notice output that comes while a viewer is handed what was before, until there is more of it.
const REST: &str = "while sleep 0.1; do echo; done";

/// The programs of one version, and where their scripts go.
pub(super) struct Sshx {
    programs: PathBuf,
    stage: PathBuf,
}

/// One session with one shell in it.
pub(super) struct Session {
    // Ends first, so that its shell does.
    client: Running,
    server: Running,
    /// Where its viewers connect to; with the key.
    link: String,
}

impl Sshx {
    /// `cargo xtask bench terminal` has installed it.
    pub(super) fn find(stage: &Path) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let target = own.ancestors().nth(2).context("no folder")?;
        let programs = target.join("sshx/bin");
        ensure!(
            programs.join("sshx-server").is_file(),
            "sshx is not there: run `cargo xtask bench terminal`"
        );
        Ok(Self {
            programs,
            stage: stage.to_owned(),
        })
    }

    /// A viewer of a program that echoes, and its session.
    pub(super) async fn typist(&self) -> anyhow::Result<(Viewer, Session)> {
        let session = self.start(ECHO_SCRIPT).await?;
        let mut seat = Viewer::open(&session.link).await?;
        seat.until("ready").await?;
        Ok((seat, session))
    }

    /// Bulk output once, with each number of viewers.
    pub(super) async fn round(&self, options: &Options, measured: &mut Measured) -> anyhow::Result<()> {
        for count in &options.viewers {
            let file = self.stage.join("took");
            let session = self.start(&bulk_script(options.lines, &file, REST)).await?;
            let before = session.resident()?;
            let mut seats = Vec::new();
            for _ in 0..*count {
                let seat = Viewer::open(&session.link).await?;
                measured.first_screen_ms.push(seat.first_screen * 1e3);
                seats.push(seat);
            }
            let after = session.resident()?;
            for (name, before, after) in [
                ("sshx", before[0], after[0]),
                ("sshx-server", before[1], after[1]),
            ] {
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
                measured.add_memory(name, *count, (after - before) / *count as f64);
            }
            measured.add_bulk(*count, bulk(seats, &file).await?);
        }
        Ok(())
    }

    /// Shares a script, which it knows as a shell: one program without arguments.
    async fn start(&self, script: &str) -> anyhow::Result<Session> {
        let port = free_port()?;
        let program = |name: &str| {
            let mut command = Command::new(self.programs.join(name));
            command.env("RUST_LOG", "error").stdin(Stdio::null());
            command
        };
        let server =
            start(program("sshx-server").args(["--listen", "127.0.0.1", "--port", &port.to_string()]))?;
        listening(port)?;
        let shell = self.stage.join("shell");
        std::fs::write(&shell, format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&shell, std::fs::Permissions::from_mode(0o700))?;
        let mut client = start(
            program("sshx")
                .args([
                    "--quiet",
                    "--server",
                    &format!("http://127.0.0.1:{port}"),
                    "--shell",
                ])
                .arg(&shell)
                .stdout(Stdio::piped()),
        )?;
        let mut link = String::new();
        BufReader::new(client.0.stdout.take().context("no output")?).read_line(&mut link)?;
        let link = link.trim().to_owned();
        viewer::create_shell(&link).await?;
        Ok(Session { client, server, link })
    }
}

impl Session {
    /// MiB of the client and of the server.
    fn resident(&self) -> anyhow::Result<[f64; 2]> {
        Ok([
            resident_mib(self.client.0.id())?,
            resident_mib(self.server.0.id())?,
        ])
    }
}
