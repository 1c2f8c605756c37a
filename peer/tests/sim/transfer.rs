//! Files between two ends: whole, resumed, bounded, and refused.

use mesh_peer::transfer::{Failure, HELD_BYTES, Outcome, Receiver, Sender, Source};
use mesh_protocol::channel::{ChunkRange, FileAck, FileWant, Frame};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{FILE_WINDOW, FILE_WINDOW_CHUNKS, MAX_CHANNEL_DATA, MAX_CHANNEL_FRAME};

use crate::sim::rng::Rng;
use crate::sim::transfer_world::{Disk, End, Fate, Files, MIB, accepted, frames_of, read, session, sources};

fn folder(rng: &mut Rng) -> Files {
    let sizes = [0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB + 77];
    (0..)
        .zip(sizes)
        .map(|(i, size)| (format!("d{}/file \"{i}\"", i % 2), rng.bytes(size)))
        .collect()
}

/// Asks for the first chunk of each.
fn first_chunks(files: &Files, bundles: bool) -> Frame {
    let ranges = (0..files.len() as u32).map(|file| ChunkRange { file, from: 0, to: 1 });
    Frame::FileWant(FileWant {
        ranges: ranges.collect(),
        skip: vec![],
        last: true,
        bundles,
    })
}

fn equal(files: &Files, disk: &Disk) -> bool {
    disk.parts.is_empty()
        && disk.files.len() == files.len()
        && files
            .iter()
            .all(|(path, content)| disk.files.get(path) == Some(content))
}

#[test]
fn a_folder_arrives_whatever_the_order_of_events() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let files = folder(&mut rng);
        let mut disk = Disk::default();
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert_eq!(run.sender, Some(Outcome::Finished), "seed {seed}");
        assert_eq!(run.receiver, Some(Outcome::Finished), "seed {seed}");
        assert!(equal(&files, &disk), "seed {seed}");
    }
}

#[test]
fn an_empty_folder_and_many_small_files_arrive() {
    let mut rng = Rng::new(7);
    for count in [0, 1, 3_000] {
        let files: Files = (0..count)
            .map(|i| (format!("some/where/number {i}"), rng.bytes(i % 40)))
            .collect();
        let mut disk = Disk::default();
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert_eq!(run.sender, Some(Outcome::Finished));
        assert!(equal(&files, &disk));
    }
}

#[test]
fn small_files_share_messages_with_an_end_that_takes_them() {
    let files: Files = (0..3_000)
        .map(|i| (format!("some/where/number {i}"), vec![i as u8; 50]))
        .collect();
    // With frames that go one by one: a FILE_DONE of each file from an end to an older one, FILE_CHUNK and FILE_DATA back.
    for (older, alone) in [
        (None, 0),
        (Some(End::Sender), files.len()),
        (Some(End::Receiver), 2 * files.len()),
    ] {
        let (mut disk, mut rng) = (Disk::default(), Rng::new(11));
        let fate = Fate {
            older,
            ..Fate::default()
        };
        let run = session(&files, accepted(&files), &mut disk, &fate, &mut rng);
        assert_eq!(run.receiver, Some(Outcome::Finished));
        assert!(equal(&files, &disk));
        assert_eq!(run.bundles.0 > 0, older != Some(End::Receiver));
        assert_eq!(run.bundles.1 > 0, older != Some(End::Sender));
        assert!(run.frames >= alone, "{}", run.frames);
        assert!(older.is_some() || run.frames < files.len() / 2, "{}", run.frames);
    }
}

