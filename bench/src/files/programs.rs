//! What every system has: netcat, tar, rsync, OpenSSH; and our own data channel with nothing around it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use super::case::Case;
use super::{Moved, Program};
use crate::process::{Running, finish, free_port, listening, run, start};

/// No file at all: what the way itself carries.
pub(super) const RAW: &str = "our data channel alone";
const LOOPBACK: &str = "127.0.0.1";

pub(super) fn all(stage: &Path) -> anyhow::Result<Vec<Box<dyn Program>>> {
    let ssh = Ssh::start(stage)?;
    let (port, key) = (ssh.port, ssh.key.clone());
    let scp = |name, more: &'static [&'static str], server| Scp {
        name,
        more,
        port,
        key: key.clone(),
        _server: server,
    };
    Ok(vec![
        Box::new(Raw),
        Box::new(Netcat),
        Box::new(Tar),
        Box::new(Rsync),
        Box::new(scp("scp", &[], Some(ssh))),
        Box::new(scp("scp, AES-128-GCM", &["-c", "aes128-gcm@openssh.com"], None)),
    ])
}

struct Raw;

impl Program for Raw {
    fn name(&self) -> &'static str {
        RAW
    }

    fn fits(&self, case: Case) -> bool {
        matches!(case, Case::File { mib: 1024 })
    }

    fn send(&mut self, _: &Path, target: &Path) -> anyhow::Result<Moved> {
        let mut bench = Command::new(std::env::current_exe()?);
        bench.args([
            "datachannel",
            "--rounds",
            "1",
            "--mib",
            "1024",
            "--only",
            "loopback",
        ]);
        run(bench.arg("--results").arg(target).stdout(Stdio::null()))?;
        let day = std::fs::read_dir(target)?.next().context("no results")??;
        let found = std::fs::read(day.path().join("datachannel.json"))?;
        let found: serde_json::Value = serde_json::from_slice(&found)?;
        let rate = found[0]["receiver"][0]["megabytes_per_s"].as_f64();
        let seconds = f64::from(1024 << 20) / 1e6 / rate.context("no rate")?;
        Ok(Moved {
            seconds,
            safe_seconds: seconds,
            peaks_mib: None,
        })
    }
}

struct Netcat;

impl Program for Netcat {
    fn name(&self) -> &'static str {
        "nc"
    }

    fn fits(&self, case: Case) -> bool {
        matches!(case, Case::File { mib: 1024 })
    }

    fn send(&mut self, source: &Path, target: &Path) -> anyhow::Result<Moved> {
        let port = free_port()?;
        let receiver = start(
            Command::new("nc")
                .args(["-l", LOOPBACK, &port.to_string()])
                .stdout(File::create(target.join("file"))?),
        )?;
        listening(port)?;
        let begun = Instant::now();
        run(Command::new("nc")
            .args(["-N", LOOPBACK, &port.to_string()])
            .stdin(File::open(source)?))?;
        finish(receiver)?;
        Ok(Moved::since(begun))
    }
}

struct Tar;

impl Program for Tar {
    fn name(&self) -> &'static str {
        "tar | nc"
    }

    fn fits(&self, case: Case) -> bool {
        case.is_folder()
    }

    fn send(&mut self, source: &Path, target: &Path) -> anyhow::Result<Moved> {
        let port = free_port()?;
        let shell = |line: String| {
            let mut command = Command::new("sh");
            command.args(["-c", &line]);
            command
        };
        let unpack = format!("nc -l {LOOPBACK} {port} | tar x -C '{}'", target.display());
        let receiver = start(&mut shell(unpack))?;
        listening(port)?;
        let begun = Instant::now();
        run(&mut shell(format!(
            "tar c -C '{}' . | nc -N {LOOPBACK} {port}",
            source.display()
        )))?;
        finish(receiver)?;
        Ok(Moved::since(begun))
    }
}

struct Rsync;

impl Program for Rsync {
    fn name(&self) -> &'static str {
        "rsync daemon"
    }

    fn fits(&self, case: Case) -> bool {
        case != super::LARGE
    }

    fn send(&mut self, source: &Path, target: &Path) -> anyhow::Result<Moved> {
        let (port, settings) = (free_port()?, target.with_file_name("rsyncd.conf"));
        let text = format!(
            "use chroot = no\nuid = 0\ngid = 0\n[target]\npath = {}\nread only = no\n",
            target.display()
        );
        std::fs::write(&settings, text)?;
        let _daemon = start(
            Command::new("rsync")
                .args(["--daemon", "--no-detach", "--address", LOOPBACK])
                .arg(format!("--port={port}"))
                .arg(format!("--config={}", settings.display())),
        )?;
        listening(port)?;
        let begun = Instant::now();
        let to = format!("rsync://{LOOPBACK}:{port}/target/");
        run(Command::new("rsync").arg("-rt").arg(source).arg(to))?;
        Ok(Moved::since(begun))
    }
}

/// A server of our own, with a key that lives as long as it.
struct Ssh {
    port: u16,
    key: PathBuf,
    _running: Running,
}

impl Ssh {
    fn start(stage: &Path) -> anyhow::Result<Self> {
        let (key, port) = (stage.join("key"), free_port()?);
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key))?;
        let settings = stage.join("sshd_config");
        let text = format!(
            "ListenAddress {LOOPBACK}:{port}\nHostKey {0}\nAuthorizedKeysFile {0}.pub\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n",
            key.display()
        );
        std::fs::write(&settings, text)?;
        // Where a system never ran one, this folder is missing.
        let _ = std::fs::create_dir_all("/run/sshd");
        let running = start(
            Command::new("/usr/sbin/sshd")
                .args(["-D", "-q", "-f"])
                .arg(&settings),
        )?;
        listening(port)?;
        Ok(Self {
            port,
            key,
            _running: running,
        })
    }
}

struct Scp {
    name: &'static str,
    more: &'static [&'static str],
    port: u16,
    key: PathBuf,
    /// The first of them has it.
    _server: Option<Ssh>,
}

impl Program for Scp {
    fn name(&self) -> &'static str {
        self.name
    }

    fn fits(&self, case: Case) -> bool {
        case != super::LARGE && (self.more.is_empty() || !case.is_folder())
    }

    fn send(&mut self, source: &Path, target: &Path) -> anyhow::Result<Moved> {
        let begun = Instant::now();
        let mut scp = Command::new("scp");
        scp.args([
            "-q",
            "-r",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(["-o", "LogLevel=ERROR", "-P", &self.port.to_string(), "-i"])
        .arg(&self.key)
        .args(self.more)
        .arg(source)
        .arg(format!("{LOOPBACK}:{}/", target.display()));
        run(&mut scp)?;
        Ok(Moved::since(begun))
    }
}
