//! A network between two machines that is not perfect: two network namespaces, and a link between them that delays, loses
//! and can be cut.
//!
//! [`Link::enter`] moves the calling thread, and with it everything that it starts, to the near end. What is to run at the
//! far end is started by [`Link::far_end`]. Each end is a TUN device that `socat` connects with this process by datagrams; needs root.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram as Socket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::WAIT;

/// The address of the near end.
pub const NEAR: &str = "10.77.0.1";
/// The address of the far end.
pub const FAR: &str = "10.77.0.2";

/// Packets that one direction holds; what comes beyond is lost, as in any router.
const HELD: usize = 2_000;

/// What a link does to packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// One way.
    pub delay: Duration,
    /// One of so many packets is lost; 0 for none.
    pub lost_one_in: u64,
    pub cut: bool,
    /// A firewall in between that lets no UDP through.
    pub no_udp: bool,
}

/// Both ends and what is between them; all of it goes with this value.
pub struct Link {
    namespaces: [String; 2],
    devices: Vec<Child>,
    sockets: Vec<Socket>,
    weather: watch::Sender<Weather>,
    directory: TempDir,
}

impl Link {
    /// Makes the ends and moves this thread to the near one. Call it before the runtime of the test is built, so that its
    /// threads are there too.
    pub fn enter(weather: Weather) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let id = format!(
            "{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let mut link = Self {
            namespaces: ["near", "far"].map(|end| format!("mesh-{id}-{end}")),
            devices: Vec::new(),
            sockets: Vec::new(),
            weather: watch::channel(weather).0,
            directory: tempfile::tempdir()?,
        };
        for namespace in &link.namespaces {
            ip(&["netns", "add", namespace])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        }
        let near = File::open(format!("/run/netns/{}", link.namespaces[0]))?;
        move_into_link_name_space(near.as_fd(), Some(LinkNameSpaceType::Network))?;
        for (end, address) in [NEAR, FAR].into_iter().enumerate() {
            let path = |name: &str| link.directory.path().join(format!("{name}{end}"));
            let (here, there) = (path("here"), path("there"));
            let socket = Socket::bind(&here)?;
            let tun = format!("TUN:{address}/24,iff-up,iff-no-pi");
            let datagrams = format!("UNIX-SENDTO:{},bind={}", here.display(), there.display());
            let device = Command::new("ip")
                .args(["netns", "exec", &link.namespaces[end], "socat", &tun, &datagrams])
                .stdin(Stdio::null())
                .spawn();
            link.devices.push(device?);
            // The device is there before its socket is.
            let begun = Instant::now();
            while socket.connect(&there).is_err() {
                ensure!(
                    begun.elapsed() < WAIT,
                    "socat makes no TUN device (apt-get install socat)"
                );
                std::thread::sleep(Duration::from_millis(2));
            }
            socket.set_nonblocking(true)?;
            link.sockets.push(socket);
        }
        Ok(link)
    }

    /// Carries packets for as long as it is polled.
    pub async fn carry(&self) -> Result<()> {
        let socket =
            |end: usize| anyhow::Ok(Arc::new(UnixDatagram::from_std(self.sockets[end].try_clone()?)?));
        let (near, far) = (socket(0)?, socket(1)?);
        let mut directions = JoinSet::new();
        directions.spawn(carry(near.clone(), far.clone(), self.weather.subscribe()));
        directions.spawn(carry(far, near, self.weather.subscribe()));
        while let Some(ended) = directions.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// What the link does from now on.
    pub fn turn(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// The words before a command that is to run at the far end.
    pub fn far_end(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.namespaces[1]]
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for device in &mut self.devices {
            let _ = device.kill();
            let _ = device.wait();
        }
        for namespace in &self.namespaces {
            let _ = ip(&["netns", "delete", namespace]);
        }
    }
}

pub(crate) fn ip(arguments: &[&str]) -> Result<()> {
    let run = Command::new("ip").args(arguments).output();
    let run = run.context("ip is needed: apt-get install iproute2")?;
    let said = String::from_utf8_lossy(&run.stderr);
    ensure!(
        run.status.success(),
        "ip {}: {said} (needs root)",
        arguments.join(" ")
    );
    Ok(())
}

/// Of a packet of IPv4 or IPv6.
fn is_udp(packet: &[u8]) -> bool {
    const UDP: u8 = 17;
    let protocol = match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(9),
        _ => packet.get(6),
    };
    protocol == Some(&UDP)
}

/// One direction.
async fn carry(
    from: Arc<UnixDatagram>,
    to: Arc<UnixDatagram>,
    weather: watch::Receiver<Weather>,
) -> Result<()> {
    let mut held: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut buffer = vec![0; 65_536];
    let mut seen = 0u64;
    loop {
        let due = held.front().map(|(due, _)| *due);
        tokio::select! {
            length = from.recv(&mut buffer) => {
                let length = length?;
                let now = *weather.borrow();
                seen += 1;
                let lost = now.cut
                    || (now.lost_one_in > 0 && seen.is_multiple_of(now.lost_one_in))
                    || (now.no_udp && is_udp(&buffer[..length]));
                if !lost && held.len() < HELD {
                    held.push_back((Instant::now() + now.delay, buffer[..length].to_vec()));
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                if let Some((_, packet)) = held.pop_front() {
                    to.send(&packet).await?;
                }
            }
        }
    }
}
