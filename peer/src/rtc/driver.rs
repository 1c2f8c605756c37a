//! The one task of a connection: it moves datagrams, time and frames in and out of the sans-IO stack.
//!
//! Owns the stack, the sockets and everything else of a connection; nothing is shared, so there are no locks. Enter
//! at [`Driver::run`]: a step does all that is possible without waiting, then the task waits for any reason to go on.
//!
//! What keeps it fast (measured; see the benchmark `datachannel`): a whole batch of received datagrams is fed before
//! the stack is drained, so that their acknowledgements coalesce; equal datagrams leave in one system call; no more
//! is in flight than the path and the receiver's socket hold.

mod clock;
mod datagrams;
mod restart;
mod stack;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rtc::crypto::{RTCCryptoProvider, default_provider};
use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::RTCPeerConnection;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::state::{RTCIceConnectionState, RTCPeerConnectionState};
use rtc::peer_connection::transport::{RTCDtlsTransportState, RTCIceCandidateInit, RTCIceCandidateType};
use rtc::sansio::Protocol;
use rtc::statistics::StatsSelector;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Sleep;

use self::datagrams::READS_PER_STEP;
use self::stack::Stack;
use super::candidate::{IceCandidate, Kind};
use super::certificate::Certificate;
use super::channel::Channel;
use super::config::{HANDSHAKE_TIMEOUT, RECOVER_WITHIN, RtcConfig, RtcError, STATS_EVERY};
use super::gather::{self, Found, Tasks};
use super::pace::Pace;
use super::repair::Repair;
use super::socket::{ReceiveBuffer, Socket, bind_all};
use super::stun::Probes;
use super::turn::Turn;
use super::{Command, ConnectionEvent, candidate};
use crate::transport::Path;

/// How long a relayed address is known to the other end before checks are sent from it. Where a check is the first that is heard of an
/// address, ICE takes it for one of the device itself (RFC 8445 section 7.3.1.3), and waits for no better one.
pub(super) const RELAY_HEAD_START: Duration = Duration::from_millis(250);

const NOT_HEARD: &str = "the other device has not answered for 15 seconds";

/// Everything of one connection.
pub(super) struct Driver {
    pub(super) pc: RTCPeerConnection,
    stack: Stack,
    pub(super) crypto: Arc<dyn RTCCryptoProvider>,
    fingerprint: String,
    pub(super) label: String,
    pub(super) protocol: String,
    pub(super) config: RtcConfig,

    pub(super) sockets: Vec<Socket>,
    buffer: ReceiveBuffer,
    pub(super) turns: Vec<Turn>,
    probes: Probes,
    pub(super) tasks: Tasks,
    /// Those of them that reach relays over TCP, unless one is reached over UDP first.
    reserve: Vec<AbortHandle>,
    /// Relayed addresses that were announced, and from when checks are sent from them. Bound: MAX_LOCAL_CANDIDATES.
    pub(super) held_relays: VecDeque<(Instant, RTCIceCandidateInit)>,

    commands: mpsc::Receiver<Command>,
    /// A command taken while waiting, for the next step.
    command: Option<Command>,
    events: mpsc::Sender<ConnectionEvent>,
    close_reply: Option<oneshot::Sender<()>>,

    pub(super) described: bool,
    pub(super) remote_described: bool,
    pub(super) mid: String,
    pub(super) ufrag: Option<String>,
    /// Of the other end's newest description.
    pub(super) remote_ufrag: Option<String>,
    pub(super) undescribed: Vec<ConnectionEvent>,
    pub(super) early_candidates: Vec<IceCandidate>,
    pub(super) local_candidates: usize,
    pub(super) remote_candidates: usize,
    /// Those of our candidates that the stack was given before a description. Bound: MAX_LOCAL_CANDIDATES.
    pub(super) in_stack: Vec<RTCIceCandidateInit>,
    /// Addresses of remote candidates, for TURN permissions. Bound: MAX_REMOTE_CANDIDATES.
    pub(super) remote_addrs: Vec<SocketAddr>,
    /// Those of them that are relayed: ICE may have met such an address before it was announced.
    pub(super) relayed_peers: Vec<SocketAddr>,
    pub(super) peer_socket_bytes: usize,
    /// Drawn for this connection; see [`Repair`].
    pub(super) repair_tag: u32,
    /// The stack makes records of several datagrams.
    pub(super) long_records: bool,
    /// Repairs losses, when the other end does too.
    pub(super) repair: Option<Repair>,
    /// Between which addresses the stack sends now.
    route: Option<(SocketAddr, SocketAddr)>,
    pace: Pace,
    /// When the pace lets the next datagram go, if one may wait for it.
    paced_until: Option<Instant>,
    gathered: bool,

