//! The disk under the transfer engines: what is received stands, resumes, collides and fails as promised.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mesh_agent::disk::{DiskError, Folder, Inbox, SourceFile};
use mesh_peer::transfer::{Accepted, Entry, Held, Outcome, Receiver, ReceiverTask, Sender, Source};
use mesh_protocol::channel::{FileManifest, Frame, ManifestEntry};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::safe_path::SafePath;

const CHUNK: usize = 1024 * 1024;

fn content(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_be_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn inbox(folder: &Path) -> Inbox {
    Inbox::new(Folder::open(folder).unwrap())
}

/// Sends `files` into the inbox. Writes beyond `chunks` are not carried out, as if the process had been killed there.
struct Transfer<'a> {
    files: Vec<(&'a str, &'a [u8])>,
    chunks: usize,
    written: usize,
    stands: Vec<PathBuf>,
}

impl<'a> Transfer<'a> {
    fn of(files: &[(&'a str, &'a [u8])]) -> Self {
        Self {
            files: files.to_vec(),
            chunks: usize::MAX,
            written: 0,
            stands: Vec::new(),
        }
    }

    fn run(&mut self, inbox: &Inbox) -> Option<Outcome> {
        let sources = self.files.iter().map(|(path, bytes)| Source {
            path: (*path).into(),
            size: bytes.len() as u64,
            hash: blake3::hash(bytes),
            modified_at: Some(1_000_000_000_000),
        });
        let mut sender = Sender::new(sources.collect()).unwrap();
        let size = self.files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let mut receiver = Receiver::new(Accepted {
            size,
            count: self.files.len() as u64,
            max_size: None,
        });
        loop {
            let mut moved = false;
            while let Some(read) = sender.poll_read() {
                let bytes = self.files[read.file as usize].1;
                let filled = read.fill(|at, buffer| {
                    buffer.copy_from_slice(&bytes[at as usize..at as usize + buffer.len()]);
                    Ok::<_, ()>(())
                });
                sender.chunk_read(filled.unwrap());
            }
            while let Some(frame) = sender.poll_frame() {
                receiver.handle(Frame::decode(&frame).unwrap());
                moved = true;
            }
            while let Some(task) = receiver.poll_task() {
                moved = true;
                if matches!(task, ReceiverTask::Write(_)) && self.written == self.chunks {
                    return None;
                }
                self.carry_out(inbox, task, &mut receiver);
            }
            while let Some(frame) = receiver.poll_frame() {
                sender.handle(Frame::decode(&frame).unwrap());
                moved = true;
            }
            if receiver.outcome().is_some() || !moved {
                return receiver.outcome().cloned();
            }
        }
    }

