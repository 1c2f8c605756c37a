//! `mesh send` and `mesh receive` of a folder with very many small files: all of it arrives, and neither end holds more
//! memory than it may.

use std::path::{Path, PathBuf};

use crate::world::World;

/// What either process may ever hold.
const MOST_MIB: f64 = 150.0;
/// Files of one folder.
const FOLDER: usize = 400;

/// File number so-and-so of a folder: its place and its content.
fn file(root: &Path, number: usize) -> (PathBuf, String) {
    let path = format!("part {:03}/a file with a name {number:06}.txt", number / FOLDER);
    (root.join(path), format!("{number} ").repeat(number % 40))
}

fn make(root: &Path, count: usize) {
    for number in 0..count {
        let (path, content) = file(root, number);
        if number % FOLDER == 0 {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        std::fs::write(path, content).unwrap();
    }
}

/// Every file is there with its content, and nothing else is.
fn assert_identical(root: &Path, count: usize) {
    for number in 0..count {
        let (path, content) = file(root, number);
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            content,
            "{}",
            path.display()
        );
    }
    let folders = std::fs::read_dir(root).unwrap();
    let found = folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count());
    assert_eq!(found.sum::<usize>(), count);
}

/// The most memory that a process ever held, MiB.
fn peak_mib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Sends so many files.
async fn arrive(count: usize) {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let folder = world.path("folder");
    make(&folder, count);
    let mut receiving = receiver.mesh(&["--json", "receive", "--yes", "--once"]);
    receiving.until("\"waiting\"").await;
    let begun = std::time::Instant::now();
    let arguments = ["--json", "send", folder.to_str().unwrap(), "--to", "receiver"];
    let mut sending = sender.mesh(&arguments);
    // Each tells file after file once it has done its work, and cannot end before somebody reads that.
    tokio::join!(sending.until("\"verified\""), receiving.until("\"received\""));
    let seconds = begun.elapsed().as_secs_f64();
    let peaks = [&sending, &receiving].map(|process| peak_mib(process.id()));
    let (sent, received) = tokio::join!(sending.finish(), receiving.finish());
    assert!(sent.0.success() && received.0.success());
    let told = sent.1.iter().filter(|line| line.contains("\"verified\"")).count();
    assert_eq!(told, count - 1, "and the one that was read above");
    assert_identical(&receiver.downloads().join("folder"), count);
    println!(
        "t46: {count} files in {seconds:.1} s: identical; at most {:.0} MiB at the sender, {:.0} MiB at the receiver",
        peaks[0], peaks[1]
    );
    for peak in peaks {
        assert!(peak < MOST_MIB, "{peak:.0} MiB");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t46_a_folder_of_50_000_files_arrives_identical_within_150_mib() {
    arrive(50_000).await;
}

/// As many as a manifest may have: `cargo xtask transfers`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn t46_a_folder_of_100_000_files_arrives_identical_within_150_mib() {
    arrive(100_000).await;
}
