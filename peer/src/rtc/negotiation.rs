//! Descriptions, candidates and the opening of the channel.
//!
//! Owns what is agreed with the other end before frames flow. It must not touch sockets: it changes the stack and
//! the driver's lists, the loop in `driver` does the rest.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc::crypto::HashAlgorithm;
use rtc::data_channel::{RTCDataChannelId, RTCDataChannelInit};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::RTCIceCandidateInit;

use super::candidate::{self, IceCandidate, Kind};
use super::channel::Channel;
use super::config::{MAX_LOCAL_CANDIDATES, MAX_REMOTE_CANDIDATES, OPEN_TIMEOUT, RtcError, WINDOW_BYTES};
use super::congestion::Congestion;
use super::driver::{Driver, RELAY_HEAD_START};
use super::repair::{MAX_RECORD_BYTES, Repair};
use super::{ConnectionEvent, RtcTransport, gather, mdns};

/// The line of a description that says what a socket of that end holds, bytes. Browsers have no such line.
const SOCKET_LINE: &str = "x-mesh-socket";

/// The line of a description that says that losses are repaired, with the tag of datagrams towards that end.
const REPAIR_LINE: &str = "x-mesh-repair";

/// The line of an offer that says how long a DTLS record may be that this end puts together from its parts, bytes. The other
/// direction is told before there is an offer.
const RECORD_LINE: &str = "x-mesh-max-record";

/// What is assumed of an end that does not say: a kernel's default receive buffer.
const DEFAULT_SOCKET_BYTES: usize = 208 << 10;
/// More in one burst gains nothing on a short path.
const MOST_SOCKET_BYTES: usize = 1 << 20;

impl Driver {
    pub(super) fn offer(&mut self, max_record: Option<usize>) -> Result<String, RtcError> {
        if self.own_channel.is_some() || self.remote_described {
            return Err(RtcError::State("this connection has an offer already"));
        }
        self.suit(max_record)?;
        let init = RTCDataChannelInit {
            ordered: true,
            protocol: self.protocol.clone(),
            ..RTCDataChannelInit::default()
        };
        self.own_channel = Some(self.pc.create_data_channel(&self.label, Some(init))?.id());
        let offer = self.pc.create_offer(None)?;
        let sdp = offer.sdp.clone();
        self.pc.set_local_description(self.stack_now(), offer)?;
        Ok(self.described(sdp))
    }

    pub(super) fn accept_offer(&mut self, sdp: &str) -> Result<String, RtcError> {
        if self.own_channel.is_some() || self.remote_described {
            return Err(RtcError::State("this connection has an offer already"));
        }
        let (rest, candidates) = candidate::split_candidates(sdp);
        let offer = RTCSessionDescription::offer(rest).map_err(invalid)?;
        let max_record = candidate::sdp_value(sdp, RECORD_LINE).and_then(|value| value.parse().ok());
        self.suit(max_record.filter(|_| repair_tag_of(sdp).is_some()))?;
        self.pc
            .set_remote_description(self.stack_now(), offer)
            .map_err(invalid)?;
        let answer = self.pc.create_answer(None)?;
        let own = answer.sdp.clone();
        self.pc.set_local_description(self.stack_now(), answer)?;
        self.on_remote_description(sdp, candidates);
        Ok(self.described(own))
    }

    pub(super) fn accept_answer(&mut self, sdp: &str) -> Result<(), RtcError> {
        if self.own_channel.is_none() || self.remote_described {
            return Err(RtcError::State("there is no offer that waits for an answer"));
        }
        let restart = self.channel.is_some();
        if restart {
            self.check_description(sdp)?;
        }
        if !restart && self.long_records && repair_tag_of(sdp).is_none() {
            return Err(RtcError::Invalid(
                "an answer without the repair that its end promised".to_owned(),
            ));
        }
        let (rest, candidates) = candidate::split_candidates(sdp);
        let answer = RTCSessionDescription::answer(rest).map_err(invalid)?;
        self.pc
            .set_remote_description(self.stack_now(), answer)
            .map_err(invalid)?;
        if restart {
            self.take_described(sdp, candidates);
        } else {
            self.on_remote_description(sdp, candidates);
        }
        Ok(())
    }