    /// How far the clock of the stack is ahead of the real one.
    ahead: Duration,
    hastened: u32,
    ice_connected: bool,
    ice_heard: bool,
    /// The stack has a DTLS hello ready since ICE connected, and gives it out only when it is told the time.
    kick: bool,

    pub(super) own_channel: Option<RTCDataChannelId>,
    pub(super) channel: Option<Channel>,
    pub(super) open_deadline: Option<Instant>,
    /// When the open connection ends unless the other end is heard again.
    recover_until: Option<Instant>,
    next_stats: Instant,
    ended: Option<String>,
}

impl Driver {
    pub(super) fn new(
        config: RtcConfig,
        feature: &str,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<ConnectionEvent>,
    ) -> Result<Self, RtcError> {
        let crypto = default_provider().map_err(|error| RtcError::Stack(error.to_string()))?;
        let repair_tag = u32::from_le_bytes(random_bytes(crypto.as_ref())?);
        let certificate = match config.certificate.clone() {
            Some(certificate) => certificate,
            None => Certificate::generate_with(crypto.as_ref())?,
        };
        let fingerprint = certificate.fingerprint().to_owned();
        let stack = Stack::new(crypto.clone(), certificate, &config);
        let pc = stack.build(None)?;

        let sockets = own_sockets(&config)?;
        let mut tasks = Tasks::new();
        let reserve = gather::start(&config, &crypto, &mut tasks);
        let mut driver = Self {
            pc,
            stack,
            crypto,
            fingerprint,
            label: feature.to_owned(),
            protocol: format!("mesh.{feature}.v1"),
            config,
            sockets,
            buffer: ReceiveBuffer::new(),
            turns: Vec::new(),
            probes: Probes::default(),
            tasks,
            reserve,
            held_relays: VecDeque::new(),
            commands,
            command: None,
            events,
            close_reply: None,
            described: false,
            remote_described: false,
            mid: "0".to_owned(),
            ufrag: None,
            remote_ufrag: None,
            undescribed: Vec::new(),
            early_candidates: Vec::new(),
            local_candidates: 0,
            remote_candidates: 0,
            in_stack: Vec::new(),
            remote_addrs: Vec::new(),
            relayed_peers: Vec::new(),
            peer_socket_bytes: 0,
            repair_tag,
            long_records: false,
            repair: None,
            route: None,
            pace: Pace::new(Instant::now()),
            paced_until: None,
            gathered: false,
            ahead: Duration::ZERO,
            hastened: 0,
            ice_connected: false,
            ice_heard: false,
            kick: false,
            own_channel: None,
            channel: None,
            open_deadline: None,
            recover_until: None,
            next_stats: Instant::now(),
            ended: None,
        };
        driver.add_sockets();
        Ok(driver)
    }

