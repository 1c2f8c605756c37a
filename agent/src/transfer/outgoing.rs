//! Sending: reads and lays out chunks on blocking threads, and feeds the path as fast as it takes them.

use std::sync::Arc;

use mesh_peer::session::OpenSession;
use mesh_peer::transfer::{Outcome, PreparedChunk, ReadChunk, Sender};
use mesh_protocol::channel::Frame;
use mesh_protocol::error_code::ChannelCode;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::flow::{self, Throttle};
use super::{FAREWELL, Flow, Shown, TransferError, show};
use crate::disk::{DiskError, SourceFile};

/// Batches of chunks that are being read at once.
const BATCHES: usize = 4;
/// Chunks of one batch, at most: a thread is not woken for each small file.
const BATCH: usize = 16;
/// Bytes of content after which a batch takes no more.
const BATCH_BYTES: u32 = 256 * 1024;

/// What a reading thread gives back of each chunk.
type Read = (u32, Result<PreparedChunk, DiskError>);

/// Sends the files, whose order is the engine's, until the other end has what it wants of them; gives those that it left
/// out, in order.
pub async fn send(
    session: OpenSession,
    mut sender: Sender,
    files: Arc<Vec<SourceFile>>,
    shown: &watch::Sender<Shown>,
    flow: &Flow,
) -> Result<Vec<u32>, TransferError> {
    let OpenSession {
        frames_tx,
        mut frames_rx,
        control,
        ..
    } = session;
    let mut reads: JoinSet<Vec<Read>> = JoinSet::new();
    let (mut stopping, mut moved) = (false, 0);
    let (mut throttle, mut paused) = (Throttle::new(flow.throttle), flow.paused.clone());
    sender.pause(*paused.borrow_and_update());
    let lost = loop {
        while reads.len() < BATCHES {
            let batch = batch(&mut sender);
            if batch.is_empty() {
                break;
            }
            let files = files.clone();
            reads.spawn_blocking(move || batch.into_iter().map(|chunk| read(&files, chunk)).collect());
        }
        // As many frames as the path, and the rate, take now. How it ended is not held up.
        let mut held = None;
        while sender.has_frame() {
            held = throttle.wait().filter(|_| sender.outcome().is_none());
            if held.is_some() {
                break;
            }
            let Ok(permit) = frames_tx.try_reserve() else {
                break;
            };
            let Some(frame) = sender.poll_frame() else { break };
            moved += frame.len() as u64;
            throttle.moved(frame.len());
            permit.send(frame);
        }
        show(
            shown,
            Shown {
                progress: sender.progress(),
                moved,
            },
        );
        if sender.outcome().is_some() && !sender.has_frame() {
            break false;
        }
        tokio::select! {
            () = flow.stop.cancelled(), if !stopping => {
                stopping = true;
                sender.cancel(ChannelCode::Cancelled, "the sender cancelled");
            }
            now = flow::changed(&mut paused) => sender.pause(now),
            () = sleep(held.unwrap_or_default()), if held.is_some() => {}
            frame = frames_rx.recv() => match frame.map(|message| Frame::decode(&message)) {
                Some(Ok(Frame::Renew(_))) => {}
                Some(Ok(frame)) => sender.handle(frame),
                Some(Err(error)) => sender.cancel(ChannelCode::Protocol, error.to_string()),
                None => break true,
            },
            Some(done) = reads.join_next() => match done {
                Ok(read) => for (file, read) in read {
                    match read {
                        Ok(prepared) => sender.chunk_read(prepared),
                        Err(error) => sender.read_failed(file, error.code(), error.to_string()),
                    }
                },
                Err(error) => sender.cancel(ChannelCode::Io, error.to_string()),
            },
            permit = frames_tx.reserve(), if held.is_none() && sender.has_frame() => match permit {
                Ok(permit) => if let Some(frame) = sender.poll_frame() {
                    moved += frame.len() as u64;
                    throttle.moved(frame.len());
                    permit.send(frame);
                },
                Err(_) => break true,
            },
        }
    };
    drop(frames_tx);
    let outcome = sender.outcome().cloned();
    match outcome {
        Some(Outcome::Finished) => {
            // The last frame only tells the receiver that nothing follows; it has everything.
            let _ = timeout(FAREWELL, control.finish()).await;
            Ok((0..)
                .take(files.len())
                .filter(|file| sender.is_skipped(*file))
                .collect())
        }
        Some(Outcome::Failed(failure)) => {
            if !lost {
                let _ = timeout(FAREWELL, control.finish()).await;
            }
            Err(TransferError::Failed(failure))
        }
        None => Err(TransferError::Lost(control.ended().await)),
    }
}

fn batch(sender: &mut Sender) -> Vec<ReadChunk> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some(chunk) = sender.poll_read() else { break };
        bytes += chunk.len;
        batch.push(chunk);
    }
    batch
}

fn read(files: &[SourceFile], chunk: ReadChunk) -> Read {
    let number = chunk.file;
    let Some(file) = usize::try_from(number).ok().and_then(|number| files.get(number)) else {
        return (
            number,
            Err(DiskError::SourceGone(
                Default::default(),
                std::io::ErrorKind::NotFound.into(),
            )),
        );
    };
    let prepared = file.reading().and_then(|reading| {
        let prepared = chunk.fill(|position, len, message| reading.append(position, len, message))?;
        // Looked at after the read, so that a change during it is seen too.
        reading.unchanged().map(|()| prepared)
    });
    (number, prepared)
}
