//! What a receiving engine asks of the disk, carried out on a few blocking threads.
//!
//! Small tasks go in batches, so that a thread is not woken for each of a hundred thousand files; and the files that are whole are
//! committed in groups, since the disk makes many safe in little more time than one. Nothing waits for a batch or a group to
//! fill: each takes what is there.

use std::sync::Arc;

use mesh_peer::transfer::{CorruptChunk, Entry, Held, Receiver, ReceiverTask, WriteChunk, WrittenChunk};
use mesh_protocol::limits::FILE_CHUNK;
use tokio::task::{JoinError, JoinSet};

use super::incoming::{Arrived, Destination};
use crate::disk::DiskError;

/// Batches that are under way at once; what else the engine has to be done waits there, within its bounds.
const BATCHES: usize = 4;
/// Tasks of one batch, at most.
const BATCH: usize = 32;
/// Bytes of content after which a batch takes no more.
const BATCH_BYTES: u64 = FILE_CHUNK / 2;
/// Groups that are being committed at once: while the content of one is synchronised, the names of another may be.
const GROUPS: usize = 2;

/// A task that goes in a batch, with its file.
enum Small {
    Inspect(Entry),
    Write(Entry, WriteChunk),
    Discard(Entry),
}

/// What became of one task.
pub(super) enum Done {
    Inspected(u32, Held),
    Written(WrittenChunk),
    Corrupt(CorruptChunk),
    Committed(Arrived),
    Discarded(u32),
    Failed(u32, DiskError),
}

/// The tasks of one transfer.
pub(super) struct Tasks {
    destination: Arc<Destination>,
    batches: JoinSet<Vec<Done>>,
    groups: JoinSet<Vec<Done>>,
    /// Files to be committed with the next group; the engine bounds them.
    whole: Vec<Entry>,
}

impl Tasks {
    pub(super) fn new(destination: Arc<Destination>) -> Self {
        Self {
            destination,
            batches: JoinSet::new(),
            groups: JoinSet::new(),
            whole: Vec::new(),
        }
    }

    /// Begins what can be begun now.
    pub(super) fn begin(&mut self, receiver: &mut Receiver) {
        while self.batches.len() < BATCHES {
            let batch = self.batch(receiver);
            if batch.is_empty() {
                break;
            }
            let destination = self.destination.clone();
            self.batches.spawn_blocking(move || {
                let done = batch.into_iter().map(|task| carry_out(&destination, task));
                done.collect()
            });
        }
        if !self.whole.is_empty() && self.groups.len() < GROUPS {
            let (destination, group) = (self.destination.clone(), std::mem::take(&mut self.whole));
            self.groups.spawn_blocking(move || commit(&destination, group));
        }
    }

    /// What the next batch or group has done; `None` while there is none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<Done>, JoinError>> {
        tokio::select! {
            Some(done) = self.batches.join_next() => Some(done),
            Some(done) = self.groups.join_next() => Some(done),
            else => None,
        }
    }

    /// Waits for what has begun.
    pub(super) async fn finish(mut self) {
        while self.next().await.is_some() {}
    }

    fn batch(&mut self, receiver: &mut Receiver) -> Vec<Small> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let (size, task) = match receiver.poll_task() {
                None => break,
                Some(ReceiverTask::Commit(entry)) => {
                    self.whole.push(entry);
                    continue;
                }
                Some(ReceiverTask::Inspect(entry)) => (entry.size, Small::Inspect(entry)),
                Some(ReceiverTask::Discard(entry)) => (entry.size, Small::Discard(entry)),
                Some(ReceiverTask::Write(chunk)) => {
                    let Some(entry) = entry_of(receiver, &chunk) else {
                        continue;
                    };
                    (entry.size, Small::Write(entry, chunk))
                }
            };
            bytes += size.min(FILE_CHUNK);
            batch.push(task);
        }
        batch
    }
}

fn entry_of(receiver: &Receiver, chunk: &WriteChunk) -> Option<Entry> {
    receiver
        .entries()
        .get(usize::try_from(chunk.file()).ok()?)
        .cloned()
}

fn carry_out(destination: &Destination, task: Small) -> Done {
    let inbox = &destination.inbox;
    let (file, done) = match task {
        Small::Inspect(entry) if !destination.choice.wants(&entry.path) => {
            return Done::Inspected(entry.file, Held::Unwanted);
        }
        Small::Inspect(entry) => (
            entry.file,
            inbox
                .inspect(&entry)
                .map(|held| Done::Inspected(entry.file, held)),
        ),
        Small::Write(entry, chunk) => match chunk.verify() {
            Ok(verified) => (entry.file, inbox.write(&entry, verified).map(Done::Written)),
            Err(corrupt) => return Done::Corrupt(corrupt),
        },
        Small::Discard(entry) => (
            entry.file,
            inbox.discard(&entry).map(|()| Done::Discarded(entry.file)),
        ),
    };
    done.unwrap_or_else(|error| Done::Failed(file, error))
}

fn commit(destination: &Destination, group: Vec<Entry>) -> Vec<Done> {
    let stand = destination.inbox.commit(&group);
    let committed = |(entry, path): (Entry, Result<_, _>)| match path {
        Ok(path) => Done::Committed(Arrived {
            file: entry.file,
            path,
            size: entry.size,
            hash: entry.hash,
        }),
        Err(error) => Done::Failed(entry.file, error),
    };
    group.into_iter().zip(stand).map(committed).collect()
}
