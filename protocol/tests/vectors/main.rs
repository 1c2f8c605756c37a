//! The wire, byte for byte. Each file in `vectors/` is also read by the web client's tests; a change here is a change of
//! the protocol. `MESH_BLESS=1 cargo test -p mesh-protocol --test vectors` writes the files anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod capability;
mod channel;
mod signal;

use std::path::PathBuf;

use mesh_protocol::safe_path::SafePath;
use serde_json::{Value, json};

fn golden(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(name);
    let mut text = serde_json::to_string_pretty(value).unwrap();
    text.push('\n');
    if std::env::var_os("MESH_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        pinned == text,
        "{name} differs from what the code writes; see the head of this file"
    );
}

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn paths() {
    let long = "x".repeat(256);
    let deep = vec!["d"; 33].join("/");
    let names = [
        "a",
        "a/b.txt",
        "Ünïcödé/naïve café.pdf",
        ".config",
        "com",
        "com10",
        "..a",
        "日本語",
        "",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a//b",
        "a/",
        ".",
        "a\\b",
        "C:x",
        "a\u{0}b",
        "a\nb",
        "a\u{202e}b",
        "a.",
        "a ",
        "con",
        "CON.txt",
        "nul.tar.gz",
        "Com1",
        "lpt9.x",
        "a/prn/b",
        &long,
        &deep,
    ];
    let all: Vec<Value> = names
        .iter()
        .map(|path| json!({ "path": path, "ok": SafePath::parse(path).is_ok() }))
        .collect();
    golden("paths.json", &json!(all));
}
