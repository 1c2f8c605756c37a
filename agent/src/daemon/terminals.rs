//! Shared terminals as the room sees them: announced, asked for, opened.

use mesh_peer::session::{self, Accepted, Binding, SessionRoute, open_as_answerer};
use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::channel::TermSize;
use mesh_protocol::http::CapabilityRequest;
use mesh_protocol::ids::{DeviceId, PeerId, RoomId, SessionId, ShareId, UserId};
use mesh_protocol::signal::{
    ClientMessage, Reason, ServerMessage, SessionAnswer, SessionRequest, ShareNotice,
};
use tokio::sync::mpsc;

use super::consent::{Question, Verdict};
use super::roster::Roster;
use super::share::{ShareEnd, ShareTask};
use super::shares::{COMMANDS, ShareHandle};
use super::{Core, viewer};
use crate::exit::{Failure, Outcome};
use crate::pty::{Shell, ShellSpec};

/// The size of a shell that nobody's terminal is attached to.
const DEFAULT_SIZE: TermSize = TermSize { cols: 100, rows: 30 };
/// Shells at once.
const MAX_SHARES: usize = 16;
/// Room in a label for the number that tells it from another.
const LABEL_NUMBER: usize = 3;

/// Who asks, as the room knows them.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) peer: PeerId,
    pub(super) who: String,
    pub(super) device: Option<DeviceId>,
    pub(super) user: Option<UserId>,
    pub(super) room: String,
    pub(super) room_id: RoomId,
}

impl Asking {
    pub(super) fn new(roster: &Roster, room: &RoomId, peer: PeerId) -> Self {
        let known = roster.peer(room, &peer);
        let device = known.map(|peer| peer.device_id.clone());
        let user = known.map(|peer| peer.user_id.clone());
        Self {
            who: roster.who(room, &peer),
            room: roster.room_name(room),
            room_id: room.clone(),
            device,
            user,
            peer,
        }
    }

    /// What the owner is asked.
    pub(super) fn question(&self, capability: Capability, details: Vec<String>) -> Question {
        Question {
            capability,
            who: self.who.clone(),
            room: self.room.clone(),
            room_id: Some(self.room_id.clone()),
            user_id: self.user.clone(),
            details,
            decides: false,
        }
    }
}

/// `terminal.share.request`: judged, consented to, opened; then the session is served until its end.
pub(super) async fn requested(core: Core, asking: Asking, request: SessionRequest) {
    let Some(session_id) = request.session_id.clone() else {
        return;
    };
    let refuse = async |reason| {
        core.decline(
            Feature::Terminal,
            &request.room_id,
            &asking.peer,
            &session_id,
            reason,
        )
        .await;
    };
    let token = request.cap_token.as_deref();
    let mut route = match core
        .judge(Feature::Terminal, &request.room_id, &asking, &session_id, token)
        .await
    {
        Ok(route) => route,
        Err(Some(reason)) => return refuse(reason).await,
        Err(None) => return,
    };
    let share = core.shares.wanted(&request.room_id, request.share_id.as_ref());
    if share.is_none() && request.share_id.is_some() {
        return refuse(Reason::Unsupported).await;
    }
    let question = asking.question(Capability::TerminalView, Vec::new());
    if core.desk.forbids(&question) {
        return refuse(Reason::Declined).await;
    }
    if !share
        .as_ref()
        .is_some_and(|share| share.is_open_to(asking.device.as_ref()))
    {
        match verdict_unless_withdrawn(&core, question, &mut route).await {
            Some(Verdict::Allowed) => {}
            Some(Verdict::Declined(reason)) => return refuse(reason).await,
            None => return,
        }
    }
    // Another request may have started a shell while the owner thought.
    let share = match share
        .or_else(|| core.shares.wanted(&request.room_id, None))
        .filter(|share| !share.is_over())
    {
        Some(share) => share,
        None => {
            let spec = ShellSpec::new(&core.settings.shell(), &[]);
            match core.start_share(&request.room_id, &asking.room, spec, DEFAULT_SIZE, false) {
                Ok(share) => share,
                Err(failure) => {
                    tracing::warn!(%failure, "no shell could be started");
                    return refuse(Reason::Failed).await;
                }
            }
        }
    };
    share.approve_if(asking.device.clone());
    let accepted = Accepted {
        room_id: request.room_id.clone(),
        remote: asking.peer.clone(),
        feature: Feature::Terminal,
    };
    match open_as_answerer(&core.context, accepted, route).await {
        Ok(open) => viewer::serve(&core, open, share, &asking).await,
        Err(error) => core.tell(format!("{} could not be connected: {error}.", asking.who)),
    }
}

/// The owner's answer; `None` when the other end took its request back, so that there is nobody to answer.
async fn verdict_unless_withdrawn(
    core: &Core,
    question: Question,
    route: &mut SessionRoute,
) -> Option<Verdict> {
    let asked = core.desk.ask(question);
    tokio::pin!(asked);
    loop {
        tokio::select! {
            verdict = &mut asked => return Some(verdict),
            () = core.stop.cancelled() => return Some(Verdict::Declined(Reason::Cancelled)),
            message = route.next() => match message {
                Ok((_, ServerMessage::TerminalShareDecline(_))) | Err(_) => return None,
                Ok(_) => {}
            },
        }
    }
}

impl ShareHandle {
    fn approve_if(&self, device: Option<DeviceId>) {
        if let Some(device) = device {
            self.approve(device);
        }
    }
}

