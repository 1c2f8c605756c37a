//! sendme, which is iroh's QUIC with content verified by BLAKE3; by addresses alone, without its makers' relays and names.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use super::case::Case;
use super::{Moved, Program};
use crate::process::{Running, run};

pub(super) const NAME: &str = "sendme";

pub(super) struct Sendme {
    program: PathBuf,
    home: PathBuf,
}

impl Sendme {
    /// `cargo xtask bench files` installs it.
    pub(super) fn start(stage: &Path) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let folder = own.parent().context("no folder")?.with_file_name("sendme");
        let home = stage.join("sendme");
        std::fs::create_dir(&home)?;
        Ok(Self {
            program: folder.join("bin/sendme"),
            home,
        })
    }

    fn sendme(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args([verb, "--relay", "disabled", "--no-progress"])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

impl Program for Sendme {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fits(&self, case: Case) -> bool {
        case != super::LARGE
    }

    fn send(&mut self, source: &Path, target: &Path) -> anyhow::Result<Moved> {
        let begun = Instant::now();
        let mut sender = self
            .sendme("send")
            .args(["--ticket-type", "addresses"])
            .arg(source)
            .current_dir(&self.home)
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(sender.stdout.take().context("piped")?).lines();
        // Ended by whoever started it, once the other end has everything.
        let sender = Running(sender);
        let mut ticket = None;
        for line in lines {
            if let Some(found) = line?.strip_prefix("sendme receive ") {
                ticket = Some(found.to_owned());
                break;
            }
        }
        run(self
            .sendme("receive")
            .arg(ticket.context("sendme gave no ticket")?)
            .current_dir(target)
            .stdout(Stdio::null()))?;
        let moved = Moved::since(begun);
        drop(sender);
        // Its store, which it removes only when it is asked to end.
        std::fs::remove_dir_all(&self.home)?;
        std::fs::create_dir(&self.home)?;
        Ok(moved)
    }
}
