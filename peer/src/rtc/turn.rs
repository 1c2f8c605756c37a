//! One allocation on a TURN server (RFC 8656), reached over UDP or TCP.
//!
//! Owns the socket to the server, framing over TCP, permissions and refreshes (the protocol itself is `rtc-turn`). It
//! must not know ICE: it relays datagrams to and from peers.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use rtc::crypto::RTCCryptoProvider;
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc_turn::client::{Client, ClientConfig, Event};
use tokio::net::TcpStream;

use super::config::RtcError;
use super::socket::{ReceiveBuffer, Socket};

/// Datagrams that wait for the permission of their destination; the oldest is dropped, as any datagram may be.
const WAITING: usize = 32;
/// Bytes that wait for a slow TCP connection to the server; a datagram that does not fit is dropped.
const TCP_OUT_BYTES: usize = 1 << 20;
/// Bytes read from TCP that do not make a whole message yet: two messages of the largest size.
const TCP_IN_BYTES: usize = 2 * (65_535 + 20);

/// What an allocation reports.
pub(super) enum TurnEvent {
    /// The address at which the server relays for this device.
    Allocated(SocketAddr),
    /// No allocation: the reason, for the log.
    Failed(String),
    /// A datagram of `peer`.
    Data(SocketAddr, BytesMut),
}

enum Link {
    Udp(Box<Socket>),
    Tcp {
        stream: TcpStream,
        input: BytesMut,
        output: BytesMut,
    },
}

/// One allocation, or the attempt to get it.
pub(super) struct Turn {
    client: Client,
    link: Link,
    server: SocketAddr,
    local: SocketAddr,
    relayed: Option<SocketAddr>,
    waiting: VecDeque<(SocketAddr, BytesMut)>,
    failed: bool,
}

impl Turn {
    /// Connects to `server` and asks for an allocation; the answer comes as a [`TurnEvent`].
    pub(super) async fn start(
        server: SocketAddr,
        tcp: bool,
        username: String,
        password: String,
        buffer: Option<usize>,
        crypto: std::sync::Arc<dyn RTCCryptoProvider>,
    ) -> Result<Self, RtcError> {
        let (link, local) = if tcp {
            let stream = TcpStream::connect(server).await?;
            stream.set_nodelay(true)?;
            let local = stream.local_addr()?;
            (
                Link::Tcp {
                    stream,
                    input: BytesMut::new(),
                    output: BytesMut::new(),
                },
                local,
            )
        } else {
            let any: IpAddr = match server {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = Socket::bind(SocketAddr::new(any, 0), buffer)?;
            let local = socket.addr();
            (Link::Udp(Box::new(socket)), local)
        };
        let transport = if tcp {
            TransportProtocol::TCP
        } else {
            TransportProtocol::UDP
        };
        let mut client = Client::new(
            ClientConfig {
                turn_serv_addr: server.to_string(),
                local_addr: local,
                transport_protocol: transport,
                username,
                password,
                ..ClientConfig::default()
            },
            crypto,
        )?;
        client.allocate(Instant::now())?;
        let mut turn = Self {
            client,
            link,
            server,
            local,
            relayed: None,
            waiting: VecDeque::new(),
            failed: false,
        };
        turn.flush();
        Ok(turn)
    }

    /// The address this allocation is reachable at.
    pub(super) fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    /// Whether the attempt is still open.
    pub(super) fn pending(&self) -> bool {
        self.relayed.is_none() && !self.failed
    }

    /// Whether the connection to the server broke, or the attempt failed.
    pub(super) fn gone(&self) -> bool {
        self.failed
    }

    /// The address of this device's end of the connection to the server.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Lets `peer` send to the relayed address, so that its first check is not lost.
    pub(super) fn permit(&mut self, now: Instant, peer: SocketAddr) {
        let Some(relayed) = self.relayed.filter(|r| r.is_ipv4() == peer.is_ipv4()) else {
            return;
        };
        if let Ok(mut relay) = self.client.relay(relayed)
            && let Err(error) = relay.create_permission(now, peer)
        {
            tracing::debug!(%peer, %error, "no TURN permission");
        }
    }

    /// Relays a datagram to `peer`.
    pub(super) fn send(&mut self, now: Instant, peer: SocketAddr, datagram: BytesMut) {
        let Some(relayed) = self.relayed else { return };
        let Ok(mut relay) = self.client.relay(relayed) else {
            return;
        };
        if relay.send_to(now, &datagram, peer).is_err() {
            // Not permitted yet: ask, and keep the datagram for the answer.
            self.permit(now, peer);
            if self.waiting.len() == WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back((peer, datagram));
        }
        self.drain_client();
    }

    fn drain_client(&mut self) {
        while let Some(transmit) = self.client.poll_write() {
            match &mut self.link {
                Link::Udp(socket) => socket.queue(self.server, &transmit.message),
                Link::Tcp { output, .. } => {
                    if output.len() + transmit.message.len() <= TCP_OUT_BYTES {
                        output.extend_from_slice(&transmit.message);
                    }
                }
            }
        }
    }

    /// Hands everything queued to the kernel, as far as it takes it.
    pub(super) fn flush(&mut self) {
        self.drain_client();
        match &mut self.link {
            Link::Udp(socket) => socket.flush(),
            Link::Tcp { stream, output, .. } => {
                while !output.is_empty() {
                    match stream.try_write(output) {
                        Ok(written) => output.advance(written),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(_) => {
                            output.clear();
                            self.failed = true;
                        }
                    }
                }
            }
        }
    }

    /// Reads what the server sent; `true` when there may be more.
    pub(super) fn receive(&mut self, now: Instant, buffer: &mut ReceiveBuffer) -> bool {
        let transport = |protocol| TransportContext {
            local_addr: self.local,
            peer_addr: self.server,
            ecn: None,
            transport_protocol: protocol,
        };
        match &mut self.link {
            Link::Udp(socket) => {
                let Some(batches) = socket.receive(buffer) else {
                    return false;
                };
                let transport = transport(TransportProtocol::UDP);
                for (from, datagram) in buffer.datagrams(batches) {
                    if from == self.server {
                        let message = BytesMut::from(datagram);
                        let _ = self.client.handle_read(TaggedBytesMut {
                            now,
                            transport,
                            message,
                        });
                    }
                }
                true
            }
            Link::Tcp { stream, input, .. } => {
                let transport = transport(TransportProtocol::TCP);
                input.reserve(64 << 10);
                match stream.try_read_buf(input) {
                    Ok(0) => {
                        self.failed = true;
                        return false;
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                    Err(_) => {
                        self.failed = true;
                        return false;
                    }
                }
                loop {
                    match frame_length(input) {
                        Ok(Some((length, padded))) if input.len() >= padded => {
                            let mut message = input.split_to(padded);
                            message.truncate(length);
                            let _ = self.client.handle_read(TaggedBytesMut {
                                now,
                                transport,
                                message,
                            });
                        }
                        Ok(_) if input.len() <= TCP_IN_BYTES => break,
                        _ => {
                            tracing::debug!(server = %self.server, "not TURN over TCP");
                            self.failed = true;
                            return false;
                        }
                    }
                }
                true
            }
        }
    }

    /// What happened since; `None` when that is all.
    pub(super) fn next_event(&mut self, now: Instant) -> Option<TurnEvent> {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::AllocateResponse(_, relayed) if self.relayed.is_none() => {
                    self.relayed = Some(relayed);
                    return Some(TurnEvent::Allocated(relayed));
                }
                Event::AllocateError(_, error) if self.pending() => {
                    self.failed = true;
                    return Some(TurnEvent::Failed(error.to_string()));
                }
                Event::TransactionTimeout(_) if self.pending() => {
                    self.failed = true;
                    return Some(TurnEvent::Failed("the server does not answer".to_owned()));
                }
                Event::CreatePermissionResponse(_, peer) => {
                    for (to, datagram) in std::mem::take(&mut self.waiting) {
                        if to == peer {
                            self.send(now, to, datagram);
                        } else {
                            self.waiting.push_back((to, datagram));
                        }
                    }
                }
                Event::CreatePermissionError(_, error) => {
                    tracing::debug!(server = %self.server, %error, "TURN permission refused");
                }
                Event::DataIndicationOrChannelData(_, peer, data) => {
                    return Some(TurnEvent::Data(peer, data));
                }
                _ => {}
            }
        }
        None
    }