#[test]
fn a_bundle_is_as_large_as_a_message_may_be_and_never_cut() {
    let sizes = [
        1,
        1000,
        20_000,
        60_000,
        65_000,
        MAX_CHANNEL_DATA,
        MAX_CHANNEL_DATA + 1,
    ];
    let files: Files = (0..200)
        .map(|i| (i.to_string(), vec![i as u8; sizes[i % sizes.len()]]))
        .collect();
    let mut sender = Sender::new(sources(&files)).unwrap();
    while sender.poll_frame().is_some() {}
    sender.handle(first_chunks(&files, true));
    let (mut sent, mut bundles) = (0, 0);
    loop {
        while let Some(request) = sender.poll_read() {
            sender.chunk_read(read(&files, request));
        }
        let Some(message) = sender.poll_frame() else { break };
        assert!(message.len() <= MAX_CHANNEL_FRAME);
        let frames = frames_of(&message);
        bundles += usize::from(frames.len() > 1);
        for frame in frames {
            if let Frame::FileData(data) = frame {
                sent += data.bytes.len();
            }
        }
        sender.handle(Frame::FileAck(FileAck { bytes: 0 }));
    }
    assert_eq!(
        sent,
        files.iter().map(|(_, content)| content.len()).sum::<usize>()
    );
    assert!(bundles > 0);
}

#[test]
fn a_huge_file_holds_back_no_small_one() {
    // More small ones than are asked for at once, so that some go while others are still looked at.
    let small =
        |from: usize| (from..from + 400).map(|at| (format!("small {at}"), vec![at as u8; 100 + at % 7]));
    let mut files: Files = vec![("huge".into(), vec![1; 5 * MIB])];
    files.extend(small(0));
    files.push(("middle".into(), vec![2; 2 * MIB]));
    files.extend(small(400));
    files.push(("as large".into(), vec![3; 2 * MIB]));
    let chunks = |file: u32| files[file as usize].1.len().div_ceil(MIB);
    let mut right: Vec<u32> = (0..files.len() as u32).collect();
    right.sort_by_key(|file| chunks(*file));
    let right: Vec<u32> = right
        .into_iter()
        .flat_map(|file| std::iter::repeat_n(file, chunks(file)))
        .collect();
    for seed in 0..10 {
        let (mut disk, mut rng) = (Disk::default(), Rng::new(seed));
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert_eq!(run.receiver, Some(Outcome::Finished), "seed {seed}");
        assert!(equal(&files, &disk), "seed {seed}");
        assert_eq!(run.chunks, right, "seed {seed}");
    }
}

#[test]
fn a_cut_at_any_frame_is_resumed() {
    let mut rng = Rng::new(1);
    let files = folder(&mut rng);
    let whole = session(
        &files,
        accepted(&files),
        &mut Disk::default(),
        &Fate::default(),
        &mut Rng::new(0),
    );
    for cut in 1..whole.frames {
        let mut disk = Disk::default();
        let fate = Fate {
            cut_after: Some(cut),
            ..Fate::default()
        };
        session(&files, accepted(&files), &mut disk, &fate, &mut rng);
        let kept: usize = disk.written as usize;
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert_eq!(run.receiver, Some(Outcome::Finished), "cut after {cut}");
        assert!(equal(&files, &disk), "cut after {cut}");
        let total: usize = files.iter().map(|(_, content)| content.len()).sum();
        // Parts of one chunk start again; all other chunks that stand are not sent again.
        assert!(
            run.content as usize <= total - kept + 2 * MIB + 1001,
            "cut after {cut}: {} again",
            run.content
        );
    }
}

#[test]
fn ten_cuts_cost_at_most_what_was_on_its_way() {
    let mut rng = Rng::new(2);
    let files: Files = vec![("big".into(), rng.bytes(64 * MIB + 5))];
    let mut disk = Disk::default();
    let (mut sent, mut cuts) = (0, 0);
    loop {
        let fate = Fate {
            cut_after: (cuts < 10).then(|| 60 + rng.below(100)),
            ..Fate::default()
        };
        let run = session(&files, accepted(&files), &mut disk, &fate, &mut rng);
        sent += run.content;
        if run.receiver.is_some() {
            break;
        }
        cuts += 1;
    }
    assert!(equal(&files, &disk));
    assert_eq!(cuts, 10);
    let again = (sent - files[0].1.len() as u64) / cuts;
    // At most a link's fill, what the receiver holds, and a torn chunk: 2 % of 1 GiB is 20 MiB.
    assert!(
        again <= HELD_BYTES + 2 * MIB as u64,
        "{again} bytes again at each cut"
    );
    assert_eq!(
        disk.written,
        files[0].1.len() as u64,
        "no chunk was written twice"
    );
}

