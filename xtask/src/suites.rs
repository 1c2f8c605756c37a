//! Tests, benchmarks and pictures: the order in which they run and what each needs built.

use std::fs;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{binary, cargo, program, release_binary, root, step};
use crate::{api_check, codegen, dist, install, tidy};

const FUZZ_TARGETS: [&str; 7] = [
    "client_frames",
    "capability",
    "channel_frames",
    "manifest",
    "path_safety",
    "transfer",
    "escape_filter",
];
const ON_POSTGRES: &str =
    "package(mesh-server) and test(/^(accounts|audit|chat|chat_changes|guests|rooms|sessions)::/)";
/// Targets that run at once: more would starve each other.
const FUZZED_AT_ONCE: usize = 4;

/// `cargo xtask test`: quick checks first, the browser last.
pub fn test() -> Result<()> {
    install::for_tests()?;
    step("formatting", cargo().args(["fmt", "--all", "--check"]))?;
    tidy::tidy()?;
    web_client()?;
    if !lints_while_building() {
        step(
            "clippy",
            cargo().args(["clippy", "--all-targets", "--locked", "--", "--deny", "warnings"]),
        )?;
    }
    step(
        "checks of the web client",
        program("npm", "client").args(["run", "check"]),
    )?;
    step("tests of the web client", program("npm", "client").arg("test"))?;
    step("Rust tests", &mut rust_tests())?;
    codegen::check()?;
    on_postgres()?;
    deployment_files()?;
    new_machines()?;
    // The Rust tests have built both binaries.
    api_check::check(api_check::FEW)?;
    end_to_end_packages()?;
    step("end-to-end tests", program("npm", "e2e").arg("test"))
}

/// Whether clippy compiles what the tests run, as .ci/run has it: a check of its own would check every dependency once more.
fn lints_while_building() -> bool {
    std::env::var_os("RUSTC_WORKSPACE_WRAPPER").is_some_and(|wrapper| wrapper == "clippy-driver")
}

/// Two tests for each processor: they wait for half of their time.
fn rust_tests() -> Command {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tests = cargo();
    tests.args(["nextest", "run", "--locked", "--test-threads"]);
    tests.arg((2 * processors).to_string());
    tests
}

/// The tests of the server that ask most of a database, once more on the other one.
fn on_postgres() -> Result<()> {
    // What is left out measures passwords.
    let tests = format!("{ON_POSTGRES} and not test(/::t(7|8)_/)");
    step(
        "the server's tests on PostgreSQL",
        rust_tests()
            .args(["-E", &tests])
            .env("MESH_TEST_DATABASE", "postgres"),
    )
}

