//! UDP sockets with segmentation offload, and which local addresses to bind.
//!
//! Owns the kernel side of datagrams: batches in, coalesced segments out. It must not know what a datagram means.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::config::WANTED_SOCKET_BUFFER_BYTES;

/// Datagram batches read by one system call, each up to 64 KiB of coalesced segments.
const BATCH: usize = 16;
const BATCH_BYTES: usize = 64 << 10;

/// The most that one coalesced transmit may hold: a UDP length is 16 bits, headers included.
const TRANSMIT_BYTES: usize = 65_000;

/// Where datagrams are read into; one for a connection, shared by its sockets. Pages are touched only when used.
pub(super) struct ReceiveBuffer {
    bytes: Vec<u8>,
    metas: [RecvMeta; BATCH],
}

impl ReceiveBuffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; BATCH * BATCH_BYTES],
            metas: [RecvMeta::default(); BATCH],
        }
    }

    /// The datagrams of the first `batches` batches, with their sources.
    pub(super) fn datagrams(&self, batches: usize) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.metas[..batches.min(BATCH)]
            .iter()
            .zip(self.bytes.chunks(BATCH_BYTES))
            .flat_map(|(meta, buffer)| {
                let filled = &buffer[..meta.len.min(buffer.len())];
                filled
                    .chunks(meta.stride.max(1))
                    .map(|datagram| (meta.addr, datagram))
            })
    }
}

/// Transmits that wait while the kernel's send buffer is full, the one that is being put together among them. A record that
/// has left the stack finds room for its parts, and nothing more is taken from the stack then.
const TRANSMITS: usize = 8;

/// Datagrams of equal size to one destination, the last of which may be shorter: they leave in one system call.
struct Batch {
    /// Bound: [`TRANSMIT_BYTES`].
    bytes: Vec<u8>,
    segment: usize,
    segments: usize,
    destination: SocketAddr,
    ends_short: bool,
}

impl Batch {
    fn takes(&self, destination: SocketAddr, length: usize, most_segments: usize) -> bool {
        self.destination == destination
            && !self.ends_short
            && length <= self.segment
            && self.segments < most_segments
            && self.bytes.len() + length <= TRANSMIT_BYTES
    }
}

/// A bound UDP socket and the transmits being put together for it.
pub(super) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    addr: SocketAddr,
    receive_buffer: usize,
    /// In order. Bound: [`TRANSMITS`].
    out: VecDeque<Batch>,
    /// The buffer of the last that was sent.
    spare: Vec<u8>,
    /// The kernel's send buffer was full: what is in `out` waits until the socket is writable.
    blocked: bool,
}