    /// The addresses of our own sockets are candidates.
    fn add_sockets(&mut self) {
        for addr in self.sockets.iter().map(Socket::addr).collect::<Vec<_>>() {
            self.add_local(Kind::Host, addr, addr, true);
        }
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Tells the owner. The queue holds all events of a connection, so that only a dropped receiver loses one.
    pub(super) fn tell(&self, event: ConnectionEvent) {
        let _ = self.events.try_send(event);
    }

    /// Runs the connection to its end.
    pub(super) async fn run(mut self) {
        let mut sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        loop {
            self.step();
            if let Some(reason) = self.ended.take() {
                self.finish(&reason);
                break;
            }
            let deadline = self.next_timeout();
            sleep.as_mut().reset(deadline.into());
            poll_fn(|cx| self.poll_wake(cx, sleep.as_mut())).await;
        }
    }

    /// Notes the end of the connection; the first reason counts.
    fn end(&mut self, reason: impl Into<String>) {
        self.ended.get_or_insert_with(|| reason.into());
    }

    /// Everything that can be done without waiting.
    fn step(&mut self) {
        while let Some(command) = self.command.take().or_else(|| self.commands.try_recv().ok()) {
            self.on_command(command);
        }
        while let Some(found) = self.tasks.try_join_next() {
            self.on_found(found.unwrap_or(Found::Nothing));
        }
        for socket in self.sockets.iter_mut().filter(|socket| socket.blocked()) {
            socket.flush();
        }
        for index in 0..self.sockets.len() {
            for _ in 0..READS_PER_STEP {
                if !self.read_socket(index) {
                    break;
                }
                self.pump();
            }
        }
        self.read_turns();
        self.fire_timers();
        self.pump();
        self.hasten();
        if std::mem::take(&mut self.kick) {
            self.handle_stack_timeout();
            self.pump();
        }
        self.send_frames();
        self.pump();
        self.flush();
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Offer(max_record, reply) => {
                let _ = reply.send(self.offer(max_record));
            }
            Command::AcceptOffer(sdp, reply) => {
                let _ = reply.send(self.accept_offer(&sdp));
            }
            Command::AcceptAnswer(sdp, reply) => {
                let _ = reply.send(self.accept_answer(&sdp));
            }
            Command::Restart(ice_servers, reply) => {
                let _ = reply.send(self.restart(ice_servers));
            }
            Command::AcceptRestart(sdp, ice_servers, reply) => {
                let _ = reply.send(self.accept_restart(&sdp, ice_servers));
            }
            Command::AddCandidate(candidate, reply) => {
                self.add_candidate(candidate);
                let _ = reply.send(Ok(()));
            }
            Command::Close(reply) => {
                self.close_reply = Some(reply);
                self.end("closed by this device");
            }
        }
    }

    fn on_found(&mut self, found: Found) {
        let now = Instant::now();
        match found {
            Found::Stun(servers) => {
                for (index, socket) in self.sockets.iter().enumerate() {
                    let local = socket.addr();
                    let server = servers.iter().find(|server| {
                        server.is_ipv4() == local.is_ipv4()
                            && server.ip().is_loopback() == local.ip().is_loopback()
                    });
                    if let Some(server) = server {
                        self.probes.start(now, index, *server);
                    }
                }
            }
            Found::Turn(turn) => self.turns.push(*turn),
            Found::Resolved(candidate) => {
                if let Some(addr) = candidate::parse(&candidate.candidate)
                    .as_ref()
                    .and_then(candidate::socket_addr)
                {
                    self.add_remote(addr, candidate);
                }
            }
            Found::Nothing => {}
        }
    }

