//! `cargo xtask dist`: what somebody downloads. Static programs, and all that the documentation says to install beside them.
//!
//! The programs are built for musl: they run on every Linux of their architecture, also in an image that holds nothing else, and look
//! names up without the plug-ins of the machine's own C library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{cargo, program, root, step, target};
use crate::{install, suites};

const PROGRAMS: [&str; 2] = ["mesh-server", "mesh"];
/// From the repository, as they are.
const FILES: &[&str] = &[
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/install.md",
    "docs/operating.md",
    "docs/protocol.md",
    "infra/systemd/mesh-server.service",
    "infra/systemd/mesh-agent.service",
    "infra/systemd/mesh-turn.service",
    "infra/caddy/Caddyfile",
    "infra/caddy/turns.caddy",
    "infra/coturn/turnserver.conf",
    "infra/coturn/start.sh",
    "infra/monitoring/prometheus.yml",
    "infra/monitoring/alerts.yml",
    "infra/monitoring/grafana-dashboard.json",
];
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// Builds and packs. With `dev` it packs what the tests were built of, without a word to the compiler.
pub fn dist(dev: bool) -> Result<PathBuf> {
    let (binaries, name) = if dev {
        (target().join("debug"), "dev".to_owned())
    } else {
        let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        build(&triple)?;
        (target().join(&triple).join("release"), triple)
    };
    let packed = pack(&binaries, &name, dev)?;
    println!("{}", packed.display());
    Ok(packed)
}

fn build(triple: &str) -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "this makes a package for Linux, on Linux"
    );
    install::for_dist(triple)?;
    suites::web_client()?;
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--target", triple]);
    for package in ["mesh-server", "mesh-agent"] {
        build.args(["--package", package]);
    }
    step("static programs", &mut build)
}

/// One archive with one folder in it, and its SHA-256 beside it.
fn pack(binaries: &Path, name: &str, dev: bool) -> Result<PathBuf> {
    let folder = format!("mesh-{}-{name}", env!("CARGO_PKG_VERSION"));
    let dist = target().join("dist");
    let into = dist.join(&folder);
    if into.exists() {
        fs::remove_dir_all(&into)?;
    }
    for binary in PROGRAMS {
        let (from, to) = (binaries.join(binary), into.join("bin").join(binary));
        ensure!(from.is_file(), "there is no {}: build it first", from.display());
        copy(&from, &to)?;
        step(binary, Command::new("strip").arg("--strip-all").arg(&to))?;
    }
    for file in FILES {
        copy(
            &root().join(file),
            &into.join(file.strip_prefix("infra/").unwrap_or(file)),
        )?;
    }
    let mesh = into.join("bin/mesh");
    for shell in SHELLS {
        let script = Command::new(&mesh).args(["completions", shell]).output()?;
        ensure!(script.status.success(), "mesh completions {shell} failed");
        let to = into.join("completions").join(format!("mesh.{shell}"));
        fs::create_dir_all(into.join("completions"))?;
        fs::write(to, script.stdout)?;
    }
    manual(&mesh, &into.join("man/man1"))?;
    let archive = format!("{folder}.tar.gz");
    let level = if dev { "-1" } else { "-9" };
    let mut tar = program("tar", ".");
    tar.current_dir(&dist)
        .arg(format!("--use-compress-program=gzip {level}"))
        .args(["--owner=0", "--group=0", "--numeric-owner", "--sort=name"])
        .args(["--create", "--file", &archive, &folder]);
    step(&archive, &mut tar)?;
    let sum = program("sha256sum", ".")
        .current_dir(&dist)
        .arg(&archive)
        .output()?;
    if !sum.status.success() {
        bail!("sha256sum failed");
    }
    fs::write(dist.join(format!("{archive}.sha256")), sum.stdout)?;
    fs::remove_dir_all(&into)?;
    Ok(dist.join(archive))
}

/// The pages of the manual, where this `mesh` writes them.
fn manual(mesh: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let written = Command::new(mesh).arg("man").arg(to).output()?;
    match written.status.code() {
        Some(0) => Ok(()),
        // There is no such command.
        Some(2) => Ok(fs::remove_dir_all(to.parent().context("no folder")?)?),
        _ => bail!("mesh man failed: {}", String::from_utf8_lossy(&written.stderr)),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("no folder")?)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}