impl Socket {
    pub(super) fn bind(addr: SocketAddr, buffer: Option<usize>) -> io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::DGRAM, None)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        let wanted = buffer.unwrap_or(WANTED_SOCKET_BUFFER_BYTES);
        if wanted > 0 {
            // The kernel caps these at its own limit; the driver reads back what it got.
            socket.set_recv_buffer_size(wanted)?;
            socket.set_send_buffer_size(wanted)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let receive_buffer = socket.recv_buffer_size()?;
        let io = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        let addr = io.local_addr()?;
        Ok(Self {
            io,
            state,
            addr,
            receive_buffer,
            out: VecDeque::new(),
            spare: Vec::new(),
            blocked: false,
        })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The kernel's receive buffer as it accounts for it, bytes.
    pub(super) fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    pub(super) fn blocked(&self) -> bool {
        self.blocked
    }

    /// Adds a datagram, sending what was put together before when it does not fit.
    pub(super) fn queue(&mut self, destination: SocketAddr, datagram: &[u8]) {
        self.queue_with(destination, &[], datagram);
    }

    /// Adds a datagram with `header` in front.
    pub(super) fn queue_with(&mut self, destination: SocketAddr, header: &[u8], datagram: &[u8]) {
        let length = header.len() + datagram.len();
        let most = self.state.max_gso_segments();
        let fits = |batch: &mut Batch| batch.takes(destination, length, most);
        if self.out.back_mut().is_none_or(|batch| !fits(batch)) {
            self.flush();
            if self.out.len() == TRANSMITS {
                // The kernel holds megabytes already: this one is lost, as any datagram may be.
                return;
            }
            self.out.push_back(Batch {
                bytes: std::mem::take(&mut self.spare),
                segment: length,
                segments: 0,
                destination,
                ends_short: false,
            });
        }
        let Some(batch) = self.out.back_mut() else { return };
        batch.ends_short = length < batch.segment;
        batch.bytes.extend_from_slice(header);
        batch.bytes.extend_from_slice(datagram);
        batch.segments += 1;
    }

    /// Hands what was put together to the kernel. Errors of a destination are its own: ICE notices.
    pub(super) fn flush(&mut self) {
        self.blocked = false;
        while let Some(batch) = self.out.front() {
            let transmit = Transmit {
                destination: batch.destination,
                ecn: None,
                contents: &batch.bytes,
                segment_size: (batch.segments > 1).then_some(batch.segment),
                src_ip: None,
            };
            let result = self.io.try_io(Interest::WRITABLE, || {
                self.state.try_send(UdpSockRef::from(&self.io), &transmit)
            });
            if matches!(&result, Err(error) if error.kind() == ErrorKind::WouldBlock) {
                self.blocked = true;
                return;
            }
            if let Err(error) = result {
                tracing::trace!(%error, destination = %batch.destination, "datagram not sent");
            }
            if let Some(sent) = self.out.pop_front() {
                self.spare = sent.bytes;
                self.spare.clear();
            }
        }
    }

    /// Reads what is there; the number of batches, or `None` when there was nothing.
    pub(super) fn receive(&self, buffer: &mut ReceiveBuffer) -> Option<usize> {
        let mut chunks = buffer.bytes.chunks_mut(BATCH_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        self.io
            .try_io(Interest::READABLE, || {
                self.state
                    .recv(UdpSockRef::from(&self.io), &mut slices, &mut buffer.metas)
            })
            .ok()
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_recv_ready(cx).map(|_| ())
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_send_ready(cx).map(|_| ())
    }
}

/// One socket for each usable local address, best first. Link-local addresses are used only when there is nothing
/// else, and so is loopback unless it was asked for.
pub(super) fn bind_all(loopback: bool, buffer: Option<usize>) -> io::Result<Vec<Socket>> {
    let mut global = Vec::new();
    let mut link_local = Vec::new();
    let mut own = Vec::new();
    for interface in if_addrs::get_if_addrs()? {
        let (ip, index) = (interface.ip(), interface.index.unwrap_or(0));
        if ip.is_loopback() {
            own.push((ip, 0));
        } else if !interface.is_oper_up() || ip.is_unspecified() || ip.is_multicast() {
            continue;
        } else if is_link_local(ip) {
            link_local.push((ip, index));
        } else {
            global.push((ip, 0));
        }
    }
    let mut wanted = global;
    if wanted.is_empty() {
        wanted = link_local;
    }
    if loopback || wanted.is_empty() {
        wanted.extend(own);
    }
    if wanted.is_empty() {
        wanted.push((IpAddr::from([127, 0, 0, 1]), 0));
    }
    wanted.truncate(super::config::MAX_LOCAL_CANDIDATES / 2);

    let mut sockets = Vec::new();
    let mut last_error = None;
    for (ip, scope) in wanted {
        let addr = match ip {
            IpAddr::V6(v6) => SocketAddr::V6(std::net::SocketAddrV6::new(v6, 0, 0, scope)),
            v4 => SocketAddr::new(v4, 0),
        };
        match Socket::bind(addr, buffer) {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                tracing::debug!(%ip, %error, "address not usable");
                last_error = Some(error);
            }
        }
    }
    match last_error {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok(sockets),
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn what_the_kernel_does_not_take_yet_waits_in_order_up_to_its_bound() {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let (mut from, to) = (
            Socket::bind(local, None).unwrap(),
            Socket::bind(local, None).unwrap(),
        );
        // Nothing has said yet that the new socket is writable: it is as one whose buffer is full.
        for kind in 0..=TRANSMITS as u8 {
            for _ in 0..3 {
                from.queue_with(to.addr(), &[kind], &vec![kind; 100 + usize::from(kind)]);
            }
        }
        assert!(from.blocked());
        poll_fn(|cx| from.poll_writable(cx)).await;
        from.flush();
        assert!(!from.blocked());

        let (mut buffer, mut came) = (ReceiveBuffer::new(), Vec::new());
        while came.len() < 3 * TRANSMITS {
            poll_fn(|cx| to.poll_readable(cx)).await;
            while let Some(batches) = to.receive(&mut buffer) {
                came.extend(buffer.datagrams(batches).map(|(_, datagram)| datagram.to_vec()));
            }
        }
        let expected = (0..TRANSMITS as u8)
            .flat_map(|kind| std::iter::repeat_n(vec![kind; 101 + usize::from(kind)], 3))
            .collect::<Vec<_>>();
        assert_eq!(came, expected);
    }
}
