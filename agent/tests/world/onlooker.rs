//! Somebody who watches a shared terminal over a real session, with a terminal that shows it.

use std::time::{Duration, Instant};

use mesh_agent::config::Settings;
use mesh_agent::online::Online;
use mesh_peer::session::{OpenSession, SessionError, Wanted, new_session_id, open_as_requester};
use mesh_peer::signal::{ControlPlane, SessionToken, SignalHandle};
use mesh_peer::terminal::{Viewer, ViewerEvent};
use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::channel::{Bye, Frame, Renew, TermAsk, TermDecide, TermLease, TermSize, TermState};
use mesh_protocol::ids::{PeerId, ShareId};
use mesh_protocol::limits::LEASE_RENEWAL;
use mesh_protocol::signal::{ClientMessage, Reason, ServerMessage, SessionRequest};
use mesh_testkit::TestClient;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{SOON, World};

/// A connection to the server, in the room "Home".
pub struct Visitor {
    online: Online,
    room: mesh_protocol::ids::RoomId,
}

impl Visitor {
    pub async fn enter(world: &World, client: &TestClient) -> Self {
        Self::enter_with(&Settings::default(), world, client).await
    }

    /// The same with settings of its own.
    pub async fn enter_with(settings: &Settings, world: &World, client: &TestClient) -> Self {
        let token = SessionToken::new(client.token.clone());
        let control = ControlPlane::allowing_plaintext(&world.server.url())
            .unwrap()
            .with_session(token);
        let rooms = [world.home.clone()];
        let online = Online::enter(control, settings, &rooms, &[]).await.unwrap();
        Self {
            online,
            room: world.home.clone(),
        }
    }

    /// The host "host", and its terminal of this label once there is one.
    async fn find(&mut self, label: Option<&str>) -> (PeerId, Option<ShareId>) {
        let found = async {
            loop {
                let view = &self.online.roster.rooms[&self.room];
                let host = view.peers.values().find(|peer| peer.device_name == "host");
                let share = view
                    .shares
                    .iter()
                    .find(|share| Some(share.label.as_str()) == label);
                if let Some(host) = host
                    && share.is_some() == label.is_some()
                {
                    return (host.peer_id.clone(), share.map(|share| share.share_id.clone()));
                }
                self.online.next().await;
            }
        };
        timeout(SOON, found).await.expect("the host and its terminal")
    }

    /// Waits until the host says that it answers requests for terminals.
    pub async fn until_it_answers(&mut self) {
        let said = async {
            loop {
                let view = &self.online.roster.rooms[&self.room];
                let host = view.peers.values().find(|peer| peer.device_name == "host");
                if host.is_some_and(|host| host.offers.contains(&Feature::Terminal)) {
                    return;
                }
                self.online.next().await;
            }
        };
        timeout(SOON, said).await.expect("the host offers terminals");
    }

    /// Asks for it once.
    pub async fn ask(&mut self, label: Option<&str>) -> Result<(OpenSession, SignalHandle), SessionError> {
        let (host, share_id) = self.find(label).await;
        let wanted = Wanted {
            room_id: self.room.clone(),
            target: Some(host),
            feature: Feature::Terminal,
            session_id: new_session_id(),
            max_size: None,
            consent: SOON,
        };
        let context = self.online.context.clone();
        let request = |invitation: mesh_peer::session::Invitation| {
            ClientMessage::TerminalShareRequest(SessionRequest {
                room_id: invitation.room_id,
                target: invitation.target,
                session_id: Some(invitation.session_id),
                cap_token: Some(invitation.cap_token),
                share_id: share_id.clone(),
            })
        };
        let session = self
            .online
            .alongside(open_as_requester(&context, wanted, request))
            .await?;
        Ok((session, context.signal().clone()))
    }

    /// Watches it.
    pub async fn watch(mut self, label: &str) -> Onlooker {
        let begun = Instant::now();
        let (session, signal) = self.ask(Some(label)).await.unwrap();
        let mut online = self.online;
        Onlooker {
            session,
            signal,
            viewer: Viewer::new(),
            screen: avt::Terminal::new(80, 24).unwrap(),
            lease: None,
            holders: Vec::new(),
            viewers: Vec::new(),
            state: TermState::default(),
            exit: None,
            bye: None,
            denied: None,
            decides: None,
            asked: Vec::new(),
            closed: false,
            renews: true,
            renewed: begun,
            seq: 0,
            bytes: 0,
            pending: tokio::spawn(async move {
                loop {
                    online.next().await;
                }
            }),
        }
    }
}

/// Everything that one viewer knows.
pub struct Onlooker {
    pub session: OpenSession,
    signal: SignalHandle,
    pub viewer: Viewer,
    pub screen: avt::Terminal,
    pub lease: Option<TermLease>,
    /// Every holder that it was told of, with the epoch.
    pub holders: Vec<(PeerId, u32)>,
    pub viewers: Vec<String>,
    pub state: TermState,
    pub exit: Option<Option<i32>>,
    pub bye: Option<Bye>,
    pub denied: Option<Reason>,
    /// What the host said last of whether this viewer decides.
    pub decides: Option<bool>,
    /// Questions that stand.
    pub asked: Vec<TermAsk>,
    pub closed: bool,
    /// Whether it renews its leases.
    pub renews: bool,
    renewed: Instant,
    /// How much the program had written of what is shown.
    pub seq: u64,
    /// Bytes of all frames that came.
    pub bytes: usize,
    pending: JoinHandle<()>,
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        self.pending.abort();
    }
}