    fn carry_out(&mut self, inbox: &Inbox, task: ReceiverTask, receiver: &mut Receiver) {
        let (file, result) = match task {
            ReceiverTask::Inspect(entry) => (
                entry.file,
                inbox
                    .inspect(&entry)
                    .map(|held| receiver.inspected(entry.file, held)),
            ),
            ReceiverTask::Write(chunk) => {
                let entry = receiver.entries()[chunk.file() as usize].clone();
                let written = inbox.write(&entry, chunk.verify().unwrap());
                self.written += usize::from(written.is_ok());
                (entry.file, written.map(|written| receiver.chunk_written(written)))
            }
            ReceiverTask::Commit(entry) => (
                entry.file,
                inbox.commit(&entry).map(|path| {
                    self.stands.push(path);
                    receiver.committed(entry.file);
                }),
            ),
            ReceiverTask::Discard(entry) => (
                entry.file,
                inbox.discard(&entry).map(|()| receiver.discarded(entry.file)),
            ),
        };
        if let Err(error) = result {
            receiver.task_failed(file, error.code(), error.to_string());
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn entry(path: &str, bytes: &[u8]) -> Entry {
    Entry {
        file: 0,
        path: SafePath::parse(path).unwrap(),
        size: bytes.len() as u64,
        hash: blake3::hash(bytes),
        modified_at: None,
    }
}

#[test]
fn files_folders_and_empty_files_stand_with_their_content_and_date() {
    let folder = tempfile::tempdir().unwrap();
    let (large, small) = (content(3 * CHUNK + 17, 1), content(5, 2));
    let mut transfer = Transfer::of(&[("large.bin", &large), ("a/b/small.txt", &small), ("empty", b"")]);
    assert_eq!(transfer.run(&inbox(folder.path())), Some(Outcome::Finished));
    assert_eq!(std::fs::read(folder.path().join("large.bin")).unwrap(), large);
    assert_eq!(std::fs::read(folder.path().join("a/b/small.txt")).unwrap(), small);
    assert_eq!(std::fs::read(folder.path().join("empty")).unwrap(), b"");
    assert_eq!(
        names(folder.path()),
        ["a", "empty", "large.bin"],
        "no part is left"
    );
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
fn nothing_is_ever_overwritten_and_the_same_content_is_not_received_twice() {
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
fn hostile_names_end_the_transfer_before_anything_is_opened() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("in");
    let inbox = inbox(&folder);
    for hostile in [
        "../x",
        "/etc/x",
        "a/../../x",
        "a\\..\\x",
        "C:x",
        "x\0y",
        "con",
        "a\u{202e}b",
        "./x",
        "x/",
        "x.",
    ] {
        let mut receiver = Receiver::new(Accepted {
            size: 10,
            count: 1,
            max_size: None,
        });
        let listed = ManifestEntry {
            file: 0,
            path: hostile.into(),
            size: 0,
            hash: blake3::hash(b"").to_hex().to_string(),
            modified_at: None,
            mode: None,
        };
        receiver.handle(Frame::FileManifest(FileManifest {
            files: vec![listed],
            last: true,
        }));
        let Some(Outcome::Failed(failure)) = receiver.outcome() else {
            panic!("{hostile:?} was taken")
        };
        assert_eq!(failure.code, ChannelCode::BadPath, "{hostile:?}");
        assert!(receiver.poll_task().is_none());
    }
    assert_eq!(names(parent.path()), ["in"]);
    assert!(names(inbox.folder().path()).is_empty());
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
fn a_link_swapped_in_while_files_arrive_never_leads_outside() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, outside) = (parent.path().join("in"), parent.path().join("outside"));
    std::fs::create_dir_all(folder.join("d")).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    symlink(&outside, folder.join("evil")).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (over, folder) = (over.clone(), std::fs::File::open(&folder).unwrap());
        move || {
            let mut swaps = 0u64;
            while !over.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&folder, "d", &folder, "evil", exchange).unwrap();
                swaps += 1;
            }
            swaps
        }
    });
    let inbox = inbox(&folder);
    let (mut stood, mut refused) = (0, 0);
    for number in 0..1000 {
        let entry = Entry {
            file: number,
            ..entry(&format!("d/f{number}"), b"")
        };
        match inbox.inspect(&entry).and_then(|_| inbox.commit(&entry)) {
            Ok(_) => stood += 1,
            Err(DiskError::Place(..)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    over.store(true, Ordering::Relaxed);
    assert!(swapper.join().unwrap() > 100);
    assert_eq!(
        names(&outside),
        Vec::<String>::new(),
        "{stood} stood, {refused} were refused"
    );
    assert!(
        stood > 0 && refused > 0,
        "{stood} stood, {refused} were refused: the race did not happen"
    );
}

/// A file system of a given size, where this machine lets us have one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(bytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(folder.path())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_leaves_no_final_file_and_resumes() {
    let bytes = content(6 * CHUNK, 3);
    for room in [1, 2, 3, 5] {
        let Some(disk) = SmallDisk::new(8 * CHUNK) else {
            eprintln!("no tmpfs can be mounted here: not tested");
            return;
        };
        let ballast = disk.0.path().join("ballast");
        std::fs::write(&ballast, vec![0; (8 - room) * CHUNK - CHUNK / 2]).unwrap();
        let Some(Outcome::Failed(failure)) = Transfer::of(&[("a.bin", &bytes)]).run(&inbox(disk.0.path()))
        else {
            panic!("six chunks fitted into {room}");
        };
        assert_eq!(failure.code, ChannelCode::DiskFull, "{failure}");
        assert!(failure.detail.contains("is full"), "{failure}");
        assert!(!disk.0.path().join("a.bin").exists());
        std::fs::remove_file(&ballast).unwrap();
        let mut again = Transfer::of(&[("a.bin", &bytes)]);
        assert_eq!(again.run(&inbox(disk.0.path())), Some(Outcome::Finished));
        assert!(
            again.written <= 6 - room + 1,
            "{} chunks were sent again with room for {room}",
            again.written
        );
        assert_eq!(std::fs::read(disk.0.path().join("a.bin")).unwrap(), bytes);
    }
}

#[test]
fn more_than_was_accepted_is_refused() {
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
        assert_eq!(
            source.hash(|_| true).unwrap(),
            Some(blake3::hash(&vec![1; 2 * CHUNK]))
        );
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
fn what_stands_already_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(100, 1);
    std::fs::write(folder.path().join("a"), content(100, 2)).unwrap();
    std::fs::write(folder.path().join("a (1)"), &bytes).unwrap();
    let inbox = inbox(folder.path());
    assert_eq!(inbox.inspect(&entry("a", &bytes)).unwrap(), Held::Whole);
    assert_eq!(inbox.inspect(&entry("b", &bytes)).unwrap(), Held::Nothing);
}
