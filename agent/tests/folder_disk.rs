//! A shared folder as the disk gives it: nothing outside is read or written, whatever is asked for and whatever stands in it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mesh_agent::disk::{SharedError, SharedFolder};
use mesh_peer::transfer::{Accepted, Receiver, ReceiverTask};
use mesh_protocol::channel::{FileManifest, Frame, ManifestEntry};

const SECRET: &[u8] = b"nobody is to read this";

/// `secret` beside `shared`, in which stand a file, a folder, a hidden file and every kind of link.
fn stage() -> (tempfile::TempDir, Arc<SharedFolder>) {
    let stage = tempfile::tempdir().unwrap();
    let (outside, shared) = (stage.path().join("outside"), stage.path().join("shared"));
    for folder in [&outside, &shared.join("sub/deep"), &shared.join(".git")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(outside.join("secret"), SECRET).unwrap();
    std::fs::write(shared.join("a.txt"), "hello").unwrap();
    std::fs::write(shared.join("sub/b.txt"), "there").unwrap();
    std::fs::write(shared.join("sub/deep/Needle.md"), "# x").unwrap();
    std::fs::write(shared.join(".hidden"), SECRET).unwrap();
    std::fs::write(shared.join(".git/config"), SECRET).unwrap();
    symlink(outside.join("secret"), shared.join("file-link")).unwrap();
    symlink("../outside", shared.join("folder-link")).unwrap();
    symlink("sub", shared.join("inner-link")).unwrap();
    symlink("/proc/self/root", shared.join("magic-link")).unwrap();
    #[cfg(target_os = "linux")]
    rustix::fs::mknodat(
        rustix::fs::CWD,
        shared.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o666),
        0,
    )
    .unwrap();
    let folder = open(&shared, false);
    (stage, folder)
}

fn open(path: &Path, hidden: bool) -> Arc<SharedFolder> {
    Arc::new(SharedFolder::open(path, "Shared", hidden).unwrap())
}

fn names(folder: &SharedFolder, path: &str) -> Vec<String> {
    let listing = folder.list(path).unwrap();
    listing.entries.into_iter().map(|entry| entry.path).collect()
}

#[test]
fn only_files_and_folders_are_listed_and_hidden_ones_where_that_was_asked_for() {
    let (stage, folder) = stage();
    assert_eq!(names(&folder, ""), ["a.txt", "sub"]);
    assert_eq!(names(&folder, "sub"), ["b.txt", "deep"]);
    let all = open(&stage.path().join("shared"), true);
    assert_eq!(names(&all, ""), [".git", ".hidden", "a.txt", "sub"]);
}

#[test]
fn no_path_leads_outside() {
    let (_stage, folder) = stage();
    let mut refused = 0;
    for path in [
        "..",
        "../outside",
        "../outside/secret",
        "sub/../../outside/secret",
        "/etc/passwd",
        "/",
        ".",
        "./a.txt",
        "sub//b.txt",
        "file-link",
        "folder-link",
        "folder-link/secret",
        "inner-link",
        "inner-link/b.txt",
        "magic-link/etc/passwd",
        ".hidden",
        ".git/config",
        "pipe",
        "a\0b",
        "sub\\..\\..",
    ] {
        assert!(folder.list(path).is_err(), "{path:?} was listed");
        assert!(folder.preview(path).is_err(), "{path:?} was previewed");
        assert!(folder.pull(&[path.to_owned()]).is_err(), "{path:?} was pulled");
        assert!(folder.inbox(path).is_err(), "{path:?} takes files");
        refused += 4;
    }
    println!("{refused} ways out, none led anywhere");
}

#[test]
fn a_whole_folder_is_pulled_without_what_is_not_listed() {
    let (_stage, folder) = stage();
    let pulled = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut names: Vec<String> = folder
            .pull(&paths)
            .unwrap()
            .into_iter()
            .map(|one| one.name)
            .collect();
        names.sort();
        names
    };
    assert_eq!(pulled(&["a.txt"]), ["a.txt"]);
    assert_eq!(
        pulled(&["sub", "a.txt"]),
        ["a.txt", "sub/b.txt", "sub/deep/Needle.md"]
    );
    let all = ["Shared/a.txt", "Shared/sub/b.txt", "Shared/sub/deep/Needle.md"];
    assert_eq!(pulled(&[""]), all);
    assert!(matches!(
        folder.pull(&["a.txt".to_owned(), "a.txt".to_owned()]),
        Err(SharedError::Collision(_))
    ));
}

#[test]
fn a_search_finds_names_beneath_and_stops_in_time() {
    let (_stage, folder) = stage();
    let soon = Instant::now() + Duration::from_secs(60);
    let found = folder.search("", "NEEDLE", soon).unwrap();
    assert_eq!(found.entries.len(), 1);
    assert_eq!(found.entries[0].path, "sub/deep/Needle.md");
    assert!(!found.more);
    assert_eq!(
        folder.search("sub", "needle", soon).unwrap().entries[0].path,
        "deep/Needle.md"
    );
    assert!(
        folder.search("", "needle", Instant::now()).unwrap().more,
        "out of time"
    );
    assert!(folder.search("", "secret", soon).unwrap().entries.is_empty());
}

