//! Senders, and others on the same machine, that want a file to stand where it should not.

use mesh_peer::transfer::{Accepted, Outcome, Receiver};
use mesh_protocol::channel::{FileManifest, Frame, ManifestEntry};
use mesh_protocol::error_code::ChannelCode;

use crate::disk::transfer::{CHUNK, Transfer, content, inbox, names};

/// Names that no receiver takes: every bad component, alone, below and above others.
fn hostile_names() -> Vec<String> {
    let mut bad: Vec<String> = [
        "..",
        ".",
        "",
        "a\\b",
        "..\\..",
        "C:x",
        "C:\\x",
        "a:b",
        "x\0y",
        "x\ny",
        "x\u{7f}",
        "\u{1b}[2J",
        "a\u{202e}b",
        "\u{200f}",
        "\u{2066}a",
        "x.",
        "x ",
        "...",
        ". .",
    ]
    .map(String::from)
    .to_vec();
    for device in [
        "con", "PRN", "Aux", "nul", "COM0", "com1", "Com9", "LPT0", "lpt1", "LPT9", "COM¹", "LPT³",
    ] {
        bad.extend(["", ".txt", ".tar.gz", " .x"].map(|rest| format!("{device}{rest}")));
    }
    bad.extend([
        "x".repeat(256),
        "é".repeat(128),
        vec!["d"; 33].join("/"),
        "y/".repeat(2_050) + "y",
    ]);
    let around = |bad: &String| {
        [
            "{}", "a/{}", "{}/b", "a/{}/b", "a/b/c/{}", "{}/{}", "/{}", "a//{}",
        ]
        .map(|shape| shape.replace("{}", bad))
    };
    bad.iter().flat_map(around).collect()
}

#[test]
fn t39_500_hostile_names_and_generated_ones_write_nothing_outside() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("in");
    let inbox = inbox(&folder);
    let refused = |name: &str| {
        let outcome = Transfer::of(&[]).receive(name, &inbox);
        matches!(outcome, Some(Outcome::Failed(failure)) if failure.code == ChannelCode::BadPath)
    };
    let hostile = hostile_names();
    assert!(hostile.len() >= 500, "{}", hostile.len());
    for name in &hostile {
        assert!(refused(name), "{name:?} was taken");
    }
    assert!(names(&folder).is_empty());
    // Whatever else is made of such pieces is refused, or stands inside.
    let pieces = [
        "..",
        ".",
        "/",
        "\\",
        "a",
        "é",
        " ",
        ":",
        "con",
        "~",
        "$HOME",
        "%2e%2e",
        "\u{2024}\u{2024}",
        "-rf",
    ];
    let picks = content(6 * 1_000, 39);
    let (mut taken, mut turned_away) = (0, 0);
    for picks in picks.chunks(6) {
        let name: String = picks
            .iter()
            .map(|pick| pieces[usize::from(*pick) % pieces.len()])
            .collect();
        if refused(&name) {
            turned_away += 1;
        } else {
            taken += 1;
        }
        assert_eq!(names(parent.path()), ["in"], "{name:?}");
    }
    println!(
        "t39: {} hostile names refused; of 1,000 generated ones {turned_away} refused and {taken} inside; 0 writes outside",
        hostile.len()
    );
    assert!(taken > 100 && turned_away > 100);
}

#[test]
fn t42_more_than_was_accepted_is_refused_before_a_byte() {
    let bytes = content(2 * CHUNK, 1);
    let listed = |size: u64| ManifestEntry {
        file: 0,
        path: "a".into(),
        size,
        hash: blake3::hash(&bytes).to_hex().to_string(),
        modified_at: None,
        mode: None,
    };
    for (accepted, max_size) in [(CHUNK as u64, None), (10 * CHUNK as u64, Some(CHUNK as u64))] {
        let mut receiver = Receiver::new(Accepted {
            size: accepted,
            count: 1,
            max_size,
        });
        receiver.handle(Frame::FileManifest(FileManifest {
            files: vec![listed(bytes.len() as u64)],
            last: true,
            bundles: false,
        }));
        let Some(Outcome::Failed(failure)) = receiver.outcome() else {
            panic!("taken")
        };
        assert_eq!(failure.code, ChannelCode::TooLarge);
    }
}
