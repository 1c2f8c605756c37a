//! Shared folders, with a real server and real processes: looked into, taken from, put into, watched, taken back.

use std::path::PathBuf;

use crate::world::small_disk::SmallDisk;
use crate::world::{Machine, Running, World, hash_of, random_file};

/// What the server may see of a session, whatever it moves.
const SERVER_BYTES: u64 = 64 * 1024;

/// A folder with a large file, and a folder with a small one and one that is hidden.
fn folder(world: &World) -> (PathBuf, String) {
    let folder = world.path("photos");
    std::fs::create_dir_all(folder.join("2026/summer")).unwrap();
    std::fs::write(folder.join("2026/summer/note.txt"), "hello").unwrap();
    std::fs::write(folder.join("2026/.secret"), "nobody sees this").unwrap();
    let hash = random_file(&folder.join("2026/disk.img"), 64);
    (folder, hash)
}

async fn share(owner: &Machine, folder: &std::path::Path, more: &[&str]) -> Running {
    let mut arguments = vec!["share", "folder", folder.to_str().unwrap()];
    arguments.extend(more);
    let mut sharing = owner.mesh(&arguments);
    sharing.until("is shared in Home").await;
    sharing
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_still_to_come_needs_room() {
    let Some(disk) = SmallDisk::new(80 * 1024 * 1024) else {
        eprintln!("no tmpfs can be mounted here: not tested");
        return;
    };
    let world = World::start().await;
    let (owner, viewer) = (world.machine("owner").await, world.machine("viewer").await);
    let folder = world.path("disks");
    std::fs::create_dir(&folder).unwrap();
    random_file(&folder.join("small.img"), 8);
    // Without content on the disk here, but more than there is room for there.
    let large = std::fs::File::create(folder.join("large.img")).unwrap();
    large.set_len(100 * 1024 * 1024).unwrap();
    let _sharing = share(&owner, &folder, &[]).await;
    until_listed(&viewer, "disks").await;

    let out = disk.path().to_str().unwrap();
    let said = viewer.fails(&["get", "disks:", "--out", out]).await;
    assert!(said.contains("113.2 MB more are needed"), "{said}");
    // What is left out needs none, and neither does what stands already.
    for _ in 0..2 {
        let got = viewer
            .done(&["get", "disks:", "--out", out, "--exclude", "large.*"])
            .await;
        assert_eq!((&got["files"], &got["skipped"]), (&1.into(), &1.into()));
    }
    owner.done(&["down"]).await;
}

/// Lists until the share is there: it is announced by the daemon after the command has its answer.
async fn until_listed(viewer: &Machine, label: &str) {
    loop {
        let (listed, said) = viewer.mesh(&["ls"]).finish().await;
        assert!(listed.success());
        if said.iter().any(|line| line.starts_with(label)) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_shared_listed_searched_pulled_whole_and_taken_back() {
    let world = World::start().await;
    let (owner, viewer) = (world.machine("owner").await, world.machine("viewer").await);
    let (folder, hash) = folder(&world);
    let sharing = share(&owner, &folder, &[]).await;
    until_listed(&viewer, "photos").await;

    let (listed, said) = viewer.mesh(&["ls", "photos:2026"]).finish().await;
    assert!(listed.success(), "{said:?}");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("d ") && said[0].ends_with(" summer/"),
        "{said:?}"
    );
    assert!(
        said[1].contains("67.1 MB") && said[1].ends_with(" disk.img"),
        "{said:?}"
    );
    let (found, said) = viewer.mesh(&["ls", "photos", "--search", "NOTE"]).finish().await;
    assert!(
        found.success() && said.len() == 1 && said[0].ends_with("2026/summer/note.txt"),
        "{said:?}"
    );
    for outside in ["photos:..", "photos:2026/.secret", "photos:/../../etc"] {
        assert_eq!(
            viewer.mesh(&["ls", outside]).finish().await.0.code(),
            Some(1),
            "{outside}"
        );
        assert_eq!(
            viewer.mesh(&["get", outside]).finish().await.0.code(),
            Some(1),
            "{outside}"
        );
    }

    // A part of it, and what becomes of a name that is taken.
    let some = world.path("some");
    std::fs::create_dir_all(some.join("summer")).unwrap();
    std::fs::write(some.join("summer/note.txt"), "mine").unwrap();
    for (more, stands, numbered) in [
        ("--skip", "mine", false),
        ("--rename", "mine", true),
        ("--overwrite", "hello", true),
    ] {
        let (place, out) = ("photos:2026/summer", some.to_str().unwrap());
        viewer.done(&["get", place, "--out", out, more]).await;
        let read = std::fs::read_to_string(some.join("summer/note.txt"));
        assert_eq!(read.unwrap(), stands, "{more}");
        assert_eq!(some.join("summer/note (1).txt").exists(), numbered, "{more}");
    }
    let out = some.to_str().unwrap();
    let got = viewer
        .done(&["get", "photos:2026", "--out", out, "--exclude", "*.img"])
        .await;
    assert_eq!((&got["files"], &got["skipped"]), (&1.into(), &1.into()));
    assert!(!some.join("2026/disk.img").exists());

    let before = world.server.traffic();
    let out = world.path("out");
    let (got, said) = viewer
        .mesh(&["get", "photos:2026", "--out", out.to_str().unwrap()])
        .finish()
        .await;
    assert!(got.success(), "{said:?}");
    assert!(
        said.iter()
            .any(|line| line.contains(&format!("BLAKE3 {hash} verified"))),
        "{said:?}"
    );
    assert_eq!(hash_of(&out.join("2026/disk.img")), hash);
    assert_eq!(
        std::fs::read_to_string(out.join("2026/summer/note.txt")).unwrap(),
        "hello"
    );
    assert!(!out.join("2026/.secret").exists(), "what is hidden stays");
    let after = world.server.traffic();
    let seen = (after.read - before.read) + (after.written - before.written);
    assert!(seen < SERVER_BYTES, "the server saw {seen} bytes");

    std::fs::write(world.path("mine.txt"), "mine").unwrap();
    let mine = world.path("mine.txt");
    let (put, _) = viewer
        .mesh(&["put", mine.to_str().unwrap(), "photos:"])
        .finish()
        .await;
    assert_eq!(put.code(), Some(4), "it is to be read only");

    drop(sharing);
    loop {
        let (_, said) = viewer.mesh(&["ls"]).finish().await;
        if said.is_empty() {
            break;
        }
    }
    assert_eq!(viewer.mesh(&["ls", "photos"]).finish().await.0.code(), Some(1));
    assert!(owner.mesh(&["down"]).finish().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_folder_takes_files_and_a_share_that_is_stopped_cuts_who_is_in_it() {
    let world = World::start().await;
    let (owner, viewer) = (world.machine("owner").await, world.machine("viewer").await);
    let (folder, _) = folder(&world);
    let mut sharing = share(&owner, &folder, &["--drop", "--name", "Inbox"]).await;
    until_listed(&viewer, "Inbox").await;
    let source = world.path("report.bin");
    let hash = random_file(&source, 3);
    for (time, name) in [(1, "report.bin"), (2, "report (1).bin")] {
        if time == 2 {
            std::fs::write(folder.join("2026/report.bin"), "another").unwrap();
        }
        let (put, said) = viewer
            .mesh(&["put", source.to_str().unwrap(), "Inbox:2026"])
            .finish()
            .await;
        assert!(put.success(), "{said:?}");
        sharing.until(&format!("BLAKE3 {hash} verified")).await;
        assert_eq!(hash_of(&folder.join("2026").join(name)), hash);
    }
    assert_eq!(std::fs::read(folder.join("2026/report.bin")).unwrap(), b"another");

    // In the middle of a pull its owner stops.
    random_file(&folder.join("large.img"), 1024);
    let out = world.path("out");
    let mut getting = viewer.mesh(&["get", "Inbox:large.img", "--out", out.to_str().unwrap()]);
    getting.until("MB/s").await;
    let begun = std::time::Instant::now();
    assert!(owner.mesh(&["stop", "Inbox"]).finish().await.0.success());
    let (got, _) = getting.finish().await;
    println!(
        "a pull ended {} ms after `mesh stop` began",
        begun.elapsed().as_millis()
    );
    assert_eq!(got.code(), Some(4), "refused, by its owner");
    assert!(!out.join("large.img").exists());
    sharing.until("not shared any more").await;
    assert!(sharing.finish().await.0.success());
    assert!(owner.mesh(&["down"]).finish().await.0.success());
}
