//! One viewer of a shared terminal, from the open session to its end: frames to the share, leases judged, control asked
//! for and granted.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mesh_peer::session::{Binding, OpenSession};
use mesh_peer::transport::Path;
use mesh_protocol::capability::Capability;
use mesh_protocol::channel::Frame;
use mesh_protocol::signal::{ClientMessage, ControlGrant, Reason, ServerMessage, SessionAnswer};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use super::Core;
use super::consent::Verdict;
use super::deciding::Deciding;
use super::shares::{Command, ShareHandle};
use super::terminals::Asking;
use crate::notice::What;

/// How long the last frames of a share may take to leave before its channel is closed.
const LAST_FRAMES: Duration = Duration::from_millis(100);

pub(super) async fn serve(core: &Core, session: OpenSession, share: ShareHandle, asking: &Asking) {
    let OpenSession {
        frames_tx,
        mut frames_rx,
        link,
        binding,
        judge,
        mut control,
        ..
    } = session;
    let peer = binding.remote.clone();
    let (number, commands) = (core.number(), share.commands.clone());
    // From here on only the share's task and the table keep the share alive.
    drop(share);
    let direct = link.borrow().path != Path::Server;
    let may_decide = direct && asking.user.as_ref() == Some(&core.session.user_id);
    let attach = Command::Attach {
        peer: peer.clone(),
        number,
        name: asking.who.clone(),
        device: asking.device.clone(),
        may_decide,
        frames: frames_tx,
    };
    if commands.send(attach).await.is_err() {
        return;
    }
    let _live = core.count_live();
    let through = if direct {
        ""
    } else {
        " through the server, which can read along"
    };
    core.tell(format!(
        "{} watches your terminal in {}{through}.",
        asking.who, asking.room
    ));
    let (who, room) = (asking.who.clone(), asking.room.clone());
    core.notices.tell(&What::Watches { who, room });

    let mut end = control.watch_end();
    let mut asked: Option<BoxFuture<'_, Verdict>> = None;
    let mut deciding = Deciding::new(core, asking, commands.clone(), (peer.clone(), number));
    loop {
        let answered = async {
            match &mut asked {
                Some(answer) => answer.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = async { drop(end.wait_for(Option::is_some).await) } => break,
            () = commands.closed() => {
                let _ = timeout(LAST_FRAMES, control.ended()).await;
                break;
            }
            verdict = answered => {
                asked = None;
                settle_control(core, &binding, &commands, verdict, asking).await;
            }
            news = deciding.next() => deciding.take(news).await,
            Some(message) = control.next() => match message {
                ServerMessage::TerminalControlTake(request) => {
                    let judged = match &request.cap_token {
                        Some(token) => judge.judge(token, Capability::TerminalControl).await.map(drop),
                        None => Err(mesh_peer::session::SessionError::Declined(Reason::Failed)),
                    };
                    if let Err(error) = judged {
                        tracing::info!(%error, who = asking.who, "a wish for control was refused");
                        deny(core, &binding, Reason::Failed).await;
                    } else if asked.is_some() || is_paused(&commands).await {
                        deny(core, &binding, Reason::Busy).await;
                    } else {
                        let question = asking.question(Capability::TerminalControl, Vec::new());
                        // Who decides has just done so.
                        if deciding.decides() && !core.desk.forbids(&question) {
                            settle_control(core, &binding, &commands, Verdict::Allowed, asking).await;
                            continue;
                        }
                        let desk = core.desk.clone();
                        asked = Some(async move { desk.ask(question).await }.boxed());
                    }
                }
                ServerMessage::TerminalControlRelease(_) => {
                    asked = None;
                    let _ = commands.send(Command::Release { peer: peer.clone() }).await;
                }
                _ => {}
            },
            message = frames_rx.recv() => {
                let Some(message) = message else { break };
                let command = match Frame::decode(&message) {
                    Ok(Frame::Renew(renew)) => {
                        if judge.judge(&renew.cap_token, Capability::TerminalControl).await.is_ok() {
                            let _ = commands.send(Command::RenewControl { peer: peer.clone() }).await;
                        }
                        match judge.judge(&renew.cap_token, Capability::TerminalView).await {
                            Ok(_) => Command::RenewView { peer: peer.clone() },
                            Err(_) => continue,
                        }
                    }
                    Ok(Frame::TermDecide(wish)) if may_decide => {
                        deciding.wished(wish.decides).await;
                        continue;
                    }
                    Ok(Frame::TermAnswer(answer)) if may_decide => {
                        deciding.answered(answer).await;
                        continue;
                    }
                    Ok(frame) => Command::Frame { peer: peer.clone(), frame },
                    Err(error) => {
                        tracing::info!(%error, who = asking.who, "a viewer broke the protocol");
                        break;
                    }
                };
                if commands.send(command).await.is_err() {
                    continue;
                }
            }
        }
    }
    let _ = commands.send(Command::Detach { peer, number }).await;
    core.tell(format!("{} does not watch your terminal any more.", asking.who));
}

/// Nobody controls what nobody may see.
async fn is_paused(commands: &mpsc::Sender<Command>) -> bool {
    let (reply, status) = oneshot::channel();
    let _ = commands.send(Command::Status { reply }).await;
    status.await.is_ok_and(|status| status.paused)
}

async fn settle_control(
    core: &Core,
    binding: &Binding,
    commands: &mpsc::Sender<Command>,
    verdict: Verdict,
    asking: &Asking,
) {
    if let Verdict::Declined(reason) = verdict {
        return deny(core, binding, reason).await;
    }
    let (reply, epoch) = oneshot::channel();
    let _ = commands
        .send(Command::Grant {
            peer: binding.remote.clone(),
            reply,
        })
        .await;
    let Ok(Some(epoch)) = epoch.await else {
        return deny(core, binding, Reason::Failed).await;
    };
    core.tell(format!(
        "{} controls your terminal in {}.",
        asking.who, asking.room
    ));
    let (who, room) = (asking.who.clone(), asking.room.clone());
    core.notices.tell(&What::Controls { who, room });
    let grant = ControlGrant {
        room_id: binding.room_id.clone(),
        target: binding.remote.clone(),
        session_id: binding.session_id.clone(),
        epoch,
    };
    // The viewer learns of it on the channel as well.
    let _ = core
        .context
        .signal()
        .send(ClientMessage::TerminalControlGrant(grant))
        .await;
}

async fn deny(core: &Core, binding: &Binding, reason: Reason) {
    let answer = SessionAnswer {
        room_id: binding.room_id.clone(),
        target: Some(binding.remote.clone()),
        session_id: binding.session_id.clone(),
        reason: Some(reason),
        max_record: None,
    };
    let _ = core
        .context
        .signal()
        .send(ClientMessage::TerminalControlDeny(answer))
        .await;
}
