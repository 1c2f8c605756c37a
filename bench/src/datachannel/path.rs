//! A path with delay, loss and a bottleneck, in user space: the test machine's kernel has no `netem`.
//!
//! Owns two UDP sockets that stand between two ends on 127.0.0.1, one thread for each direction, until it is dropped.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde::Serialize;

/// What a path does to a datagram, the same in both directions.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// Round trip; half of it each way.
    pub(super) round_trip_ms: u64,
    /// Datagrams lost by chance, per 100,000.
    pub(super) loss_per_100k: u64,
    /// Bottleneck, Mbit/s; 0 is none.
    pub(super) rate_mbit_s: u64,
    /// What waits before the bottleneck; more is dropped.
    pub(super) queue_kib: u64,
}

/// How long a direction sleeps when nothing came and nothing is due.
const IDLE: Duration = Duration::from_micros(100);

/// A running path.
pub(super) struct Path {
    /// Where the offerer finds the answerer.
    pub(super) for_offerer: SocketAddr,
    /// Where the answerer finds the offerer.
    pub(super) for_answerer: SocketAddr,
    offerer: Arc<OnceLock<SocketAddr>>,
    answerer: Arc<OnceLock<SocketAddr>>,
    stop: Arc<AtomicBool>,
}

impl Drop for Path {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Path {
    pub(super) fn start(shape: Shape) -> std::io::Result<Self> {
        // `x` faces the answerer, `y` the offerer.
        let (x, y) = (socket()?, socket()?);
        let (offerer, answerer) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let path = Self {
            for_offerer: y.local_addr()?,
            for_answerer: x.local_addr()?,
            offerer: offerer.clone(),
            answerer: answerer.clone(),
            stop: stop.clone(),
        };
        for (seed, from, to, destination) in
            [(1, y.try_clone()?, x.try_clone()?, answerer), (2, x, y, offerer)]
        {
            let stop = stop.clone();
            std::thread::spawn(move || pump(shape, seed, &from, &to, &destination, &stop));
        }
        Ok(path)
    }

    pub(super) fn offerer_is_at(&self, addr: SocketAddr) {
        let _ = self.offerer.set(addr);
    }

    pub(super) fn answerer_is_at(&self, addr: SocketAddr) {
        let _ = self.answerer.set(addr);
    }
}

fn socket() -> std::io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_send_buffer_size(4 << 20)?;
    // A read with a timeout waits for whole ticks of the kernel, up to 10 ms; a short sleep is far more exact.
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    Ok(socket.into())
}

fn pump(
    shape: Shape,
    seed: u64,
    from: &UdpSocket,
    to: &UdpSocket,
    destination: &OnceLock<SocketAddr>,
    stop: &AtomicBool,
) {
    let delay = Duration::from_micros(shape.round_trip_ms * 500);
    let bytes_per_s = shape.rate_mbit_s as f64 * 1e6 / 8.0;
    let queue_s = if bytes_per_s > 0.0 {
        (shape.queue_kib << 10) as f64 / bytes_per_s
    } else {
        0.0
    };
    // Bound: the bandwidth-delay product of the shape and its queue.
    let mut flying: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut random = 88_172_645_463_325_252_u64.wrapping_mul(seed);
    let mut free = Instant::now();
    let mut buffer = vec![0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        while flying.front().is_some_and(|(at, _)| *at <= now) {
            if let (Some((_, datagram)), Some(addr)) = (flying.pop_front(), destination.get()) {
                let _ = to.send_to(&datagram, addr);
            }
        }
        let mut idle = true;
        for _ in 0..256 {
            let Ok(length) = from.recv(&mut buffer) else { break };
            idle = false;
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let lost = (random >> 20) % 100_000 < shape.loss_per_100k;
            let now = Instant::now();
            free = free.max(now);
            let full = bytes_per_s > 0.0 && (free - now).as_secs_f64() > queue_s;
            if !lost && !full {
                if bytes_per_s > 0.0 {
                    free += Duration::from_secs_f64(length as f64 / bytes_per_s);
                }
                flying.push_back((free.max(now) + delay, buffer[..length].to_vec()));
            }
        }
        if idle {
            let due = flying
                .front()
                .map_or(IDLE, |(at, _)| at.saturating_duration_since(now));
            std::thread::sleep(due.min(IDLE));
        }
    }
}
