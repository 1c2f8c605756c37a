//! Files between two ends: whole, resumed, bounded, and refused.

use bytes::Bytes;
use mesh_peer::transfer::{Accepted, Failure, HELD_BYTES, Outcome, Receiver, ReceiverTask, Sender, Source};
use mesh_protocol::channel::{ChunkRange, FileAck, FileChunk, FileData, FileManifest, FileWant, Frame, ManifestEntry};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{FILE_WINDOW, MAX_CHANNEL_DATA, MAX_CHANNEL_FRAME};

use crate::rng::Rng;
use crate::transfer_world::{Disk, Fate, Files, MIB, accepted, read, session, sources, work};

fn folder(rng: &mut Rng) -> Files {
    let sizes = [0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB + 77];
    (0..).zip(sizes).map(|(i, size)| (format!("d{}/file \"{i}\"", i % 2), rng.bytes(size))).collect()
}

fn equal(files: &Files, disk: &Disk) -> bool {
    disk.parts.is_empty() && disk.files.len() == files.len() && files.iter().all(|(path, content)| disk.files.get(path) == Some(content))
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
        let files: Files = (0..count).map(|i| (format!("some/where/number {i}"), rng.bytes(i % 40))).collect();
        let mut disk = Disk::default();
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert_eq!(run.sender, Some(Outcome::Finished));
        assert!(equal(&files, &disk));
    }
}

#[test]
fn a_cut_at_any_frame_is_resumed() {
    let mut rng = Rng::new(1);
    let files = folder(&mut rng);
    let whole = session(&files, accepted(&files), &mut Disk::default(), &Fate::default(), &mut Rng::new(0));
    for cut in 1..whole.frames {
        let mut disk = Disk::default();
        let fate = Fate { cut_after: Some(cut), ..Fate::default() };
        session(&files, accepted(&files), &mut disk, &fate, &mut rng);
        let kept: usize = disk.written as usize;
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert_eq!(run.receiver, Some(Outcome::Finished), "cut after {cut}");
        assert!(equal(&files, &disk), "cut after {cut}");
        let total: usize = files.iter().map(|(_, content)| content.len()).sum();
        // Parts of one chunk start again; all other chunks that stand are not sent again.
        assert!(run.content as usize <= total - kept + 2 * MIB + 1001, "cut after {cut}: {} again", run.content);
    }
}

