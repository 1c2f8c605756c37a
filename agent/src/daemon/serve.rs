//! What a command asks of the daemon, one connection each.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use mesh_peer::terminal::clamped;
use mesh_protocol::channel::TermSize;
use tokio::net::UnixStream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use super::consent::DeskEvent;
use super::folders::FolderShare;
use super::ipc::{self, Blob, FromDaemon, Opening, Reader, Request, Status, ToShell, VERSION, Writer};
use super::share::LOCAL_QUEUE;
use super::shares::{Command, LocalEvent, ShareHandle};
use super::{Core, SHARE_STOP_WITHIN};
use crate::exit::{Failure, Outcome};
use crate::pty::ShellSpec;

/// How long a command may take to say what it wants.
const OPENING_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn serve(core: Core, stream: UnixStream) {
    let (mut reader, mut writer) = ipc::halves(stream);
    let opening = timeout(OPENING_WITHIN, reader.next::<Opening>()).await;
    let Ok(Ok(Some(opening))) = opening else { return };
    let outcome = if opening.version == VERSION {
        answer(&core, opening.request, &mut reader, &mut writer).await
    } else {
        Err(Failure::general(
            "The running daemon is of another version: `mesh down`, then `mesh up`.",
        ))
    };
    if let Err(failure) = outcome {
        let _ = writer.send(&FromDaemon::Failed { failure }).await;
    }
}

async fn answer(core: &Core, request: Request, reader: &mut Reader, writer: &mut Writer) -> Outcome {
    match request {
        Request::Status => {
            let status = status(core).await;
            let _ = writer.send(&FromDaemon::Status { status }).await;
            Ok(())
        }
        Request::Down => {
            let shares = core.shares.all();
            let sessions = core.live.load(Ordering::Relaxed);
            let folders = core.folders.all();
            folders.iter().for_each(|share| core.end_folder(share));
            futures_util::future::join_all(shares.iter().map(|share| share.stop(SHARE_STOP_WITHIN))).await;
            core.stop.cancel();
            let _ = writer
                .send(&FromDaemon::Stopped {
                    shares: shares.len() + folders.len(),
                    sessions,
                })
                .await;
            Ok(())
        }
        Request::ShareTerminal {
            room,
            command,
            folder,
            cols,
            rows,
            attach,
        } => {
            let size = clamped(TermSize { cols, rows });
            let (share, room) = share(core, room.as_deref(), command.as_deref(), folder, size).await?;
            let attached = FromDaemon::Attached {
                share_id: share.share_id.clone(),
                room,
                label: share.label.clone(),
            };
            if writer.send(&attached).await.is_ok() && attach {
                attend(core, share, size, reader, writer).await;
            }
            Ok(())
        }
        Request::ShareFolder {
            room,
            folder,
            label,
            drop,
            hidden,
            attach,
        } => {
            let rooms = core.rooms().clone();
            let room = crate::cli::pick_room(&rooms, room.as_deref())?;
            let share = core.share_folder((&room.room_id, &room.name), &folder, label, drop, hidden)?;
            let shared = FromDaemon::FolderShared {
                share_id: share.share_id.clone(),
                room: share.room.clone(),
                label: share.label().to_owned(),
            };
            let told = writer.send(&shared).await;
            if attach {
                if told.is_ok() {
                    attend_folder(&share, reader, writer).await;
                }
                core.end_folder(&share);
            }
            Ok(())
        }
        Request::Stop { share: wanted } => {
            let named = |id: &str, label: &str| id == wanted || label == wanted;
            let mut folders = core.folders.all();
            folders.retain(|share| named(share.share_id.as_str(), share.label()));
            folders.iter().for_each(|share| core.end_folder(share));
            let mut shares = core.shares.all();
            shares.retain(|share| named(share.share_id.as_str(), &share.label));
            futures_util::future::join_all(shares.iter().map(|share| share.stop(SHARE_STOP_WITHIN))).await;
            let stopped = FromDaemon::Stopped {
                shares: shares.len() + folders.len(),
                sessions: 0,
            };
            let _ = writer.send(&stopped).await;
            Ok(())
        }
    }
}

async fn status(core: &Core) -> Status {
    let mut shares = Vec::new();
    for share in core.shares.all() {
        if let Some(mut status) = share.status().await {
            status.share_id = share.share_id.to_string();
            shares.push(status);
        }
    }
    Status {
        pid: std::process::id(),
        server: core.session.server.clone(),
        name: core.session.name.clone(),
        device: core.session.device_name.clone(),
        connected: core.connected.load(Ordering::Relaxed),
        rooms: core.rooms().iter().map(|room| room.name.clone()).collect(),
        shares,
        folders: core.folders.all().iter().map(|share| share.status()).collect(),
        transfers: core.transfers().values().cloned().collect(),
    }
}

