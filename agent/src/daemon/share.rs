//! The task of one shared terminal: it owns the shell, the [`Host`] engine, the way to each viewer and to each attached
//! terminal of the owner, and outlives all of them but the shell.
//!
//! It waits for nobody: a viewer's frame is made when its path has room for one, an attached terminal that does not keep
//! up gets the screen as it is once it does, and input that a shell does not read is dropped.

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use mesh_peer::terminal::{Host, HostConfig, PtyAction};
use mesh_peer::transport::FrameSender;
use mesh_protocol::channel::{Frame, TermSize};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::PeerId;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::consent::plain;
use super::ipc::ShareStatus;
use super::shares::{Command, LocalEvent};
use crate::pty::{Shell, ShellEvent, ShellEvents};

/// How long viewers are given to take the last frames.
const LAST_FRAMES: Duration = Duration::from_millis(80);
/// How long the shell's processes have to end by themselves.
const SHELL_GRACE: Duration = Duration::from_millis(80);
/// How long a shell that nobody of this device started is kept without a viewer.
const UNWATCHED: Duration = Duration::from_secs(600);
/// Pieces of output that wait for an attached terminal; past that it gets the screen instead.
pub(super) const LOCAL_QUEUE: usize = 32;
/// The identity under which the screen is read for the owner; peers get theirs from the server, in another form.
const OWNER: &str = "owner";

/// What becomes of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShareEnd {
    Exited(Option<i32>),
    Stopped,
    Unwatched,
}

type Room = BoxFuture<'static, (PeerId, u64, Option<mpsc::OwnedPermit<Bytes>>)>;

struct ViewerPath {
    number: u64,
    name: String,
    /// Room for one frame; `None` while it is waited for.
    permit: Option<mpsc::OwnedPermit<Bytes>>,
}

struct Local {
    events: mpsc::Sender<LocalEvent>,
    lagging: bool,
}

/// See the module.
pub(super) struct ShareTask {
    label: String,
    room: String,
    explicit: bool,
    host: Host,
    shell: Shell,
    viewers: HashMap<PeerId, ViewerPath>,
    waiting: FuturesUnordered<Room>,
    locals: HashMap<u64, Local>,
    next_local: u64,
    told: (Vec<String>, Option<String>),
    unwatched_since: Instant,
}

impl ShareTask {
    pub(super) fn new(label: String, room: String, explicit: bool, shell: Shell, size: TermSize) -> Self {
        Self {
            label,
            room,
            explicit,
            host: Host::new(HostConfig {
                size,
                local_terminal: false,
            }),
            shell,
            viewers: HashMap::new(),
            waiting: FuturesUnordered::new(),
            locals: HashMap::new(),
            next_local: 0,
            told: (Vec::new(), None),
            unwatched_since: Instant::now(),
        }
    }

