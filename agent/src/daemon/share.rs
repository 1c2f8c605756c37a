//! The task of one shared terminal: it owns the shell, the [`Host`] engine, the way to each viewer and to each attached
//! terminal of the owner, and outlives all of them but the shell.
//!
//! It waits for nobody: a viewer's frame is made when its path has room for one, an attached terminal that does not keep
//! up gets the screen as it is once it does, and input that a shell does not read is dropped.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use mesh_peer::terminal::{Host, HostConfig, PtyAction};
use mesh_peer::transport::FrameSender;
use mesh_protocol::channel::{Frame, TermSize, TermState};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::{DeviceId, PeerId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::consent::plain;
use super::ipc::ShareStatus;
use super::lease_clock::LeaseClock;
use super::recorder::Recorder;
use super::shares::{Command, LocalEvent};
use crate::exit::{Failure, Outcome};
use crate::pty::{Shell, ShellEvent, ShellEvents};

/// How long viewers are given to take the last frames once the owner stops; a shell that has ended leaves more time.
const LAST_FRAMES: Duration = Duration::from_millis(80);
/// How long viewers are given to see what a shell wrote before it ended.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a recording has to reach the disk.
const LAST_LINES: Duration = Duration::from_millis(500);
/// How long the shell's processes have to end by themselves.
const SHELL_GRACE: Duration = Duration::from_millis(80);
/// How long a shell that nobody of this device started is kept without a viewer.
const UNWATCHED: Duration = Duration::from_secs(600);
/// Pieces of output that wait for an attached terminal; past that it gets the screen instead.
pub(super) const LOCAL_QUEUE: usize = 32;

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
    device: Option<DeviceId>,
    /// Whether it decides in the owner's place.
    decides: bool,
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
    clock: LeaseClock,
    shell: Shell,
    viewers: HashMap<PeerId, ViewerPath>,
    waiting: FuturesUnordered<Room>,
    locals: HashMap<u64, Local>,
    next_local: u64,
    told: Told,
    recorder: Option<Recorder>,
    /// For a recording, which answers like a viewer; it must not keep the share alive.
    commands: mpsc::WeakSender<Command>,
    unwatched_since: Instant,
}

/// What attached terminals have been told: who watches, who controls, paused or recorded.
type Told = (Vec<String>, Option<String>, TermState);

