//! Two engines that hear anything at all: they stay within the window and the sizes that they promised, and write no
//! more than was accepted.

#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mesh_peer::transfer::{Accepted, FileHash, Held, Receiver, ReceiverTask, Sender, Source, Subtree};
use mesh_protocol::channel::{
    ChunkRange, FileAck, FileChunk, FileData, FileManifest, FileRange, FileWant, Frame, ManifestEntry,
};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{FILE_CHUNK, FILE_WINDOW};

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// Any message to the one, or to the other.
    ToReceiver(&'a [u8]),
    ToSender(&'a [u8]),
    /// A chunk that is what it says, in two pieces.
    Chunk { file: u8, chunk: u8, content: &'a [u8], cut: u8 },
    /// What a receiver may ask.
    Want { ranges: Vec<(u8, u8, u8)>, skip: Vec<(u8, u8)>, last: bool, bundles: bool },
    Ack(u32),
    Pause(bool),
    Read,
    Send,
    /// The oldest task is done, well or badly.
    Work(bool),
}

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    files: Vec<&'a [u8]>,
    /// Of one more file of nothing but zeros.
    large: u32,
    steps: Vec<Step<'a>>,
}

/// The frames of a message, be it one or a bundle.
fn frames_of(message: &Frame) -> &[Frame] {
    match message {
        Frame::FileBundle(bundle) => &bundle.frames,
        frame => std::slice::from_ref(frame),
    }
}

/// Content and name of every file.
fn files(case: &Case<'_>) -> Vec<(String, Vec<u8>)> {
    let large = vec![0; case.large as usize % (3 * FILE_CHUNK as usize)];
    let contents = case.files.iter().take(20).map(|content| content.to_vec());
    (0..)
        .zip(contents.chain([large]))
        .map(|(number, content): (u32, _)| (format!("f{number}"), content))
        .collect()
}

fuzz_target!(|case: Case<'_>| {
    let files = files(&case);
    let size: u64 = files.iter().map(|(_, content)| content.len() as u64).sum();
    let sources = files.iter().map(|(path, content)| Source {
        path: path.clone(),
        size: content.len() as u64,
        hash: FileHash::of(content),
        modified_at: None,
        mode: None,
    });
    let mut sender = Sender::new(sources.collect()).expect("the names are fine");
    let mut receiver = Receiver::new(Accepted {
        size,
        count: files.len() as u64,
        max_size: None,
    });
    let listed = (0..).zip(&files).map(|(file, (path, content))| ManifestEntry {
        file,
        path: path.clone(),
        size: content.len() as u64,
        hash: blake3::hash(content).to_hex().to_string(),
        modified_at: None,
        mode: None,
    });
    receiver.handle(Frame::FileManifest(FileManifest {
        files: listed.collect(),
        last: true,
        bundles: true,
    }));
    let (mut tasks, mut written, mut content, mut acked) = (Vec::new(), 0, 0, 0u64);
    let hear = |receiver: &mut Receiver, frame: Frame| {
        if receiver.ready() {
            receiver.handle(frame);
        }
    };
    for step in case.steps {
        match step {
            Step::ToReceiver(message) => {
                if let Ok(frame) = Frame::decode(&Bytes::copy_from_slice(message)) {
                    hear(&mut receiver, frame);
                }
            }
            Step::ToSender(message) => {
                if let Ok(frame) = Frame::decode(&Bytes::copy_from_slice(message)) {
                    for frame in frames_of(&frame) {
                        if let Frame::FileAck(ack) = frame {
                            acked = acked.max(ack.bytes);
                        }
                    }
                    sender.handle(frame);
                }
            }
            Step::Chunk { file, chunk, content, cut } => {
                let many = files.get(usize::from(file)).is_some_and(|(_, file)| file.len() as u64 > FILE_CHUNK);
                let (file, chunk) = (u32::from(file), u32::from(chunk));
                let digest = if many { Subtree::of(chunk, [content]) } else { Subtree::only([content]) };
                hear(&mut receiver, Frame::FileChunk(FileChunk {
                    file,
                    chunk,
                    len: content.len() as u32,
                    digest: *digest.as_bytes(),
                }));
                let begin = u64::from(chunk) * FILE_CHUNK;
                let (first, second) = content.split_at(usize::from(cut).min(content.len()));
                for (offset, bytes) in [(begin, first), (begin + first.len() as u64, second)] {
                    let bytes = Bytes::copy_from_slice(bytes);
                    hear(&mut receiver, Frame::FileData(FileData { file, offset, bytes }));
                }
            }
            Step::Want { ranges, skip, last, bundles } => {
                let range = |(file, from, to): (u8, u8, u8)| ChunkRange {
                    file: file.into(),
                    from: from.into(),
                    to: to.into(),
                };
                let left_out = |(from, to): (u8, u8)| FileRange {
                    from: from.into(),
                    to: to.into(),
                };
                sender.handle(Frame::FileWant(FileWant {
                    ranges: ranges.into_iter().map(range).collect(),
                    skip: skip.into_iter().map(left_out).collect(),
                    last,
                    bundles,
                }));
            }
            Step::Ack(bytes) => {
                acked = acked.max(bytes.into());
                sender.handle(Frame::FileAck(FileAck { bytes: bytes.into() }));
            }
            Step::Pause(paused) => {
                sender.pause(paused);
                receiver.pause(paused);
            }
            Step::Read => {
                while let Some(request) = sender.poll_read() {
                    let (_, source) = &files[request.file as usize];
                    assert!(request.offset + u64::from(request.len) <= source.len() as u64);
                    let chunk = request.fill(|at, len, message: &mut Vec<u8>| {
                        message.extend_from_slice(&source[at as usize..][..len]);
                        Ok::<(), ()>(())
                    });
                    sender.chunk_read(chunk.expect("memory is read"));
                }
            }
            Step::Send => {
                while let Some(message) = sender.poll_frame() {
                    let message = Frame::decode(&message).expect("an engine writes frames");
                    for frame in frames_of(&message) {
                        if let Frame::FileData(data) = frame {
                            content += data.bytes.len() as u64;
                        }
                    }
                }
                assert!(content <= acked + FILE_WINDOW);
                while let Some(frame) = receiver.poll_frame() {
                    assert!(Frame::decode(&frame).is_ok());
                }
            }
            Step::Work(well) => {
                tasks.extend(std::iter::from_fn(|| receiver.poll_task()));
                if tasks.is_empty() {
                    continue;
                }
                match tasks.remove(0) {
                    ReceiverTask::Inspect(entry) => receiver.inspected(entry.file, Held::Nothing),
                    ReceiverTask::Write(chunk) if well => match chunk.verify() {
                        Ok(verified) => {
                            let done = verified.write(|_, bytes| {
                                written += bytes.len() as u64;
                                Ok::<(), ()>(())
                            });
                            receiver.chunk_written(done.expect("memory takes it"));
                        }
                        Err(corrupt) => receiver.chunk_corrupt(corrupt),
                    },
                    ReceiverTask::Write(chunk) => receiver.task_failed(chunk.file(), ChannelCode::DiskFull, "full"),
                    ReceiverTask::Commit(entry) => receiver.committed(entry.file),
                    ReceiverTask::Discard(entry) => receiver.discarded(entry.file),
                }
                assert!(written <= size, "no more than was accepted");
            }
        }
    }
});
