//! What a command asks of the daemon, one connection each.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use mesh_peer::terminal::clamped;
use mesh_protocol::channel::TermSize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use super::consent::DeskEvent;
use super::folders::FolderShare;
use super::ipc::{self, AnyOpening, Blob, FromDaemon, Reader, Request, Status, ToShell, VERSION, Writer};
use super::share::LOCAL_QUEUE;
use super::shares::{Command, LocalEvent, ShareHandle};
use super::{Core, SHARE_STOP_WITHIN};
use crate::exit::{Failure, Outcome};
use crate::pty::ShellSpec;

/// How long a command may take to say what it wants.
const OPENING_WITHIN: Duration = Duration::from_secs(5);
/// The most output of one message, bytes, well below [`ipc::MAX_MESSAGE`] in base64.
const OUTPUT_PIECE: usize = 128 * 1024;

pub(super) async fn serve(core: Core, stream: ipc::Stream) {
    let (mut reader, mut writer) = ipc::halves(stream);
    let opening = timeout(OPENING_WITHIN, reader.next::<AnyOpening>()).await;
    let Ok(Ok(Some(opening))) = opening else { return };
    let outcome = match opening.request() {
        Some(request) => answer(&core, request, &mut reader, &mut writer).await,
        None if opening.version == VERSION => return,
        None => Err(Failure::general(
            "The running daemon is of another version: `mesh down`, then `mesh up`.",
        )),
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
            let sessions = core.live.load(Ordering::Relaxed);
            let shares = stop(core, None).await;
            core.stop.cancel();
            let _ = writer.send(&FromDaemon::Stopped { shares, sessions }).await;
            Ok(())
        }
        Request::ShareTerminal {
            room,
            command,
            folder,
            record,
            cols,
            rows,
            attach,
        } => {
            let size = clamped(TermSize { cols, rows });
            let share = share(core, room.as_deref(), &command, folder, size)?;
            if record.is_some()
                && let Err(failure) = share.record(record, core.number()).await
            {
                share.stop(SHARE_STOP_WITHIN).await;
                return Err(failure);
            }
            let told = writer.send(&attached(core, &share)).await;
            if told.is_ok() && attach {
                attend(core, share, size, reader, writer).await;
            }
            Ok(())
        }
        Request::AttachTerminal { share, cols, rows } => {
            let size = clamped(TermSize { cols, rows });
            let share = core.terminal(share.as_deref())?;
            if writer.send(&attached(core, &share)).await.is_ok() {
                attend(core, share, size, reader, writer).await;
            }
            Ok(())
        }
        Request::Pause { share, paused } => tell(writer, core.pause(share.as_deref(), paused).await?).await,
        Request::Record { share, file } => tell(writer, core.record(share.as_deref(), file).await?).await,
        Request::Eject { who } => tell(writer, core.eject(&who).await?).await,
        Request::Consent { change } => tell(writer, core.consent(change).await?).await,
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
            let shares = stop(core, wanted.as_deref()).await;
            tell(writer, FromDaemon::Stopped { shares, sessions: 0 }).await
        }
    }
}

/// A command that went away is not told.
async fn tell(writer: &mut Writer, message: FromDaemon) -> Outcome {
    let _ = writer.send(&message).await;
    Ok(())
}

/// Ends what is shared under this label or id, or everything; gives how much that was.
pub(super) async fn stop(core: &Core, wanted: Option<&str>) -> usize {
    let named = |id: &str, label: &str| wanted.is_none_or(|wanted| id == wanted || label == wanted);
    let mut folders = core.folders.all();
    folders.retain(|share| named(share.share_id.as_str(), share.label()));
    folders.iter().for_each(|share| core.end_folder(share));
    let shares = core.shares.named(wanted);
    futures_util::future::join_all(shares.iter().map(|share| share.stop(SHARE_STOP_WITHIN))).await;
    shares.len() + folders.len()
}

fn attached(core: &Core, share: &ShareHandle) -> FromDaemon {
    let rooms = core.rooms();
    let room = rooms.iter().find(|room| room.room_id == share.room_id);
    FromDaemon::Attached {
        share_id: share.share_id.clone(),
        room: room.map_or_else(|| share.room_id.to_string(), |room| room.name.clone()),
        label: share.label.clone(),
    }
}

pub(super) async fn status(core: &Core) -> Status {
    let mut shares = Vec::new();
    for share in core.shares.all() {
        shares.extend(share.status().await);
    }
    Status {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
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

/// A new terminal that is shared.
fn share(
    core: &Core,
    room: Option<&str>,
    command: &[String],
    folder: String,
    size: TermSize,
) -> Outcome<ShareHandle> {
    let rooms = core.rooms().clone();
    let room = crate::cli::pick_room(&rooms, room)?;
    let mut spec = ShellSpec::new(&core.settings.shell(), command);
    spec.folder = Some(PathBuf::from(folder)).filter(|folder| folder.is_dir());
    core.start_share(&room.room_id, &room.name, spec, size, true)
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
                Some(LocalEvent::Output(mut data)) => {
                    // A screen with its scrollback is more than one message holds.
                    while data.len() > OUTPUT_PIECE {
                        let data = Blob(data.split_to(OUTPUT_PIECE));
                        if writer.send(&FromDaemon::Output { data }).await.is_err() {
                            break;
                        }
                    }
                    FromDaemon::Output { data: Blob(data) }
                }
                Some(LocalEvent::Viewers(names)) => FromDaemon::Viewers { names },
                Some(LocalEvent::Control(name)) => FromDaemon::Control { name },
                Some(LocalEvent::State { paused, recording }) => FromDaemon::State { paused, recording },
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
        ToShell::Answer { id: question, answer } => return core.desk.answer(question, answer),
        ToShell::Repaint => Command::Repaint { id },
        ToShell::TakeBack => Command::TakeBack,
        ToShell::Pause { paused } => Command::Pause { paused },
        ToShell::Eject { who } => return drop(share.eject(&who).await),
        ToShell::StopAll => {
            stop(core, None).await;
            return;
        }
        ToShell::Stop => Command::Stop,
    };
    let _ = share.commands.send(command).await;
}
