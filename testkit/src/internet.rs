//! An Internet of our own: sites with and without a router that translates addresses, a relay, all in network namespaces.
//!
//! [`Internet::enter`] moves the calling thread, and with it everything that it starts, to the middle: a server that listens on
//! [`SERVER`] is reached from every site, and knows no way back into a private network. What is to run at a [`Site`] is started
//! by its words. [`Relay`] is a coturn as `infra/coturn` sets it up. The routers are the kernel's (iptables); needs root.

use std::fs::File;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use mesh_server::Config;
use mesh_server::config::{Secret, TurnCredentials};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::WAIT;
use crate::link::ip;

/// The address of servers. It must be one that the relay takes for public.
pub const SERVER: &str = "5.5.5.1";
/// Another one of the same machine: of two, a router shows what it does.
const SECOND: &str = "5.5.5.2";

/// Makes a namespace a router.
const FORWARDING: [&str; 3] = ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"];

const TURN_SECRET: &str = "the relay and the server share it, and nobody else";

/// What is between a site and the Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// Nothing: the machine has a public address.
    None,
    /// A router that shows one port of a machine as one and the same to everybody, and lets in who was written to (RFC 4787:
    /// endpoint-independent mapping, address-and-port-dependent filtering).
    Cone,
    /// A router that shows another port to each destination.
    Symmetric,
}

impl Nat {
    pub const ALL: [Self; 3] = [Self::None, Self::Cone, Self::Symmetric];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Cone => "cone",
            Self::Symmetric => "symmetric",
        }
    }
}

/// The middle, and all sites; all of it goes with this value.
pub struct Internet {
    id: String,
    namespaces: Vec<String>,
    sites: u8,
}

/// Where one machine is.
pub struct Site {
    namespace: String,
    /// The one with the rules, if any.
    router: Option<String>,
}

impl Internet {
    /// Makes the middle and moves this thread there. Call it before the runtime of the test is built.
    pub fn enter() -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut internet = Self {
            id: format!("mesh-{}-{number}", std::process::id()),
            namespaces: Vec::new(),
            sites: 0,
        };
        let middle = internet.namespace("net")?;
        for address in [SERVER, SECOND] {
            ip(&[
                "-n",
                &middle,
                "address",
                "add",
                &format!("{address}/32"),
                "dev",
                "lo",
            ])?;
        }
        run(&middle, &FORWARDING)?;
        let file = File::open(format!("/run/netns/{middle}"))?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(internet)
    }

    fn namespace(&mut self, name: &str) -> Result<String> {
        let namespace = format!("{}-{name}", self.id);
        ip(&["netns", "add", &namespace])?;
        self.namespaces.push(namespace.clone());
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// A further site, with one machine.
    pub fn site(&mut self, nat: Nat) -> Result<Site> {
        self.sites += 1;
        let number = self.sites;
        let middle = self.namespaces[0].clone();
        let edge = self.namespace(&format!("edge{number}"))?;
        join(
            &middle,
            &format!("site{number}"),
            &edge,
            "wan",
            &format!("5.6.{number}"),
        )?;
        if nat == Nat::None {
            return Ok(Site {
                namespace: edge,
                router: None,
            });
        }
        let machine = self.namespace(&format!("site{number}"))?;
        join(&edge, "lan", &machine, "lan", &format!("192.168.{number}"))?;
        run(&edge, &FORWARDING)?;
        let translate = "-t nat -A POSTROUTING -o wan -j MASQUERADE";
        let translate = match nat {
            Nat::Symmetric => format!("{translate} --random-fully"),
            Nat::Cone | Nat::None => translate.to_owned(),
        };
        let rules = [
            translate.as_str(),
            // What comes unasked leaves no trace: the kernel would otherwise show another port for what goes out next.
            "-A INPUT -i wan -j DROP",
            "-A FORWARD -i wan -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            "-A FORWARD -i wan -j DROP",
        ];
        for rule in rules {
            iptables(&edge, rule)?;
        }
        Ok(Site {
            namespace: machine,
            router: Some(edge),
        })
    }

    /// Starts the relay, with the settings that are shipped.
    pub fn relay(&self) -> Result<Relay> {
        Relay::start()
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let _ = ip(&["netns", "delete", namespace]);
        }
    }
}

