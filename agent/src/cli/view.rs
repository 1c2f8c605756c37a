//! `mesh view`: someone's shared terminal in this one.

use std::time::Duration;

use mesh_peer::session::{Invitation, OpenSession, SessionError, Wanted, new_session_id, open_as_requester};
use mesh_peer::terminal::{Viewer, ViewerEvent};
use mesh_peer::transport::Path;
use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::channel::{Bye, Frame, TermSize, TermState};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::{PeerId, RoomId, ShareId};
use mesh_protocol::limits::LEASE_RENEWAL;
use mesh_protocol::signal::{ClientMessage, Reason, ServerMessage, SessionRequest};
use serde_json::json;

use tokio::time::Instant;

use super::args::ViewArgs;
use super::attach::{self, Key};
use super::raw;
use super::{Context, connect};
use crate::daemon::consent::plain;
use crate::daemon::roster::{Roster, who};
use crate::exit::{Failure, Outcome};
use crate::online::Online;
use crate::system;

/// How long the owner may think: as long as they are asked, and a little for the way.
const CONSENT: Duration = Duration::from_secs(65);
const MENU: &str = " q leave   c ask for control or give it back   Ctrl-] type it   other: go on ";

pub(crate) async fn run(context: Context, args: ViewArgs) -> Outcome {
    if !raw::available() {
        return Err(Failure::usage("This needs a terminal: run it in one."));
    }
    let (control, _) = connect::signed_in(&context.paths).await?;
    let rooms = super::until_stopped(&context.stop, connect::rooms(&control)).await?;
    let wanted: Vec<RoomId> = match &args.room {
        Some(room) => vec![connect::pick_room(&rooms, Some(room))?.room_id.clone()],
        None => rooms.iter().map(|room| room.room_id.clone()).collect(),
    };
    let entering = Online::enter(control, &context.settings, &wanted, &[]);
    let mut online = super::until_stopped(&context.stop, entering).await?;
    let outcome = watch(&context, &args, &mut online).await;
    online.close().await;
    outcome
}

async fn watch(context: &Context, args: &ViewArgs, online: &mut Online) -> Outcome {
    let me = online.context.signal().current_peer();
    let found = find(&online.roster, &args.whose, args.share.as_deref(), me.as_ref())?;
    let asked = json!({"event": "asked", "who": found.who});
    context
        .output
        .note(&format!("Asking {} for their terminal.", found.who), asked);
    let wanted = Wanted {
        room_id: found.room.clone(),
        target: Some(found.peer.clone()),
        feature: Feature::Terminal,
        session_id: new_session_id(),
        max_size: None,
        consent: CONSENT,
    };
    let share_id = found.share.clone();
    let request = |invitation: Invitation| {
        ClientMessage::TerminalShareRequest(SessionRequest {
            room_id: invitation.room_id,
            target: invitation.target,
            session_id: Some(invitation.session_id),
            cap_token: Some(invitation.cap_token),
            share_id,
        })
    };
    let sessions = online.context.clone();
    let opening = open_as_requester(&sessions, wanted, request);
    let opened = super::until_stopped(&context.stop, async { Ok(online.alongside(opening).await) }).await?;
    let session = opened.map_err(|error| connect::not_opened(&error, &found.who))?;

    if session.link.borrow().path == Path::Server {
        let event = json!({"event": "path", "path": "server"});
        context.output.note(
            "No direct way was found: what is shown and typed passes through the server, which can read it.",
            event,
        );
    }
    let raw = raw::enter()?;
    let handle = online.context.signal().clone();
    let mut watching = Watching::new(session, handle, found.who.clone());
    let end = online.alongside(watching.run(context, args.control)).await;
    attach::show(raw::RESTORE.as_bytes());
    drop(raw);
    match end? {
        End::Left => context.output.say("\nLeft; the terminal is still shared."),
        End::Exited(Some(code)) => context
            .output
            .say(&format!("\nThe shell has ended with status {code}.")),
        End::Exited(None) => context.output.say("\nThe shell has ended."),
        End::Bye(bye) => return Err(ended_by_host(&bye, &found.who)),
    }
    Ok(())
}

