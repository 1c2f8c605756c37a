//! Sender, receiver, their disks, and the link between them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mesh_peer::transfer::{
    Accepted, Entry, FileHash, Held, Outcome, PartRecord, ReadChunk, Receiver, ReceiverTask, Sender, Source,
};
use mesh_protocol::channel::Frame;
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{FILE_CHUNK, FILE_WINDOW};

use crate::sim::rng::Rng;

pub(crate) const MIB: usize = FILE_CHUNK as usize;

/// Frames that the link has on their way before a sender waits: about 1 MiB, as the driver's cap.
const ON_THE_WAY: usize = 16;

/// What the receiver's disk holds across sessions.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) parts: BTreeMap<String, (Vec<u8>, Vec<u8>)>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Bytes that were ever written.
    pub(crate) written: u64,
    /// Writes after which it is full.
    pub(crate) full_after: Option<usize>,
    pub(crate) writes: usize,
    /// What the person does not want.
    pub(crate) unwanted: Vec<String>,
}

/// What happens to a session.
#[derive(Default)]
pub(crate) struct Fate {
    /// The link is gone after so many frames were delivered.
    pub(crate) cut_after: Option<usize>,
    /// The bit of the frame (both counted from 0, sender to receiver) that is flipped.
    pub(crate) flip: Option<(usize, usize)>,
    /// How often either end pauses, or goes on.
    pub(crate) pauses: usize,
    /// One of so many frames, either way, is lost, comes twice or is overtaken.
    pub(crate) disturbed: Option<usize>,
    /// An end of before bundles: it does not say that it takes them.
    pub(crate) older: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Sender,
    Receiver,
}

/// What became of it.
pub(crate) struct Run {
    pub(crate) sender: Option<Outcome>,
    pub(crate) receiver: Option<Outcome>,
    pub(crate) frames: usize,
    /// Content that was put on the link.
    pub(crate) content: u64,
    /// The file of each chunk that was put on the link, in this order.
    pub(crate) chunks: Vec<u32>,
    /// Bundles that were delivered, from the sender and from the receiver.
    pub(crate) bundles: (usize, usize),
    pub(crate) complete: bool,
    /// What the receiver's driver had begun and not ended.
    pub(crate) unfinished: Vec<(Entry, ReceiverTask)>,
}

pub(crate) type Files = Vec<(String, Vec<u8>)>;

pub(crate) fn sources(files: &Files) -> Vec<Source> {
    let source = |(path, content): &(String, Vec<u8>)| Source {
        path: path.clone(),
        size: content.len() as u64,
        hash: FileHash::of(content),
        modified_at: None,
        mode: None,
    };
    files.iter().map(source).collect()
}

pub(crate) fn accepted(files: &Files) -> Accepted {
    let size = files.iter().map(|(_, content)| content.len() as u64).sum();
    Accepted {
        size,
        count: files.len() as u64,
        max_size: None,
    }
}

pub(crate) fn read(files: &Files, request: ReadChunk) -> mesh_peer::transfer::PreparedChunk {
    let content = &files[request.file as usize].1;
    let append = |at: u64, len: usize, message: &mut Vec<u8>| {
        message.extend_from_slice(&content[at as usize..][..len]);
        Ok::<(), ()>(())
    };
    request.fill(append).expect("the source has these bytes")
}