#[test]
fn ten_cuts_cost_at_most_what_was_on_its_way() {
    let mut rng = Rng::new(2);
    let files: Files = vec![("big".into(), rng.bytes(64 * MIB + 5))];
    let mut disk = Disk::default();
    let (mut sent, mut cuts) = (0, 0);
    loop {
        let fate = Fate { cut_after: (cuts < 10).then(|| 60 + rng.below(100)), ..Fate::default() };
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
    assert!(again <= HELD_BYTES + 2 * MIB as u64, "{again} bytes again at each cut");
    assert_eq!(disk.written, files[0].1.len() as u64, "no chunk was written twice");
}

#[test]
fn a_part_that_rotted_on_the_disk_is_mended() {
    let mut rng = Rng::new(3);
    let files: Files = vec![("big".into(), rng.bytes(6 * MIB))];
    let mut disk = Disk::default();
    let fate = Fate { cut_after: Some(90), ..Fate::default() };
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
    let fate = Fate { cut_after: Some(40), ..Fate::default() };
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
    sender.handle(Frame::FileWant(FileWant { ranges: vec![ChunkRange { file: 0, from: 0, to: 24 }], last: true }));
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
    sender.handle(Frame::FileAck(FileAck { bytes: 3 * MIB as u64 }));
    assert_eq!(drain(&mut sender), FILE_WINDOW + 3 * MIB as u64);
    sender.handle(Frame::FileAck(FileAck { bytes: 20 * MIB as u64 }));
    assert!(matches!(sender.outcome(), Some(Outcome::Failed(Failure { code: ChannelCode::Protocol, .. }))));
}

#[test]
fn a_receiver_that_asks_for_nonsense_is_refused() {
    let files: Files = vec![("a".into(), vec![1; 3 * MIB])];
    for (file, from, to) in [(1, 0, 1), (0, 0, 4), (0, 2, 2), (0, 3, 2), (u32::MAX, 0, u32::MAX)] {
        let mut sender = Sender::new(sources(&files)).unwrap();
        sender.handle(Frame::FileWant(FileWant { ranges: vec![ChunkRange { file, from, to }], last: true }));
        assert!(matches!(sender.outcome(), Some(Outcome::Failed(_))), "{file} {from} {to}");
    }
    let mut sender = Sender::new(sources(&files)).unwrap();
    let greedy = vec![ChunkRange { file: 0, from: 0, to: 3 }; 3];
    sender.handle(Frame::FileWant(FileWant { ranges: greedy, last: true }));
    assert!(matches!(sender.outcome(), Some(Outcome::Failed(_))));
}

fn entry(file: u32, path: &str, content: &[u8]) -> ManifestEntry {
    let hash = blake3::hash(content).to_hex().to_string();
    ManifestEntry { file, path: path.into(), size: content.len() as u64, hash, modified_at: None }
}

fn refused(receiver: &mut Receiver) -> Option<ChannelCode> {
    let Some(Outcome::Failed(failure)) = receiver.outcome().cloned() else { return None };
    let frames: Vec<Frame> = std::iter::from_fn(|| receiver.poll_frame()).map(|f| Frame::decode(&f).unwrap()).collect();
    assert!(matches!(&frames[..], [Frame::FileError(error), Frame::Bye(bye)] if error.code == failure.code && bye.code == failure.code));
    assert!(receiver.poll_task().is_none());
    Some(failure.code)
}

fn offered(accepted: Accepted, files: Vec<ManifestEntry>) -> Receiver {
    let mut receiver = Receiver::new(accepted);
    receiver.handle(Frame::FileManifest(FileManifest { files, last: true }));
    receiver
}

const ROOM: Accepted = Accepted { size: 100 * MIB as u64, count: 1000, max_size: None };

#[test]
fn hostile_manifests_are_refused() {
    let long = "x/".repeat(40) + "x";
    for path in ["../x", "/etc/passwd", "a/../../b", "a\\b", "C:x", "con", "a\u{202e}txt", "a\0", "", "a//b", "x ", &long] {
        let mut receiver = offered(ROOM, vec![entry(0, path, b"x")]);
        assert_eq!(refused(&mut receiver), Some(ChannelCode::BadPath), "{path:?}");
    }
    for (a, b) in [("a", "A"), ("é", "e\u{301}"), ("a/b", "A"), ("a", "a/b")] {
        let mut receiver = offered(ROOM, vec![entry(0, a, b"x"), entry(1, b, b"x")]);
        assert_eq!(refused(&mut receiver), Some(ChannelCode::BadPath), "{a:?} {b:?}");
    }
    let cases = [
        (Accepted { size: 2, count: 9, max_size: None }, vec![entry(0, "a", b"123")], ChannelCode::TooLarge),
        (Accepted { size: 9, count: 9, max_size: Some(5) }, vec![entry(0, "a", b"123"), entry(1, "b", b"456")], ChannelCode::TooLarge),
        (Accepted { size: 9, count: 1, max_size: None }, vec![entry(0, "a", b"1"), entry(1, "b", b"2")], ChannelCode::TooLarge),
        (ROOM, vec![ManifestEntry { size: u64::MAX, ..entry(0, "a", b"1") }], ChannelCode::TooLarge),
        (ROOM, vec![entry(1, "a", b"1")], ChannelCode::Protocol),
        (ROOM, vec![ManifestEntry { hash: "12".into(), ..entry(0, "a", b"1") }], ChannelCode::Protocol),
        (ROOM, vec![ManifestEntry { size: 0, ..entry(0, "a", b"1") }], ChannelCode::HashMismatch),
    ];
    for (accepted, files, code) in cases {
        let text = format!("{files:?}");
        assert_eq!(refused(&mut offered(accepted, files)), Some(code), "{text}");
    }
}

/// A receiver of one file that has asked for all its chunks.
fn waiting(content: &[u8], disk: &mut Disk) -> Receiver {
    let mut receiver = offered(ROOM, vec![entry(0, "a", content)]);
    let task = receiver.poll_task().expect("an inspection");
    work(disk, &mut receiver, task);
    assert!(matches!(Frame::decode(&receiver.poll_frame().unwrap()), Ok(Frame::FileWant(_))));
    receiver
}

fn announce(chunk: u32, content: &[u8]) -> Frame {
    let digest = *blake3::hash(content).as_bytes();
    Frame::FileChunk(FileChunk { file: 0, chunk, len: content.len() as u32, digest })
}

fn data(offset: usize, bytes: &[u8]) -> Frame {
    Frame::FileData(FileData { file: 0, offset: offset as u64, bytes: Bytes::copy_from_slice(bytes) })
}

#[test]
fn more_than_declared_is_stopped_within_the_chunk() {
    let content = vec![5; 2 * MIB];
    let chunk = &content[..MIB];
    let piece = &content[..MAX_CHANNEL_DATA];
    // A longer chunk; a chunk after the last; bytes after the end; a chunk twice; out of order; another file.
    let whole: Vec<Frame> = (0..16).map(|i| data(i * MAX_CHANNEL_DATA, piece)).collect();
    let with = |more: Vec<Frame>| [vec![announce(0, chunk)], whole.clone(), more].concat();
    let cases = [
        (vec![announce(0, &[chunk, b"x"].concat())], ChannelCode::TooLarge),
        (with(vec![data(MIB, b"x")]), ChannelCode::TooLarge),
        (with(vec![announce(0, chunk)]), ChannelCode::Protocol),
        (vec![announce(1, chunk)], ChannelCode::Protocol),
        (vec![data(0, piece)], ChannelCode::TooLarge),
        (vec![announce(0, chunk), data(1, piece)], ChannelCode::Protocol),
        (vec![announce(0, chunk), data(0, b"")], ChannelCode::Protocol),
        (vec![announce(0, chunk), announce(1, chunk)], ChannelCode::Protocol),
        ([with(vec![announce(1, &chunk[..MIB - 1])])].concat(), ChannelCode::TooLarge),
    ];
    for (number, (frames, code)) in cases.into_iter().enumerate() {
        let mut disk = Disk::default();
        let mut receiver = waiting(&content, &mut disk);
        frames.into_iter().for_each(|frame| receiver.handle(frame));
        assert_eq!(refused(&mut receiver), Some(code), "case {number}");
        assert_eq!(disk.written, 0, "case {number}");
    }
}

#[test]
fn a_sender_of_tiny_frames_costs_one_chunk() {
    let content = Rng::new(5).bytes(MIB);
    let mut disk = Disk::default();
    let mut receiver = waiting(&content, &mut disk);
    receiver.handle(announce(0, &content));
    for (i, byte) in content.chunks(3).enumerate() {
        receiver.handle(data(i * 3, byte));
    }
    while let Some(task) = receiver.poll_task() {
        let pieces = format!("{task:?}").matches("b\"").count();
        assert!(!matches!(task, ReceiverTask::Write(_)) || pieces == 1);
        work(&mut disk, &mut receiver, task);
    }
    assert!(receiver.is_complete());
    assert_eq!(disk.files["a"], content);
}

#[test]
fn failures_of_either_disk_reach_both_ends() {
    let mut rng = Rng::new(6);
    let files = folder(&mut rng);
    for full_after in 0..9 {
        let mut disk = Disk { full_after: Some(full_after), ..Disk::default() };
        let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        let code = |outcome: Option<Outcome>| match outcome {
            Some(Outcome::Failed(failure)) => Some((failure.code, failure.by_peer)),
            _ => None,
        };
        assert_eq!(code(run.receiver), Some((ChannelCode::DiskFull, false)), "{full_after}");
        assert_eq!(code(run.sender), Some((ChannelCode::DiskFull, true)), "{full_after}");
        disk.full_after = None;
        session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
        assert!(equal(&files, &disk), "resumed after a full disk");
    }
    let mut sender = Sender::new(sources(&files)).unwrap();
    sender.read_failed(2, ChannelCode::SourceChanged, "it was edited");
    let error = Frame::decode(&sender.poll_frame().unwrap()).unwrap();
    assert!(matches!(error, Frame::FileError(error) if error.file == Some(2) && error.code == ChannelCode::SourceChanged));
    assert!(matches!(Frame::decode(&sender.poll_frame().unwrap()), Ok(Frame::Bye(_))));
    assert!(sender.poll_frame().is_none() && sender.poll_read().is_none());
}

#[test]
fn a_list_that_no_receiver_would_take_is_not_offered() {
    let source = |path: &str, size| Source { path: path.into(), size, hash: blake3::hash(b""), modified_at: None };
    assert!(Sender::new(vec![source("../x", 1)]).is_err());
    assert!(Sender::new(vec![source("a", 1), source("A", 1)]).is_err());
    assert!(Sender::new(vec![source("a", u64::MAX)]).is_err());
}
