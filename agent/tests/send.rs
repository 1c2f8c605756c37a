//! `mesh send` and `mesh receive` between two machines: folders, standard input, a part of what is offered, a pause in the
//! middle, an answer of a person, a source that changes.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::world::window::Window;
use crate::world::{World, hash_of, random_file, status};

/// Ordinary files below a folder, by their path in it, with content, execute bit and date.
fn tree(root: &Path) -> BTreeMap<String, (Vec<u8>, bool, u64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let modified = metadata.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
                let executable = metadata.permissions().mode() & 0o100 != 0;
                let content = std::fs::read(&path).unwrap();
                found.insert(name, (content, executable, modified.as_secs()));
            }
        }
    }
    found
}

fn write(path: &Path, content: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let date = UNIX_EPOCH + Duration::from_secs(1_000_000_000 + content.len() as u64);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(date)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_arrives_with_its_tree_its_dates_and_what_may_be_executed() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let folder = world.path("project");
    write(&folder.join("run.sh"), "#!/bin/sh\n", 0o755);
    write(&folder.join("a/b/c/deep.txt"), "deep", 0o600);
    write(&folder.join("empty"), "", 0o644);
    for number in 0..300 {
        write(&folder.join(format!("many/{number}")), &number.to_string(), 0o644);
    }
    let all = tree(&folder);
    write(&folder.join("target/x.o"), "left out", 0o644);
    write(&folder.join("a/y.o"), "left out", 0o644);
    symlink("/etc/passwd", folder.join("link")).unwrap();
    symlink("/etc", folder.join("linked")).unwrap();

    let receiving = receiver.receiving(&[]).await;
    let folder = format!("{}/", folder.display());
    let arguments = [
        "send",
        &folder,
        "--to",
        "receiver",
        "--exclude",
        "/target",
        "--exclude",
        "*.o",
    ];
    let sent = sender.mesh(&arguments).finish().await;
    assert_eq!(status(&sent), Some(0), "{:?}", sent.1);
    let passed_over = sent
        .1
        .iter()
        .filter(|line| line.contains("is a symbolic link: it is not sent"));
    assert_eq!(passed_over.count(), 2, "{:?}", sent.1);
    assert!(
        sent.1
            .iter()
            .any(|line| line.contains("BLAKE3 of 303 files verified by")),
        "{:?}",
        sent.1
    );
    assert_eq!(status(&receiving.finish().await), Some(0));
    assert_eq!(tree(&receiver.downloads().join("project")), all);
    assert_eq!(std::fs::read_dir(receiver.downloads()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_arrives_under_the_name_that_it_is_given() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let source = world.path("source");
    let hash = random_file(&source, 3);
    let receiving = receiver.receiving(&[]).await;
    let arguments = ["send", "-", "--name", "backup.tar", "--to", "Home"];
    let sending = sender.mesh_reading(&arguments, Stdio::from(File::open(&source).unwrap()));
    assert_eq!(status(&sending.finish().await), Some(0));
    assert_eq!(status(&receiving.finish().await), Some(0));
    assert_eq!(hash_of(&receiver.downloads().join("backup.tar")), hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_can_be_taken_and_the_sender_knows() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let folder = world.path("notes");
    for name in ["a.txt", "b.log", "c/d.txt", "c/e.log"] {
        write(&folder.join(name), name, 0o644);
    }
    let offer = ["send", folder.to_str().unwrap(), "--to", "Home"];
    let taking = receiver.receiving(&["--exclude", "*.log"]).await;
    let sent = sender.mesh(&offer).finish().await;
    assert_eq!(status(&sent), Some(6), "{:?}", sent.1);
    assert!(!sent.1.iter().any(|line| line.contains(".log")), "{:?}", sent.1);
    let taken = taking.finish().await;
    assert_eq!(status(&taken), Some(0));
    assert!(
        taken.1.iter().any(|line| line == "2 of 4 files were left out."),
        "{:?}",
        taken.1
    );
    let stands = || {
        tree(&receiver.downloads().join("notes"))
            .into_keys()
            .collect::<Vec<_>>()
    };
    assert_eq!(stands(), ["a.txt", "c/d.txt"]);

    // What has the name of another file: left out, numbered, replaced.
    write(&folder.join("a.txt"), "another", 0o644);
    let read = |name: &str| std::fs::read_to_string(receiver.downloads().join("notes").join(name)).unwrap();
    for (more, expected, first) in [
        ("--skip", Some(6), "a.txt"),
        ("--rename", Some(0), "a.txt"),
        ("--overwrite", Some(0), "another"),
    ] {
        let taking = receiver.receiving(&[more]).await;
        let sent = sender.mesh(&offer).finish().await;
        assert_eq!(status(&sent), expected, "{more}: {:?}", sent.1);
        assert_eq!(status(&taking.finish().await), Some(0), "{more}");
        assert_eq!(read("a.txt"), first, "{more}");
    }
    assert_eq!(stands(), ["a (1).txt", "a.txt", "b.log", "c/d.txt", "c/e.log"]);
    assert_eq!(read("a (1).txt"), "another");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_interruption_the_same_command_goes_on() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let source = world.path("disk.img");
    let hash = random_file(&source, 24);
    let offer = ["send", source.to_str().unwrap(), "--to", "Home"];
    let taking = receiver.receiving(&[]).await;
    let mut sending = sender.mesh(&[&offer[..], &["--throttle", "8M"]].concat());
    // The first line comes once something stands at the other end.
    sending.until(" of 25.2 MB").await;
    assert_eq!(status(&sending.interrupt().await), Some(130));
    assert_eq!(status(&taking.finish().await), Some(4), "the other end cancelled");
    let taking = receiver.receiving(&[]).await;
    let sent = sender.mesh(&offer).finish().await;
    assert_eq!(status(&sent), Some(0), "{:?}", sent.1);
    assert!(
        sent.1
            .iter()
            .any(|line| line.contains("the rest was there already")),
        "{:?}",
        sent.1
    );
    assert_eq!(status(&taking.finish().await), Some(0));
    assert_eq!(hash_of(&receiver.downloads().join("disk.img")), hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_by_either_end() {
    const MIB: usize = 6;
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    for (number, (at_sender, at_receiver)) in
        [(&["--throttle", "3M"][..], &[][..]), (&[], &["--throttle", "3M"])]
            .into_iter()
            .enumerate()
    {
        let source = world.path(&format!("{number}.bin"));
        random_file(&source, MIB);
        let taking = receiver.receiving(at_receiver).await;
        let mut sending =
            sender.mesh(&[&["send", source.to_str().unwrap(), "--to", "Home"], at_sender].concat());
        sending.until("accepted").await;
        let begun = Instant::now();
        assert_eq!(status(&sending.finish().await), Some(0));
        let seconds = begun.elapsed().as_secs_f64();
        println!("{MIB} MiB at 3 MB/s, kept by end {number}: {seconds:.2} s");
        // What may leave at once, and the last frame, are free.
        assert!(
            seconds > (MIB as f64 * 1_048_576.0 - 200_000.0) / 3e6,
            "end {number}: {seconds} s"
        );
        assert_eq!(status(&taking.finish().await), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_receivers_into_the_same_place_keep_both_files() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let takings = [receiver.receiving(&[]).await, receiver.receiving(&[]).await];
    let (mut sendings, mut hashes) = (Vec::new(), Vec::new());
    for number in ["0", "1"] {
        let source = world.path(number).join("same.bin");
        std::fs::create_dir(source.parent().unwrap()).unwrap();
        hashes.push(random_file(&source, 8));
        let mut sending = sender.mesh(&[
            "send",
            source.to_str().unwrap(),
            "--to",
            "Home",
            "--throttle",
            "4M",
        ]);
        sending.until("accepted").await;
        sendings.push(sending);
    }
    for ended in sendings.into_iter().chain(takings) {
        let ended = ended.finish().await;
        assert_eq!(status(&ended), Some(0), "{:?}", ended.1);
    }
    let stands = tree(&receiver.downloads());
    assert_eq!(stands.keys().collect::<Vec<_>>(), ["same (1).bin", "same.bin"]);
    let mut found: Vec<String> = stands
        .values()
        .map(|(content, ..)| blake3::hash(content).to_string())
        .collect();
    found.sort_unstable();
    hashes.sort_unstable();
    assert_eq!(found, hashes);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_knows_how_long_and_may_say_why_not() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let source = world.path("note.txt");
    write(&source, "hello", 0o644);
    let out = receiver.downloads();
    let mut window = Window::open(&receiver, &["receive", "--out", out.to_str().unwrap()]);
    window.shows("Waiting for files").await;
    let offer = ["send", source.to_str().unwrap(), "--to", "Home"];
    for (answer, exit, said, times) in [
        ("busy\r", Some(4), "is busy", 1),
        ("n\r", Some(4), "declined", 2),
        ("y\r", Some(0), "verified by", 3),
    ] {
        let sending = sender.mesh(&offer);
        window.is_told_times("Accept within 60 s?", times).await;
        window.type_in(answer);
        let sent = sending.finish().await;
        assert_eq!(status(&sent), exit, "{answer:?}: {:?}", sent.1);
        assert!(
            sent.1.iter().any(|line| line.contains(said)),
            "{answer:?}: {:?}",
            sent.1
        );
    }
    assert_eq!(std::fs::read_to_string(out.join("note.txt")).unwrap(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_or_vanishes_is_said_with_its_name_and_without_its_place() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let folder = world.path("data");
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    let source = folder.join("deep/log.bin");
    let more = |path: &Path| {
        use std::io::Write as _;
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(b"more").unwrap();
    };
    let cases = [
        (
            more as fn(&Path),
            "The file data/deep/log.bin changed while it was being sent: send it again",
            "SOURCE_CHANGED",
        ),
        (
            |path| std::fs::remove_file(path).unwrap(),
            "It was ended: data/deep/log.bin is gone or cannot be read: No such file or directory",
            "SOURCE_GONE",
        ),
    ];
    for (happens, here, there) in cases {
        random_file(&source, 20);
        let mut taking = receiver.mesh(&["--json", "receive", "--yes", "--once"]);
        taking.until("waiting").await;
        let arguments = [
            "--json",
            "send",
            folder.to_str().unwrap(),
            "--to",
            "Home",
            "--throttle",
            "5M",
        ];
        let mut sending = sender.mesh(&arguments);
        sending.until("progress").await;
        happens(&source);
        let (status, said) = sending.finish().await;
        assert_eq!(status.code(), Some(1));
        let told = said.last().unwrap();
        assert!(told.contains(here), "{told}");
        let (status, said) = taking.finish().await;
        assert_eq!(status.code(), Some(1));
        let told = said.last().unwrap();
        assert!(
            told.contains(there) && told.contains("data/deep/log.bin"),
            "{told}"
        );
        assert!(!told.contains(world.path("").to_str().unwrap()), "{told}");
        assert!(
            tree(&receiver.downloads())
                .keys()
                .all(|name| name.contains(".part"))
        );
    }
}
