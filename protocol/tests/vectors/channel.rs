//! Frames of the DataChannel.

use mesh_protocol::capability::Capability;
use mesh_protocol::channel::*;
use mesh_protocol::error_code::ChannelCode;
use serde_json::{Value, json};

use super::{golden, hex, id};

fn frames() -> Vec<(&'static str, Frame)> {
    let size = TermSize { cols: 80, rows: 24 };
    vec![
        (
            "hello",
            Frame::Hello(Hello {
                protocol: 1,
                session_id: id("s1"),
                cap_token: "a.b.c".into(),
            }),
        ),
        (
            "bye",
            Frame::Bye(Bye {
                code: ChannelCode::CapRefused,
                detail: "the capability is for another target".into(),
            }),
        ),
        (
            "renew",
            Frame::Renew(Renew {
                cap_token: "a.b.c".into(),
            }),
        ),
        (
            "term_snapshot",
            Frame::TermSnapshot(TermSnapshot {
                first: true,
                last: false,
                size,
                seq: 4096,
                bytes: "\u{1b}[2J$ ".into(),
            }),
        ),
        (
            "term_snapshot_last",
            Frame::TermSnapshot(TermSnapshot {
                first: false,
                last: true,
                size,
                seq: 4096,
                bytes: "é".into(),
            }),
        ),
        (
            "term_out",
            Frame::TermOut(TermOut {
                seq: 1 << 40,
                bytes: "42\r\n".into(),
            }),
        ),
        (
            "term_in",
            Frame::TermIn(TermIn {
                epoch: 3,
                bytes: "echo $((6*7))\r".into(),
            }),
        ),
        (
            "term_resize",
            Frame::TermResize(TermResize {
                epoch: 3,
                size: TermSize { cols: 120, rows: 40 },
            }),
        ),
        (
            "term_lease",
            Frame::TermLease(TermLease {
                holder: Some(id("p2")),
                name: "Bob".into(),
                epoch: 3,
                you: true,
                may_decide: false,
            }),
        ),
        (
            "term_lease_free",
            Frame::TermLease(TermLease {
                holder: None,
                name: String::new(),
                epoch: 4,
                you: false,
                may_decide: false,
            }),
        ),
        (
            "term_lease_may_decide",
            Frame::TermLease(TermLease {
                holder: None,
                name: String::new(),
                epoch: 4,
                you: false,
                may_decide: true,
            }),
        ),
        ("term_ack", Frame::TermAck(TermAck { seq: 65_536 })),
        ("term_exit", Frame::TermExit(TermExit { code: Some(0) })),
        (
            "term_viewers",
            Frame::TermViewers(TermViewers {
                viewers: vec![TermViewer {
                    peer_id: id("p2"),
                    name: "Bob".into(),
                }],
            }),
        ),
        (
            "term_state",
            Frame::TermState(TermState {
                paused: true,
                recording: false,
            }),
        ),
        ("term_decide", Frame::TermDecide(TermDecide { decides: true })),
        (
            "term_ask",
            Frame::TermAsk(TermAsk {
                id: 7,
                capability: Capability::TerminalControl,
                who: "Bob (laptop)".into(),
                room: "Home".into(),
            }),
        ),
        ("term_withdrawn", Frame::TermWithdrawn(TermWithdrawn { id: 7 })),
        (
            "term_answer",
            Frame::TermAnswer(TermAnswer {
                id: 7,
                answer: ConsentAnswer::AlwaysPerson,
            }),
        ),
        ("folder_browse", Frame::FolderOpen(FolderOpen::Browse)),
        (
            "folder_pull",
            Frame::FolderOpen(FolderOpen::Pull {
                paths: vec!["notes/été.txt".into(), "photos".into()],
            }),
        ),
        (
            "folder_put",
            Frame::FolderOpen(FolderOpen::Put {
                path: String::new(),
                size: 5,
                count: 1,
            }),
        ),
        (
            "folder_opened",
            Frame::FolderOpened(FolderOpened {
                label: "Photos".into(),
                drop: false,
                size: 5,
                count: 1,
            }),
        ),
        (
            "folder_list",
            Frame::FolderList(FolderList {
                id: 1,
                path: "notes".into(),
            }),
        ),
        (
            "folder_entries",
            Frame::FolderEntries(FolderEntries {
                id: 1,
                entries: vec![
                    FolderEntry {
                        path: "archive".into(),
                        folder: true,
                        size: 0,
                        modified_at: None,
                    },
                    FolderEntry {
                        path: "été.txt".into(),
                        folder: false,
                        size: 5,
                        modified_at: Some(1_700_000_000_000),
                    },
                ],
                last: true,
                more: false,
            }),
        ),
        (
            "folder_search",
            Frame::FolderSearch(FolderSearch {
                id: 2,
                path: String::new(),
                text: "été".into(),
            }),
        ),
        (
            "folder_preview",
            Frame::FolderPreview(FolderPreview {
                id: 3,
                path: "notes/été.txt".into(),
            }),
        ),
        (
            "folder_previewed",
            Frame::FolderPreviewed(FolderPreviewed {
                id: 3,
                media_type: "text/plain".into(),
                size: 5,
                more: false,
            }),
        ),
        (
            "folder_data",
            Frame::FolderData(FolderData {
                id: 3,
                bytes: "hello".into(),
            }),
        ),
        (
            "folder_changed",
            Frame::FolderChanged(FolderChanged { path: "notes".into() }),
        ),
        (
            "folder_failed",
            Frame::FolderFailed(FolderFailed {
                id: 4,
                code: ChannelCode::SourceGone,
                detail: "there is no such folder any more".into(),
            }),
        ),
        (
            "file_manifest",
            Frame::FileManifest(FileManifest {
                files: vec![ManifestEntry {
                    file: 0,
                    path: "notes/été.txt".into(),
                    size: 5,
                    hash: blake3::hash(b"hello").to_hex().to_string(),
                    modified_at: Some(1_700_000_000_000),
                    mode: None,
                }],
                last: true,
                bundles: false,
            }),
        ),
        (
            "file_manifest_mode",
            Frame::FileManifest(FileManifest {
                files: vec![ManifestEntry {
                    file: 0,
                    path: "bin/run".into(),
                    size: 5,
                    hash: blake3::hash(b"hello").to_hex().to_string(),
                    modified_at: None,
                    mode: Some(0o755),
                }],
                last: true,
                bundles: true,
            }),
        ),
        (
            "file_want",
            Frame::FileWant(FileWant {
                ranges: vec![ChunkRange {
                    file: 0,
                    from: 0,
                    to: 1,
                }],
                skip: vec![],
                last: true,
                bundles: false,
            }),
        ),
        (
            "file_want_skip",
            Frame::FileWant(FileWant {
                ranges: vec![],
                skip: vec![FileRange { from: 1, to: 3 }],
                last: true,
                bundles: true,
            }),
        ),
        (
            "file_chunk",
            Frame::FileChunk(FileChunk {
                file: 0,
                chunk: 0,
                len: 5,
                digest: *blake3::hash(b"hello").as_bytes(),
            }),
        ),
        (
            "file_data",
            Frame::FileData(FileData {
                file: 0,
                offset: 0,
                bytes: "hello".into(),
            }),
        ),
        ("file_ack", Frame::FileAck(FileAck { bytes: 5 })),
        (
            "file_done",
            Frame::FileDone(FileDone {
                file: 0,
                hash: blake3::hash(b"hello").to_hex().to_string(),
            }),
        ),
        (
            "file_error",
            Frame::FileError(FileError {
                file: Some(0),
                code: ChannelCode::DiskFull,
                detail: "the disk is full".into(),
            }),
        ),
        (
            "file_bundle",
            Frame::FileBundle(FileBundle {
                frames: vec![
                    Frame::FileChunk(FileChunk {
                        file: 0,
                        chunk: 0,
                        len: 5,
                        digest: *blake3::hash(b"hello").as_bytes(),
                    }),
                    Frame::FileData(FileData {
                        file: 0,
                        offset: 0,
                        bytes: "hello".into(),
                    }),
                ],
            }),
        ),
        ("file_pause", Frame::FilePause(FilePause { paused: true })),
        (
            "media_state",
            Frame::MediaState(MediaState {
                audio: true,
                video: false,
                recording: true,
            }),
        ),
        (
            "screen_state",
            Frame::ScreenState(ScreenState {
                mode: ScreenMode::Detail,
                viewers: vec![ScreenViewer {
                    peer_id: id("peer-bob"),
                    name: "bob".into(),
                    recording: false,
                }],
            }),
        ),
        (
            "screen_pointer",
            Frame::ScreenPointer(ScreenPointer {
                peer_id: Some(id("peer-bob")),
                name: Some("bob".into()),
                x: Some(2_500),
                y: Some(10_000),
            }),
        ),
    ]
}

#[test]
fn channel_frames() {
    let all: Vec<Value> = frames()
        .into_iter()
        .map(|(name, frame)| {
            let bytes = frame.encode();
            assert_eq!(Frame::decode(&bytes), Ok(frame), "{name}");
            json!({ "name": name, "hex": hex(&bytes) })
        })
        .collect();
    let pinned: Vec<FrameType> = frames().iter().map(|(_, frame)| frame.frame_type()).collect();
    for kind in FrameType::ALL {
        assert!(pinned.contains(kind), "{kind:?} has no vector");
    }
    golden("channel.json", &json!(all));
}
