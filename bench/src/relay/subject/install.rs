//! What the comparison needs: our own binary, a Python environment and Node packages under the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Written beside each other into one folder, where the package managers put what they need.
const FILES: &[(&str, &str)] = &[
    ("package.json", include_str!("peers/package.json")),
    ("peer.mjs", include_str!("peers/peer.mjs")),
    ("requirements.txt", include_str!("peers/requirements.txt")),
    ("seed.py", include_str!("peers/seed.py")),
    ("socketio.mjs", include_str!("peers/socketio.mjs")),
    ("ws.mjs", include_str!("peers/ws.mjs")),
];

/// Where everything is.
pub(in super::super) struct Installed {
    pub(super) mesh_server: PathBuf,
    pub(super) matchbox: PathBuf,
    pub(super) python: PathBuf,
    pub(super) folder: PathBuf,
}

/// Installs what is missing. `mesh-server` is built beside this program.
pub(in super::super) fn install() -> anyhow::Result<Installed> {
    let own = std::env::current_exe()?;
    let release = own.parent().context("no folder")?;
    let mesh_server = release.join("mesh-server");
    if !mesh_server.is_file() {
        bail!(
            "there is no {}: run `cargo xtask bench relay`",
            mesh_server.display()
        );
    }
    // `cargo xtask bench relay` installs it.
    let matchbox = release.with_file_name("matchbox").join("bin/matchbox_server");
    let folder = release.join("bench-relay");
    std::fs::create_dir_all(&folder)?;
    for (name, content) in FILES {
        std::fs::write(folder.join(name), content)?;
    }
    let python = folder.join("venv/bin/python3");
    if !python.is_file() {
        step(&folder, "python3", &["-m", "venv", "venv"])?;
    }
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--requirement",
        "requirements.txt",
    ];
    step(&folder, &python, &pip)?;
    step(
        &folder,
        "npm",
        &["install", "--silent", "--no-audit", "--no-fund"],
    )?;
    Ok(Installed {
        mesh_server,
        matchbox,
        python,
        folder,
    })
}

fn step(folder: &Path, program: impl AsRef<Path>, arguments: &[&str]) -> anyhow::Result<()> {
    let program = program.as_ref();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .status()
        .with_context(|| program.display().to_string())?;
    if !status.success() {
        bail!("{} {} failed", program.display(), arguments.join(" "));
    }
    Ok(())
}
