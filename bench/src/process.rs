//! Processes of the programs: started, waited for, ended; and their memory.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// A process that ends with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it.
pub(crate) fn start(command: &mut Command) -> anyhow::Result<Running> {
    let program = command.get_program().display().to_string();
    Ok(Running(command.spawn().with_context(|| program)?))
}

/// Runs it to its end, which must be a good one.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    finish(start(command)?)
}

/// Waits for its end, which must be a good one.
pub(crate) fn finish(mut running: Running) -> anyhow::Result<()> {
    let status = running.0.wait()?;
    ensure!(status.success(), "ended with {status}");
    Ok(())
}

/// A port that is free now.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until somebody listens, without connecting: some programs take one connection only.
pub(crate) fn listening(port: u16) -> anyhow::Result<()> {
    let begun = Instant::now();
    let wanted = format!(":{port:04X} 00000000:0000 0A");
    while !std::fs::read_to_string("/proc/net/tcp")?.contains(&wanted) {
        if begun.elapsed() > Duration::from_secs(30) {
            bail!("nobody listens on port {port}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The most memory that it ever held, MiB, as far as it was looked at.
pub(crate) fn peak_mib(process: u32) -> Option<f64> {
    memory_mib(process, "VmHWM:")
}

/// What of it is in memory now, MiB.
pub(crate) fn resident_mib(process: u32) -> anyhow::Result<f64> {
    memory_mib(process, "VmRSS:").context("the process ended")
}

/// One line of its status in /proc.
fn memory_mib(process: u32, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}

/// Lets the disk come to rest, so that nobody pays for who was before.
pub(crate) fn settle() -> anyhow::Result<()> {
    run(&mut Command::new("sync"))
}

/// How long it takes until what was written to the disk of `path` would survive the loss of power.
pub(crate) fn make_safe(path: &Path) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    run(Command::new("sync").arg("--file-system").arg(path))?;
    Ok(begun.elapsed())
}

pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        std::fs::remove_dir_all(path)?;
    } else {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