#[test]
fn a_part_that_rotted_on_the_disk_is_mended() {
    let mut rng = Rng::new(3);
    let files: Files = vec![("big".into(), rng.bytes(6 * MIB))];
    let mut disk = Disk::default();
    let fate = Fate {
        cut_after: Some(90),
        ..Fate::default()
    };
    session(&files, accepted(&files), &mut disk, &fate, &mut rng);
    let part = &mut disk.parts.get_mut("big").expect("begun").0;
    part[100] ^= 1;
    let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
    assert_eq!(run.receiver, Some(Outcome::Finished));
    assert!(equal(&files, &disk));
}

#[test]
fn a_resumed_file_that_proves_wrong_starts_again_once() {
    let mut rng = Rng::new(4);
    let files: Files = vec![("big".into(), rng.bytes(3 * MIB))];
    let mut disk = Disk::default();
    let fate = Fate {
        cut_after: Some(40),
        ..Fate::default()
    };
    session(&files, accepted(&files), &mut disk, &fate, &mut rng);
    // A part whose notes agree with its bytes, but which is of other content all the same.
    let wrong = rng.bytes(MIB);
    let entry = judged(&files);
    let (part, side) = disk.parts.get_mut("big").expect("begun");
    part[..MIB].copy_from_slice(&wrong);
    side.truncate(mesh_peer::transfer::PartRecord::header(&entry).len());
    let subtree = blake3_subtree(&wrong);
    side.extend_from_slice(&[&0u32.to_be_bytes()[..], &subtree].concat());
    let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
    assert_eq!(run.receiver, Some(Outcome::Finished));
    assert_eq!(run.sender, Some(Outcome::Finished));
    assert!(equal(&files, &disk));
    assert_eq!(run.content, 2 * MIB as u64 + 3 * MIB as u64);
}

fn blake3_subtree(bytes: &[u8]) -> [u8; 32] {
    use blake3::hazmat::HasherExt;
    blake3::Hasher::new().update(bytes).finalize_non_root()
}

fn judged(files: &Files) -> mesh_peer::transfer::Entry {
    let mut receiver = Receiver::new(accepted(files));
    let mut sender = Sender::new(sources(files)).unwrap();
    receiver.handle(Frame::decode(&sender.poll_frame().unwrap()).unwrap());
    receiver.entries()[0].clone()
}

#[test]
fn the_window_is_kept() {
    let files: Files = vec![("big".into(), vec![7; 24 * MIB])];
    let mut sender = Sender::new(sources(&files)).unwrap();
    while sender.has_frame() {
        sender.poll_frame();
    }
    sender.handle(Frame::FileWant(FileWant {
        ranges: vec![ChunkRange {
            file: 0,
            from: 0,
            to: 24,
        }],
        skip: vec![],
        last: true,
        bundles: false,
    }));
    let mut sent = 0;
    let mut drain = |sender: &mut Sender| {
        loop {
            let mut held = 0;
            while let Some(request) = sender.poll_read() {
                held += u64::from(request.len);
                sender.chunk_read(read(&files, request));
            }
            assert!(held <= HELD_BYTES);
            if !sender.has_frame() {
                return sent;
            }
            while let Some(frame) = sender.poll_frame() {
                assert!(frame.len() <= MAX_CHANNEL_FRAME);
                if let Frame::FileData(data) = Frame::decode(&frame).unwrap() {
                    sent += data.bytes.len() as u64;
                }
            }
        }
    };
    assert_eq!(drain(&mut sender), FILE_WINDOW);
    sender.handle(Frame::FileAck(FileAck {
        bytes: 3 * MIB as u64,
    }));
    assert_eq!(drain(&mut sender), FILE_WINDOW + 3 * MIB as u64);
    sender.handle(Frame::FileAck(FileAck {
        bytes: 20 * MIB as u64,
    }));
    assert!(matches!(
        sender.outcome(),
        Some(Outcome::Failed(Failure {
            code: ChannelCode::Protocol,
            ..
        }))
    ));
}

