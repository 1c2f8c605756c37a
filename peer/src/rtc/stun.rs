//! Asking STUN servers how this device looks from outside (RFC 8489 Binding), from the very sockets that will be used.
//!
//! Owns the open requests and their retransmission. It must not know sockets: it says what to send from which one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Getter, Message, TransactionId};
use rtc::stun::xoraddr::XorMappedAddress;

/// First retransmission; doubled each time.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(250);
const ATTEMPTS: u32 = 5;

/// One open Binding request.
struct Probe {
    socket: usize,
    server: SocketAddr,
    id: TransactionId,
    request: Vec<u8>,
    attempt: u32,
    next: Instant,
}

/// The open Binding requests of a connection. Bound: URLs × sockets, both of which are bounded.
#[derive(Default)]
pub(super) struct Probes {
    open: Vec<Probe>,
}

impl Probes {
    /// Asks `server` from socket number `socket`.
    pub(super) fn start(&mut self, now: Instant, socket: usize, server: SocketAddr) {
        let mut message = Message::new();
        let id = TransactionId::new();
        if message.build(&[Box::new(BINDING_REQUEST), Box::new(id)]).is_err() {
            return;
        }
        self.open.push(Probe {
            socket,
            server,
            id,
            request: message.raw,
            attempt: 0,
            next: now,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.open.iter().map(|probe| probe.next).min()
    }

    /// Sends what is due and gives up on servers that do not answer.
    pub(super) fn handle_timeout(&mut self, now: Instant, mut send: impl FnMut(usize, SocketAddr, &[u8])) {
        self.open.retain_mut(|probe| {
            if probe.next > now {
                return true;
            }
            if probe.attempt == ATTEMPTS {
                tracing::debug!(server = %probe.server, "STUN server does not answer");
                return false;
            }
            send(probe.socket, probe.server, &probe.request);
            probe.next = now + RETRANSMIT_AFTER * 2_u32.pow(probe.attempt);
            probe.attempt += 1;
            true
        });
    }

    /// Looks at a datagram from `from`. `None`: not an answer to a probe. `Some(None)`: an answer of no use.
    pub(super) fn handle_read(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<Option<(usize, SocketAddr, SocketAddr)>> {
        let id = datagram.get(8..20)?;
        let index = self
            .open
            .iter()
            .position(|probe| probe.server == from && probe.id.0 == id)?;
        let probe = self.open.swap_remove(index);
        let mut message = Message {
            raw: datagram.to_vec(),
            ..Message::default()
        };
        if message.decode().is_err() || message.typ != BINDING_SUCCESS {
            return Some(None);
        }
        let mut mapped = XorMappedAddress::default();
        if mapped.get_from(&message).is_err() {
            return Some(None);
        }
        Some(Some((
            probe.socket,
            probe.server,
            SocketAddr::new(mapped.ip, mapped.port),
        )))
    }
}