impl Site {
    /// The words before a command that is to run there.
    pub fn words(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.namespace]
    }

    /// From now on its router lets no UDP through.
    pub fn block_udp(&self) -> Result<()> {
        let router = self.router.as_deref().context("there is no router")?;
        iptables(router, "-I FORWARD -p udp -j DROP")
    }
}

/// A coturn on [`SERVER`]; it ends with this value.
pub struct Relay {
    process: Option<Child>,
    directory: TempDir,
}

impl Relay {
    fn start() -> Result<Self> {
        let mut relay = Self {
            process: None,
            directory: tempfile::tempdir()?,
        };
        relay.revive()?;
        Ok(relay)
    }

    /// Ends it as the kernel does, at once: whoever it relays for is told nothing.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it (again): it knows nothing of what it relayed before.
    pub fn revive(&mut self) -> Result<()> {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/coturn");
        let process = Command::new("sh")
            .arg(shipped.join("start.sh"))
            // One thread: by default each core has a socket of its own at this port.
            .args(["--relay-threads=1"])
            .args([SERVER, SECOND].map(|address| format!("--listening-ip={address}")))
            .arg(format!("--relay-ip={SERVER}"))
            .env("TURN_SETTINGS", shipped.join("turnserver.conf"))
            .env("TURN_RUN_DIR", self.directory.path())
            .env("TURN_REALM", "mesh")
            .env("TURN_EXTERNAL_IP", SERVER)
            .env("TURN_SECRET", TURN_SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.process = Some(process);
        // A Binding request, answered as soon as it runs.
        let socket = UdpSocket::bind((SERVER, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42mesh-is-here";
        let begun = Instant::now();
        loop {
            socket.send_to(request, (SERVER, 3478))?;
            if socket.recv(&mut [0; 512]).is_ok() {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < WAIT,
                "coturn does not answer (apt-get install coturn)"
            );
        }
    }

    /// Makes a server hand it out to its users, with credentials of their own.
    pub fn announce(config: &mut Config) {
        config.stun_urls = [SERVER, SECOND]
            .map(|address| format!("stun:{address}:3478"))
            .to_vec();
        config.turn_urls = ["udp", "tcp"]
            .map(|transport| format!("turn:{SERVER}:3478?transport={transport}"))
            .to_vec();
        config.turn_credentials = Some(TurnCredentials::Ephemeral(Secret::new(TURN_SECRET)));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A cable between two namespaces. The first of them has address 1 of the network, the second address 2 and its way out there.
fn join(first: &str, its: &str, second: &str, device: &str, network: &str) -> Result<()> {
    ip(&[
        "link", "add", its, "netns", first, "type", "veth", "peer", "name", device, "netns", second,
    ])?;
    let ends = [(first, its, 1), (second, device, 2)];
    for (namespace, device, host) in ends {
        let address = format!("{network}.{host}/24");
        ip(&["-n", namespace, "address", "add", &address, "dev", device])?;
        ip(&["-n", namespace, "link", "set", device, "up"])?;
    }
    let way_out = format!("{network}.1");
    ip(&["-n", second, "route", "add", "default", "via", &way_out])?;
    comes_up(second, device)
}

/// Waits until the kernel says that a device runs, which takes it up to a second: programs leave out one that does not.
fn comes_up(namespace: &str, device: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let shown = Command::new("ip")
            .args(["-n", namespace, "-brief", "link", "show", "dev", device, "up"])
            .output()?;
        if String::from_utf8_lossy(&shown.stdout).contains(" UP ") {
            return Ok(());
        }
        ensure!(begun.elapsed() < WAIT, "{device} does not come up");
    }
}

fn iptables(namespace: &str, rule: &str) -> Result<()> {
    let words: Vec<&str> = ["iptables", "-w"].into_iter().chain(rule.split(' ')).collect();
    run(namespace, &words).context("iptables is needed: apt-get install iptables")
}

fn run(namespace: &str, words: &[&str]) -> Result<()> {
    ip(&[&["netns", "exec", namespace], words].concat())
}
