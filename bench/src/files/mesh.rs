//! Ours: two machines that are signed in to one server, each a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::case::Case;
use super::{Moved, Program};
use crate::process::{Running, peak_mib};

pub(super) const NAME: &str = "mesh";
const PASSWORD: &str = "bench-password";
/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Mesh {
    mesh: PathBuf,
    homes: [PathBuf; 2],
    _server: Running,
}

impl Mesh {
    /// Both programs are built beside this one.
    pub(super) fn start(stage: &Path) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let mut server = Command::new(own.with_file_name("mesh-server"))
            .current_dir(stage)
            .env("MESH_DATA_DIR", stage.join("data"))
            .env("MESH_LISTEN", "127.0.0.1:0")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .context("mesh-server is not there: run `cargo xtask bench files`")?;
        let lines = BufReader::new(server.stdout.take().context("piped")?).lines();
        let server = Running(server);
        let (mut setup, mut url) = (None, None);
        for line in lines {
            let line = line?;
            if let Some(link) = line
                .split_whitespace()
                .find(|word| word.contains("/setup#token="))
            {
                setup = Some(link.to_owned());
            }
            if let Some(listening) = line.strip_prefix("Listening on ") {
                url = Some(listening.to_owned());
                break;
            }
        }
        let mesh = Self {
            mesh: own.with_file_name("mesh"),
            homes: ["sender", "receiver"].map(|name| stage.join(name)),
            _server: server,
        };
        mesh.sign_in(0, &setup.context("no setup link")?)?;
        mesh.sign_in(1, &url.context("mesh-server did not start")?)?;
        Ok(mesh)
    }

    fn command(&self, machine: usize) -> Command {
        let mut command = Command::new(&self.mesh);
        command
            .env("MESH_HOME", &self.homes[machine])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn sign_in(&self, machine: usize, address: &str) -> anyhow::Result<()> {
        let name = ["sender", "receiver"][machine];
        let mut login = self
            .command(machine)
            .args([
                "login",
                address,
                "--username",
                "bench",
                "--password-stdin",
                "--device-name",
                name,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut password = login.stdin.take().context("piped")?;
        writeln!(password, "{PASSWORD}")?;
        drop(password);
        ensure!(login.wait()?.success(), "{name} could not sign in");
        Ok(())
    }
}

impl Program for Mesh {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fits(&self, _: Case) -> bool {
        true
    }

    fn send(&mut self, source: &Path, target: &Path) -> anyhow::Result<Moved> {
        let mut receiver = self
            .command(1)
            .args(["--json", "receive", "--yes", "--once", "--out"])
            .arg(target)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(receiver.stdout.take().context("piped")?).lines();
        loop {
            let line = lines.next().context("mesh receive ended")??;
            if line.contains("\"waiting\"") {
                break;
            }
        }
        // Read to its end, or it would wait for that.
        let reading = std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let begun = Instant::now();
        let mut sender = self
            .command(0)
            .args(["--quiet", "send", "--to", "receiver"])
            .arg(source)
            .stdout(Stdio::null())
            .spawn()?;
        let mut peaks = [0.0; 2];
        loop {
            let ended = (sender.try_wait()?, receiver.try_wait()?);
            if let (Some(sent), Some(received)) = ended {
                if !sent.success() || !received.success() {
                    bail!("mesh send ended with {sent}, mesh receive with {received}");
                }
                break;
            }
            for (peak, process) in peaks.iter_mut().zip([&sender, &receiver]) {
                *peak = peak_mib(process.id()).unwrap_or_default().max(*peak);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let moved = Moved::since(begun);
        let _ = reading.join();
        Ok(Moved {
            peaks_mib: Some(peaks),
            ..moved
        })
    }
}
