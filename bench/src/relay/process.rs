//! A server under measurement: its process on a core of its own, what it costs, its end.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The servers' core; the generator has [`GENERATOR_CORE`].
const SERVER_CORE: &str = "0";
const GENERATOR_CORE: &str = "1";
/// Descriptors, for some thousand sockets.
const DESCRIPTORS: &str = "20000";
/// `USER_HZ` of every Linux: the unit of `utime` and `stime`.
const TICKS_PER_S: f64 = 100.0;

/// Puts this process on its core and lets it open enough sockets. What it starts inherits both.
pub(super) fn prepare_generator() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    if cores < 2 {
        bail!("this needs two cores: one for the server, one for the load");
    }
    let own = std::process::id().to_string();
    for (program, arguments) in [
        (
            "prlimit",
            vec![
                format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}"),
                format!("--pid={own}"),
            ],
        ),
        ("taskset", vec!["-cp".into(), GENERATOR_CORE.into(), own.clone()]),
    ] {
        let done = Command::new(program)
            .args(&arguments)
            .stdout(std::process::Stdio::null())
            .status();
        if !done.with_context(|| program.to_owned())?.success() {
            bail!("{program} {arguments:?} failed");
        }
    }
    Ok(())
}

/// `program` on the servers' core. It does not outlive this process, even where that is killed.
pub(super) fn pinned(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "taskset", "-c", SERVER_CORE])
        .arg(program);
    command
}

/// A port that is free now.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A running server; it ends with this value.
pub(super) struct Process(pub(super) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Waits until the port answers.
    pub(super) fn wait_for(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.0.try_wait()? {
                bail!("the server ended: {status}");
            }
            if Instant::now() > until {
                bail!("the server does not listen on {address}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Processor time so far, in user space and in the kernel, of all its threads.
    pub(super) fn cpu_s(&self) -> anyhow::Result<f64> {
        cpu_s(self.0.id())
    }

    /// Resident memory in bytes.
    pub(super) fn resident(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let kib = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
        });
        Ok(kib.context("no VmRSS")? * 1024.0)
    }
}

/// Processor time of this process.
pub(super) fn own_cpu_s() -> anyhow::Result<f64> {
    cpu_s(std::process::id())
}

fn cpu_s(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name may have spaces and parentheses; what follows the last one is numbers.
    let (_, rest) = stat.rsplit_once(')').context("stat")?;
    let ticks: f64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / TICKS_PER_S)
}