fn ended_by_host(bye: &Bye, who: &str) -> Failure {
    let detail = plain(&bye.detail);
    match bye.code {
        ChannelCode::Stopped | ChannelCode::Revoked | ChannelCode::LeaseLapsed | ChannelCode::CapRefused => {
            Failure::refused(format!("{who} ended it: {}.", detail.trim_end_matches('.')))
        }
        code => Failure::network(format!(
            "{who} ended it ({code}): {}.",
            detail.trim_end_matches('.')
        )),
    }
}

/// A terminal that can be asked for.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    room: RoomId,
    peer: PeerId,
    share: Option<ShareId>,
    who: String,
}

/// The one device that fits, those with a shared terminal before those that would have to start one.
fn find(roster: &Roster, whose: &str, label: Option<&str>, me: Option<&PeerId>) -> Outcome<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut present = false;
    for (room, view) in &roster.rooms {
        for peer in view.peers.values() {
            let named = peer.name.eq_ignore_ascii_case(whose)
                || peer.device_name.eq_ignore_ascii_case(whose)
                || peer.device_id.as_str() == whose
                || peer.peer_id.as_str() == whose;
            if !named || Some(&peer.peer_id) == me {
                continue;
            }
            present = true;
            let mut shares: Vec<_> = view
                .shares
                .iter()
                .filter(|share| share.peer_id == peer.peer_id && share.feature == Feature::Terminal)
                .collect();
            if let Some(label) = label {
                shares.retain(|share| share.label == label || share.share_id.as_str() == label);
                if shares.is_empty() {
                    continue;
                }
            }
            if shares.len() > 1 {
                let mut labels: Vec<String> = shares.iter().map(|share| plain(&share.label)).collect();
                labels.sort();
                return Err(Failure::usage(format!(
                    "{} shares several terminals ({}): name one with `--share`.",
                    who(peer),
                    labels.join(", ")
                )));
            }
            let share = shares.pop();
            let known = found
                .iter()
                .any(|known| known.peer == peer.peer_id && (known.share.is_some() || share.is_none()));
            if peer.offers.contains(&Feature::Terminal) && !known {
                found.retain(|known| known.peer != peer.peer_id);
                let share = share.map(|share| share.share_id.clone());
                found.push(Found {
                    room: room.clone(),
                    peer: peer.peer_id.clone(),
                    share,
                    who: who(peer),
                });
            }
        }
    }
    if found.iter().any(|found| found.share.is_some()) {
        found.retain(|found| found.share.is_some());
    }
    found.sort_by(|a, b| a.who.cmp(&b.who));
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|found| found.who.as_str()).collect();
        return Err(Failure::usage(format!(
            "Several devices fit ({}): name the device.",
            names.join(", ")
        )));
    }
    found.pop().ok_or_else(|| {
        let whose = plain(whose);
        Failure::general(if let Some(label) = label.filter(|_| present) {
            format!("{whose} shares no terminal called \"{}\".", plain(label))
        } else if present {
            format!("{whose} is here, but no device of theirs shares terminals: have them run `mesh share terminal` or `mesh up`.")
        } else {
            format!("{whose} is in none of your rooms now: have them run `mesh share terminal` or `mesh up`.")
        })
    })
}

enum End {
    Left,
    Exited(Option<i32>),
    Bye(Bye),
}

/// The watcher's terminal at the other's shell.
struct Watching {
    session: OpenSession,
    signal: mesh_peer::signal::SignalHandle,
    viewer: Viewer,
    who: String,
    notice: Option<String>,
    in_menu: bool,
    state: TermState,
    exit: Option<End>,
}

