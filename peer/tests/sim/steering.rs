//! What people decide while files move: to leave some out, and to pause.

use mesh_peer::transfer::{Outcome, Paused, Receiver, Sender, Source};
use mesh_protocol::channel::{ChunkRange, FileDone, FilePause, FileRange, FileWant, Frame};

use crate::sim::rng::Rng;
use crate::sim::transfer_world::{Disk, Fate, Files, MIB, accepted, read, session, sources, work};

fn many(rng: &mut Rng, count: usize) -> Files {
    (0..count)
        .map(|i| (format!("folder/number {i}"), rng.bytes(i % 70)))
        .collect()
}

#[test]
fn what_is_left_out_does_not_come_and_the_rest_is_whole() {
    for (seed, every) in [(1, 2), (2, 3), (3, 1), (4, 500)] {
        let mut rng = Rng::new(seed);
        let files = many(&mut rng, 1_500);
        let (unwanted, wanted): (Vec<_>, Vec<_>) = files
            .iter()
            .enumerate()
            .partition(|(number, _)| number % every == 0);
        let mut disk = Disk {
            unwanted: unwanted.iter().map(|(_, (path, _))| path.clone()).collect(),
            ..Disk::default()
        };
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert_eq!(run.sender, Some(Outcome::Finished), "every {every}");
        assert_eq!(run.receiver, Some(Outcome::Finished), "every {every}");
        let bytes: usize = wanted.iter().map(|(_, (_, content))| content.len()).sum();
        assert_eq!(run.content as usize, bytes, "no byte of what was left out moved");
        assert_eq!(disk.files.len(), wanted.len());
        assert!(
            wanted
                .iter()
                .all(|(_, (path, content))| disk.files.get(path) == Some(content))
        );
    }
}

#[test]
fn pauses_of_either_end_lose_nothing() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let files: Files = vec![
            ("big".into(), rng.bytes(5 * MIB + 3)),
            ("small".into(), rng.bytes(9)),
        ];
        let fate = Fate {
            pauses: 12,
            ..Fate::default()
        };
        let mut disk = Disk::default();
        let run = session(&files, accepted(&files), &mut disk, &fate, &mut rng);
        assert_eq!(run.receiver, Some(Outcome::Finished), "seed {seed}");
        assert_eq!(disk.written as usize, 5 * MIB + 12, "seed {seed}");
    }
}

/// Both ends of one file of four chunks, of which the sender may send.
fn begun(files: &Files) -> (Sender, Receiver, Disk) {
    let mut sender = Sender::new(sources(files)).unwrap();
    let mut receiver = Receiver::new(accepted(files));
    let mut disk = Disk::default();
    receiver.handle(Frame::decode(&sender.poll_frame().unwrap()).unwrap());
    let inspection = receiver.poll_task().unwrap();
    work(&mut disk, &mut receiver, inspection);
    sender.handle(Frame::decode(&receiver.poll_frame().unwrap()).unwrap());
    (sender, receiver, disk)
}

#[test]
fn a_pause_ends_with_the_chunk_that_was_begun() {
    let files: Files = vec![("big".into(), Rng::new(1).bytes(4 * MIB))];
    for at_sender in [true, false] {
        let (mut sender, mut receiver, _) = begun(&files);
        while let Some(request) = sender.poll_read() {
            sender.chunk_read(read(&files, request));
        }
        // The announcement and the first piece have left.
        let mut sent: Vec<Frame> = (0..2)
            .map(|_| Frame::decode(&sender.poll_frame().unwrap()).unwrap())
            .collect();
        let told = if at_sender {
            sender.pause(true);
            let told = Frame::decode(&sender.poll_frame().unwrap()).unwrap();
            receiver.handle(told.clone());
            told
        } else {
            receiver.pause(true);
            let told = Frame::decode(&receiver.poll_frame().unwrap()).unwrap();
            sender.handle(told.clone());
            told
        };
        assert_eq!(told, Frame::FilePause(FilePause { paused: true }));
        let paused = |here| Paused { here, there: !here };
        assert_eq!(sender.progress().paused, paused(at_sender));
        assert_eq!(receiver.progress().paused, paused(!at_sender));
        while let Some(frame) = sender.poll_frame() {
            sent.push(Frame::decode(&frame).unwrap());
        }
        let chunks = sent.iter().filter(|frame| matches!(frame, Frame::FileChunk(_)));
        assert_eq!((chunks.count(), sent.len()), (1, 17), "one chunk, to its end");
        assert!(!sender.has_frame() && sender.poll_read().is_none());
        if at_sender {
            sender.pause(false);
        } else {
            sender.handle(Frame::FilePause(FilePause { paused: false }));
        }
        assert!(
            std::iter::from_fn(|| sender.poll_frame()).count() >= 17,
            "it goes on"
        );
    }
}

#[test]
fn a_receiver_that_leaves_out_nonsense_is_refused() {
    let files: Files = (0..3).map(|i| (i.to_string(), vec![1; 10])).collect();
    let skip = |from, to| FileRange { from, to };
    let range = |file| ChunkRange { file, from: 0, to: 1 };
    let want = |ranges: Vec<ChunkRange>, skip: Vec<FileRange>| {
        Frame::FileWant(FileWant {
            ranges,
            skip,
            last: false,
            bundles: false,
        })
    };
    let done = |file: u32| {
        let hash = blake3::hash(&files[file as usize].1).to_hex().to_string();
        Frame::FileDone(FileDone { file, hash })
    };
    let cases = [
        vec![want(vec![], vec![skip(3, 4)])],
        vec![want(vec![], vec![skip(2, 2)])],
        vec![want(vec![], vec![skip(2, 1)])],
        vec![want(vec![], vec![skip(0, u32::MAX)])],
        vec![want(vec![], vec![skip(0, 2), skip(1, 3)])],
        vec![want(vec![range(1)], vec![skip(1, 2)])],
        vec![want(vec![range(1)], vec![]), want(vec![], vec![skip(0, 3)])],
        vec![done(0), want(vec![], vec![skip(0, 1)])],
        vec![want(vec![], vec![skip(0, 1)]), done(0)],
    ];
    for (number, frames) in cases.into_iter().enumerate() {
        let mut sender = Sender::new(sources(&files)).unwrap();
        frames.into_iter().for_each(|frame| sender.handle(frame));
        assert!(
            matches!(sender.outcome(), Some(Outcome::Failed(_))),
            "case {number}"
        );
    }
}

#[test]
fn of_the_permissions_only_the_owners_execution_counts() {
    for (mode, executable) in [
        (None, false),
        (Some(0o644), false),
        (Some(0o755), true),
        (Some(0o100), true),
        (Some(0o6067), false),
        (Some(u32::MAX), true),
    ] {
        let source = Source {
            path: "run".into(),
            size: 0,
            hash: blake3::hash(b"").into(),
            modified_at: None,
            mode,
        };
        let mut sender = Sender::new(vec![source]).unwrap();
        let mut receiver = Receiver::new(accepted(&vec![("run".into(), vec![])]));
        receiver.handle(Frame::decode(&sender.poll_frame().unwrap()).unwrap());
        assert_eq!(receiver.entries()[0].executable, executable, "{mode:?}");
    }
}
