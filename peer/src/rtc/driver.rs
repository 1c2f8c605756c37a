//! The one task of a connection: it moves datagrams, time and frames in and out of the sans-IO stack.
//!
//! Owns the stack, the sockets and everything else of a connection; nothing is shared, so there are no locks. Enter
//! at [`Driver::run`]: a step does all that is possible without waiting, then the task waits for any reason to go on.
//!
//! What keeps it fast (measured; see the benchmark `datachannel`): a whole batch of received datagrams is fed before
//! the stack is drained, so that their acknowledgements coalesce; equal datagrams leave in one system call; no more
//! is in flight than the path and the receiver's socket hold.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::crypto::{RTCCryptoProvider, SignatureScheme, default_provider};
use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::certificate::{CertificateParams, RTCCertificate};
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::setting_engine::{SctpMaxMessageSize, SettingEngineBuilder};
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::state::{RTCIceConnectionState, RTCPeerConnectionState};
use rtc::peer_connection::transport::{RTCDtlsTransportState, RTCIceCandidateType};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc::statistics::StatsSelector;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use super::candidate::{IceCandidate, Kind};
use super::channel::Channel;
use super::config::{
    HANDSHAKE_TIMEOUT, ICE_DISCONNECTED_AFTER, ICE_FAILED_AFTER, ICE_KEEPALIVE_EVERY, MAX_RECEIVE_BYTES,
    RECEIVE_WINDOW_BYTES, RtcConfig, RtcError, STATS_EVERY,
};
use super::gather::{self, Found, Tasks};
use super::socket::{ReceiveBuffer, Socket, bind_all};
use super::stun::Probes;
use super::turn::{Turn, TurnEvent};
use super::{Command, ConnectionEvent, candidate};
use crate::transport::Path;

/// SCTP packets that fit a path of 1,280 bytes with DTLS, UDP and IPv6 around them.
const SCTP_MTU_BYTES: u32 = 1191;

/// How often the stack looks at its candidate pairs while it connects.
const ICE_CHECK_EVERY: Duration = Duration::from_millis(200);
/// Checks sent on one pair before it is given up: fifteen seconds and the hastened ones.
const ICE_CHECKS: u16 = 100;
/// How many times the clock of the stack is put forward; see [`Driver::hasten`].
const HASTENED: u32 = 8;
/// How long better candidates are waited for before a relayed pair is chosen, on the stack's clock.
const RELAY_WAIT: Duration = Duration::from_millis(2_400);
const REFLEXIVE_WAIT: Duration = Duration::from_millis(100);

/// Batches read from one socket, and timers fired, before everything else gets its turn.
const READS_PER_STEP: usize = 4;
const TIMERS_PER_STEP: usize = 4;

/// Everything of one connection.
pub(super) struct Driver {
    pub(super) pc: RTCPeerConnection,
    pub(super) crypto: Arc<dyn RTCCryptoProvider>,
    fingerprint: String,
    pub(super) label: String,
    pub(super) protocol: String,
    relay_only: bool,

    pub(super) sockets: Vec<Socket>,
    buffer: ReceiveBuffer,
    pub(super) turns: Vec<Turn>,
    probes: Probes,
    pub(super) tasks: Tasks,

    commands: mpsc::Receiver<Command>,
    /// A command taken while waiting, for the next step.
    command: Option<Command>,
    events: mpsc::Sender<ConnectionEvent>,
    close_reply: Option<oneshot::Sender<()>>,