#[test]
fn text_images_and_recordings_are_shown_and_nothing_that_a_browser_could_run() {
    let (stage, folder) = stage();
    let put =
        |name: &str, bytes: &[u8]| std::fs::write(stage.path().join("shared").join(name), bytes).unwrap();
    put("long.txt", "é".repeat(100_000).as_bytes());
    put("p.png", b"\x89PNG\r\n\x1a\n....");
    put("huge.jpg", &[&[0xff, 0xd8, 0xff][..], &vec![0; 9 << 20]].concat());
    put("binary", &[0, 1, 2, 3]);
    let shown = folder.preview("a.txt").unwrap();
    assert_eq!(
        (shown.media_type, &shown.bytes[..], shown.more),
        ("text/plain", &b"hello"[..], false)
    );
    let long = folder.preview("long.txt").unwrap();
    assert!(long.more && long.bytes.len() <= 64 * 1024 && String::from_utf8(long.bytes).is_ok());
    assert_eq!(folder.preview("p.png").unwrap().media_type, "image/png");
    // A recording is played to its end: the whole of it is shown, where it is one.
    let header = b"{\"version\":2,\"width\":80,\"height\":24}\n";
    let cast = [header, &b"[0.1,\"o\",\"x\"]\n".repeat(10_000)[..]].concat();
    put("night.cast", &cast);
    put("night.txt", &cast);
    put("other.cast", b"{\"version\":1}\n");
    let shown = folder.preview("night.cast").unwrap();
    assert_eq!(
        (shown.media_type, shown.bytes == cast),
        ("application/x-asciicast", true)
    );
    assert_eq!(folder.preview("night.txt").unwrap().media_type, "text/plain");
    assert_eq!(folder.preview("other.cast").unwrap().media_type, "text/plain");
    put("x.html", b"plain words");
    put("x.SVG", b"plain words");
    put("page.txt", b"\n <!DOCTYPE html><script>1</script>");
    put("drawing.xml", b"<?xml version='1.0'?><svg onload='1'/>");
    for name in [
        "x.html",
        "x.SVG",
        "page.txt",
        "drawing.xml",
        "huge.jpg",
        "binary",
        "sub",
        "missing",
    ] {
        assert!(folder.preview(name).is_err(), "{name} was shown");
    }
}

#[test]
fn a_folder_that_is_swapped_for_a_link_again_and_again_gives_nothing_from_outside() {
    let (stage, folder) = stage();
    let (shared, outside) = (stage.path().join("shared"), stage.path().join("outside"));
    std::fs::create_dir(shared.join("swap")).unwrap();
    std::fs::write(shared.join("swap/secret"), "harmless").unwrap();
    symlink(&outside, shared.join("link")).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let done = done.clone();
        move || {
            let (folder, link) = (shared.join("swap"), shared.join("link"));
            let mut swaps = 0;
            while !done.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, &folder, rustix::fs::CWD, &link, exchange)
                    .unwrap();
                swaps += 1;
            }
            swaps
        }
    });
    let (mut read, mut refused) = (0, 0);
    while read < 1_000 || refused < 1_000 {
        match folder.preview("swap/secret") {
            Ok(shown) => {
                assert_eq!(shown.bytes, b"harmless", "read through the link");
                read += 1;
            }
            Err(_) => refused += 1,
        }
        if let Ok(pulled) = folder.pull(&["swap".to_owned()]) {
            for one in pulled {
                let size = usize::try_from(one.file.size()).unwrap();
                let mut bytes = Vec::with_capacity(size);
                if one
                    .file
                    .reading()
                    .is_ok_and(|reading| reading.append(0, size, &mut bytes).is_ok())
                {
                    assert_eq!(bytes, b"harmless", "pulled through the link");
                }
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    let swaps = swapping.join().unwrap();
    println!(
        "{swaps} swaps: {read} times what stands in the folder, {refused} times nothing, never what is outside"
    );
}

#[test]
fn what_is_put_replaces_nothing_and_makes_no_hidden_file() {
    let (stage, folder) = stage();
    let inbox = folder.inbox("sub").unwrap();
    let accepted = Accepted {
        size: 10,
        count: 3,
        max_size: None,
    };
    let mut receiver = Receiver::new(accepted);
    let hash = blake3::hash(b"").to_hex().to_string();
    let paths = ["b.txt", "deep/.profile", ".ssh/authorized_keys"];
    let files = (0..).zip(paths).map(|(file, path)| ManifestEntry {
        file,
        path: path.into(),
        size: 0,
        hash: hash.clone(),
        modified_at: None,
        mode: None,
    });
    receiver.handle(Frame::FileManifest(FileManifest {
        files: files.collect(),
        last: true,
        bundles: false,
    }));
    let mut tried = 0;
    while let Some(task) = receiver.poll_task() {
        let ReceiverTask::Inspect(entry) = task else {
            continue;
        };
        tried += 1;
        let inspected = inbox.inspect(&entry);
        if entry.path.as_str() == "b.txt" {
            assert!(inspected.is_ok());
            let stands = inbox.commit(&[entry]).remove(0).unwrap();
            assert_eq!(
                stands,
                Path::new("Shared/sub/b (1).txt"),
                "the owner's path is not told"
            );
        } else {
            assert!(
                inspected.is_err() && inbox.commit(std::slice::from_ref(&entry))[0].is_err(),
                "{:?}",
                entry.path
            );
        }
    }
    assert_eq!(tried, 3);
    let sub = stage.path().join("shared/sub");
    assert_eq!(std::fs::read(sub.join("b.txt")).unwrap(), b"there");
    assert!(!sub.join("deep/.profile").exists() && !sub.join(".ssh").exists());
}