#[test]
fn no_more_small_files_are_on_their_way_than_the_order_of_messages_can_be_told_of() {
    let files: Files = (0..FILE_WINDOW_CHUNKS + 100)
        .map(|number| (number.to_string(), vec![1; 3]))
        .collect();
    let mut sender = Sender::new(sources(&files)).unwrap();
    sender.handle(first_chunks(&files, false));
    let drain = |sender: &mut Sender| {
        let mut chunks = 0;
        loop {
            while let Some(request) = sender.poll_read() {
                sender.chunk_read(read(&files, request));
                chunks += 1;
            }
            if !sender.has_frame() {
                return chunks;
            }
            while sender.poll_frame().is_some() {}
        }
    };
    assert_eq!(drain(&mut sender), FILE_WINDOW_CHUNKS);
    sender.handle(Frame::FileAck(FileAck { bytes: 3 * 7 + 2 }));
    assert_eq!(drain(&mut sender), 7);
    sender.handle(Frame::FileAck(FileAck {
        bytes: 3 * FILE_WINDOW_CHUNKS as u64,
    }));
    assert_eq!(drain(&mut sender), 93);
}

#[test]
fn a_receiver_that_asks_for_nonsense_is_refused() {
    let files: Files = vec![("a".into(), vec![1; 3 * MIB])];
    for (file, from, to) in [
        (1, 0, 1),
        (0, 0, 4),
        (0, 2, 2),
        (0, 3, 2),
        (u32::MAX, 0, u32::MAX),
    ] {
        let mut sender = Sender::new(sources(&files)).unwrap();
        sender.handle(Frame::FileWant(FileWant {
            ranges: vec![ChunkRange { file, from, to }],
            skip: vec![],
            last: true,
            bundles: false,
        }));
        assert!(
            matches!(sender.outcome(), Some(Outcome::Failed(_))),
            "{file} {from} {to}"
        );
    }
    let mut sender = Sender::new(sources(&files)).unwrap();
    let greedy = vec![
        ChunkRange {
            file: 0,
            from: 0,
            to: 3
        };
        3
    ];
    sender.handle(Frame::FileWant(FileWant {
        ranges: greedy,
        skip: vec![],
        last: true,
        bundles: false,
    }));
    assert!(matches!(sender.outcome(), Some(Outcome::Failed(_))));
}

#[test]
fn failures_of_either_disk_reach_both_ends() {
    let mut rng = Rng::new(6);
    let files = folder(&mut rng);
    for full_after in 0..9 {
        let mut disk = Disk {
            full_after: Some(full_after),
            ..Disk::default()
        };
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        let code = |outcome: Option<Outcome>| match outcome {
            Some(Outcome::Failed(failure)) => Some((failure.code, failure.by_peer)),
            _ => None,
        };
        assert_eq!(
            code(run.receiver),
            Some((ChannelCode::DiskFull, false)),
            "{full_after}"
        );
        assert_eq!(
            code(run.sender),
            Some((ChannelCode::DiskFull, true)),
            "{full_after}"
        );
        disk.full_after = None;
        session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert!(equal(&files, &disk), "resumed after a full disk");
    }
    let mut sender = Sender::new(sources(&files)).unwrap();
    sender.read_failed(2, ChannelCode::SourceChanged, "it was edited");
    let error = Frame::decode(&sender.poll_frame().unwrap()).unwrap();
    assert!(
        matches!(error, Frame::FileError(error) if error.file == Some(2) && error.code == ChannelCode::SourceChanged)
    );
    assert!(matches!(
        Frame::decode(&sender.poll_frame().unwrap()),
        Ok(Frame::Bye(_))
    ));
    assert!(sender.poll_frame().is_none() && sender.poll_read().is_none());
}

#[test]
fn a_list_that_no_receiver_would_take_is_not_offered() {
    let source = |path: &str, size| Source {
        path: path.into(),
        size,
        hash: blake3::hash(b"").into(),
        modified_at: None,
        mode: None,
    };
    assert!(Sender::new(vec![source("../x", 1)]).is_err());
    assert!(Sender::new(vec![source("a", 1), source("A", 1)]).is_err());
    assert!(Sender::new(vec![source("a", u64::MAX)]).is_err());
}
