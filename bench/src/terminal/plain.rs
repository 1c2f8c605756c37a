//! A terminal that nobody shares: a program on a PTY of this process, at once or behind ssh.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use mesh_agent::pty::{Shell, ShellEvent, ShellEvents, ShellSpec};
use mesh_peer::terminal::MAX_SIZE;
use mesh_protocol::channel::TermSize;

use super::{Output, Seat};
use crate::process::{Running, free_port, listening, start};

/// The size that all terminals of this benchmark have.
pub(super) const SIZE: TermSize = TermSize { cols: 80, rows: 24 };
const _: () = assert!(SIZE.cols < MAX_SIZE.cols);

pub(super) struct Plain {
    shell: Shell,
    events: ShellEvents,
    output: Output,
}

impl Plain {
    /// A script, with words before the shell that runs it.
    pub(super) fn start(words: &[String], script: &str) -> anyhow::Result<Self> {
        let own = ["/bin/sh", "-c", script].map(str::to_owned);
        let command = if words.is_empty() {
            own.to_vec()
        } else {
            // What ssh is given is words of the shell at the other end.
            let quoted = format!("exec /bin/sh -c '{}'", script.replace('\'', "'\\''"));
            [words, &[quoted]].concat()
        };
        let (shell, events) = Shell::spawn(&ShellSpec::new("", &command), SIZE)?;
        Ok(Self {
            shell,
            events,
            output: Output::default(),
        })
    }
}

impl Seat for Plain {
    async fn type_in(&mut self, bytes: &str) -> anyhow::Result<()> {
        ensure!(
            self.shell.write(bytes.to_owned().into()),
            "the program does not read"
        );
        Ok(())
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        match self.events.next().await {
            Some(ShellEvent::Output(bytes)) => self.output.add(&bytes),
            _ => anyhow::bail!("the program ended"),
        }
        Ok(())
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }
}

/// An sshd of this run's own on loopback.
pub(super) struct Ssh {
    port: u16,
    key: PathBuf,
    _server: Running,
}

impl Ssh {
    pub(super) fn start(stage: &Path) -> anyhow::Result<Self> {
        let (key, host_key) = (stage.join("ssh_key"), stage.join("ssh_host_key"));
        for file in [&key, &host_key] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(file)
                .status()
                .context("ssh-keygen is not there: apt-get install openssh-client openssh-server")?;
            ensure!(made.success(), "ssh-keygen");
        }
        let allowed = key.with_extension("pub");
        let port = free_port()?;
        std::fs::create_dir_all("/run/sshd").context("an sshd needs root")?;
        let option = |name: &str, value: &str| format!("-o{name}={value}");
        let server = start(
            Command::new("/usr/sbin/sshd")
                .args(["-D", "-e", "-f", "/dev/null", "-p"])
                .arg(port.to_string())
                .arg(option("HostKey", &host_key.display().to_string()))
                .arg(option("AuthorizedKeysFile", &allowed.display().to_string()))
                .arg(option("StrictModes", "no"))
                .arg(option("ListenAddress", "127.0.0.1"))
                .arg(option("PidFile", "none"))
                .stderr(Stdio::null()),
        )?;
        listening(port)?;
        Ok(Self {
            port,
            key,
            _server: server,
        })
    }

    /// The words before what is run there.
    pub(super) fn words(&self) -> Vec<String> {
        let (key, port) = (self.key.display().to_string(), self.port.to_string());
        let words = [
            "ssh",
            "-tt",
            "-q",
            "-p",
            &port,
            "-i",
            &key,
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            "127.0.0.1",
        ];
        words.map(str::to_owned).into()
    }
}