/// Does one task of the receiver on this disk.
pub(crate) fn work(disk: &mut Disk, receiver: &mut Receiver, task: ReceiverTask) {
    match task {
        ReceiverTask::Inspect(entry) => {
            let path = entry.path.as_str();
            if disk.unwanted.iter().any(|unwanted| unwanted == path) {
                return receiver.inspected(entry.file, Held::Unwanted);
            }
            if disk
                .files
                .get(path)
                .is_some_and(|content| blake3::hash(content) == entry.hash)
            {
                return receiver.inspected(entry.file, Held::Whole);
            }
            let Some((part, side)) = disk.parts.get_mut(path) else {
                return receiver.inspected(entry.file, Held::Nothing);
            };
            side.truncate(side.len() - PartRecord::torn(side));
            let confirmed = |record: &PartRecord| {
                let (at, len) = record.range(entry.size);
                part.get(at as usize..(at + len) as usize)
                    .is_some_and(|bytes| record.confirms(bytes))
            };
            let held = PartRecord::parse(side, &entry)
                .map(|records| records.into_iter().filter(confirmed).collect());
            receiver.inspected(entry.file, held.map_or(Held::Nothing, Held::Chunks));
        }
        ReceiverTask::Write(chunk) => {
            let entry = receiver.entries()[chunk.file() as usize].clone();
            let verified = match chunk.verify() {
                Ok(verified) => verified,
                Err(corrupt) => return receiver.chunk_corrupt(corrupt),
            };
            disk.writes += 1;
            if disk.full_after.is_some_and(|writes| disk.writes > writes) {
                return receiver.task_failed(entry.file, ChannelCode::DiskFull, "no space left");
            }
            let fresh = || (Vec::new(), PartRecord::header(&entry));
            let (part, side) = disk
                .parts
                .entry(entry.path.as_str().to_owned())
                .or_insert_with(fresh);
            if PartRecord::parse(side, &entry).is_none() {
                (*part, *side) = fresh();
            }
            let written = verified
                .write(|at, bytes| {
                    let end = at as usize + bytes.len();
                    part.resize(part.len().max(end), 0);
                    part[at as usize..end].copy_from_slice(bytes);
                    disk.written += bytes.len() as u64;
                    Ok::<(), ()>(())
                })
                .expect("memory takes it");
            side.extend_from_slice(&PartRecord::note(&written));
            receiver.chunk_written(written);
        }
        ReceiverTask::Commit(entry) => {
            let content = disk
                .parts
                .remove(entry.path.as_str())
                .map(|(part, _)| part)
                .unwrap_or_default();
            disk.files.insert(entry.path.as_str().to_owned(), content);
            receiver.committed(entry.file);
        }
        ReceiverTask::Discard(entry) => {
            disk.parts.remove(entry.path.as_str());
            receiver.discarded(entry.file);
        }
    }
}