impl Watching {
    fn new(session: OpenSession, signal: mesh_peer::signal::SignalHandle, who: String) -> Self {
        Self {
            session,
            signal,
            viewer: Viewer::new(),
            who,
            notice: None,
            in_menu: false,
            state: TermState::default(),
            exit: None,
        }
    }

    async fn run(&mut self, context: &Context, ask_control: bool) -> Outcome<End> {
        let mut keys = attach::keys();
        let mut resized = system::Resizes::new().map_err(Failure::general)?;
        let mut renewal = tokio::time::interval_at(Instant::now() + LEASE_RENEWAL, LEASE_RENEWAL);
        if ask_control {
            self.ask_control().await;
        }
        loop {
            self.send_frames();
            let due = self
                .viewer
                .poll_timeout()
                .map_or_else(|| Instant::now() + LEASE_RENEWAL, Instant::from_std);
            tokio::select! {
                () = context.stop.cancelled() => return Ok(End::Left),
                frame = self.session.frames_rx.recv() => {
                    let Some(message) = frame else {
                        let end = self.session.control.ended().await;
                        if let Some(exit) = self.exit.take() { return Ok(exit) }
                        return Err(Failure::network(format!("The connection to {} was lost ({end}): run the command again.", self.who)));
                    };
                    let frame = Frame::decode(&message).map_err(|error| self.broken(&error.to_string()))?;
                    self.viewer.handle(frame).map_err(|error| self.broken(&error.to_string()))?;
                    if let Some(end) = self.show() { return Ok(end) }
                }
                said = self.session.control.next() => if let Some(said) = said { self.said(&said) },
                keys = keys.recv() => {
                    let Some(keys) = keys else { return Ok(End::Left) };
                    for key in keys {
                        if self.key(key).await { return Ok(End::Left) }
                    }
                }
                () = resized.next() => {
                    self.viewer.resize(raw::size());
                    self.overlay();
                }
                _ = renewal.tick() => self.renew().await,
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    fn broken(&self, why: &str) -> Failure {
        Failure::network(format!(
            "{} does not keep to the protocol ({why}): update the older one.",
            self.who
        ))
    }

    /// What the path takes now; the rest at the next turn. Typed input and acknowledgements are few.
    fn send_frames(&mut self) {
        while let Ok(permit) = self.session.frames_tx.try_reserve() {
            let Some(frame) = self.viewer.poll_frame(Instant::now().into_std()) else {
                break;
            };
            permit.send(frame);
        }
    }

    fn show(&mut self) -> Option<End> {
        while let Some(event) = self.viewer.poll_event() {
            match event {
                ViewerEvent::Reset(size) => {
                    attach::show(b"\x1b[!p\x1b[?1049l\x1b[2J\x1b[3J\x1b[H");
                    self.fit(size);
                }
                ViewerEvent::Write { bytes, seq } => {
                    attach::show(&bytes);
                    if let Some(seq) = seq {
                        self.viewer.shown(seq, Instant::now().into_std());
                    }
                }
                ViewerEvent::Resize(size) => self.fit(size),
                ViewerEvent::Lease(lease) => {
                    self.notice = Some(match (&lease.holder, lease.you) {
                        (None, _) => format!(" You watch {}. Ctrl-] opens the menu. ", self.who),
                        (_, true) => " You control this terminal. ".to_owned(),
                        (Some(_), false) => format!(" {} controls this terminal. ", plain(&lease.name)),
                    });
                    self.title(lease.you);
                    self.overlay();
                    self.notice = None;
                }
                ViewerEvent::Viewers(_) => {}
                ViewerEvent::State(state) => {
                    self.notice = Some(match (state.paused, state.recording) {
                        (true, _) => format!(" {} has paused the sharing. ", self.who),
                        (false, true) => format!(" {} records this terminal. ", self.who),
                        (false, false) => {
                            format!(" You watch {}. It is neither paused nor recorded. ", self.who)
                        }
                    });
                    self.state = state;
                    self.title(self.viewer.holds_control());
                    self.overlay();
                    self.notice = None;
                }
                ViewerEvent::Exit(code) => self.exit = Some(End::Exited(code)),
                ViewerEvent::Ended(bye) => return Some(self.exit.take().unwrap_or(End::Bye(bye))),
            }
        }
        if self.in_menu {
            attach::show(raw::status_line(MENU, raw::size()).as_bytes());
        }
        None
    }

    /// The host's size wins: a terminal that can be resized by its program is asked to be, and one that cannot shows what
    /// fits.
    fn fit(&self, size: TermSize) {
        if size != raw::size() {
            attach::show(format!("\x1b[8;{};{}t", size.rows, size.cols).as_bytes());
        }
    }

    fn title(&self, control: bool) {
        let verb = if control { "controlling" } else { "watching" };
        let state = match (self.state.paused, self.state.recording) {
            (true, true) => " (paused, recorded)",
            (true, false) => " (paused)",
            (false, true) => " (recorded)",
            (false, false) => "",
        };
        attach::show(format!("\x1b]2;mesh: {verb} {}{state}\x07", self.who).as_bytes());
    }

    fn overlay(&self) {
        if let Some(notice) = &self.notice {
            attach::show(raw::status_line(notice, raw::size()).as_bytes());
        }
    }

    fn said(&mut self, said: &ServerMessage) {
        if let ServerMessage::TerminalControlDeny(answer) = said {
            let why = match answer.reason {
                Some(Reason::Timeout) => "nobody answered there",
                Some(Reason::Busy) => "a question stands already",
                _ => "it was declined",
            };
            self.notice = Some(format!(" No control: {why}. "));
            self.overlay();
            self.notice = None;
        }
    }

    /// `true` when the person leaves.
    async fn key(&mut self, key: Key) -> bool {
        match key {
            Key::Typed(bytes) => {
                if !self.viewer.input(&bytes) {
                    attach::show(b"\x07");
                }
            }
            Key::Menu => {
                self.in_menu = true;
                attach::show(raw::status_line(MENU, raw::size()).as_bytes());
            }
            Key::Choice(choice) => {
                self.in_menu = false;
                match choice {
                    b'q' | b'Q' | 0x1b => return true,
                    b'c' if self.viewer.holds_control() => self.release_control().await,
                    b'c' => self.ask_control().await,
                    _ => {}
                }
            }
        }
        false
    }

    async fn control_request(&self) -> Result<SessionRequest, SessionError> {
        let grant = self.session.renewal.renew(&[Capability::TerminalControl]).await?;
        let binding = &self.session.binding;
        Ok(SessionRequest {
            room_id: binding.room_id.clone(),
            target: Some(binding.remote.clone()),
            session_id: Some(binding.session_id.clone()),
            cap_token: Some(grant.cap_token),
            share_id: None,
        })
    }

    async fn ask_control(&mut self) {
        let asked = match self.control_request().await {
            Ok(request) => self
                .signal
                .send(ClientMessage::TerminalControlTake(request))
                .await
                .map_err(SessionError::from),
            Err(error) => Err(error),
        };
        self.notice = Some(match asked {
            Ok(()) => format!(" Asked {} for control. ", self.who),
            Err(error) => format!(" No control: {error}. "),
        });
        self.overlay();
        self.notice = None;
    }

    async fn release_control(&mut self) {
        if let Ok(request) = self.control_request().await {
            let _ = self
                .signal
                .send(ClientMessage::TerminalControlRelease(request))
                .await;
        }
    }

    /// Both leases, while they are held. Without the server they lapse, as they should.
    async fn renew(&mut self) {
        match self.session.renewal.frame(self.viewer.held()).await {
            Ok(frame) => {
                let _ = self.session.frames_tx.try_send(frame);
            }
            Err(error) => tracing::debug!(%error, "the lease was not renewed"),
        }
    }
}
