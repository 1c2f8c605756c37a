//! Starting other programs: each step says what it does, a failure says which step it was.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The repository's root.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The cargo that runs this command.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // Set by the cargo that runs this command. A build script that asks for them (that of ring does) would take them for a change, and all
    // that needs it be built again whenever cargo is called with and without this command in turn.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// A program in a folder of the repository.
pub fn program(name: &str, folder: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root().join(folder));
    command
}

/// Where cargo puts binaries of the dev profile.
pub fn binary(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// Where cargo puts binaries of the release profile.
pub fn release_binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// Where cargo puts everything.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs one step to its end and fails with its name.
pub fn step(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("── {what}");
    let began = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("{what}: could not start {command:?}"))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    eprintln!("── {what}: done in {:.0?}", began.elapsed());
    Ok(())
}

/// Whether a program is there and answers to `--version`.
pub fn present(name: &str) -> bool {
    let quiet = || std::process::Stdio::null();
    Command::new(name)
        .arg("--version")
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet())
        .status()
        .is_ok_and(|s| s.success())
}

/// A child that is asked to end when this is dropped, and waited for.
pub struct Owned(pub Child);

impl Drop for Owned {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            terminate(&mut self.0);
        }
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
fn terminate(child: &mut Child) {
    let Ok(pid) = i32::try_from(child.id()) else {
        return;
    };
    // SAFETY: plain system call; the child has not been waited for, so the number still is its own.
    #[allow(unsafe_code)]
    unsafe {
        libc::kill(pid, libc::SIGTERM);
    }
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) {
    let _ = child.kill();
}
