//! The disk under the transfer engines: what is received stands, resumes, collides and fails as promised.

mod hostile;
#[cfg(unix)]
mod links;
#[cfg(target_os = "linux")]
mod on_linux;
mod transfer;

use std::collections::HashMap;
use std::path::Path;

use mesh_agent::disk::{self, DiskError, Existing, SourceFile};
use mesh_peer::transfer::{FileHash, Held, Outcome, Sender, Source};

use crate::disk::transfer::{CHUNK, Transfer, content, entry, inbox, names};

#[test]
fn files_folders_and_empty_files_stand_with_their_content_and_date() {
    let folder = tempfile::tempdir().unwrap();
    let (large, small) = (content(3 * CHUNK + 17, 1), content(5, 2));
    let mut transfer = Transfer::of(&[
        ("large.bin", &large),
        ("a/b/small.txt", &small),
        ("a/run.sh", &small),
        ("empty", b""),
    ]);
    assert_eq!(transfer.run(&inbox(folder.path())), Some(Outcome::Finished));
    assert_eq!(std::fs::read(folder.path().join("large.bin")).unwrap(), large);
    assert_eq!(std::fs::read(folder.path().join("a/b/small.txt")).unwrap(), small);
    assert_eq!(std::fs::read(folder.path().join("empty")).unwrap(), b"");
    assert_eq!(
        names(folder.path()),
        ["a", "empty", "large.bin"],
        "no part is left"
    );
    #[cfg(unix)]
    let executable = |name: &str| {
        let metadata = std::fs::metadata(folder.path().join(name)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0
    };
    #[cfg(unix)]
    assert!(executable("a/run.sh") && !executable("large.bin"));
    let modified = std::fs::metadata(folder.path().join("large.bin"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(
        modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
        1_000_000_000
    );
}

#[test]
fn t41_nothing_is_ever_overwritten_and_the_same_content_is_not_received_twice() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "mine").unwrap();
    std::fs::write(folder.path().join("a (1).txt.part"), "mine too").unwrap();
    let versions: Vec<Vec<u8>> = (0..3).map(|seed| content(2 * CHUNK + 1, seed)).collect();
    for version in versions.iter().chain(&versions[..1]) {
        assert_eq!(
            Transfer::of(&[("a.txt", version)]).run(&inbox(folder.path())),
            Some(Outcome::Finished)
        );
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("a.txt"), b"mine");
    assert_eq!(read("a (1).txt.part"), b"mine too");
    assert_eq!(
        [read("a (1).txt"), read("a (2).txt"), read("a (3).txt")],
        versions[..]
    );
    assert_eq!(names(folder.path()).len(), 5);
    // Names that some disk takes for one collide before anything is written.
    let pairs = [
        ("B", "b"),
        ("é", "e\u{301}"),
        ("d", "d/x"),
        ("Ⅷ", "ⅷ"),
        ("ß/a", "ß/A"),
        ("q", "q"),
    ];
    for (one, other) in pairs {
        let source = |path: &str| Source {
            path: path.into(),
            size: 0,
            hash: blake3::hash(b"").into(),
            modified_at: None,
            mode: None,
        };
        assert!(
            Sender::new(vec![source(one), source(other)]).is_err(),
            "{one:?} {other:?}"
        );
    }
    println!(
        "t41: 4 transfers of one name and {} pairs: 0 silent overwrites",
        pairs.len()
    );
}

#[test]
fn what_a_person_says_of_names_that_are_taken_is_done() {
    let (old, new) = (content(10, 1), content(10, 2));
    for (existing, stands, first) in [
        (Existing::Rename, vec!["a.txt", "a (1).txt"], &old),
        (Existing::Overwrite, vec!["a.txt"], &new),
        (Existing::Skip, vec!["a.txt"], &old),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), &old).unwrap();
        let inbox = inbox(folder.path()).with_existing(existing);
        let outcome = Transfer::of(&[("a.txt", &new)]).run(&inbox);
        assert_eq!(outcome, Some(Outcome::Finished), "{existing:?}");
        assert_eq!(
            &std::fs::read(folder.path().join("a.txt")).unwrap(),
            first,
            "{existing:?}"
        );
        let mut stands = stands;
        stands.sort_unstable();
        assert_eq!(names(folder.path()), stands, "{existing:?}");
    }
    // A folder of that name is never replaced.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a.txt")).unwrap();
    let inbox = inbox(folder.path()).with_existing(Existing::Overwrite);
    assert_eq!(
        Transfer::of(&[("a.txt", &new)]).run(&inbox),
        Some(Outcome::Finished)
    );
    assert_eq!(names(folder.path()), ["a (1).txt", "a.txt"]);
}

#[test]
fn two_transfers_of_one_name_do_not_write_into_one_part() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(4 * CHUNK, 1);
    let (one, two) = (inbox(folder.path()), inbox(folder.path()));
    let mut first = Transfer {
        chunks: 2,
        ..Transfer::of(&[("a", &bytes)])
    };
    assert_eq!(first.run(&one), None);
    // The first one still holds its part.
    assert_eq!(Transfer::of(&[("a", &bytes)]).run(&two), Some(Outcome::Finished));
    assert_eq!(names(folder.path()), ["a", "a.part", "a.part.state"]);
}

