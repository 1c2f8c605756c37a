//! The servers that are measured: how each is started, and how its clients get to the point where messages flow.

mod brokers;
mod install;
mod matchbox;
pub(super) mod mesh;
mod node;
mod seed;

pub(super) use install::{Installed, install};

use super::client::Client;
use super::load::Link;
use super::process::Process;

/// One message, with the capability token where the server checks one.
const MESSAGE: usize = 780;

/// A running server and the state of its clients.
pub(super) trait Subject {
    fn name(&self) -> &'static str;
    fn process(&self) -> &Process;
    /// Sockets that it takes at most.
    fn most(&self) -> usize {
        usize::MAX
    }
    /// Sockets that are signed in, have been welcomed, and are in no room.
    fn idle(&mut self, count: usize) -> anyhow::Result<Vec<Client>>;
    /// Pairs, each with a message from one to the other.
    fn pairs(&mut self, count: usize) -> anyhow::Result<Vec<Link>>;
    /// One who sends to a room of `count` others; `None` where the server has no rooms.
    fn room(&mut self, count: usize) -> anyhow::Result<Option<Link>>;
    /// Opens a connection until it is welcomed, and closes it; one for each thread.
    fn openers(&mut self, kind: Opening, threads: usize) -> anyhow::Result<Vec<Opener>>;
}

pub(super) type Opener = Box<dyn FnMut() -> anyhow::Result<()> + Send>;

/// How a connection is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// By what the client has already, as an agent or the seed's client.
    Token,
    /// By a single-use ticket that is fetched for it, as the page does it. None where the server has no such thing.
    Ticket,
}

/// A server that can be started.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) start: fn(&Installed) -> anyhow::Result<Box<dyn Subject>>,
}

/// All of them, ours first.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: mesh::NAME,
        start: mesh::start,
    },
    Kind {
        name: mesh::UNCHECKED,
        start: mesh::start_unchecked,
    },
    Kind {
        name: seed::NAME,
        start: seed::start,
    },
    Kind {
        name: node::WS.name,
        start: |installed| node::start(&node::WS, installed),
    },
    Kind {
        name: node::WS_CHECKED.name,
        start: |installed| node::start(&node::WS_CHECKED, installed),
    },
    Kind {
        name: node::SOCKET_IO.name,
        start: |installed| node::start(&node::SOCKET_IO, installed),
    },
    Kind {
        name: node::PEER_SERVER.name,
        start: |installed| node::start(&node::PEER_SERVER, installed),
    },
    Kind {
        name: matchbox::NAME,
        start: matchbox::start,
    },
    Kind {
        name: brokers::NATS,
        start: brokers::nats,
    },
    Kind {
        name: brokers::MOSQUITTO,
        start: brokers::mosquitto,
    },
];

/// Characters that fill a message up to [`MESSAGE`] bytes.
fn filler(so_far: usize) -> String {
    "x".repeat(MESSAGE.saturating_sub(so_far))
}

/// Two by two.
fn two_by_two(clients: Vec<Client>) -> impl Iterator<Item = (Client, Client)> {
    let mut clients = clients.into_iter();
    std::iter::from_fn(move || Some((clients.next()?, clients.next()?)))
}