    fn on_event(&mut self, event: RTCPeerConnectionEvent) {
        match event {
            RTCPeerConnectionEvent::OnIceConnectionStateChangeEvent(
                RTCIceConnectionState::Connected | RTCIceConnectionState::Completed,
            ) => {
                self.on_heard_again();
                self.kick = !std::mem::replace(&mut self.ice_connected, true);
                if self.kick && self.channel.is_none() {
                    self.open_deadline = Some(Instant::now() + HANDSHAKE_TIMEOUT);
                }
            }
            RTCPeerConnectionEvent::OnIceConnectionStateChangeEvent(RTCIceConnectionState::Disconnected)
                if self.channel.is_some() =>
            {
                self.recover_until
                    .get_or_insert_with(|| Instant::now() + RECOVER_WITHIN);
                self.tell(ConnectionEvent::Disturbed);
            }
            RTCPeerConnectionEvent::OnConnectionStateChangeEvent(RTCPeerConnectionState::Failed) => {
                let reason = if self.dtls_state() == Some(RTCDtlsTransportState::Failed) {
                    "the other device could not prove who it is: its certificate is not the one announced"
                } else if self.ice_connected || self.channel.is_some() {
                    NOT_HEARD
                } else {
                    "no path to the other device was found; a TURN server may be needed"
                };
                self.end(reason);
            }
            RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(id)) => {
                if let Err(reason) = self.on_open(id) {
                    self.end(reason);
                }
            }
            RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnClose(id)) => {
                match &mut self.channel {
                    Some(channel) if channel.id() == id => channel.on_close(),
                    None if self.own_channel == Some(id) => self.end("the other device refused the channel"),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn dtls_state(&self) -> Option<RTCDtlsTransportState> {
        self.pc.sctp().map(|sctp| sctp.transport().state())
    }

    /// Whether the other end has closed its DTLS connection.
    fn peer_is_gone(&self) -> bool {
        matches!(
            self.dtls_state(),
            Some(RTCDtlsTransportState::Closed | RTCDtlsTransportState::Failed)
        )
    }

    /// Refreshes the readings of the link.
    pub(super) fn publish(&mut self) {
        self.next_stats = Instant::now() + STATS_EVERY;
        let path = self.path();
        let now = self.stack_now();
        let round_trip = self
            .pc
            .get_stats(now, StatsSelector::None)
            .candidate_pairs()
            .map(|pair| pair.current_round_trip_time)
            .find(|seconds| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if let Some(channel) = &mut self.channel {
            channel.publish(&mut self.pc, path, round_trip);
        }
    }

    fn path(&self) -> Path {
        let pair = self
            .pc
            .sctp()
            .and_then(|sctp| sctp.transport().ice_transport().get_selected_candidate_pair());
        let Some(pair) = pair else { return Path::Unknown };
        let remote = pair
            .remote()
            .address
            .parse()
            .map(|ip| SocketAddr::new(ip, pair.remote().port));
        let relayed = pair.local().typ == RTCIceCandidateType::Relay
            || pair.remote().typ == RTCIceCandidateType::Relay
            || remote.is_ok_and(|remote| self.relayed_peers.contains(&remote));
        if relayed { Path::Relayed } else { Path::Direct }
    }

    /// Waits for a datagram, room in a socket, a command, a frame, room for a frame, a task or the next timer.
    fn poll_wake(&mut self, cx: &mut Context<'_>, sleep: Pin<&mut Sleep>) -> Poll<()> {
        let mut ready = sleep.poll(cx).is_ready();
        for socket in &self.sockets {
            ready |= socket.poll_readable(cx).is_ready();
            ready |= socket.blocked() && socket.poll_writable(cx).is_ready();
        }
        for turn in &self.turns {
            ready |= turn.poll_ready(cx).is_ready();
        }
        if let Some(channel) = &mut self.channel {
            ready |= channel.poll(cx).is_ready();
        }
        match self.commands.poll_recv(cx) {
            Poll::Ready(Some(command)) => {
                self.command = Some(command);
                ready = true;
            }
            Poll::Ready(None) => {
                self.end("closed by this device");
                ready = true;
            }
            Poll::Pending => {}
        }
        if let Poll::Ready(Some(found)) = self.tasks.poll_join_next(cx) {
            self.on_found(found.unwrap_or(Found::Nothing));
            ready = true;
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Tells the other end and lets everything go.
    fn finish(mut self, reason: &str) {
        tracing::debug!(reason, "connection over");
        let _ = self.pc.close();
        self.drain_writes();
        self.flush();
        let now = Instant::now();
        for turn in &mut self.turns {
            turn.release(now);
        }
        if let Some(channel) = self.channel.take() {
            channel.end(reason);
        }
        self.tell(ConnectionEvent::Closed(reason.to_owned()));
        let reply = self.close_reply.take();
        drop(self);
        if let Some(reply) = reply {
            let _ = reply.send(());
        }
    }
}

/// One for each usable address of this device, unless none of them may be told.
fn own_sockets(config: &RtcConfig) -> std::io::Result<Vec<Socket>> {
    if config.relay_only {
        return Ok(Vec::new());
    }
    bind_all(config.loopback, config.socket_buffer)
}

fn random_bytes<const N: usize>(crypto: &dyn RTCCryptoProvider) -> Result<[u8; N], RtcError> {
    let mut bytes = [0; N];
    crypto
        .random()
        .fill(&mut bytes)
        .map_err(|error| RtcError::Stack(error.to_string()))?;
    Ok(bytes)
}
