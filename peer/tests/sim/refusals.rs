//! Senders that break the rules: refused, before a byte is written.

use bytes::Bytes;
use mesh_peer::transfer::{Accepted, Outcome, Receiver, ReceiverTask, Subtree};
use mesh_protocol::channel::{FileChunk, FileData, FileManifest, Frame, ManifestEntry};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::MAX_CHANNEL_DATA;

use crate::sim::rng::Rng;
use crate::sim::transfer_world::{Disk, MIB, work};

fn entry(file: u32, path: &str, content: &[u8]) -> ManifestEntry {
    let hash = blake3::hash(content).to_hex().to_string();
    ManifestEntry {
        file,
        path: path.into(),
        size: content.len() as u64,
        hash,
        modified_at: None,
        mode: None,
    }
}

fn refused(receiver: &mut Receiver) -> Option<ChannelCode> {
    let Some(Outcome::Failed(failure)) = receiver.outcome().cloned() else {
        return None;
    };
    let frames: Vec<Frame> = std::iter::from_fn(|| receiver.poll_frame())
        .map(|f| Frame::decode(&f).unwrap())
        .collect();
    assert!(
        matches!(&frames[..], [Frame::FileError(error), Frame::Bye(bye)] if error.code == failure.code && bye.code == failure.code)
    );
    assert!(receiver.poll_task().is_none());
    Some(failure.code)
}

fn offered(accepted: Accepted, files: Vec<ManifestEntry>) -> Receiver {
    let mut receiver = Receiver::new(accepted);
    receiver.handle(Frame::FileManifest(FileManifest {
        files,
        last: true,
        bundles: false,
    }));
    receiver
}

const ROOM: Accepted = Accepted {
    size: 100 * MIB as u64,
    count: 1000,
    max_size: None,
};

#[test]
fn hostile_manifests_are_refused() {
    let long = "x/".repeat(40) + "x";
    for path in [
        "../x",
        "/etc/passwd",
        "a/../../b",
        "a\\b",
        "C:x",
        "con",
        "a\u{202e}txt",
        "a\0",
        "",
        "a//b",
        "x ",
        &long,
    ] {
        let mut receiver = offered(ROOM, vec![entry(0, path, b"x")]);
        assert_eq!(refused(&mut receiver), Some(ChannelCode::BadPath), "{path:?}");
    }
    for (a, b) in [("a", "A"), ("é", "e\u{301}"), ("a/b", "A"), ("a", "a/b")] {
        let mut receiver = offered(ROOM, vec![entry(0, a, b"x"), entry(1, b, b"x")]);
        assert_eq!(refused(&mut receiver), Some(ChannelCode::BadPath), "{a:?} {b:?}");
    }
    let cases = [
        (
            Accepted {
                size: 2,
                count: 9,
                max_size: None,
            },
            vec![entry(0, "a", b"123")],
            ChannelCode::TooLarge,
        ),
        (
            Accepted {
                size: 9,
                count: 9,
                max_size: Some(5),
            },
            vec![entry(0, "a", b"123"), entry(1, "b", b"456")],
            ChannelCode::TooLarge,
        ),
        (
            Accepted {
                size: 9,
                count: 1,
                max_size: None,
            },
            vec![entry(0, "a", b"1"), entry(1, "b", b"2")],
            ChannelCode::TooLarge,
        ),
        (
            ROOM,
            vec![ManifestEntry {
                size: u64::MAX,
                ..entry(0, "a", b"1")
            }],
            ChannelCode::TooLarge,
        ),
        (ROOM, vec![entry(1, "a", b"1")], ChannelCode::Protocol),
        (
            ROOM,
            vec![ManifestEntry {
                hash: "12".into(),
                ..entry(0, "a", b"1")
            }],
            ChannelCode::Protocol,
        ),
        (
            ROOM,
            vec![ManifestEntry {
                size: 0,
                ..entry(0, "a", b"1")
            }],
            ChannelCode::HashMismatch,
        ),
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
    assert!(matches!(
        Frame::decode(&receiver.poll_frame().unwrap()),
        Ok(Frame::FileWant(_))
    ));
    receiver
}

/// Of a file of several chunks.
fn announce(chunk: u32, content: &[u8]) -> Frame {
    let digest = *Subtree::of(chunk, [content]).as_bytes();
    Frame::FileChunk(FileChunk {
        file: 0,
        chunk,
        len: content.len() as u32,
        digest,
    })
}

fn data(offset: usize, bytes: &[u8]) -> Frame {
    Frame::FileData(FileData {
        file: 0,
        offset: offset as u64,
        bytes: Bytes::copy_from_slice(bytes),
    })
}

#[test]
fn t42_more_than_declared_is_stopped_within_the_chunk() {
    let content = vec![5; 2 * MIB];
    let chunk = &content[..MIB];
    let piece = &content[..MAX_CHANNEL_DATA];
    // A longer chunk; a chunk after the last; bytes after the end; a chunk twice; out of order; another file.
    let whole: Vec<Frame> = (0..16).map(|i| data(i * MAX_CHANNEL_DATA, piece)).collect();
    let crossing = (0..16).map(|i| data(1 + i * MAX_CHANNEL_DATA, piece));
    let crossing = [announce(0, chunk), data(0, b"x")]
        .into_iter()
        .chain(crossing)
        .collect();
    let with = |more: Vec<Frame>| [vec![announce(0, chunk)], whole.clone(), more].concat();
    let cases = [
        (vec![announce(0, &[chunk, b"x"].concat())], ChannelCode::TooLarge),
        (with(vec![data(MIB, b"x")]), ChannelCode::TooLarge),
        (with(vec![announce(0, chunk)]), ChannelCode::Protocol),
        (vec![announce(1, chunk)], ChannelCode::Protocol),
        (vec![data(0, piece)], ChannelCode::TooLarge),
        (vec![announce(0, chunk), data(1, piece)], ChannelCode::Protocol),
        (vec![announce(0, chunk), data(0, b"")], ChannelCode::Protocol),
        (crossing, ChannelCode::TooLarge),
        (
            vec![announce(0, chunk), announce(1, chunk)],
            ChannelCode::Protocol,
        ),
        (
            [with(vec![announce(1, &chunk[..MIB - 1])])].concat(),
            ChannelCode::TooLarge,
        ),
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
    let content = Rng::new(6).bytes(2 * MIB);
    let mut disk = Disk::default();
    let mut receiver = waiting(&content, &mut disk);
    for (number, chunk) in (0..).zip(content.chunks(MIB)) {
        receiver.handle(announce(number, chunk));
        for (i, bytes) in chunk.chunks(3).enumerate() {
            receiver.handle(data(number as usize * MIB + i * 3, bytes));
        }
    }
    while let Some(task) = receiver.poll_task() {
        let pieces = format!("{task:?}").matches("b\"").count();
        assert!(!matches!(task, ReceiverTask::Write(_)) || pieces == 1);
        work(&mut disk, &mut receiver, task);
    }
    assert!(receiver.is_complete());
    assert_eq!(disk.files["a"], content);
}