    pub(super) described: bool,
    pub(super) remote_described: bool,
    pub(super) mid: String,
    pub(super) ufrag: Option<String>,
    pub(super) undescribed: Vec<ConnectionEvent>,
    pub(super) early_candidates: Vec<IceCandidate>,
    pub(super) local_candidates: usize,
    pub(super) remote_candidates: usize,
    /// Addresses of remote candidates, for TURN permissions. Bound: MAX_REMOTE_CANDIDATES.
    pub(super) remote_addrs: Vec<SocketAddr>,
    /// Those of them that are relayed: ICE may have met such an address before it was announced.
    pub(super) relayed_peers: Vec<SocketAddr>,
    pub(super) peer_socket_bytes: usize,
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
        let random = u64::from_le_bytes(uuid_bytes(crypto.as_ref())?);
        let params = CertificateParams::new(vec![format!("mesh-{random:016x}")])
            .map_err(|error| RtcError::Stack(error.to_string()))?;
        let certificate =
            RTCCertificate::generate(crypto.crypto(), SignatureScheme::EcdsaP256Sha256, params)?;
        let fingerprint = certificate
            .get_fingerprints(crypto.crypto())?
            .first()
            .map(|fingerprint| fingerprint.value.to_ascii_uppercase())
            .ok_or_else(|| RtcError::Stack("the new certificate has no fingerprint".to_owned()))?;
        let relay_wait = if config.relay_only {
            Duration::ZERO
        } else {
            RELAY_WAIT
        };
        let settings = SettingEngineBuilder::new()
            .with_crypto_provider(crypto.clone())
            .with_sctp_mtu(SCTP_MTU_BYTES)
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(MAX_RECEIVE_BYTES as u32))
            .with_sctp_max_receive_buffer_size(RECEIVE_WINDOW_BYTES)
            .with_host_acceptance_min_wait(Some(Duration::ZERO))
            .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
            .with_srflx_acceptance_min_wait(Some(REFLEXIVE_WAIT))
            .with_relay_acceptance_min_wait(Some(relay_wait))
            .with_ice_connection_attempts(Some(ICE_CHECK_EVERY), Some(ICE_CHECKS))
            .with_ice_timeouts(
                Some(ICE_DISCONNECTED_AFTER),
                Some(ICE_FAILED_AFTER),
                Some(ICE_KEEPALIVE_EVERY),
            )
            .build();
        let pc = RTCPeerConnectionBuilder::new()
            .with_configuration(
                RTCConfigurationBuilder::new()
                    .with_certificates(vec![certificate])
                    .build(),
            )
            .with_setting_engine(settings)
            .build(Instant::now())?;

        let sockets = if config.relay_only {
            Vec::new()
        } else {
            bind_all(config.loopback, config.socket_buffer)?
        };
        let mut tasks = Tasks::new();
        gather::start(&config, &crypto, &mut tasks);
        let mut driver = Self {
            pc,
            crypto,
            fingerprint,
            label: feature.to_owned(),
            protocol: format!("mesh.{feature}.v1"),
            relay_only: config.relay_only,
            sockets,
            buffer: ReceiveBuffer::new(),
            turns: Vec::new(),
            probes: Probes::default(),
            tasks,
            commands,
            command: None,
            events,
            close_reply: None,
            described: false,
            remote_described: false,
            mid: "0".to_owned(),
            ufrag: None,
            undescribed: Vec::new(),
            early_candidates: Vec::new(),
            local_candidates: 0,
            remote_candidates: 0,
            remote_addrs: Vec::new(),
            relayed_peers: Vec::new(),
            peer_socket_bytes: 0,
            gathered: false,
            ahead: Duration::ZERO,
            hastened: 0,
            ice_connected: false,
            ice_heard: false,
            kick: false,
            own_channel: None,
            channel: None,
            open_deadline: None,
            next_stats: Instant::now(),
            ended: None,
        };
        for addr in driver.sockets.iter().map(Socket::addr).collect::<Vec<_>>() {
            driver.add_local(Kind::Host, addr, addr, true);
        }
        Ok(driver)
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The time on the stack's clock.
    pub(super) fn stack_now(&self) -> Instant {
        Instant::now() + self.ahead
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
            Command::Offer(reply) => {
                let _ = reply.send(self.offer());
            }
            Command::AcceptOffer(sdp, reply) => {
                let _ = reply.send(self.accept_offer(&sdp));
            }
            Command::AcceptAnswer(sdp, reply) => {
                let _ = reply.send(self.accept_answer(&sdp));
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

    /// Reads one batch; `false` when there was nothing.
    fn read_socket(&mut self, index: usize) -> bool {
        let Some(socket) = self.sockets.get(index) else {
            return false;
        };
        let local_addr = socket.addr();
        let Some(batches) = socket.receive(&mut self.buffer) else {
            return false;
        };
        let now = self.stack_now();
        let mut mapped = Vec::new();
        for (from, datagram) in self.buffer.datagrams(batches) {
            // The first byte tells the protocols apart (RFC 7983): 0 to 3 is STUN.
            if datagram.first().is_some_and(|first| *first < 4) {
                if let Some(answer) = self.probes.handle_read(from, datagram) {
                    mapped.extend(answer);
                    continue;
                }
                self.ice_heard = true;
            }
            let transport = TransportContext {
                local_addr,
                peer_addr: from,
                ecn: None,
                transport_protocol: TransportProtocol::UDP,
            };
            // The stack refuses what is malformed or unexpected; anybody may send that, so it is no error here.
            let _ = self.pc.handle_read(TaggedBytesMut {
                now,
                transport,
                message: BytesMut::from(datagram),
            });
        }
        for (socket, _, addr) in mapped {
            let base = self.sockets[socket].addr();
            if addr != base {
                self.add_local(Kind::ServerReflexive, addr, base, false);
            }
        }
        true
    }

    fn read_turns(&mut self) {
        let mut turns = std::mem::take(&mut self.turns);
        for turn in &mut turns {
            for _ in 0..READS_PER_STEP {
                let now = Instant::now();
                let more = turn.receive(now, &mut self.buffer);
                while let Some(event) = turn.next_event(now) {
                    match event {
                        TurnEvent::Allocated(relayed) => {
                            for peer in &self.remote_addrs {
                                turn.permit(now, *peer);
                            }
                            self.add_local(Kind::Relay, relayed, turn.local(), true);
                        }
                        TurnEvent::Failed(reason) => tracing::debug!(reason, "no TURN allocation"),
                        TurnEvent::Data(peer, message) => {
                            let Some(local_addr) = turn.relayed() else {
                                continue;
                            };
                            self.ice_heard |= message.first().is_some_and(|first| *first < 4);
                            let transport = TransportContext {
                                local_addr,
                                peer_addr: peer,
                                ecn: None,
                                transport_protocol: TransportProtocol::UDP,
                            };
                            let now = Instant::now() + self.ahead;
                            let _ = self.pc.handle_read(TaggedBytesMut {
                                now,
                                transport,
                                message,
                            });
                        }
                    }
                }
                if !more {
                    break;
                }
            }
        }
        turns.append(&mut self.turns);
        self.turns = turns;
    }

    /// Drains the stack: datagrams out, events, messages for the application.
    fn pump(&mut self) {
        self.drain_writes();
        while let Some(event) = self.pc.poll_event() {
            self.on_event(event);
        }
        if let Some(channel) = &mut self.channel {
            let result = channel
                .deliver(&mut self.pc)
                .and_then(|()| channel.on_progress(&mut self.pc));
            if let Err(reason) = result {
                self.end(reason);
            }
        } else {
            // No channel has been accepted: nothing may be said yet.
            while self.pc.poll_read().is_some() {}
        }
        self.drain_writes();
    }

    fn drain_writes(&mut self) {
        // While a socket is full the stack keeps its datagrams: their number is bounded by what is in flight.
        while !self.sockets.iter().any(Socket::blocked) {
            let Some(out) = self.pc.poll_write() else { break };
            let (from, to) = (out.transport.local_addr, out.transport.peer_addr);
            if let Some(socket) = self.sockets.iter_mut().find(|socket| socket.addr() == from) {
                socket.queue(to, &out.message);
            } else if let Some(turn) = self.turns.iter_mut().find(|turn| turn.relayed() == Some(from)) {
                turn.send(Instant::now(), to, out.message);
            }
        }
    }

    fn flush(&mut self) {
        for socket in &mut self.sockets {
            socket.flush();
        }
        for turn in &mut self.turns {
            turn.flush();
        }
    }

    fn on_event(&mut self, event: RTCPeerConnectionEvent) {
        match event {
            RTCPeerConnectionEvent::OnIceConnectionStateChangeEvent(
                RTCIceConnectionState::Connected | RTCIceConnectionState::Completed,
            ) => {
                self.kick = !std::mem::replace(&mut self.ice_connected, true);
                if self.kick && self.channel.is_none() {
                    self.open_deadline = Some(Instant::now() + HANDSHAKE_TIMEOUT);
                }
            }
            RTCPeerConnectionEvent::OnConnectionStateChangeEvent(RTCPeerConnectionState::Failed) => {
                let reason = if self.dtls_state() == Some(RTCDtlsTransportState::Failed) {
                    "the other device could not prove who it is: its certificate is not the one announced"
                } else if self.ice_connected {
                    "the other device has not answered for 15 seconds"
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

    fn send_frames(&mut self) {
        while let Some(channel) = &mut self.channel {
            let stack_now = Instant::now() + self.ahead;
            let sent = match channel.next_frame(&mut self.pc) {
                Ok(Some(frame)) => channel.send(&mut self.pc, stack_now, frame),
                Ok(None) => return,
                Err(reason) => Err(reason),
            };
            if let Err(reason) = sent {
                self.end(reason);
                return;
            }
            // Cuts the message into datagrams now, while it is in the processor's cache.
            self.drain_writes();
        }
    }

    /// Lets the stack act at once on what it heard while it connects.
    ///
    /// It looks at its candidate pairs every 200 ms only, and has no way to be asked earlier: the pair that answered
    /// would wait that long for its nomination. Time is an input here, so the stack's clock is put forward to its next
    /// look. It stays ahead; only differences matter to it. The number of times is bounded, so that the waits that
    /// prefer direct pairs over relayed ones keep their meaning.
    fn hasten(&mut self) {
        if !std::mem::take(&mut self.ice_heard) || self.ice_connected || self.hastened == HASTENED {
            return;
        }
        let now = self.stack_now();
        let Some(next) = self.pc.poll_timeout() else {
            return;
        };
        let early = next.saturating_duration_since(now);
        if early <= ICE_CHECK_EVERY {
            self.ahead += early;
            self.hastened += 1;
            self.handle_stack_timeout();
            self.pump();
        }
    }

    fn handle_stack_timeout(&mut self) {
        let now = self.stack_now();
        if let Err(error) = self.pc.handle_timeout(now) {
            self.end(format!("the connection broke: {error}"));
        }
    }

    fn fire_timers(&mut self) {
        for _ in 0..TIMERS_PER_STEP {
            if self.pc.poll_timeout().is_none_or(|at| at > self.stack_now()) {
                break;
            }
            self.handle_stack_timeout();
            self.pump();
        }
        let now = Instant::now();
        let sockets = &mut self.sockets;
        self.probes.handle_timeout(now, |socket, server, request| {
            if let Some(socket) = sockets.get_mut(socket) {
                socket.queue(server, request);
            }
        });
        for turn in &mut self.turns {
            if turn.next_timeout().is_some_and(|at| at <= now) {
                turn.handle_timeout(now);
            }
        }
        if !self.gathered
            && self.tasks.is_empty()
            && self.probes.is_empty()
            && !self.turns.iter().any(Turn::pending)
        {
            self.gathered = true;
            self.announce(ConnectionEvent::EndOfCandidates);
            if self.relay_only && self.turns.iter().all(|turn| turn.relayed().is_none()) {
                self.end("no TURN server gave a relay, and only relayed connections are allowed");
            }
        }
        if self.open_deadline.is_some_and(|at| at <= now) {
            self.end(if self.ice_connected {
                "the other device did not complete the handshake; its certificate may not be the one announced"
            } else {
                "the connection was not ready within 30 seconds"
            });
        }
        if self.channel.is_none() && self.peer_is_gone() {
            self.end("the other device broke off the handshake");
        }
        let Some(channel) = &self.channel else { return };
        if channel.deadline().is_some_and(|at| at <= now) || (channel.closing() && self.peer_is_gone()) {
            self.end("closed after everything was delivered");
        }
        if self.next_stats <= now {
            self.publish();
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

    fn next_timeout(&mut self) -> Instant {
        let now = Instant::now();
        let far = now + Duration::from_secs(3600);
        let stack = self.pc.poll_timeout().and_then(|at| at.checked_sub(self.ahead));
        let turns = self.turns.iter_mut().filter_map(Turn::next_timeout).min();
        let channel = self.channel.as_ref().and_then(Channel::deadline);
        let stats = self.channel.as_ref().map(|_| self.next_stats);
        [
            stack,
            self.probes.next_timeout(),
            turns,
            channel,
            stats,
            self.open_deadline,
        ]
        .into_iter()
        .flatten()
        .fold(far, Instant::min)
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

/// Random bytes for the name in the certificate, which must not tell anything about the device.
fn uuid_bytes(crypto: &dyn RTCCryptoProvider) -> Result<[u8; 8], RtcError> {
    let mut bytes = [0; 8];
    crypto
        .random()
        .fill(&mut bytes)
        .map_err(|error| RtcError::Stack(error.to_string()))?;
    Ok(bytes)
}