impl ShareTask {
    pub(super) fn new(
        label: String,
        room: String,
        explicit: bool,
        shell: Shell,
        size: TermSize,
        commands: mpsc::WeakSender<Command>,
    ) -> Self {
        Self {
            label,
            room,
            explicit,
            host: Host::new(HostConfig {
                size,
                local_terminal: false,
            }),
            clock: LeaseClock::start(),
            shell,
            viewers: HashMap::new(),
            waiting: FuturesUnordered::new(),
            locals: HashMap::new(),
            next_local: 0,
            told: Told::default(),
            recorder: None,
            commands,
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
                    if self.is_unwatched() && self.unwatched_since.elapsed() >= UNWATCHED {
                        break ShareEnd::Unwatched;
                    }
                }
            }
        };
        self.finish(end, &mut commands).await;
        end
    }

    async fn finish(mut self, end: ShareEnd, commands: &mut mpsc::Receiver<Command>) {
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
                let due = self.host_due();
                tokio::select! {
                    () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                    Some((peer, number, permit)) = self.waiting.next() => self.room_for(peer, number, permit),
                    command = commands.recv() => match command {
                        None | Some(Command::Stop) => break,
                        Some(Command::AttachLocal { .. } | Command::Attach { .. }) => {}
                        Some(command) => self.command(command),
                    },
                }
            }
        };
        let within = match end {
            ShareEnd::Exited(_) => LAST_WORDS,
            ShareEnd::Stopped | ShareEnd::Unwatched => LAST_FRAMES,
        };
        let _ = timeout(within, last_frames).await;
        // The paths close before the shell is waited for.
        self.viewers.clear();
        self.waiting.clear();
        // A recording that waits to be heard is answered that nobody listens.
        commands.close();
        self.shell.stop(SHELL_GRACE).await;
        if let Some(recorder) = self.recorder {
            let _ = timeout(LAST_LINES, recorder.ended).await;
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Attach {
                peer,
                number,
                name,
                device,
                may_decide,
                frames,
            } => {
                self.host.attach(peer.clone(), name.clone(), now);
                if may_decide {
                    self.host.may_decide(&peer);
                }
                self.viewers.insert(
                    peer.clone(),
                    ViewerPath {
                        number,
                        name,
                        device,
                        decides: false,
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
            Command::Decides {
                peer,
                number,
                decides,
            } => {
                // The owner's yes was for that session and no later one.
                let viewer = self.viewers.get_mut(&peer);
                if let Some(viewer) = viewer.filter(|viewer| viewer.number == number) {
                    viewer.decides = decides;
                    self.host.set_decides(&peer, decides);
                }
            }
            Command::Ask { peer, question } => self.host.ask(&peer, question),
            Command::Withdraw { peer, id } => self.host.withdraw(&peer, id),
            Command::TakeAnswer { peer, id, reply } => drop(reply.send(self.host.takes_answer(&peer, id))),
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
                self.told = Told::default();
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
            Command::Pause { paused: true } => self.host.pause(),
            Command::Pause { paused: false } => self.host.resume(),
            Command::Record {
                file: Some(file),
                number,
                reply,
            } => drop(reply.send(self.record(file, number))),
            Command::Record {
                file: None, reply, ..
            } => drop(reply.send(self.end_recording())),
            Command::Eject { who, reply } => drop(reply.send(self.eject(&who))),
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
        let now = self.clock.now();
        // After a sleep no timer has run yet.
        host.handle_timeout(now);
        self.viewers.retain(|peer, viewer| {
            while let Some(permit) = viewer.permit.take() {
                let Some(frame) = host.poll_frame(peer, now) else {
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
        if self.watched() {
            self.unwatched_since = Instant::now();
        }
        if self
            .recorder
            .as_ref()
            .is_some_and(|recorder| !self.viewers.contains_key(&recorder.peer))
        {
            self.recorder = None;
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
        let changed = (self.viewer_names(), self.controller(), self.host.state());
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
                let TermState { paused, recording } = changed.2;
                heard &= local
                    .events
                    .try_send(LocalEvent::State { paused, recording })
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
        screen.extend_from_slice(&self.host.screen());
        screen.freeze()
    }

    /// When the engine has something to say or to cut.
    fn host_due(&self) -> Option<Instant> {
        self.host.poll_timeout().map(|due| self.clock.until(due))
    }

    fn next_due(&self) -> Instant {
        let unwatched = self.is_unwatched().then(|| self.unwatched_since + UNWATCHED);
        // A terminal that fell behind is looked at again soon.
        let behind = self
            .locals
            .values()
            .any(|local| local.lagging)
            .then(|| Instant::now() + Duration::from_millis(50));
        let far = Instant::now() + Duration::from_secs(3600);
        [self.host_due(), unwatched, behind]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(far)
    }

    fn is_unwatched(&self) -> bool {
        !self.explicit && !self.watched() && self.locals.is_empty()
    }

    /// Whether anybody else looks.
    fn watched(&self) -> bool {
        self.viewers.len() > usize::from(self.recorder.is_some())
    }

    fn record(&mut self, file: PathBuf, number: u64) -> Outcome {
        if let Some(recorder) = &self.recorder {
            return Err(Failure::usage(format!(
                "It is recorded already, into {}: `mesh record --stop` ends that.",
                recorder.file.display()
            )));
        }
        let (recorder, frames) = Recorder::start(&file, &self.label, number, self.commands.clone())?;
        let peer = recorder.peer.clone();
        self.host.attach_recorder(peer.clone());
        self.viewers.insert(
            peer.clone(),
            ViewerPath {
                number,
                name: String::new(),
                device: None,
                decides: false,
                permit: None,
            },
        );
        self.recorder = Some(recorder);
        self.wait_for_room(peer, number, frames);
        Ok(())
    }

    fn end_recording(&mut self) -> Outcome {
        let Some(recorder) = self.recorder.take() else {
            return Err(Failure::usage("It is not recorded."));
        };
        self.viewers.remove(&recorder.peer);
        self.host.detach(&recorder.peer);
        Ok(())
    }

    fn eject(&mut self, who: &str) -> Vec<(String, Option<DeviceId>)> {
        let named = |name: &str| {
            let name = plain(name).to_lowercase();
            let who = who.trim().to_lowercase();
            name == who || name.strip_prefix(&who).is_some_and(|rest| rest.starts_with(" ("))
        };
        let mut gone = Vec::new();
        for (peer, viewer) in self.viewers.iter().filter(|(_, viewer)| named(&viewer.name)) {
            self.host
                .cut(peer, ChannelCode::Stopped, "the owner ended your view");
            gone.push((plain(&viewer.name), viewer.device.clone()));
        }
        gone
    }

    fn viewer_names(&self) -> Vec<String> {
        let recorder = self.recorder.as_ref().map(|recorder| &recorder.peer);
        let watching = self.viewers.iter().filter(|(peer, _)| Some(*peer) != recorder);
        let mut names: Vec<String> = watching.map(|(_, viewer)| plain(&viewer.name)).collect();
        names.sort();
        names
    }

    fn controller(&self) -> Option<String> {
        let (holder, _) = self.host.holder()?;
        self.viewers.get(holder).map(|viewer| plain(&viewer.name))
    }

    fn deciders(&self) -> Vec<String> {
        let deciding = self.viewers.values().filter(|viewer| viewer.decides);
        let mut names: Vec<String> = deciding.map(|viewer| plain(&viewer.name)).collect();
        names.sort();
        names
    }

    fn status(&self) -> ShareStatus {
        ShareStatus {
            share_id: String::new(),
            room: self.room.clone(),
            label: self.label.clone(),
            viewers: self.viewer_names(),
            controller: self.controller(),
            deciders: self.deciders(),
            paused: self.host.state().paused,
            recording: self.recorder.as_ref().map(|recorder| recorder.file.clone()),
        }
    }
}

fn room(peer: PeerId, number: u64, frames: FrameSender) -> Room {
    Box::pin(async move { (peer, number, frames.reserve_owned().await.ok()) })
}

#[cfg(test)]
mod tests;