    /// The own description is about to be handed out: candidates may follow it from now on.
    pub(super) fn described(&mut self, mut sdp: String) -> String {
        self.mid = candidate::sdp_value(&sdp, "mid").unwrap_or("0").to_owned();
        self.ufrag = candidate::sdp_value(&sdp, "ice-ufrag").map(str::to_owned);
        let socket = self
            .sockets
            .iter()
            .map(super::socket::Socket::receive_buffer)
            .min();
        let socket = socket_bytes(socket.unwrap_or(DEFAULT_SOCKET_BYTES));
        sdp.push_str(&format!("a={SOCKET_LINE}:{socket}\r\n"));
        if !self.remote_described {
            sdp.push_str(&format!("a={RECORD_LINE}:{MAX_RECORD_BYTES}\r\n"));
        }
        // An answer announces it only to an offer that did.
        if !self.remote_described || self.repair.is_some() {
            sdp.push_str(&format!("a={REPAIR_LINE}:{:08x}\r\n", self.repair_tag));
        }
        self.described = true;
        self.in_stack = Vec::new();
        for event in std::mem::take(&mut self.undescribed) {
            self.tell(event);
        }
        sdp
    }

    fn on_remote_description(&mut self, sdp: &str, candidates: Vec<String>) {
        self.open_deadline = Some(Instant::now() + OPEN_TIMEOUT);
        self.peer_socket_bytes = candidate::sdp_value(sdp, SOCKET_LINE)
            .and_then(|value| value.parse().ok())
            .map_or(socket_bytes(DEFAULT_SOCKET_BYTES), |bytes: usize| {
                bytes.clamp(64 << 10, MOST_SOCKET_BYTES)
            });
        self.repair = repair_tag_of(sdp).map(|tag| Repair::new(self.repair_tag, tag));
        self.take_described(sdp, candidates);
    }

    /// The candidates of a description that was taken, and those that came before it.
    pub(super) fn take_described(&mut self, sdp: &str, candidates: Vec<String>) {
        self.remote_described = true;
        self.remote_ufrag = candidate::sdp_value(sdp, "ice-ufrag").map(str::to_owned);
        for line in candidates {
            self.add_candidate(IceCandidate {
                candidate: line,
                ..IceCandidate::default()
            });
        }
        for early in std::mem::take(&mut self.early_candidates) {
            self.add_candidate(early);
        }
    }

    /// A candidate of the other end. Those that cannot be used are dropped: one more never does harm, and none is
    /// needed, since the other end's own checks show its address.
    pub(super) fn add_candidate(&mut self, candidate: IceCandidate) {
        if candidate.candidate.is_empty() {
            return;
        }
        if !self.remote_described {
            // Bound: MAX_REMOTE_CANDIDATES, the newest is dropped.
            if self.early_candidates.len() < MAX_REMOTE_CANDIDATES {
                self.early_candidates.push(candidate);
            }
            return;
        }
        let Some(parsed) = candidate::parse(&candidate.candidate) else {
            tracing::debug!("a remote candidate that is none");
            return;
        };
        if !parsed.udp || parsed.port == 0 {
            return;
        }
        if self.remote_candidates == MAX_REMOTE_CANDIDATES {
            tracing::debug!("too many remote candidates; dropped");
            return;
        }
        if let Some(addr) = candidate::socket_addr(&parsed) {
            self.remote_candidates += 1;
            if addr.ip().is_unspecified() || addr.ip().is_multicast() {
                return;
            }
            if parsed.relay {
                self.relayed_peers.push(addr);
            }
            self.add_remote(addr, candidate);
        } else if mdns::is_local_name(parsed.address) {
            self.remote_candidates += 1;
            let name = parsed.address.to_owned();
            gather::resolve_candidate(candidate, name, &mut self.tasks);
        } else {
            tracing::debug!(
                address = parsed.address,
                "a remote candidate with a name that is not local"
            );
        }
    }

    /// A candidate whose address is known.
    pub(super) fn add_remote(&mut self, addr: SocketAddr, candidate: IceCandidate) {
        self.remote_addrs.push(addr);
        let now = Instant::now();
        for turn in &mut self.turns {
            turn.permit(now, addr);
        }
        let init = RTCIceCandidateInit {
            candidate: candidate.candidate,
            ..RTCIceCandidateInit::default()
        };
        if let Err(error) = self.pc.add_remote_candidate(init) {
            tracing::debug!(%addr, %error, "remote candidate refused");
        }
    }

    /// An address of this end was found. `to_stack`: checks are sent from it; else they are sent from its base.
    pub(super) fn add_local(&mut self, kind: Kind, addr: SocketAddr, base: SocketAddr, to_stack: bool) {
        let Some(candidate) = self.next_local(kind, addr, base) else {
            return;
        };
        if to_stack && !self.add_to_stack(candidate.clone()) {
            return;
        }
        // Those known before the description stand in it, if the stack has them.
        if self.described || !to_stack {
            self.announce_local(candidate);
        }
    }

