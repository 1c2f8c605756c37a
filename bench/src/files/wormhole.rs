//! magic-wormhole, from PyPI, with a mailbox server and a transit relay of our own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::case::Case;
use super::{Moved, Program};
use crate::process::{Running, finish, free_port, listening, run, start};

pub(super) const NAME: &str = "magic-wormhole";
const PACKAGES: [&str; 3] = [
    "magic-wormhole==0.24.0",
    "magic-wormhole-mailbox-server==0.8.0",
    "magic-wormhole-transit-relay==0.5.0",
];

pub(super) struct Wormhole {
    programs: PathBuf,
    mailbox: u16,
    transit: u16,
    number: usize,
    _running: [Running; 2],
}

/// Installs it beside this program, if it is not there; gives its programs.
pub(super) fn install() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let environment = own.with_file_name("bench-files");
    let programs = environment.join("bin");
    if !programs.join("wormhole").is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        run(Command::new(programs.join("python3"))
            .args(["-m", "pip", "install", "--quiet"])
            .args(PACKAGES))?;
    }
    Ok(programs)
}

impl Wormhole {
    /// Starts its servers.
    pub(super) fn start(programs: PathBuf, stage: &Path) -> anyhow::Result<Self> {
        let (mailbox, transit) = (free_port()?, free_port()?);
        let serve = |arguments: &[&str], port: u16| {
            let twist = Command::new(programs.join("twist"))
                .args(arguments)
                .arg(format!("--port=tcp:{port}:interface=127.0.0.1"))
                .current_dir(stage)
                .stdout(Stdio::null())
                .spawn();
            anyhow::Ok(Running(twist?))
        };
        let running = [
            serve(&["wormhole-mailbox"], mailbox)?,
            serve(&["transitrelay"], transit)?,
        ];
        listening(mailbox)?;
        listening(transit)?;
        Ok(Self {
            programs,
            mailbox,
            transit,
            number: 0,
            _running: running,
        })
    }

    fn wormhole(&self) -> Command {
        let mut command = Command::new(self.programs.join("wormhole"));
        command
            .arg(format!("--relay-url=ws://127.0.0.1:{}/v1", self.mailbox))
            .arg(format!("--transit-helper=tcp:127.0.0.1:{}", self.transit))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

impl Program for Wormhole {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fits(&self, case: Case) -> bool {
        case != super::LARGE
    }

    fn send(&mut self, source: &Path, target: &Path) -> anyhow::Result<Moved> {
        self.number += 1;
        let code = format!("{}-bench-files", self.number);
        let begun = Instant::now();
        let sender = start(
            self.wormhole()
                .args(["send", "--hide-progress", "--no-qr", "--code", &code])
                .arg(source),
        )?;
        run(self
            .wormhole()
            .args(["receive", "--hide-progress", "--accept-file", "--output-file"])
            .arg(target.join("received"))
            .arg(&code))?;
        finish(sender)?;
        Ok(Moved::since(begun))
    }
}