/// The tests of a module that take minutes, one after another.
fn slow(title: &str, package: &str, module: &str) -> Result<()> {
    let tests = format!("package({package}) and test(/^{module}::/)");
    step(
        title,
        // Of the whole workspace, so that nothing is built twice.
        cargo()
            .args(["nextest", "run", "--locked", "--run-ignored", "only"])
            .args(["--no-capture", "-E", &tests]),
    )
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

/// Does what docs/install.md says, on machines that have nothing yet: namespaces, which only root may make.
fn new_machines() -> Result<()> {
    let archive = dist::dist(true)?;
    step(
        "new machines, from the documentation alone",
        program("python3", ".").arg("e2e/new_machines.py").arg(archive),
    )
}

/// Builds `client/dist`, which the server carries inside, unless it is there and of these very sources: the server, and all that
/// starts one, would be built anew with it.
pub fn web_client() -> Result<()> {
    npm_packages("packages of the web client", "client")?;
    let note = root().join("client/node_modules/.built");
    if built_client().is_some_and(|built| fs::read(&note).is_ok_and(|noted| noted == built)) {
        return Ok(());
    }
    step("web client", program("npm", "client").args(["run", "build"]))?;
    Ok(fs::write(note, built_client().unwrap_or_default())?)
}

/// What tells one build of the page from another: the hashes of its sources, and when it was made. `None` where there is none, or
/// outside of a clone.
fn built_client() -> Option<Vec<u8>> {
    let made = fs::metadata(root().join("client/dist/index.html"))
        .ok()?
        .modified()
        .ok()?;
    let git = |words: &[&str]| {
        let output = program("git", "client").args(words).output().ok()?;
        output.status.success().then_some(output.stdout)
    };
    let mut built = git(&["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let names = String::from_utf8(built.clone()).ok()?;
    let there = names
        .lines()
        .filter(|name| root().join("client").join(name).is_file());
    let hash: Vec<&str> = ["hash-object", "--"].into_iter().chain(there).collect();
    built.extend(git(&hash)?);
    built.extend(format!("{made:?}").bytes());
    Some(built)
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
    if ["cluster", "relay", "files", "terminal"].contains(&name) {
        return with_programs(name, options);
    }
    if ["call", "page"].contains(&name) {
        for_pages()?;
        return in_browser(name);
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
        return in_browser(name);
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

/// A benchmark of e2e/bench.
fn in_browser(name: &str) -> Result<()> {
    step(name, released_end_to_end().args(["run", "bench", "--", name]))
}

/// What measures real pages with the programs that people run needs.
fn for_pages() -> Result<()> {
    install::for_tests()?;
    released()?;
    end_to_end_packages()
}

/// npm in e2e/, whose programs are those of [`released`].
fn released_end_to_end() -> Command {
    let mut npm = program("npm", "e2e");
    npm.env("PROFILE", "release");
    npm
}

/// `cargo xtask api-check`: the long run of what [`test`] does shortly.
pub fn api_check() -> Result<()> {
    install::for_api_check()?;
    binaries()?;
    api_check::check(api_check::MANY)
}

/// `cargo xtask durability`: the tests that kill the server for minutes.
pub fn durability() -> Result<()> {
    install::for_tests()?;
    slow("durability", "mesh-server", "durability")
}

/// `cargo xtask cluster`: the tests of several nodes that take minutes.
pub fn cluster() -> Result<()> {
    install::for_tests()?;
    slow("several nodes", "mesh-server", "cluster")
}

/// `cargo xtask soak`: tests 58 and 60 of SECURITY.md.
pub fn soak(minutes: u64, dev: bool, only: Option<&str>) -> Result<()> {
    let mut build = cargo();
    build.args([
        "build",
        "--locked",
        "--package",
        "mesh-bench",
        "--package",
        "mesh-server",
    ]);
    if !dev {
        build.arg("--release");
    }
    step("the server and its crowd", &mut build)?;
    let bench = if dev {
        binary("mesh-bench")
    } else {
        release_binary("mesh-bench")
    };
    let mut soak = Command::new(bench);
    soak.current_dir(root())
        .args(["soak", "--minutes", &minutes.to_string()]);
    if let Some(only) = only {
        soak.args(["--only", only]);
    }
    step("soak", &mut soak)
}

/// The benchmark starts the real programs, which are built beside it.
fn with_programs(name: &str, options: &[String]) -> Result<()> {
    install::for_peers()?;
    match name {
        "terminal" => install::for_terminals()?,
        "relay" => install::for_relay()?,
        "files" => install::for_files()?,
        _ => {}
    }
    released()?;
    let mut bench = Command::new(release_binary("mesh-bench"));
    step(name, bench.current_dir(root()).arg(name).args(options))
}

/// Builds what people run, and what measures it; started as built. All in one build: apart, they would share fewer of their dependencies.
fn released() -> Result<()> {
    web_client()?;
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        "mesh-bench",
        "--package",
        "mesh-server",
        "--package",
        "mesh-agent",
    ];
    step("the programs and the benchmark", cargo().args(build))
}

/// `cargo xtask fuzz`: every target of fuzz/, some side by side. What breaks one is kept in `fuzz/artifacts`.
pub fn fuzz(minutes: u64) -> Result<()> {
    install::for_fuzzing()?;
    // No sanitizer: it would want a nightly compiler, and there is no unsafe code to watch.
    let fuzz = |command: &str| {
        let mut fuzz = cargo();
        fuzz.args(["fuzz", command, "--sanitizer", "none"]);
        fuzz
    };
    seed_frames()?;
    step("fuzz targets", &mut fuzz("build"))?;
    let limits = [
        format!("-max_total_time={}", minutes * 60),
        "-max_len=70000".to_owned(),
        "-rss_limit_mb=1024".to_owned(),
        "-verbosity=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ];
    let mut broken = Vec::new();
    for targets in FUZZ_TARGETS.chunks(FUZZED_AT_ONCE) {
        let mut running = Vec::new();
        for target in targets {
            let mut run = fuzz("run");
            run.arg(target).arg("--").args(&limits).current_dir(root());
            running.push((*target, run.spawn()?));
        }
        for (target, mut run) in running {
            if !run.wait()?.success() {
                broken.push(target);
            }
        }
    }
    if !broken.is_empty() {
        bail!("fuzzing broke {}: see fuzz/artifacts", broken.join(", "));
    }
    println!(
        "{} targets, {minutes} minutes each: nothing broke",
        FUZZ_TARGETS.len()
    );
    Ok(())
}

/// Every frame of the vectors is what its fuzz target begins with: no chance finds all of their members.
fn seed_frames() -> Result<()> {
    let vectors = fs::read_to_string(root().join("protocol/vectors/channel.json"))?;
    let corpus = root().join("fuzz/corpus/channel_frames");
    fs::create_dir_all(&corpus)?;
    let vectors: Vec<serde_json::Value> = serde_json::from_str(&vectors)?;
    for vector in vectors {
        let (Some(name), Some(hex)) = (vector["name"].as_str(), vector["hex"].as_str()) else {
            bail!("a vector of channel.json lacks its name or its bytes");
        };
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16);
        let bytes: Result<Vec<u8>, _> = (0..hex.len()).step_by(2).map(byte).collect();
        fs::write(corpus.join(name), bytes?)?;
    }
    Ok(())
}

/// `cargo xtask transfers`: what takes too long for every change: ten thousand simulated trees, a hundred kills, and
/// files larger than what a page may hold.
pub fn transfers() -> Result<()> {
    install::for_tests()?;
    for (title, package, test) in [
        ("simulated transfers", "mesh-peer", "sim"),
        ("transfers that are killed", "mesh-agent", "cuts"),
        ("a hundred thousand files", "mesh-agent", "many"),
    ] {
        slow(title, package, test)?;
    }
    for_pages()?;
    step(
        "large transfers",
        released_end_to_end().args(["run", "transfers"]),
    )
}

/// `cargo xtask screenshots`.
pub fn screenshots() -> Result<()> {
    install::for_tests()?;
    web_client()?;
    binaries()?;
    end_to_end_packages()?;
    step("screenshots", program("npm", "e2e").args(["run", "screenshots"]))
}