    /// A relay gave this end an address: it is announced at once, and used a little later.
    pub(super) fn add_relay(&mut self, addr: SocketAddr, base: SocketAddr) {
        let Some(candidate) = self.next_local(Kind::Relay, addr, base) else {
            return;
        };
        let wait = if self.config.relay_only {
            Duration::ZERO
        } else {
            RELAY_HEAD_START
        };
        self.held_relays
            .push_back((Instant::now() + wait, candidate.clone()));
        self.announce_local(candidate);
    }

    fn next_local(&mut self, kind: Kind, addr: SocketAddr, base: SocketAddr) -> Option<RTCIceCandidateInit> {
        if self.local_candidates == MAX_LOCAL_CANDIDATES {
            return None;
        }
        let candidate = candidate::attribute(kind, addr, base, self.local_candidates as u16);
        self.local_candidates += 1;
        Some(RTCIceCandidateInit {
            candidate,
            ..RTCIceCandidateInit::default()
        })
    }

    pub(super) fn add_to_stack(&mut self, candidate: RTCIceCandidateInit) -> bool {
        let added = self.pc.add_local_candidate(candidate.clone());
        if let Err(error) = &added {
            tracing::debug!(%error, "local candidate refused");
        } else if !self.described {
            self.in_stack.push(candidate);
        }
        added.is_ok()
    }

    fn announce_local(&mut self, candidate: RTCIceCandidateInit) {
        self.announce(ConnectionEvent::Candidate(IceCandidate {
            candidate: candidate.candidate,
            sdp_mid: Some(self.mid.clone()),
            sdp_mline_index: Some(0),
            username_fragment: self.ufrag.clone(),
        }));
    }

    /// Sends `event` once the other end can have the description it belongs to.
    pub(super) fn announce(&mut self, event: ConnectionEvent) {
        if self.described {
            self.tell(event);
        } else {
            // Bound: MAX_LOCAL_CANDIDATES and the end of candidates.
            self.undescribed.push(event);
        }
    }

    /// A channel opened in the stack: the one agreed on, or one to refuse. `Err` is the end of the connection.
    pub(super) fn on_open(&mut self, id: RTCDataChannelId) -> Result<(), String> {
        let second = self.channel.is_some() || self.own_channel.is_some_and(|own| own != id);
        let Some(mut opened) = self.pc.data_channel(id) else {
            return Ok(());
        };
        if second {
            tracing::debug!("the other device opened a second channel; closed");
            let _ = opened.close();
            return Ok(());
        }
        let reliable =
            opened.ordered() && opened.max_retransmits().is_none() && opened.max_packet_life_time().is_none();
        if opened.label() != self.label || opened.protocol() != self.protocol || !reliable {
            let (label, expected) = (
                opened.label().escape_debug().take(80).collect::<String>(),
                &self.label,
            );
            return Err(format!(
                "the other device opened the channel \u{201c}{label}\u{201d} instead of \u{201c}{expected}\u{201d}"
            ));
        }
        let Some(remote_fingerprint) = self.remote_fingerprint() else {
            return Err("the other device showed no certificate".to_owned());
        };
        let congestion = Congestion::new(Instant::now(), self.peer_socket_bytes, WINDOW_BYTES);
        let (channel, (sender, receiver, link)) = Channel::new(id, congestion);
        self.channel = Some(channel);
        self.open_deadline = None;
        self.publish();
        self.tell(ConnectionEvent::Open(RtcTransport {
            frames: (sender, receiver),
            link,
            remote_fingerprint,
        }));
        Ok(())
    }

    /// The fingerprint of the certificate that the other end proved to hold in the DTLS handshake.
    pub(super) fn remote_fingerprint(&self) -> Option<String> {
        let sctp = self.pc.sctp()?;
        let certificate = sctp.transport().get_remote_certificates().first()?;
        let digest = self
            .crypto
            .crypto()
            .hash(HashAlgorithm::Sha256, certificate)
            .ok()?;
        Some(hex_fingerprint(&digest))
    }
}

fn repair_tag_of(sdp: &str) -> Option<u32> {
    candidate::sdp_value(sdp, REPAIR_LINE).and_then(|tag| u32::from_str_radix(tag, 16).ok())
}

/// What a socket whose kernel buffer is `buffer` can take in one burst while its reader waits for the processor. The
/// kernel counts overhead too: a default buffer of 208 KiB takes three messages of 64 KiB, a fourth is lost in part.
fn socket_bytes(buffer: usize) -> usize {
    (buffer - buffer / 16).clamp(64 << 10, MOST_SOCKET_BYTES)
}

/// `AB:CD:…`.
pub(super) fn hex_fingerprint(digest: &[u8]) -> String {
    digest
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

pub(super) fn invalid(error: rtc::shared::error::Error) -> RtcError {
    RtcError::Invalid(error.to_string())
}
