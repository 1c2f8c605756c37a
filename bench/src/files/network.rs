//! A network of its own for everything that is measured: loopback and nothing else, as fast as it is or as slow as a cable.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::run;

const NAME: &str = "mesh-bench";
/// Ethernet's; loopback's own packets of 64 KiB pass no cable.
const MTU: &str = "1500";

/// Removed when it is dropped.
pub(super) struct Network;

impl Network {
    /// Moves this thread there, and with it all that it starts. Needs root.
    pub(super) fn enter(mbit_s: Option<u32>) -> anyhow::Result<Self> {
        // What a run that was killed has left.
        drop(Self);
        run(Command::new("ip").args(["netns", "add", NAME]))?;
        let network = Self;
        let namespace = File::open(Path::new("/run/netns").join(NAME))?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .context("only root can give the programs a network of their own")?;
        if let Some(rate) = mbit_s {
            let rate = format!("{rate}mbit");
            run(Command::new("ip").args(["link", "set", "lo", "mtu", MTU]))?;
            run(Command::new("tc")
                .args(["qdisc", "add", "dev", "lo", "root", "tbf", "rate", &rate])
                .args(["burst", "256kb", "latency", "20ms"]))?;
        }
        run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        Ok(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut remove = Command::new("ip");
        remove.args(["netns", "del", NAME]).stderr(Stdio::null());
        let _ = remove.status();
    }
}
