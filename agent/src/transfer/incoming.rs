//! Receiving: verifies and writes chunks on blocking threads; holds the sender back while the disk is behind.

use std::path::PathBuf;
use std::sync::Arc;

use mesh_peer::session::OpenSession;
use mesh_peer::transfer::{Accepted, Held, Outcome, Receiver};
use mesh_protocol::channel::Frame;
use mesh_protocol::error_code::ChannelCode;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::choice::Choice;
use super::flow::{self, Throttle};
use super::tasks::{Done, Tasks};
use super::{FAREWELL, Flow, Shown, TransferError, show};
use crate::disk::Inbox;

/// A file that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub file: u32,
    pub path: PathBuf,
    pub size: u64,
    pub hash: blake3::Hash,
}

/// Where what arrives goes, and what of it is wanted.
#[derive(Debug)]
pub struct Destination {
    pub inbox: Inbox,
    pub choice: Choice,
}

/// Receives what was accepted, and is wanted, into the inbox. Files that stand are given to `arrived` one by one; a failure leaves the
/// others as parts for the next attempt.
pub async fn receive(
    session: OpenSession,
    accepted: Accepted,
    destination: Destination,
    shown: &watch::Sender<Shown>,
    flow: &Flow,
    mut arrived: impl FnMut(Arrived),
) -> Result<(), TransferError> {
    let OpenSession {
        frames_tx,
        mut frames_rx,
        control,
        ..
    } = session;
    let destination = Arc::new(destination);
    let mut receiver = Receiver::new(accepted);
    let mut tasks = Tasks::new(destination.clone());
    let (mut stopping, mut moved) = (false, 0);
    let (mut throttle, mut paused) = (Throttle::new(flow.throttle), flow.paused.clone());
    receiver.pause(*paused.borrow_and_update());
    let mut measured = false;
    let lost = loop {
        if let Some(missing) = receiver.missing().filter(|_| !measured) {
            measured = true;
            let destination = destination.clone();
            let room = move || destination.inbox.folder().has_room_for(missing);
            match tokio::task::spawn_blocking(room).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => receiver.cancel(error.code(), error.to_string()),
                Err(error) => receiver.cancel(ChannelCode::Io, error.to_string()),
            }
        }
        tasks.begin(&mut receiver);
        while receiver.has_frame() {
            let Ok(permit) = frames_tx.try_reserve() else {
                break;
            };
            let Some(frame) = receiver.poll_frame() else { break };
            permit.send(frame);
        }
        show(
            shown,
            Shown {
                progress: receiver.progress(),
                moved,
            },
        );
        if receiver.outcome().is_some() && !receiver.has_frame() {
            break false;
        }
        // What is not taken from the path holds the sender back.
        let held = throttle.wait();
        tokio::select! {
            () = flow.stop.cancelled(), if !stopping => {
                stopping = true;
                receiver.cancel(ChannelCode::Cancelled, "the receiver cancelled");
            }
            now = flow::changed(&mut paused) => receiver.pause(now),
            () = sleep(held.unwrap_or_default()), if held.is_some() => {}
            Some(done) = tasks.next() => match done {
                Ok(done) => for done in done {
                    heed(&mut receiver, done, &destination.inbox, &mut arrived);
                },
                Err(error) => receiver.cancel(ChannelCode::Io, error.to_string()),
            },
            permit = frames_tx.reserve(), if receiver.has_frame() => match permit {
                Ok(permit) => if let Some(frame) = receiver.poll_frame() { permit.send(frame) },
                Err(_) => break true,
            },
            frame = frames_rx.recv(), if held.is_none() && receiver.ready() => match frame.map(|message| {
                moved += message.len() as u64;
                throttle.moved(message.len());
                Frame::decode(&message)
            }) {
                Some(Ok(Frame::Renew(_))) => {}
                Some(Ok(frame)) => receiver.handle(frame),
                Some(Err(error)) => receiver.cancel(ChannelCode::Protocol, error.to_string()),
                None => break true,
            },
        }
    };
    // Writes that began are finished, so that their notes are true and the locks are free for the next attempt.
    tasks.finish().await;
    drop(frames_tx);
    match receiver.outcome().cloned() {
        Some(Outcome::Finished) => Ok(()),
        None if receiver.is_complete() => Ok(()),
        Some(Outcome::Failed(failure)) => {
            if !lost {
                let _ = timeout(FAREWELL, control.finish()).await;
            }
            Err(TransferError::Failed(failure))
        }
        None => Err(TransferError::Lost(control.ended().await)),
    }
}

/// Tells the engine what the disk has done, and the caller what stands.
fn heed(receiver: &mut Receiver, done: Done, inbox: &Inbox, arrived: &mut impl FnMut(Arrived)) {
    match done {
        Done::Inspected(file, held) => {
            if held == Held::Whole {
                arrived_whole(receiver, inbox, file, arrived);
            }
            receiver.inspected(file, held);
        }
        Done::Written(chunk) => receiver.chunk_written(chunk),
        Done::Corrupt(chunk) => receiver.chunk_corrupt(chunk),
        Done::Committed(file) => {
            receiver.committed(file.file);
            arrived(file);
        }
        Done::Discarded(file) => receiver.discarded(file),
        Done::Failed(file, error) => receiver.task_failed(file, error.code(), error.to_string()),
    }
}

fn arrived_whole(receiver: &Receiver, inbox: &Inbox, file: u32, arrived: &mut impl FnMut(Arrived)) {
    if let Some(entry) = usize::try_from(file)
        .ok()
        .and_then(|file| receiver.entries().get(file))
    {
        let path = inbox.folder().shown(entry.path.as_str());
        arrived(Arrived {
            file,
            path,
            size: entry.size,
            hash: entry.hash,
        });
    }
}
