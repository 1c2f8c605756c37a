//! The rules of ARCHITECTURE.md that no compiler checks.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{cargo, root};

/// What each crate may use of the workspace. Tests and tools see both sides; server and agent never see each other.
const ALLOWED: &[(&str, &[&str])] = &[
    ("mesh-protocol", &[]),
    ("mesh-peer", &["mesh-protocol"]),
    ("mesh-server", &["mesh-protocol"]),
    ("mesh-agent", &["mesh-protocol", "mesh-peer"]),
    (
        "mesh-testkit",
        &["mesh-protocol", "mesh-peer", "mesh-server", "mesh-agent"],
    ),
    (
        "mesh-bench",
        &[
            "mesh-protocol",
            "mesh-peer",
            "mesh-server",
            "mesh-agent",
            "mesh-testkit",
        ],
    ),
    ("xtask", &[]),
];

/// Crates whose tests may use the testkit.
const TESTKIT: &str = "mesh-testkit";

/// Past this a file has more than one reason to exist.
const MAX_LINES: usize = 600;

/// Runs every check and reports all findings at once.
pub fn tidy() -> Result<()> {
    let mut findings = Vec::new();
    let metadata = metadata()?;
    check_edges(&metadata, &mut findings)?;
    check_protocol_is_pure(&metadata, &mut findings)?;
    check_sources(&mut findings)?;
    if !findings.is_empty() {
        bail!("tidy found:\n  {}", findings.join("\n  "));
    }
    eprintln!("── tidy: nothing to say");
    Ok(())
}

fn metadata() -> Result<Value> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn check_edges(metadata: &Value, findings: &mut Vec<String>) -> Result<()> {
    let members: BTreeSet<&str> = list(metadata, "workspace_members")
        .filter_map(Value::as_str)
        .collect();
    let packages: Vec<&Value> = list(metadata, "packages")
        .filter(|p| members.contains(text(p, "id")))
        .collect();
    let names: BTreeSet<&str> = packages.iter().map(|p| text(p, "name")).collect();
    for package in &packages {
        let name = text(package, "name");
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(crate_name, _)| *crate_name == name)
            .with_context(|| format!("{name} is new: give it a line in xtask/src/tidy.rs"))?;
        for dependency in list(package, "dependencies") {
            let used = text(dependency, "name");
            let for_tests = text(dependency, "kind") == "dev" && used == TESTKIT;
            if names.contains(used) && used != name && !allowed.contains(&used) && !for_tests {
                findings.push(format!("{name} must not depend on {used}"));
            }
        }
    }
    Ok(())
}

/// mesh-protocol has no runtime, no clock and no I/O, not even through somebody else.
fn check_protocol_is_pure(metadata: &Value, findings: &mut Vec<String>) -> Result<()> {
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"], "nodes")
        .map(|node| (text(node, "id"), node))
        .collect();
    let names: BTreeMap<&str, &str> = list(metadata, "packages")
        .map(|p| (text(p, "id"), text(p, "name")))
        .collect();
    let start = names
        .iter()
        .find(|(_, name)| **name == "mesh-protocol")
        .context("mesh-protocol is gone")?;
    let mut open = vec![*start.0];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        if matches!(names.get(id), Some(&"tokio" | &"mio" | &"reqwest" | &"hyper")) {
            findings.push(format!("mesh-protocol reaches {}", names[id]));
        }
        let Some(node) = nodes.get(id) else { continue };
        let normal = |dep: &&Value| list(dep, "dep_kinds").any(|kind| kind["kind"].is_null());
        open.extend(list(node, "deps").filter(normal).map(|dep| text(dep, "pkg")));
    }
    Ok(())
}

fn check_sources(findings: &mut Vec<String>) -> Result<()> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--", "*.rs", "*.ts", "*.tsx"])
        .output()?;
    for path in String::from_utf8_lossy(&output.stdout).lines() {
        if path.contains("/generated/") {
            continue;
        }
        if let Some((tests, name)) = test_module(path) {
            let main = std::fs::read_to_string(root().join(tests).join("main.rs")).unwrap_or_default();
            if !main.lines().any(|line| line == format!("mod {name};")) {
                findings.push(format!(
                    "{path} is run by nobody: {tests}/main.rs does not name it"
                ));
            }
        }
        let Ok(source) = std::fs::read_to_string(root().join(path)) else {
            continue;
        };
        let lines = source.lines().count();
        if lines > MAX_LINES {
            findings.push(format!("{path} has {lines} lines: split it by responsibility"));
        }
        let module = path.ends_with(".rs") && path.contains("/src/") && !path.ends_with("_tests.rs");
        if module && !source.starts_with("//!") {
            findings.push(format!("{path} does not open with //!"));
        }
    }
    Ok(())
}

/// The folder and the name of a file that is a module of a crate's one binary of tests.
fn test_module(path: &str) -> Option<(&str, &str)> {
    let (tests, file) = path.rsplit_once('/')?;
    let name = file.strip_suffix(".rs").filter(|name| *name != "main")?;
    let main = tests.ends_with("/tests") && root().join(tests).join("main.rs").is_file();
    main.then_some((tests, name))
}
