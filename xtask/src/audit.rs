//! `cargo xtask audit`: what others wrote and we ship: known holes, licences, where it comes from (test 62 of SECURITY.md).
//!
//! `deny.toml` holds the rules for Rust, with the reason of each exception. Known holes are looked up in databases on the network; where one is
//! out of reach that is said, and the rest is checked all the same.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::install;
use crate::process::{cargo, program, step};

const NODE_FOLDERS: [&str; 2] = ["client", "e2e"];
/// Advisories of npm that are accepted, each with its reason.
const NODE_EXCEPTIONS: &[(&str, &str)] = &[];

/// Everything; fails at the end where something is not clean.
pub fn audit() -> Result<()> {
    install::for_audit()?;
    let mut broken = Vec::new();
    let mut unseen = Vec::new();
    for check in ["bans", "licenses", "sources"] {
        let mut deny = cargo();
        deny.args(["deny", "--all-features", "check", check]);
        if step(&format!("Rust: {check}"), &mut deny).is_err() {
            broken.push(format!("Rust: {check}"));
        }
    }
    match rust_advisories()? {
        Advisories::None => {}
        Advisories::Some => broken.push("Rust: advisories".to_owned()),
        Advisories::OutOfReach => {
            unseen.push("Rust: the database of advisories (github.com/rustsec/advisory-db)".to_owned())
        }
    }
    for folder in NODE_FOLDERS {
        match node(folder)? {
            None => unseen.push(format!("{folder}/: the advisories of npm")),
            Some(found) if found.is_empty() => eprintln!("── {folder}/: npm knows of nothing"),
            Some(found) => broken.extend(found),
        }
    }
    for what in &unseen {
        eprintln!("NOT LOOKED AT, out of reach: {what}");
    }
    if !broken.is_empty() {
        bail!("not clean: {}", broken.join("; "));
    }
    println!(
        "t62: bans, licences and sources are clean; {} databases of advisories could not be asked",
        unseen.len()
    );
    Ok(())
}

enum Advisories {
    None,
    Some,
    OutOfReach,
}

fn rust_advisories() -> Result<Advisories> {
    eprintln!("── Rust: advisories");
    let fetched = cargo().args(["deny", "fetch", "db"]).output()?;
    if !fetched.status.success() {
        return Ok(Advisories::OutOfReach);
    }
    let checked = cargo()
        .args(["deny", "--all-features", "check", "advisories"])
        .status()?;
    Ok(if checked.success() {
        Advisories::None
    } else {
        Advisories::Some
    })
}

/// What npm knows of the packages of a folder; nothing where its registry does not answer such questions.
fn node(folder: &str) -> Result<Option<Vec<String>>> {
    let mut audit: Command = program("npm", folder);
    let output = audit.args(["audit", "--json"]).output().context("npm")?;
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Ok(None);
    };
    let Some(vulnerabilities) = report["vulnerabilities"].as_object() else {
        return Ok(None);
    };
    let accepted = |package: &str| NODE_EXCEPTIONS.iter().any(|(name, _)| *name == package);
    let found = vulnerabilities
        .iter()
        .filter(|(package, _)| !accepted(package))
        .map(|(package, hole)| {
            format!(
                "{folder}/: {package} ({})",
                hole["severity"].as_str().unwrap_or("?")
            )
        });
    Ok(Some(found.collect()))
}
