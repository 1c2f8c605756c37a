//! What needs a disk of a certain size, or files without a name.

use mesh_agent::disk::{DiskError, Inbox};
use mesh_peer::transfer::Outcome;
use mesh_protocol::error_code::ChannelCode;

use crate::disk::transfer::{CHUNK, Transfer, content, entry, inbox, names};
use crate::world::small_disk::SmallDisk;

#[test]
fn t43_a_disk_full_at_20_points_is_told_leaves_no_final_file_and_resumes() {
    const POINTS: usize = 20;
    let bytes = content(6 * CHUNK, 3);
    let mut again_at_most = 0;
    for point in 0..POINTS {
        let room = point * 6 * CHUNK / POINTS;
        let Some(disk) = SmallDisk::new(8 * CHUNK) else {
            eprintln!("t43: no tmpfs can be mounted here: not tested");
            return;
        };
        let ballast = disk.path().join("ballast");
        std::fs::write(&ballast, vec![0; 8 * CHUNK - room]).unwrap();
        let Some(Outcome::Failed(failure)) = Transfer::of(&[("a.bin", &bytes)]).run(&inbox(disk.path()))
        else {
            panic!("six chunks fitted into {room} bytes");
        };
        assert_eq!(failure.code, ChannelCode::DiskFull, "{failure}");
        assert!(failure.detail.contains("is full"), "{failure}");
        assert!(!disk.path().join("a.bin").exists());
        std::fs::remove_file(&ballast).unwrap();
        let mut again = Transfer::of(&[("a.bin", &bytes)]);
        assert_eq!(again.run(&inbox(disk.path())), Some(Outcome::Finished));
        // The chunk that did not fit, and one that the notes took the last page of.
        let kept = room / CHUNK;
        assert!(
            again.written <= 6 - kept + 1,
            "{} chunks again at point {point}",
            again.written
        );
        again_at_most = again_at_most.max(again.written + kept - 6);
        assert_eq!(std::fs::read(disk.path().join("a.bin")).unwrap(), bytes);
    }
    println!(
        "t43: full at {POINTS} points: told, no final file, resumed with at most {again_at_most} chunks again"
    );
}

#[test]
fn small_files_have_no_name_before_they_are_whole_and_one_that_cannot_stand_keeps_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = (0..40).map(|seed| content(seed as usize * 10, seed)).collect();
    let paths: Vec<String> = (0..40)
        .map(|number| format!("d{}/{number}", number % 3))
        .collect();
    let entries: Vec<_> = (0..)
        .zip(paths.iter().zip(&contents))
        .map(|(file, (path, content))| mesh_peer::transfer::Entry {
            file,
            ..entry(path, content)
        })
        .collect();
    let write = |inbox: &Inbox| {
        let files: Vec<(&str, &[u8])> = paths
            .iter()
            .map(String::as_str)
            .zip(contents.iter().map(Vec::as_slice))
            .collect();
        let mut cut = Transfer {
            commits: false,
            ..Transfer::of(&files)
        };
        assert_eq!(cut.run(inbox), None);
        assert_eq!(cut.written, 39, "all but the empty one");
    };
    // Cut before a name was given: nothing is left of it.
    let first = inbox(folder.path());
    write(&first);
    for name in names(folder.path()) {
        assert!(names(&folder.path().join(name)).is_empty());
    }
    drop(first);

    let second = inbox(folder.path());
    write(&second);
    std::fs::remove_dir(folder.path().join("d1")).unwrap();
    std::os::unix::fs::symlink("/tmp", folder.path().join("d1")).unwrap();
    std::fs::write(folder.path().join("d0/3"), "mine").unwrap();
    for (entry, stands) in entries.iter().zip(second.commit(&entries)) {
        let number = entry.file as usize;
        if number % 3 == 1 {
            assert!(matches!(stands, Err(DiskError::Place(..))), "{stands:?}");
            continue;
        }
        let name = if number == 3 { "d0/3 (1)" } else { &paths[number] };
        assert_eq!(stands.unwrap(), folder.path().join(name));
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), contents[number]);
    }
    assert_eq!(std::fs::read(folder.path().join("d0/3")).unwrap(), b"mine");
}
