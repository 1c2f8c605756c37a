//! Tests, benchmarks and pictures: the order in which they run and what each needs built.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::process::{cargo, program, release_binary, root, step};
use crate::{api_check, codegen, install, tidy};

/// `cargo xtask test`: quick checks first, the browser last.
pub fn test() -> Result<()> {
    install::for_tests()?;
    step("formatting", cargo().args(["fmt", "--all", "--check"]))?;
    tidy::tidy()?;
    web_client()?;
    step(
        "clippy",
        cargo().args(["clippy", "--all-targets", "--locked", "--", "--deny", "warnings"]),
    )?;
    codegen::check()?;
    step(
        "checks of the web client",
        program("npm", "client").args(["run", "check"]),
    )?;
    step("tests of the web client", program("npm", "client").arg("test"))?;
    step("Rust tests", cargo().args(["nextest", "run", "--locked"]))?;
    deployment_files()?;
    binaries()?;
    api_check::check(api_check::FEW)?;
    end_to_end_packages()?;
    step("end-to-end tests", program("npm", "e2e").arg("test"))
}

/// Checks infra/ with packages of its own, apart from the system's.
fn deployment_files() -> Result<()> {
    let packages = root().join("target/infra");
    let python = packages.join("bin/python3");
    if !python.exists() {
        step(
            "Python environment of infra/",
            program("python3", ".").args(["-m", "venv"]).arg(&packages),
        )?;
    }
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--requirement",
        "infra/requirements.txt",
    ];
    step(
        "packages of infra/",
        Command::new(&python).current_dir(root()).args(install),
    )?;
    step(
        "checks of the deployment files",
        Command::new(&python).current_dir(root()).arg("infra/check.py"),
    )
}

/// Builds `client/dist`, which the server carries inside.
pub fn web_client() -> Result<()> {
    npm_packages("packages of the web client", "client")?;
    step("web client", program("npm", "client").args(["run", "build"]))
}

/// Builds both binaries.
pub fn binaries() -> Result<()> {
    step("mesh-server and mesh", &mut binaries_command())
}

/// The command that does it.
pub fn binaries_command() -> Command {
    let mut build = cargo();
    build.args([
        "build",
        "--locked",
        "--package",
        "mesh-server",
        "--package",
        "mesh-agent",
    ]);
    build
}

/// What stories, pictures and the benchmark with a browser need.
fn end_to_end_packages() -> Result<()> {
    npm_packages("packages of the end-to-end tests", "e2e")
}

/// Installs what `package-lock.json` names, unless just that is installed.
fn npm_packages(title: &str, folder: &str) -> Result<()> {
    let wanted = fs::read(root().join(folder).join("package-lock.json"))?;
    let note = root().join(folder).join("node_modules/.installed");
    if fs::read(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step(title, program("npm", folder).args(["ci", "--no-audit"]))?;
    Ok(fs::write(note, wanted)?)
}

/// `cargo xtask bench NAME`.
pub fn bench(name: &str, options: &[String]) -> Result<()> {
    if name == "relay" {
        return relay(options);
    }
    install::for_benchmarks()?;
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        "mesh-bench",
        "--features",
        "compare",
    ];
    step("benchmarks", cargo().args(build))?;
    if name == "browser" {
        install::for_tests()?;
        end_to_end_packages()?;
        return step(name, program("npm", "e2e").args(["run", "bench"]));
    }
    let run = [
        "run",
        "--release",
        "--quiet",
        "--locked",
        "--package",
        "mesh-bench",
        "--features",
        "compare",
        "--",
        name,
    ];
    step(name, cargo().args(run).args(options))
}

/// `cargo xtask api-check`: the long run of what [`test`] does shortly.
pub fn api_check() -> Result<()> {
    install::for_api_check()?;
    binaries()?;
    api_check::check(api_check::MANY)
}

/// `cargo xtask durability`: the tests that kill the server for minutes.
pub fn durability() -> Result<()> {
    let test = [
        "test",
        "--locked",
        "--package",
        "mesh-server",
        "--test",
        "durability",
    ];
    step(
        "durability",
        cargo().args(test).args(["--", "--ignored", "--nocapture"]),
    )
}

/// The benchmark starts the real server, which is built beside it.
fn relay(options: &[String]) -> Result<()> {
    install::for_relay()?;
    // Both in one build, and started as built: apart, they would share fewer of their dependencies.
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        "mesh-bench",
        "--package",
        "mesh-server",
    ];
    step("mesh-server and the benchmark", cargo().args(build))?;
    let mut bench = Command::new(release_binary("mesh-bench"));
    step("relay", bench.current_dir(root()).arg("relay").args(options))
}

/// `cargo xtask screenshots`.
pub fn screenshots() -> Result<()> {
    install::for_tests()?;
    web_client()?;
    binaries()?;
    end_to_end_packages()?;
    step("screenshots", program("npm", "e2e").args(["run", "screenshots"]))
}