impl Onlooker {
    /// Shows what comes until this holds.
    pub async fn until(&mut self, what: &str, holds: impl FnMut(&Self) -> bool) {
        self.within(SOON, what, holds).await;
    }

    /// The same in a time of one's own.
    pub async fn within(&mut self, time: Duration, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let held = async {
            while !holds(self) {
                self.step().await;
            }
        };
        if timeout(time, held).await.is_err() {
            panic!("{what}: not within {time:?}; on the screen:\n{}", self.text());
        }
    }

    /// Shows what comes for a while.
    pub async fn look(&mut self, time: Duration) {
        let _ = timeout(time, async {
            while !self.closed {
                self.step().await;
            }
        })
        .await;
    }

    /// Takes one frame or one message, or waits for a moment. Cancel-safe.
    pub async fn step(&mut self) {
        while let Ok(permit) = self.session.frames_tx.try_reserve() {
            let Some(frame) = self.viewer.poll_frame(Instant::now()) else {
                break;
            };
            permit.send(frame);
        }
        if self.renews && self.renewed.elapsed() >= LEASE_RENEWAL {
            self.renewed = Instant::now();
            self.renew().await;
        }
        tokio::select! {
            frame = self.session.frames_rx.recv(), if !self.closed => match frame {
                Some(message) => {
                    self.bytes += message.len();
                    match Frame::decode(&message).unwrap() {
                        Frame::TermDecide(TermDecide { decides }) => self.decides = Some(decides),
                        Frame::TermAsk(question) => self.asked.push(question),
                        Frame::TermWithdrawn(gone) => self.asked.retain(|question| question.id != gone.id),
                        frame => self.viewer.handle(frame).unwrap(),
                    }
                    while let Some(event) = self.viewer.poll_event() {
                        self.show(event);
                    }
                }
                None => self.closed = true,
            },
            Some(message) = self.session.control.next() => if let ServerMessage::TerminalControlDeny(answer) = message {
                self.denied = answer.reason;
            },
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }

    fn show(&mut self, event: ViewerEvent) {
        let resized = |size: TermSize| {
            avt::Terminal::with_scrollback(size.cols.into(), size.rows.into(), None).unwrap()
        };
        match event {
            ViewerEvent::Reset(size) => self.screen = resized(size),
            ViewerEvent::Write { bytes, seq } => {
                self.screen.feed(std::str::from_utf8(&bytes).unwrap());
                if let Some(seq) = seq {
                    self.seq = seq;
                    self.viewer.shown(seq, Instant::now());
                }
            }
            ViewerEvent::Resize(size) => self.screen.resize(size.cols.into(), size.rows.into()),
            ViewerEvent::Lease(lease) => {
                if let Some(holder) = &lease.holder {
                    self.holders.push((holder.clone(), lease.epoch));
                }
                self.lease = Some(lease);
            }
            ViewerEvent::Viewers(viewers) => {
                self.viewers = viewers.into_iter().map(|viewer| viewer.name).collect();
            }
            ViewerEvent::State(state) => self.state = state,
            ViewerEvent::Exit(code) => self.exit = Some(code),
            ViewerEvent::Ended(bye) => self.bye = Some(bye),
        }
    }

    async fn renew(&mut self) {
        let mut caps = vec![Capability::TerminalView];
        if self.viewer.holds_control() {
            caps.push(Capability::TerminalControl);
        }
        if let Ok(grant) = self.session.renewal.renew(&caps).await {
            let renew = Renew {
                cap_token: grant.cap_token,
            };
            self.send(Frame::Renew(renew)).await;
        }
    }

    /// Any frame, allowed or not.
    pub async fn send(&self, frame: Frame) {
        let _ = self.session.frames_tx.send(frame.encode()).await;
    }

    /// Asks for control; the answer comes with [`Self::step`].
    pub async fn take(&self) {
        self.about_control(ClientMessage::TerminalControlTake).await;
    }

    /// Gives it back, or does not ask for it any more.
    pub async fn give_back(&self) {
        self.about_control(ClientMessage::TerminalControlRelease).await;
    }

    async fn about_control(&self, message: fn(SessionRequest) -> ClientMessage) {
        let grant = self
            .session
            .renewal
            .renew(&[Capability::TerminalControl])
            .await
            .unwrap();
        let binding = &self.session.binding;
        let request = SessionRequest {
            room_id: binding.room_id.clone(),
            target: Some(binding.remote.clone()),
            session_id: Some(binding.session_id.clone()),
            cap_token: Some(grant.cap_token),
            share_id: None,
        };
        self.signal.send(message(request)).await.unwrap();
    }

    /// Takes control and has it.
    pub async fn control(&mut self) {
        self.take().await;
        self.until("control", |seat| seat.viewer.holds_control()).await;
    }

    /// All text, scrollback included.
    pub fn text(&self) -> String {
        self.screen
            .primary_screen()
            .all_lines()
            .map(|line| line.text().trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub fn shows(&self, text: &str) -> bool {
        self.text().contains(text)
    }
}
