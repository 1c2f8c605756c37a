//! A manifest, in whatever frames: what a receiver admits is within what was accepted, and every name of it is safe.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_peer::transfer::{Accepted, Held, Receiver, ReceiverTask};
use mesh_protocol::channel::{FileManifest, Frame, ManifestEntry};
use mesh_protocol::safe_path::SafePath;

#[derive(Arbitrary, Debug)]
struct Listed<'a> {
    path: &'a str,
    size: u64,
    /// Of this content, or nonsense.
    hash: Result<&'a [u8], &'a str>,
    modified_at: Option<u64>,
    mode: Option<u32>,
    /// Where it is not the next.
    number: Option<u32>,
    last_of_frame: bool,
    last: bool,
}

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    size: u64,
    count: u8,
    max_size: Option<u64>,
    listed: Vec<Listed<'a>>,
}

fuzz_target!(|case: Case<'_>| {
    let accepted = Accepted {
        size: case.size,
        count: u64::from(case.count),
        max_size: case.max_size,
    };
    let mut receiver = Receiver::new(accepted);
    let mut files = Vec::new();
    for (number, listed) in (0..).zip(case.listed) {
        files.push(ManifestEntry {
            file: listed.number.unwrap_or(number),
            path: listed.path.to_owned(),
            size: listed.size,
            hash: match listed.hash {
                Ok(content) => blake3::hash(content).to_hex().to_string(),
                Err(nonsense) => nonsense.to_owned(),
            },
            modified_at: listed.modified_at,
            mode: listed.mode,
        });
        if listed.last_of_frame || listed.last {
            let files = std::mem::take(&mut files);
            receiver.handle(Frame::FileManifest(FileManifest {
                files,
                last: listed.last,
                bundles: false,
            }));
        }
    }
    let entries = receiver.entries();
    assert!(entries.len() as u64 <= accepted.count);
    let total: u64 = entries.iter().map(|entry| entry.size).sum();
    assert!(total <= accepted.size.min(accepted.max_size.unwrap_or(u64::MAX)));
    for entry in entries {
        assert!(SafePath::parse(entry.path.as_str()).is_ok());
    }
    while let Some(ReceiverTask::Inspect(entry)) = receiver.poll_task() {
        receiver.inspected(entry.file, Held::Nothing);
    }
    while let Some(frame) = receiver.poll_frame() {
        assert!(Frame::decode(&frame).is_ok());
    }
});
