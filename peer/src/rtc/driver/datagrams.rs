//! Datagrams between the sockets and the stack, and messages between the stack and the channel.
//!
//! Owns no state: these are the steps of [`Driver`] that move bytes. When they are taken is decided by its caller.

use std::time::Instant;

use bytes::BytesMut;
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use super::Driver;
use crate::rtc::candidate::Kind;
use crate::rtc::socket::Socket;
use crate::rtc::turn::TurnEvent;

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
    pub(super) fn pump(&mut self) {
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

    pub(super) fn drain_writes(&mut self) {
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
}
