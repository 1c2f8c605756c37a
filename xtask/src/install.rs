//! What tests and benchmarks need beyond Rust and Node. On Debian it is installed; elsewhere the message says what is missing.

use anyhow::{Result, bail};

use crate::process::{cargo, present, program, step, target};

/// Program, and the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("caddy", "caddy"),
    ("turnserver", "coturn"),
    ("systemd-analyze", "systemd"),
    ("nats-server", "nats-server"),
    ("nginx", "nginx libnginx-mod-stream"),
    ("openssl", "openssl"),
    ("prometheus", "prometheus"),
    ("python3", "python3"),
    ("ip", "iproute2"),
    ("socat", "socat"),
    // The one that runs a server has no program on the path; this one comes along.
    ("pg_createcluster", "postgresql procps"),
    ("iptables", "iptables"),
    ("vim", "vim"),
    ("less", "less"),
    ("htop", "htop"),
    ("tmux", "tmux"),
    ("btop", "btop"),
    ("mc", "mc"),
    ("nano", "nano"),
    ("bash", "bash"),
    ("zsh", "zsh"),
    ("fish", "fish"),
    ("groff", "groff-base"),
    ("unshare", "util-linux"),
    ("dbus-daemon", "dbus-daemon"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("dunst", "dunst"),
    ("Xvfb", "xvfb"),
];

/// What the libraries that benchmarks compare with are built by.
const COMPARED: &[(&str, &str)] = &[
    ("cmake", "cmake"),
    ("g++", "g++"),
    ("clang", "clang libclang-dev libssl-dev"),
];

/// What schemathesis is installed with.
const API_CHECK: &[(&str, &str)] = &[("python3", "python3 python3-venv")];

/// What the relay and the transfers are compared with, beside what comes from npm and PyPI.
const PEERS: &[(&str, &str)] = &[
    ("python3", "python3 python3-venv"),
    ("nats-server", "nats-server"),
    ("mosquitto", "mosquitto"),
    ("nc", "netcat-openbsd"),
    ("rsync", "rsync"),
    ("sshd", "openssh-server openssh-client"),
];

/// Installs what is missing.
pub fn for_tests() -> Result<()> {
    have(PROGRAMS)?;
    cargo_tool("cargo-nextest")
}

/// Installs what is missing.
pub fn for_fuzzing() -> Result<()> {
    have(&[("g++", "g++")])?;
    cargo_tool("cargo-fuzz")
}

/// Installs what is missing.
pub fn for_audit() -> Result<()> {
    cargo_tool("cargo-deny")
}

/// Installs what is missing to build for `triple`.
pub fn for_dist(triple: &str) -> Result<()> {
    have(&[("musl-gcc", "musl-tools"), ("strip", "binutils")])?;
    step(
        triple,
        program("rustup", ".").args(["--quiet", "target", "add", triple]),
    )
}

fn cargo_tool(name: &str) -> Result<()> {
    if present(name) {
        return Ok(());
    }
    // Started once for each run: what optimising it would take is never won back.
    step(name, cargo().args(["install", "--locked", "--debug", name]))
}

/// Installs what is missing.
pub fn for_benchmarks() -> Result<()> {
    have(COMPARED)
}

/// Installs what is missing.
pub fn for_api_check() -> Result<()> {
    have(API_CHECK)
}

/// Installs what is missing.
pub fn for_peers() -> Result<()> {
    have(PEERS)
}

/// Installs sshx, unless it is there.
pub fn for_terminals() -> Result<()> {
    have(&[("protoc", "protobuf-compiler")])?;
    compared("sshx", "sshx-server", &["sshx@0.4.1", "sshx-server@0.4.1"])
}

/// Installs matchbox, unless it is there.
pub fn for_relay() -> Result<()> {
    compared("matchbox", "matchbox_server", &["matchbox_server@0.15.0"])
}

/// Installs sendme, unless it is there.
pub fn for_files() -> Result<()> {
    have(&[("ip", "iproute2"), ("tc", "iproute2")])?;
    compared("sendme", "sendme", &["sendme@0.37.1"])
}

/// A program that ours is compared with, apart from the user's own programs.
fn compared(name: &str, program: &str, crates: &[&str]) -> Result<()> {
    let folder = target().join(name);
    if folder.join("bin").join(program).is_file() {
        return Ok(());
    }
    let mut install = cargo();
    install.args(["install", "--locked"]).args(crates);
    step(name, install.arg("--root").arg(folder))
}

fn have(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(name, _)| !on_path(name))
        .flat_map(|(_, packages)| packages.split(' '))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        install(&missing)
    }
}

fn install(packages: &[&str]) -> Result<()> {
    if !on_path("apt-get") || !is_root() {
        bail!(
            "this needs {}: install them with your package manager and start again",
            packages.join(", ")
        );
    }
    step("package lists", program("apt-get", ".").args(["update", "-qq"]))?;
    step(
        &packages.join(", "),
        program("apt-get", ".")
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Where init scripts would start a service with the package: the tests start their own.
            .env("RUNLEVEL", "1")
            .args(["install", "-qq", "--yes", "--no-install-recommends"])
            .args(packages),
    )
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .any(|folder| folder.join(name).is_file())
}

#[cfg(unix)]
fn is_root() -> bool {
    // SAFETY: a system call without arguments that cannot fail.
    #[allow(unsafe_code)]
    unsafe {
        libc::geteuid() == 0
    }
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
