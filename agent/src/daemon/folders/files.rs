//! Files out of a shared folder and into one: the engines of a transfer, with the folder at this end.

use std::sync::Arc;

use mesh_peer::session::OpenSession;
use mesh_peer::transfer::{Accepted, Sender};
use mesh_peer::transport::FrameSender;
use mesh_protocol::channel::{Bye, FolderOpened, Frame};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{MAX_FOLDER_PATHS, MAX_MANIFEST_ENTRIES};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Core, FolderShare, STOPPED, bye};
use crate::cli::output::size as shown_size;
use crate::daemon::SHARE_STOP_WITHIN;
use crate::daemon::terminals::Asking;
use crate::disk::{self, Pulled, SharedError, SourceFile};
use crate::notice::What;
use crate::transfer::choice::Choice;
use crate::transfer::incoming::{self, Arrived, Destination};
use crate::transfer::{Flow, Shown, TransferError, outgoing};

/// Why it does not begin.
type Refused = (ChannelCode, String);

/// The viewer takes files.
pub(super) async fn pull(
    core: &Core,
    share: &Arc<FolderShare>,
    session: OpenSession,
    asking: &Asking,
    paths: Vec<String>,
) {
    let stop = share.stop.child_token();
    // Reading the hashes of much ends with the session.
    let _ended = stop.clone().drop_guard();
    let prepared = tokio::select! {
        biased;
        () = share.stop.cancelled() => Err((ChannelCode::Stopped, STOPPED.to_owned())),
        _ = session.control.ended() => return,
        prepared = prepare(share, &session.frames_tx, paths, stop.clone()) => prepared,
    };
    let (sender, files) = match prepared {
        Ok(prepared) => prepared,
        Err((code, detail)) => return bye(session.frames_tx, session.control, code, &detail).await,
    };
    let (count, bytes) = (files.len(), files.iter().map(SourceFile::size).sum());
    let (shown, _) = watch::channel(Shown::default());
    let frames = session.frames_tx.downgrade();
    let never = Flow::from(CancellationToken::new());
    let sending = outgoing::send(session, sender, Arc::new(files), &shown, &never);
    let sent = until_stopped(share, frames, sending)
        .await
        .map(|sent| sent.map(drop));
    tell_end(
        core,
        share,
        asking,
        sent,
        &format!("{count} file(s), {}", shown_size(bytes)),
        "took",
    );
}

/// Finds the files, says how much it is, and reads their hashes.
async fn prepare(
    share: &Arc<FolderShare>,
    frames: &FrameSender,
    paths: Vec<String>,
    stop: CancellationToken,
) -> Result<(Sender, Vec<SourceFile>), Refused> {
    if paths.is_empty() || paths.len() > MAX_FOLDER_PATHS {
        let why = format!("a pull names 1 to {MAX_FOLDER_PATHS} paths");
        return Err((ChannelCode::Protocol, why));
    }
    let crashed = |error: tokio::task::JoinError| (ChannelCode::Io, error.to_string());
    let refused = |error: SharedError| (error.code(), error.to_string());
    let folder = share.folder.clone();
    let found = tokio::task::spawn_blocking(move || folder.pull(&paths)).await;
    let found = found.map_err(crashed)?.map_err(refused)?;
    let opened = FolderOpened {
        label: share.label().to_owned(),
        drop: share.drop,
        size: found.iter().map(|pulled| pulled.file.size()).sum(),
        count: found.len() as u64,
    };
    let _ = frames.send(Frame::FolderOpened(opened).encode()).await;
    let hashed = tokio::task::spawn_blocking(move || {
        let pulled = found.into_iter().map(|Pulled { name, file }| (name, file));
        let (names, files): (Vec<String>, Vec<SourceFile>) = pulled.unzip();
        let hashes = disk::hash(&files, || !stop.is_cancelled())
            .map_err(|error| (error.code(), error.to_string()))?
            .ok_or((ChannelCode::Stopped, STOPPED.to_owned()))?;
        let sources = names.into_iter().zip(&files).zip(hashes);
        let sources = sources.map(|((path, file), hash)| file.source(path, hash));
        let sources = sources.collect();
        let sender = Sender::new(sources).map_err(|error| (ChannelCode::BadPath, error.to_string()))?;
        Ok((sender, files))
    });
    hashed.await.map_err(crashed)?
}