impl Core {
    /// Whether a request for what this device shares may be answered at all, by its capability: then the way to the other
    /// end. Else the reason to decline with, or `None` where there is nobody to tell.
    pub(super) async fn judge(
        &self,
        feature: Feature,
        room_id: &RoomId,
        asking: &Asking,
        session_id: &SessionId,
        token: Option<&str>,
    ) -> Result<SessionRoute, Option<Reason>> {
        let router = self.context.router();
        let route = router
            .register(session_id, room_id, Some(&asking.peer))
            .map_err(|_| Some(Reason::Busy))?;
        let binding = Binding {
            room_id: room_id.clone(),
            session_id: session_id.clone(),
            me: self.context.signal().current_peer().ok_or(None)?,
            remote: asking.peer.clone(),
            feature,
        };
        match self.context.judge_request(&binding, token).await {
            Ok(Some(_)) => Ok(route),
            Ok(None) => Err(Some(Reason::Failed)),
            Err(error) => {
                tracing::info!(%error, who = asking.who, %feature, "a request was refused");
                Err(Some(Reason::Failed))
            }
        }
    }

    pub(super) async fn decline(
        &self,
        feature: Feature,
        room_id: &RoomId,
        peer: &PeerId,
        session_id: &SessionId,
        reason: Reason,
    ) {
        let answer = SessionAnswer {
            room_id: room_id.clone(),
            target: Some(peer.clone()),
            session_id: session_id.clone(),
            reason: Some(reason),
            max_record: None,
        };
        // Offline, there is nobody to tell.
        let _ = self
            .context
            .signal()
            .send(session::decline(feature, answer))
            .await;
    }

    /// Starts a shell with its task and announces it to the room.
    pub(super) fn start_share(
        &self,
        room_id: &RoomId,
        room: &str,
        mut spec: ShellSpec,
        size: TermSize,
        explicit: bool,
    ) -> Outcome<ShareHandle> {
        if self.shares.all().len() >= MAX_SHARES {
            return Err(Failure::general(format!(
                "{MAX_SHARES} terminals are shared already: end one of them first."
            )));
        }
        let share_id: ShareId = uuid::Uuid::new_v4()
            .to_string()
            .parse()
            .map_err(Failure::general)?;
        let label: String = super::consent::plain(&spec.label())
            .chars()
            .take(mesh_protocol::limits::MAX_NAME_CHARS - LABEL_NUMBER)
            .collect();
        let label = self.shares.label(&label);
        spec.variables = vec![
            ("MESH_SHARED", "1".to_owned()),
            ("MESH_ROOM", super::consent::plain(room)),
            ("MESH_SHARE_ID", share_id.to_string()),
        ];
        let (shell, output) = Shell::spawn(&spec, size)
            .map_err(|error| Failure::general(format!("{} cannot be started: {error}.", spec.program)))?;
        let (commands, queue) = mpsc::channel(COMMANDS);
        let to_task = commands.downgrade();
        let share = ShareHandle::new(share_id, room_id.clone(), label.clone(), explicit, commands);
        let task = ShareTask::new(label, room.to_owned(), explicit, shell, size, to_task);
        let (core, handle) = (self.clone(), share.clone());
        self.shares.insert(share.clone());
        self.tasks.spawn(async move {
            // The task ends when the last handle goes, too; this one must not keep it.
            let (share_id, notice) = (handle.share_id.clone(), handle.notice());
            drop(handle);
            let end = task.run(queue, output).await;
            core.shares.remove(&share_id);
            core.tell(match end {
                ShareEnd::Exited(_) => format!("The shared terminal \"{}\" has ended.", notice.label),
                ShareEnd::Stopped => format!("The terminal \"{}\" is not shared any more.", notice.label),
                ShareEnd::Unwatched => {
                    format!("The terminal \"{}\" was closed: nobody watched it.", notice.label)
                }
            });
            core.announce(Feature::Terminal, notice, false).await;
            core.tell_presence().await;
        });
        let (core, notice) = (self.clone(), share.notice());
        self.tasks.spawn(async move {
            core.announce(Feature::Terminal, notice, true).await;
            core.tell_presence().await;
        });
        Ok(share)
    }

    /// After a reconnect, or on entering a room: what is shared there.
    pub(super) fn announce_again(&self, room_id: &RoomId) {
        for share in self.shares.in_room(room_id) {
            let core = self.clone();
            self.tasks
                .spawn(async move { core.announce(Feature::Terminal, share.notice(), true).await });
        }
    }

    /// Tells the room that something is shared, or is not any more.
    pub(super) async fn announce(&self, feature: Feature, mut notice: ShareNotice, started: bool) {
        let Some(peer_id) = self.context.signal().current_peer() else {
            return;
        };
        let request = CapabilityRequest {
            room_id: notice.room_id.clone(),
            peer_id,
            caps: vec![feature.capability()],
            target_peer_id: None,
            max_size: None,
            session_id: None,
            fingerprint: None,
        };
        match self.context.control().caps(&request).await {
            Ok(grant) => notice.cap_token = Some(grant.cap_token),
            Err(error) => return tracing::warn!(%error, "a share could not be announced"),
        }
        let message = match (feature, started) {
            (Feature::Folder, true) => ClientMessage::ShareFolderStarted(notice),
            (Feature::Folder, false) => ClientMessage::ShareFolderEnded(notice),
            (_, true) => ClientMessage::TerminalShareStarted(notice),
            (_, false) => ClientMessage::TerminalShareEnded(notice),
        };
        if let Err(error) = self.context.signal().send(message).await {
            // After the next reconnect it is announced again.
            tracing::debug!(%error, "a share could not be announced");
        }
    }
}

impl ShareHandle {
    fn notice(&self) -> ShareNotice {
        ShareNotice {
            room_id: self.room_id.clone(),
            cap_token: None,
            share_id: self.share_id.clone(),
            label: self.label.clone(),
        }
    }
}