    /// Runs until the shell ends, its owner stops it, or all handles are gone.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut output: ShellEvents,
    ) -> ShareEnd {
        let end = loop {
            self.pump();
            self.tell_locals();
            let due = self.next_due();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    None | Some(Command::Stop) => break ShareEnd::Stopped,
                    Some(command) => self.command(command),
                },
                Some((peer, number, permit)) = self.waiting.next() => self.room_for(peer, number, permit),
                event = output.next() => match event {
                    Some(ShellEvent::Output(bytes)) => self.output(bytes),
                    Some(ShellEvent::Exited(code)) => break ShareEnd::Exited(code),
                    None => break ShareEnd::Exited(None),
                },
                () = sleep_until(due) => {
                    self.host.handle_timeout(Instant::now().into_std());
                    if self.is_unwatched() && self.unwatched_since.elapsed() >= UNWATCHED {
                        break ShareEnd::Unwatched;
                    }
                }
            }
        };
        self.finish(end).await;
        end
    }

    async fn finish(mut self, end: ShareEnd) {
        match end {
            ShareEnd::Exited(code) => self.host.exit(code),
            ShareEnd::Stopped | ShareEnd::Unwatched => {
                self.host
                    .cut_all(ChannelCode::Stopped, "the owner stopped sharing this terminal");
            }
        }
        let news = match end {
            ShareEnd::Exited(code) => LocalEvent::Exited(code),
            ShareEnd::Stopped | ShareEnd::Unwatched => LocalEvent::Stopped,
        };
        for local in self.locals.values() {
            let _ = local.events.try_send(news.clone());
        }
        let last_frames = async {
            loop {
                self.pump();
                if self.viewers.is_empty() {
                    break;
                }
                let Some((peer, number, permit)) = self.waiting.next().await else {
                    break;
                };
                self.room_for(peer, number, permit);
            }
        };
        let _ = timeout(LAST_FRAMES, last_frames).await;
        // The paths close before the shell is waited for.
        self.viewers.clear();
        self.waiting.clear();
        self.shell.stop(SHELL_GRACE).await;
    }

    fn command(&mut self, command: Command) {
        let now = Instant::now().into_std();
        match command {
            Command::Attach {
                peer,
                number,
                name,
                frames,
            } => {
                self.host.attach(peer.clone(), name.clone(), now);
                self.viewers.insert(
                    peer.clone(),
                    ViewerPath {
                        number,
                        name,
                        permit: None,
                    },
                );
                self.wait_for_room(peer, number, frames);
            }
            Command::Detach { peer, number } => {
                if self
                    .viewers
                    .get(&peer)
                    .is_some_and(|viewer| viewer.number == number)
                {
                    self.viewers.remove(&peer);
                    self.host.detach(&peer);
                }
            }
            // The owner's terminal has its own size, and it wins.
            Command::Frame {
                frame: Frame::TermResize(_),
                ..
            } if !self.locals.is_empty() => {}
            Command::Frame { peer, frame } => self.host.handle(&peer, frame, now),
            Command::RenewView { peer } => self.host.renew_view(&peer, now),
            Command::RenewControl { peer } => drop(self.host.renew_control(&peer, now)),
            Command::Grant { peer, reply } => drop(reply.send(self.host.grant(&peer, now))),
            Command::Release { peer } => self.host.release(&peer),
            Command::AttachLocal { local, size, reply } => {
                self.next_local += 1;
                let lagging = local.try_send(LocalEvent::Output(self.screen())).is_err();
                self.locals.insert(
                    self.next_local,
                    Local {
                        events: local,
                        lagging,
                    },
                );
                self.host.set_local_terminal(true);
                self.host.resize(size);
                self.told = (Vec::new(), None);
                let _ = reply.send(self.next_local);
            }
            Command::LocalInput { bytes } => {
                // Whoever sits at the machine comes first.
                self.host.revoke_control();
                self.shell.write(bytes);
            }
            Command::LocalResize { size } => self.host.resize(size),
            Command::Repaint { id } => {
                let screen = self.screen();
                if let Some(local) = self.locals.get_mut(&id) {
                    local.lagging = local.events.try_send(LocalEvent::Output(screen)).is_err();
                }
            }
            Command::DetachLocal { id } => {
                self.locals.remove(&id);
                self.host.set_local_terminal(!self.locals.is_empty());
            }
            Command::TakeBack => self.host.revoke_control(),
            Command::Status { reply } => drop(reply.send(self.status())),
            Command::Stop => {}
        }
    }

    fn output(&mut self, bytes: Bytes) {
        self.host.output(&bytes);
        for local in self.locals.values_mut().filter(|local| !local.lagging) {
            local.lagging = local.events.try_send(LocalEvent::Output(bytes.clone())).is_err();
        }
    }

    /// Everything that the engine has to say goes where there is room for it.
    fn pump(&mut self) {
        while let Some(action) = self.host.poll_pty() {
            match action {
                PtyAction::Input(bytes) => drop(self.shell.write(bytes)),
                PtyAction::Resize(size) => {
                    if let Err(error) = self.shell.resize(size) {
                        tracing::debug!(%error, "the shell was not told its size");
                    }
                }
            }
        }
        let (host, waiting) = (&mut self.host, &mut self.waiting);
        self.viewers.retain(|peer, viewer| {
            while let Some(permit) = viewer.permit.take() {
                let Some(frame) = host.poll_frame(peer) else {
                    viewer.permit = Some(permit);
                    break;
                };
                match permit.send(frame).try_reserve_owned() {
                    Ok(permit) => viewer.permit = Some(permit),
                    Err(mpsc::error::TrySendError::Full(frames)) => {
                        waiting.push(room(peer.clone(), viewer.number, frames))
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => host.detach(peer),
                }
            }
            // Dropping the sender closes the path once everything queued is delivered.
            host.is_attached(peer)
        });
        if !self.viewers.is_empty() {
            self.unwatched_since = Instant::now();
        }
    }

    fn wait_for_room(&self, peer: PeerId, number: u64, frames: FrameSender) {
        self.waiting.push(room(peer, number, frames));
    }

    fn room_for(&mut self, peer: PeerId, number: u64, permit: Option<mpsc::OwnedPermit<Bytes>>) {
        let Some(viewer) = self
            .viewers
            .get_mut(&peer)
            .filter(|viewer| viewer.number == number)
        else {
            return;
        };
        if permit.is_none() {
            self.viewers.remove(&peer);
            self.host.detach(&peer);
            return;
        }
        viewer.permit = permit;
    }

    /// Viewers and control, where they changed; the screen, where a terminal fell behind.
    fn tell_locals(&mut self) {
        if self.locals.is_empty() {
            return;
        }
        let (viewers, control) = (self.viewer_names(), self.controller());
        let changed = (viewers, control);
        let news = changed != self.told;
        let behind = self
            .locals
            .values()
            .any(|local| local.lagging && local.events.capacity() == LOCAL_QUEUE);
        let screen = behind.then(|| self.screen());
        let mut heard = true;
        for local in self.locals.values_mut() {
            if let Some(screen) = screen.as_ref().filter(|_| local.lagging) {
                local.lagging = local.events.try_send(LocalEvent::Output(screen.clone())).is_err();
            }
            if news {
                heard &= local
                    .events
                    .try_send(LocalEvent::Viewers(changed.0.clone()))
                    .is_ok();
                heard &= local
                    .events
                    .try_send(LocalEvent::Control(changed.1.clone()))
                    .is_ok();
            }
        }
        if heard {
            self.told = changed;
        }
        let before = self.locals.len();
        self.locals.retain(|_, local| !local.events.is_closed());
        if self.locals.len() != before {
            self.host.set_local_terminal(!self.locals.is_empty());
        }
    }

    /// The screen and its scrollback as bytes for a terminal that is made as new first.
    fn screen(&mut self) -> Bytes {
        let mut screen = BytesMut::from(&b"\x1b[!p\x1b[?1049l\x1b[H\x1b[2J\x1b[3J"[..]);
        let Ok(owner) = OWNER.parse::<PeerId>() else {
            return screen.freeze();
        };
        self.host.attach(owner.clone(), "", Instant::now().into_std());
        while let Some(message) = self.host.poll_frame(&owner) {
            if let Ok(Frame::TermSnapshot(part)) = Frame::decode(&message) {
                screen.extend_from_slice(&part.bytes);
                if part.last {
                    break;
                }
            }
        }
        self.host.detach(&owner);
        screen.freeze()
    }

    fn next_due(&self) -> Instant {
        let lapse = self.host.poll_timeout().map(Instant::from_std);
        let unwatched = self.is_unwatched().then(|| self.unwatched_since + UNWATCHED);
        // A terminal that fell behind is looked at again soon.
        let behind = self
            .locals
            .values()
            .any(|local| local.lagging)
            .then(|| Instant::now() + Duration::from_millis(50));
        let far = Instant::now() + Duration::from_secs(3600);
        [lapse, unwatched, behind]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(far)
    }

    fn is_unwatched(&self) -> bool {
        !self.explicit && self.viewers.is_empty() && self.locals.is_empty()
    }

    fn viewer_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.viewers.values().map(|viewer| plain(&viewer.name)).collect();
        names.sort();
        names
    }

    fn controller(&self) -> Option<String> {
        let (holder, _) = self.host.holder()?;
        self.viewers.get(holder).map(|viewer| plain(&viewer.name))
    }

    fn status(&self) -> ShareStatus {
        ShareStatus {
            share_id: String::new(),
            room: self.room.clone(),
            label: self.label.clone(),
            viewers: self.viewer_names(),
            controller: self.controller(),
        }
    }
}

fn room(peer: PeerId, number: u64, frames: FrameSender) -> Room {
    Box::pin(async move { (peer, number, frames.reserve_owned().await.ok()) })
}