/// The viewer puts files into a folder, where its owner wants that.
pub(super) async fn put(
    core: &Core,
    share: &Arc<FolderShare>,
    session: OpenSession,
    asking: &Asking,
    (path, size, count): (String, u64, u64),
) {
    let refuse = async |session: OpenSession, code, why: &str| {
        bye(session.frames_tx, session.control, code, why).await;
    };
    if !share.drop {
        let why = "this folder is to be read only: its owner shares it without `--drop`";
        return refuse(session, ChannelCode::ReadOnly, why).await;
    }
    if count == 0 || count > MAX_MANIFEST_ENTRIES as u64 {
        return refuse(session, ChannelCode::TooLarge, "too many files, or none").await;
    }
    let folder = share.folder.clone();
    let inbox = tokio::task::spawn_blocking(move || folder.inbox(&path)).await;
    let inbox = match inbox {
        Ok(Ok(inbox)) => inbox,
        Ok(Err(error)) => return refuse(session, error.code(), &error.to_string()).await,
        Err(error) => return refuse(session, ChannelCode::Io, &error.to_string()).await,
    };
    let opened = FolderOpened {
        label: share.label().to_owned(),
        drop: true,
        size: 0,
        count: 0,
    };
    let _ = session.frames_tx.send(Frame::FolderOpened(opened).encode()).await;
    let accepted = Accepted {
        size,
        count,
        max_size: session.claims.max_size,
    };
    let (shown, _) = watch::channel(Shown::default());
    let arrived = |file: Arrived| {
        let (who, shown) = (&asking.who, file.path.display());
        share.tell(core, format!("{who} put {shown}: BLAKE3 {} verified.", file.hash));
    };
    let frames = session.frames_tx.downgrade();
    let never = Flow::from(CancellationToken::new());
    let destination = Destination {
        inbox,
        choice: Choice::default(),
    };
    let receiving = incoming::receive(session, accepted, destination, &shown, &never, arrived);
    let received = until_stopped(share, frames, receiving).await;
    tell_end(
        core,
        share,
        asking,
        received,
        &format!("{count} file(s), {}", shown_size(size)),
        "put",
    );
}

/// A share that ends says so into the transfer, which ends by it; `None` where the other end does not read that.
async fn until_stopped<T>(
    share: &FolderShare,
    frames: tokio::sync::mpsc::WeakSender<bytes::Bytes>,
    transfer: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(transfer);
    tokio::select! {
        biased;
        done = &mut transfer => return Some(done),
        () = share.stop.cancelled() => {}
    }
    let said = async {
        if let Some(frames) = frames.upgrade() {
            let last = Frame::Bye(Bye {
                code: ChannelCode::Stopped,
                detail: STOPPED.to_owned(),
            });
            let _ = frames.send(last.encode()).await;
        }
        std::future::pending::<()>().await;
    };
    let both = async {
        tokio::select! {
            done = &mut transfer => Some(done),
            () = said => None,
        }
    };
    timeout(SHARE_STOP_WITHIN, both).await.ok().flatten()
}

fn tell_end(
    core: &Core,
    share: &FolderShare,
    asking: &Asking,
    outcome: Option<Result<(), TransferError>>,
    what: &str,
    did: &str,
) {
    match outcome {
        Some(Ok(())) => {
            let place = if did == "put" { "into" } else { "from" };
            share.tell(
                core,
                format!("{} {did} {what} {place} \"{}\".", asking.who, share.label()),
            );
            if did == "put" {
                let (who, room) = (asking.who.clone(), asking.room.clone());
                core.notices.tell(&What::Sent { who, room });
            }
        }
        Some(Err(error)) => {
            let again = "what has arrived is kept.";
            tracing::info!(failure = %error.failure(&asking.who, again), "a transfer of a shared folder ended");
        }
        None => {}
    }
}
