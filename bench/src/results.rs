//! Where raw results go: `<results>/<day>-<host>/<name>.json`.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::Serialize;

/// Writes the results of one benchmark, in place of earlier ones of the day.
pub(crate) fn write(results: &Path, host: &str, name: &str, measured: &impl Serialize) -> anyhow::Result<()> {
    let date = Command::new("date").arg("+%Y-%m-%d").output().context("date")?;
    let folder = results.join(format!("{}-{host}", String::from_utf8_lossy(&date.stdout).trim()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, serde_json::to_string_pretty(measured)? + "\n")?;
    println!("→ {}", file.display());
    Ok(())
}
