//! Senders, and others on the same machine, that want a file to stand where it should not.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mesh_agent::disk::DiskError;
use mesh_peer::transfer::{Accepted, Entry, Outcome, Receiver};
use mesh_protocol::channel::{FileManifest, Frame, ManifestEntry};
use mesh_protocol::error_code::ChannelCode;

use crate::disk::transfer::{CHUNK, Transfer, content, entry, inbox, names};

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
fn links_that_stand_where_a_file_or_folder_should_lead_nowhere() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, outside) = (parent.path().join("in"), parent.path().join("outside"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("victim"), "untouched").unwrap();
    symlink(&outside, folder.join("d")).unwrap();
    for link in ["f", "f.part", "f.part.state", "f (1).part"] {
        symlink(outside.join("victim"), folder.join(link)).unwrap();
    }
    std::fs::hard_link(outside.join("victim"), folder.join("g.part")).unwrap();
    let bytes = content(2 * CHUNK, 1);
    let through_folder = Transfer::of(&[("d/f", &bytes)]).run(&inbox(&folder));
    let Some(Outcome::Failed(failure)) = through_folder else {
        panic!("written through a link")
    };
    assert_eq!(failure.code, ChannelCode::BadPath);
    for name in ["f", "g"] {
        assert_eq!(
            Transfer::of(&[(name, &bytes)]).run(&inbox(&folder)),
            Some(Outcome::Finished)
        );
    }
    assert_eq!(names(&outside), ["victim"]);
    assert_eq!(std::fs::read(outside.join("victim")).unwrap(), b"untouched");
    assert_eq!(std::fs::read(folder.join("f (1)")).unwrap(), bytes);
    assert_eq!(std::fs::read(folder.join("g")).unwrap(), bytes);
}

#[test]
fn t40_a_link_swapped_in_1_000_times_while_files_arrive_never_leads_outside() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, outside) = (parent.path().join("in"), parent.path().join("outside"));
    std::fs::create_dir_all(folder.join("d")).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    symlink(&outside, folder.join("evil")).unwrap();
    let (over, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let swapper = std::thread::spawn({
        let (over, swaps) = (over.clone(), swaps.clone());
        let folder = std::fs::File::open(&folder).unwrap();
        move || {
            while !over.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&folder, "d", &folder, "evil", exchange).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let inbox = inbox(&folder);
    let (mut stood, mut refused) = (0, 0);
    for number in 0.. {
        if number >= 1_000 && swaps.load(Ordering::Relaxed) >= 1_000 {
            break;
        }
        let entry = Entry {
            file: number,
            ..entry(&format!("d/f{number}"), b"")
        };
        match inbox
            .inspect(&entry)
            .and_then(|_| inbox.commit(&[entry]).remove(0))
        {
            Ok(_) => stood += 1,
            Err(DiskError::Place(..)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    over.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    println!(
        "t40: {} swaps while files came: {stood} stood, {refused} refused, {} outside",
        swaps.load(Ordering::Relaxed),
        names(&outside).len()
    );
    assert_eq!(
        names(&outside),
        Vec::<String>::new(),
        "{stood} stood, {refused} were refused"
    );
    assert!(refused > 0, "{stood} stood: the race did not happen");
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
        }));
        let Some(Outcome::Failed(failure)) = receiver.outcome() else {
            panic!("taken")
        };
        assert_eq!(failure.code, ChannelCode::TooLarge);
    }
}
