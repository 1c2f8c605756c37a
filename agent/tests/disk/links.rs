//! Links of others on the same machine, that stand where a file or folder should.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mesh_agent::disk::DiskError;
use mesh_peer::transfer::{Entry, Outcome};
use mesh_protocol::error_code::ChannelCode;

use crate::disk::transfer::{CHUNK, Transfer, content, entry, inbox, names};

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
        // The folder itself may be open from before; for one of its own, the way there is walked each time.
        let path = match number % 2 {
            0 => format!("d/f{number}"),
            _ => format!("d/{number}/f"),
        };
        let entry = Entry {
            file: number,
            ..entry(&path, b"")
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
