//! Datagrams between the sockets and the stack, and messages between the stack and the channel.
//!
//! Owns no state: these are the steps of [`Driver`] that move bytes. When they are taken is decided by its caller.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;
use rtc::peer_connection::RTCPeerConnection;
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use super::Driver;
use crate::rtc::candidate::Kind;
use crate::rtc::channel::Channel;
use crate::rtc::repair::Repair;
use crate::rtc::socket::Socket;
use crate::rtc::turn::{Turn, TurnEvent};

/// The largest DTLS record that can hold an acknowledgement of SCTP and nothing else. It is not numbered: it waits for no
/// repair, since the next one says all that it said.
const ACKNOWLEDGEMENT_BYTES: usize = 65;

/// An acknowledgement that overtakes more than this would make DTLS refuse what it overtook; it waits in line then.
const MOST_OVERTAKEN: usize = 128;

/// Batches read from one socket or relay before everything else gets its turn.
pub(super) const READS_PER_STEP: usize = 4;

impl Driver {
    /// Reads one batch; `false` when there was nothing.
    pub(super) fn read_socket(&mut self, index: usize) -> bool {
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
            read_datagram(&mut self.pc, &mut self.repair, now, (local_addr, from), datagram);
        }
        for (socket, _, addr) in mapped {
            let base = self.sockets[socket].addr();
            if addr != base {
                self.add_local(Kind::ServerReflexive, addr, base, false);
            }
        }
        true
    }

    pub(super) fn read_turns(&mut self) {
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
                            self.add_relay(relayed, turn.local());
                            for reserve in std::mem::take(&mut self.reserve) {
                                reserve.abort();
                            }
                        }
                        TurnEvent::Failed(reason) => tracing::debug!(reason, "no TURN allocation"),
                        TurnEvent::Data(peer, message) => {
                            let Some(local_addr) = turn.relayed() else {
                                continue;
                            };
                            self.ice_heard |= message.first().is_some_and(|first| *first < 4);
                            let now = Instant::now() + self.ahead;
                            read_datagram(&mut self.pc, &mut self.repair, now, (local_addr, peer), &message);
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
    pub(super) fn pump(&mut self) {
        self.drain_writes();
        while let Some(event) = self.pc.poll_event() {
            self.on_event(event);
        }
        if let Some(channel) = &mut self.channel {
            let repair = self.repair.as_ref();
            let (arrived, losses) = repair.map_or((0, (0, 0)), |r| (r.held_there(), r.losses()));
            let result = channel
                .deliver(&mut self.pc)
                .and_then(|()| channel.on_progress(&mut self.pc, arrived, losses));
            if let Err(reason) = result {
                self.end(reason);
            }
        } else {
            // No channel has been accepted: nothing may be said yet.
            while self.pc.poll_read().is_some() {}
        }
        self.drain_writes();
    }

    /// Moves datagrams out as far as the sockets and the pace let them go: those sent again first, then the stack's.
    /// What stays in the stack is bounded by what is in flight.
    pub(super) fn drain_writes(&mut self) {
        self.paced_until = None;
        let now = Instant::now();
        let rate = self.channel.as_ref().and_then(Channel::pace);
        while !self.sockets.iter().any(Socket::blocked) {
            if let Some(wait) = rate.and_then(|rate| self.pace.wait(now, rate)) {
                self.paced_until = Some(now + wait);
                break;
            }
            let Some(bytes) = self.write_repair(now).or_else(|| self.write_stack(now)) else {
                break;
            };
            self.pace.on_sent(bytes);
        }
    }

    /// Sends again what was lost, or reports what came; gives the bytes of the datagram.
    fn write_repair(&mut self, now: Instant) -> Option<usize> {
        let route = self.route?;
        self.repair.as_mut()?.poll_write(now, |header, datagram| {
            send(&mut self.sockets, &mut self.turns, route, header, datagram);
            header.len() + datagram.len()
        })
    }

    /// Sends the next datagram of the stack.
    fn write_stack(&mut self, now: Instant) -> Option<usize> {
        let out = self.pc.poll_write()?;
        let (route, bytes) = (
            (out.transport.local_addr, out.transport.peer_addr),
            out.message.len(),
        );
        let repair = self.repair.as_mut().filter(|repair| {
            let overtakes = bytes <= ACKNOWLEDGEMENT_BYTES && repair.unreported() < MOST_OVERTAKEN;
            is_dtls(&out.message) && !overtakes
        });
        let (sockets, turns) = (&mut self.sockets, &mut self.turns);
        let Some(repair) = repair else {
            send(sockets, turns, route, &[], &out.message);
            return Some(bytes);
        };
        self.route = Some(route);
        Some(repair.send(now, out.message, |header, part| {
            send(sockets, turns, route, header, part);
        }))
    }

    pub(super) fn flush(&mut self) {
        for socket in &mut self.sockets {
            socket.flush();
        }
        for turn in &mut self.turns {
            turn.flush();
        }
    }

    pub(super) fn send_frames(&mut self) {
        while let Some(channel) = &mut self.channel {
            let stack_now = Instant::now() + self.ahead;
            let arrived = self.repair.as_ref().map_or(0, Repair::held_there);
            let sent = match channel.next_frame(&mut self.pc, arrived) {
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
}

/// The first byte of DTLS (RFC 7983).
fn is_dtls(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (20..64).contains(first))
}

/// Feeds a received datagram to the stack, through repair if it is numbered.
fn read_datagram(
    pc: &mut RTCPeerConnection,
    repair: &mut Option<Repair>,
    now: Instant,
    route: (SocketAddr, SocketAddr),
    datagram: &[u8],
) {
    if let Some(repair) = repair
        && repair.handle_read(Instant::now(), datagram)
    {
        feed_repaired(pc, repair, now, route);
    } else {
        feed(pc, now, route, BytesMut::from(datagram));
    }
}

/// Gives the stack what is in its turn, or no longer waited for.
pub(super) fn feed_repaired(
    pc: &mut RTCPeerConnection,
    repair: &mut Repair,
    now: Instant,
    route: (SocketAddr, SocketAddr),
) {
    while let Some(record) = repair.poll_read() {
        feed(pc, now, route, record);
    }
}

fn feed(
    pc: &mut RTCPeerConnection,
    now: Instant,
    (local_addr, peer_addr): (SocketAddr, SocketAddr),
    message: BytesMut,
) {
    // The stack refuses what is malformed or unexpected; anybody may send that, so it is no error here.
    let _ = pc.handle_read(TaggedBytesMut {
        now,
        transport: TransportContext {
            local_addr,
            peer_addr,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        },
        message,
    });
}

/// Puts a datagram on its way: from a socket, or through the relay that has the address.
fn send(
    sockets: &mut [Socket],
    turns: &mut [Turn],
    (from, to): (SocketAddr, SocketAddr),
    header: &[u8],
    datagram: &[u8],
) {
    if let Some(socket) = sockets.iter_mut().find(|socket| socket.addr() == from) {
        socket.queue_with(to, header, datagram);
    } else if let Some(turn) = turns.iter_mut().find(|turn| turn.relayed() == Some(from)) {
        let mut message = BytesMut::with_capacity(header.len() + datagram.len());
        message.extend_from_slice(header);
        message.extend_from_slice(datagram);
        turn.send(Instant::now(), to, message);
    }
}