    pub(super) fn next_timeout(&mut self) -> Option<Instant> {
        if self.failed {
            None
        } else {
            self.client.poll_timeout()
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Err(error) = self.client.handle_timeout(now) {
            tracing::debug!(%error, "TURN timer");
        }
    }

    /// Gives the allocation back, so that it does not count against the user's quota for ten minutes more.
    pub(super) fn release(&mut self, now: Instant) {
        if let Some(relayed) = self.relayed
            && let Ok(mut relay) = self.client.relay(relayed)
        {
            let _ = relay.close(now);
        }
        self.flush();
    }

    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.failed {
            return Poll::Pending;
        }
        match &self.link {
            Link::Udp(socket) => {
                if socket.poll_readable(cx).is_ready()
                    || (socket.blocked() && socket.poll_writable(cx).is_ready())
                {
                    return Poll::Ready(());
                }
                Poll::Pending
            }
            Link::Tcp { stream, output, .. } => {
                if stream.poll_read_ready(cx).is_ready()
                    || (!output.is_empty() && stream.poll_write_ready(cx).is_ready())
                {
                    return Poll::Ready(());
                }
                Poll::Pending
            }
        }
    }
}

/// The length of the message at the start of `input`, without and with padding (RFC 8656 section 12.5).
fn frame_length(input: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(&[a, _, c, d]) = input.get(..4) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([c, d]));
    match a >> 6 {
        0 => Ok(Some((length + 20, length + 20))),
        1 => Ok(Some((length + 4, (length + 4).next_multiple_of(4)))),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::frame_length;

    #[test]
    fn frames_over_tcp() {
        assert_eq!(frame_length(&[0, 1, 0]).unwrap(), None);
        assert_eq!(frame_length(&[0, 1, 0, 8, 0]).unwrap(), Some((28, 28)));
        assert_eq!(frame_length(&[0x40, 0, 0, 5, 0]).unwrap(), Some((9, 12)));
        assert!(frame_length(&[0x80, 0, 0, 5]).is_err());
    }
}
