//! TypeScript types of the wire, from mesh-protocol by ts-rs, committed in the web client.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, root, step};

const GENERATED: &str = "client/src/protocol/generated";

/// Replaces the committed files.
pub fn write() -> Result<()> {
    let fresh = generate()?;
    let target = root().join(GENERATED);
    if target.exists() {
        std::fs::remove_dir_all(&target)?;
    }
    std::fs::create_dir_all(&target)?;
    for (name, text) in fresh {
        std::fs::write(target.join(name), text)?;
    }
    Ok(())
}

/// Fails where the committed files are not what the code gives.
pub fn check() -> Result<()> {
    let (fresh, committed) = (generate()?, read(&root().join(GENERATED))?);
    let stale: Vec<&String> = fresh
        .keys()
        .chain(committed.keys())
        .filter(|name| fresh.get(*name) != committed.get(*name))
        .collect();
    if !stale.is_empty() {
        bail!("{GENERATED} is stale ({stale:?}): run `cargo xtask codegen` and commit what it writes");
    }
    Ok(())
}

fn generate() -> Result<BTreeMap<String, String>> {
    let folder = tempfile::tempdir()?;
    step(
        "TypeScript of the wire",
        cargo()
            .args(["nextest", "run", "--locked", "--status-level", "fail"])
            .args([
                "--ignore-default-filter",
                "-E",
                "package(mesh-protocol) and test(/::export_bindings_/)",
            ])
            .env("TS_RS_EXPORT_DIR", folder.path())
            // Every number of the wire stays below 2^53.
            .env("TS_RS_LARGE_INT", "number"),
    )?;
    let mut files = read(folder.path())?;
    let index: String = files
        .keys()
        .filter_map(|name| name.strip_suffix(".ts"))
        .map(|name| format!("export type {{ {name} }} from \"./{name}\";\n"))
        .collect();
    files.insert("index.ts".into(), index);
    Ok(files)
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(files);
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let text =
                std::fs::read_to_string(entry.path()).with_context(|| format!("cannot read {name}"))?;
            files.insert(name, text);
        }
    }
    Ok(files)
}