/// Runs one session to its end.
pub(crate) fn session(files: &Files, accepted: Accepted, disk: &mut Disk, fate: &Fate, rng: &mut Rng) -> Run {
    let mut sender = Sender::new(sources(files)).expect("the names are fine");
    let mut receiver = Receiver::new(accepted);
    let mut forth: VecDeque<(u64, Bytes)> = VecDeque::new();
    let mut back: VecDeque<(u64, Bytes)> = VecDeque::new();
    let (mut reads, mut tasks) = (Vec::new(), Vec::new());
    let (mut now, mut delivered, mut forth_count) = (0u64, 0usize, 0usize);
    let (mut content, mut acked) = (0u64, 0u64);
    let mut chunks = Vec::new();
    let mut bundles = (0, 0);
    let mut pauses = fate.pauses;
    loop {
        reads.extend(std::iter::from_fn(|| sender.poll_read()));
        while let Some(task) = receiver.poll_task() {
            tasks.push(task);
        }
        let able = [
            forth.len() < ON_THE_WAY && sender.has_frame(),
            back.len() < ON_THE_WAY && receiver.has_frame(),
            receiver.ready() && forth.front().is_some_and(|(at, _)| *at <= now),
            back.front().is_some_and(|(at, _)| *at <= now),
            !reads.is_empty(),
            !tasks.is_empty(),
            pauses > 0 && rng.below(20) == 0,
        ];
        let choices: Vec<usize> = (0..able.len()).filter(|i| able[*i]).collect();
        if choices.is_empty() {
            let next = forth
                .front()
                .into_iter()
                .chain(back.front())
                .map(|(at, _)| *at)
                .filter(|at| *at > now)
                .min();
            match next {
                Some(at) => now = at,
                None if sender.progress().paused.here || receiver.progress().paused.here => {
                    sender.pause(false);
                    receiver.pause(false);
                }
                None => break,
            }
            continue;
        }
        match rng.pick(&choices) {
            0 => {
                let mut frame = sender.poll_frame().expect("it has a frame");
                if fate.older == Some(End::Sender) {
                    frame = unsaid(&frame);
                }
                for frame in frames_of(&frame) {
                    match frame {
                        Frame::FileChunk(chunk) => chunks.push(chunk.file),
                        Frame::FileData(data) => content += data.bytes.len() as u64,
                        _ => {}
                    }
                }
                assert!(content - acked <= FILE_WINDOW);
                forth.push_back((now + 1 + rng.below(20) as u64, frame));
            }
            1 => {
                let mut frame = receiver.poll_frame().expect("it has a frame");
                if fate.older == Some(End::Receiver) {
                    frame = unsaid(&frame);
                }
                back.push_back((now + 1 + rng.below(20) as u64, frame));
            }
            2 => {
                disturb(&mut forth, fate, rng);
                let Some((_, mut frame)) = forth.pop_front() else {
                    continue;
                };
                if let Some((_, bit)) = fate.flip.filter(|(at, _)| *at == forth_count) {
                    let mut bytes = frame.to_vec();
                    let bit = bit % (bytes.len() * 8);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    frame = bytes.into();
                }
                forth_count += 1;
                delivered += 1;
                match Frame::decode(&frame) {
                    Ok(frame) => {
                        bundles.0 += usize::from(matches!(frame, Frame::FileBundle(_)));
                        receiver.handle(frame);
                    }
                    Err(error) => receiver.cancel(ChannelCode::Protocol, error.to_string()),
                }
            }
            3 => {
                disturb(&mut back, fate, rng);
                let Some((_, frame)) = back.pop_front() else {
                    continue;
                };
                delivered += 1;
                let frame = Frame::decode(&frame).expect("this way nothing is flipped");
                bundles.1 += usize::from(matches!(frame, Frame::FileBundle(_)));
                if let Frame::FileAck(ack) = frame {
                    acked = acked.max(ack.bytes);
                }
                sender.handle(frame);
            }
            4 => {
                let request = reads.swap_remove(rng.below(reads.len()));
                sender.chunk_read(read(files, request));
            }
            6 => {
                pauses -= 1;
                let paused = rng.below(2) == 0;
                match rng.below(2) {
                    0 => sender.pause(paused),
                    _ => receiver.pause(paused),
                }
            }
            _ => {
                let task = tasks.swap_remove(rng.below(tasks.len()));
                work(disk, &mut receiver, task);
            }
        }
        if fate.cut_after == Some(delivered) {
            break;
        }
    }
    let entry = |task: &ReceiverTask| match task {
        ReceiverTask::Write(chunk) => receiver.entries()[chunk.file() as usize].clone(),
        ReceiverTask::Inspect(entry) | ReceiverTask::Commit(entry) | ReceiverTask::Discard(entry) => {
            entry.clone()
        }
    };
    Run {
        unfinished: tasks.into_iter().map(|task| (entry(&task), task)).collect(),
        sender: sender.outcome().cloned(),
        receiver: receiver.outcome().cloned(),
        frames: delivered,
        content,
        chunks,
        bundles,
        complete: receiver.is_complete(),
    }
}

/// The frames of a message, be it one or a bundle.
pub(crate) fn frames_of(message: &Bytes) -> Vec<Frame> {
    match Frame::decode(message).expect("an engine writes frames") {
        Frame::FileBundle(bundle) => bundle.frames,
        frame => vec![frame],
    }
}

/// The message as an end writes it that does not know bundles.
fn unsaid(message: &Bytes) -> Bytes {
    let mut frame = Frame::decode(message).expect("an engine writes frames");
    match &mut frame {
        Frame::FileManifest(manifest) => manifest.bundles = false,
        Frame::FileWant(want) => want.bundles = false,
        _ => return message.clone(),
    }
    frame.encode()
}

/// What a path that keeps no promise does to the frame that is next.
fn disturb(link: &mut VecDeque<(u64, Bytes)>, fate: &Fate, rng: &mut Rng) {
    if fate.disturbed.is_none_or(|one_in| rng.below(one_in) != 0) {
        return;
    }
    match rng.below(3) {
        0 => drop(link.pop_front()),
        1 => link.push_front(link[0].clone()),
        _ if link.len() > 1 => link.swap(0, 1),
        _ => {}
    }
}