#[test]
fn a_cut_transfer_goes_on_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(8 * CHUNK + 3, 7);
    let mut cut = Transfer {
        chunks: 5,
        ..Transfer::of(&[("a.bin", &bytes)])
    };
    assert_eq!(cut.run(&inbox(folder.path())), None);
    assert_eq!(names(folder.path()), ["a.bin.part", "a.bin.part.state"]);
    let mut again = Transfer::of(&[("a.bin", &bytes)]);
    assert_eq!(again.run(&inbox(folder.path())), Some(Outcome::Finished));
    assert_eq!(again.written, 4, "five of nine chunks were there");
    assert_eq!(std::fs::read(folder.path().join("a.bin")).unwrap(), bytes);
    assert_eq!(names(folder.path()), ["a.bin"]);
}

type Harm = fn(&mut Vec<u8>);

#[test]
fn a_part_that_was_damaged_or_cut_short_is_not_believed() {
    let bytes = content(6 * CHUNK, 9);
    let damages: [(&str, Harm, Harm); 4] = [
        ("a flipped bit", |part| part[CHUNK + 5] ^= 1, |_| {}),
        ("a short part", |part| part.truncate(2 * CHUNK + 9), |_| {}),
        ("a torn note", |_| {}, |notes| notes.truncate(notes.len() - 7)),
        ("notes of zeros", |_| {}, |notes| notes[60..].fill(0)),
    ];
    for (what, harm_part, harm_notes) in damages {
        let folder = tempfile::tempdir().unwrap();
        let mut cut = Transfer {
            chunks: 4,
            ..Transfer::of(&[("a.bin", &bytes)])
        };
        assert_eq!(cut.run(&inbox(folder.path())), None);
        for (name, harm) in [("a.bin.part", harm_part), ("a.bin.part.state", harm_notes)] {
            let path = folder.path().join(name);
            let mut found = std::fs::read(&path).unwrap();
            harm(&mut found);
            std::fs::write(&path, found).unwrap();
        }
        let mut again = Transfer::of(&[("a.bin", &bytes)]);
        assert_eq!(
            again.run(&inbox(folder.path())),
            Some(Outcome::Finished),
            "{what}"
        );
        assert!(
            (3..=6).contains(&again.written),
            "{what}: {} chunks were written",
            again.written
        );
        assert_eq!(
            std::fs::read(folder.path().join("a.bin")).unwrap(),
            bytes,
            "{what}"
        );
    }
}

#[test]
fn what_is_noted_after_a_torn_note_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(8 * CHUNK, 10);
    let cut = |chunks| Transfer {
        chunks,
        ..Transfer::of(&[("a.bin", &bytes)])
    };
    assert_eq!(cut(4).run(&inbox(folder.path())), None);
    let state = folder.path().join("a.bin.part.state");
    let notes = std::fs::read(&state).unwrap();
    std::fs::write(&state, &notes[..notes.len() - 7]).unwrap();
    assert_eq!(cut(3).run(&inbox(folder.path())), None);
    let mut last = cut(usize::MAX);
    assert_eq!(last.run(&inbox(folder.path())), Some(Outcome::Finished));
    assert_eq!(
        last.written, 2,
        "three stood before the torn one, three came after it"
    );
}

#[test]
fn a_source_that_changes_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let changes: HashMap<&str, fn(&Path)> = HashMap::from([
        (
            "longer",
            (|path| std::fs::write(path, vec![1; 3 * CHUNK]).unwrap()) as fn(&Path),
        ),
        ("shorter", |path| std::fs::write(path, vec![1; CHUNK]).unwrap()),
        ("other bytes", |path| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            std::fs::write(path, vec![2; 2 * CHUNK]).unwrap();
        }),
    ]);
    for (what, change) in changes {
        std::fs::write(&path, vec![1; 2 * CHUNK]).unwrap();
        let source = SourceFile::open(&path).unwrap();
        assert!(source.unchanged().is_ok());
        change(&path);
        assert!(
            matches!(source.unchanged(), Err(DiskError::SourceChanged(_))),
            "{what}"
        );
    }
    assert!(matches!(
        SourceFile::open(folder.path()),
        Err(DiskError::SourceGone(..))
    ));
    assert!(matches!(
        SourceFile::open(&folder.path().join("none")),
        Err(DiskError::SourceGone(..))
    ));
}

#[test]
fn files_of_every_size_are_hashed_in_their_order_and_one_that_changed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = [
        0,
        1,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        16 * CHUNK,
        16 * CHUNK + 1,
        35 * CHUNK + 7,
    ];
    let contents: Vec<Vec<u8>> = (0..).zip(sizes).map(|(seed, size)| content(size, seed)).collect();
    let mut sources = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        std::fs::write(&path, content).unwrap();
        sources.push(SourceFile::open(&path).unwrap());
    }
    let expected: Vec<FileHash> = contents.iter().map(|content| FileHash::of(content)).collect();
    assert_eq!(disk::hash(&sources, || true).unwrap(), Some(expected));
    assert_eq!(disk::hash(&sources, || false).unwrap(), None);
    std::fs::write(folder.path().join("3"), "changed").unwrap();
    assert!(
        matches!(disk::hash(&sources, || true), Err(DiskError::SourceChanged(path)) if path == Path::new("3"))
    );
}

#[test]
fn what_stands_already_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(100, 1);
    std::fs::write(folder.path().join("a"), content(100, 2)).unwrap();
    std::fs::write(folder.path().join("a (1)"), &bytes).unwrap();
    let inbox = inbox(folder.path());
    assert_eq!(inbox.inspect(&entry("a", &bytes)).unwrap(), Held::Whole);
    assert_eq!(inbox.inspect(&entry("b", &bytes)).unwrap(), Held::Nothing);
}