/// The shell that the owner wants to have shared: the one that is shared in this room already, or a new one.
async fn share(
    core: &Core,
    room: Option<&str>,
    command: Option<&str>,
    folder: String,
    size: TermSize,
) -> Outcome<(ShareHandle, String)> {
    let rooms = core.rooms().clone();
    let room = crate::cli::pick_room(&rooms, room)?;
    let existing = core
        .shares
        .in_room(&room.room_id)
        .into_iter()
        .find(|share| share.explicit && command.is_none());
    if let Some(existing) = existing {
        return Ok((existing, room.name.clone()));
    }
    let mut spec = ShellSpec::new(&core.settings.shell(), command);
    spec.folder = Some(PathBuf::from(folder)).filter(|folder| folder.is_dir());
    let share = core.start_share(&room.room_id, &room.name, &spec, size, command, true)?;
    Ok((share, room.name.clone()))
}

/// The owner's command at a shared folder: it is told what happens, until it goes or the share ends.
async fn attend_folder(share: &FolderShare, reader: &mut Reader, writer: &mut Writer) {
    let mut told = share.listen();
    loop {
        let sentence = tokio::select! {
            () = share.stop.cancelled() => {
                let _ = writer.send(&FromDaemon::Exited { code: None, stopped: true }).await;
                return;
            }
            said = reader.next::<ToShell>() => match said {
                Ok(Some(_)) => continue,
                Ok(None) | Err(_) => return,
            },
            told = told.recv() => match told {
                Ok(sentence) => sentence,
                Err(RecvError::Lagged(missed)) => format!("{missed} lines are left out."),
                Err(RecvError::Closed) => return,
            },
        };
        if writer.send(&FromDaemon::Told { sentence }).await.is_err() {
            return;
        }
    }
}

/// One terminal of the owner at one share: what is typed goes in, what happens comes out, questions are put here too.
async fn attend(core: &Core, share: ShareHandle, size: TermSize, reader: &mut Reader, writer: &mut Writer) {
    let (local, mut events) = mpsc::channel(LOCAL_QUEUE);
    let (reply, id) = oneshot::channel();
    let commands = share.commands.clone();
    let _ = commands.send(Command::AttachLocal { local, size, reply }).await;
    let Ok(id) = id.await else { return };
    let mut questions = core.desk.attach();
    loop {
        let message = tokio::select! {
            said = reader.next::<ToShell>() => match said {
                Ok(Some(said)) => {
                    said_by_owner(core, &share, id, said).await;
                    continue;
                }
                Ok(None) | Err(_) => break,
            },
            event = events.recv() => match event {
                Some(LocalEvent::Output(data)) => FromDaemon::Output { data: Blob(data) },
                Some(LocalEvent::Viewers(names)) => FromDaemon::Viewers { names },
                Some(LocalEvent::Control(name)) => FromDaemon::Control { name },
                Some(LocalEvent::Exited(code)) => {
                    let _ = writer.send(&FromDaemon::Exited { code, stopped: false }).await;
                    break;
                }
                Some(LocalEvent::Stopped) | None => {
                    let _ = writer.send(&FromDaemon::Exited { code: None, stopped: true }).await;
                    break;
                }
            },
            Some(event) = questions.next() => match event {
                DeskEvent::Ask { id, question } => FromDaemon::Ask { id, question },
                DeskEvent::Withdrawn { id } => FromDaemon::Withdrawn { id },
            },
        };
        if writer.send(&message).await.is_err() {
            break;
        }
    }
    let _ = commands.send(Command::DetachLocal { id }).await;
}

async fn said_by_owner(core: &Core, share: &ShareHandle, id: u64, said: ToShell) {
    // A share that has ended says so by itself.
    let command = match said {
        ToShell::Input { data } => Command::LocalInput { bytes: data.0 },
        ToShell::Resize { cols, rows } => Command::LocalResize {
            size: clamped(TermSize { cols, rows }),
        },
        ToShell::Answer { id: question, allow } => return core.desk.answer(question, allow),
        ToShell::Repaint => Command::Repaint { id },
        ToShell::TakeBack => Command::TakeBack,
        ToShell::Stop => Command::Stop,
    };
    let _ = share.commands.send(command).await;
}
