//! The load: one thread, all sockets, no allocation per message.
//!
//! Owns how much is in flight and what is counted. A link is one sender and those who receive what it sends; every
//! message is the same bytes, so deliveries are counted by payload bytes, whatever the server packs into a frame.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::bail;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::client::{CLOSE, Client, PING, frame, header};

/// Payloads up to this are keep-alives and not messages.
const SMALL: usize = 64;
const READ: usize = 256 * 1024;
const QUIET: Duration = Duration::from_millis(300);

/// Who sends, who receives, and the frame that is sent.
pub(super) struct Link {
    pub(super) sender: Client,
    pub(super) receivers: Vec<Client>,
    pub(super) frame: Vec<u8>,
}

impl Link {
    /// A word of each, so that nobody is taken for gone. The answers are too small to be counted.
    pub(super) fn say_hello(&mut self) -> anyhow::Result<()> {
        self.sender.send(PING, &[])?;
        self.receivers
            .iter_mut()
            .try_for_each(|receiver| receiver.send(PING, &[]))
    }
}

/// How the load is offered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offer {
    /// So many messages of each link in flight.
    Window(usize),
    /// So many messages a second over all links, whatever comes back.
    Rate(f64),
}

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) sent: u64,
    pub(super) delivered: u64,
    pub(super) seconds: f64,
    /// From the write to the read, of an offer by rate. Sorted.
    pub(super) latencies_us: Vec<f64>,
}

struct Socket {
    stream: TcpStream,
    link: usize,
    receives: bool,
    /// The beginning of a header that is not whole.
    head: Vec<u8>,
    /// Payload bytes of the current frame that are still to come, and whether they count.
    rest: usize,
    counts: bool,
    payload: u64,
}

#[derive(Default)]
struct State {
    sender: usize,
    receivers: usize,
    frames: Vec<u8>,
    frame: usize,
    /// Bytes of `frames` that are still to be written from an unfinished write.
    unwritten: usize,
    sent: u64,
    /// Payload bytes that its receivers got.
    payload: u64,
    seen: u64,
    at: VecDeque<Instant>,
}

/// Sockets that are ready to be measured.
pub(super) struct Load {
    poll: Poll,
    sockets: Vec<Socket>,
    links: Vec<State>,
    buffer: Vec<u8>,
    /// Payload bytes of one delivery.
    size: u64,
}

/// Frames that one write carries at most.
const BATCH: usize = 64;

impl Load {
    /// Takes the sockets over, and sends one message on each link to see that it arrives, where it should and whole.
    pub(super) fn new(links: Vec<Link>) -> anyhow::Result<Self> {
        let mut load = Self {
            poll: Poll::new()?,
            sockets: Vec::new(),
            links: Vec::new(),
            buffer: vec![0; READ],
            size: 1,
        };
        for (index, link) in links.into_iter().enumerate() {
            let sender = load.sockets.len();
            let receivers = link.receivers.len();
            load.add(link.sender, index, false)?;
            for receiver in link.receivers {
                load.add(receiver, index, true)?;
            }
            load.links.push(State {
                sender,
                receivers,
                frame: link.frame.len(),
                frames: link.frame.repeat(BATCH),
                ..State::default()
            });
        }
        load.calibrate()?;
        Ok(load)
    }

    fn add(&mut self, client: Client, link: usize, receives: bool) -> anyhow::Result<()> {
        client.stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(client.stream);
        let token = Token(self.sockets.len());
        self.poll
            .registry()
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut socket = Socket {
            stream,
            link,
            receives,
            head: Vec::new(),
            rest: 0,
            counts: false,
            payload: 0,
        };
        socket.take(&client.pending);
        self.sockets.push(socket);
        Ok(())
    }

    fn calibrate(&mut self) -> anyhow::Result<()> {
        self.until_quiet()?;
        for socket in &mut self.sockets {
            socket.payload = 0;
        }
        for link in 0..self.links.len() {
            self.send(link, 1)?;
        }
        self.until_quiet()?;
        let size = self.sockets.iter().find(|s| s.receives).map_or(0, |s| s.payload);
        let strays = self
            .sockets
            .iter()
            .filter(|s| s.receives && s.payload != size)
            .count();
        if size == 0 || strays > 0 {
            bail!(
                "{strays} of {} sockets did not get one message of {size} bytes",
                self.sockets.len()
            );
        }
        // In a room the sender hears itself; anything else that it is told is a refusal.
        if let Some(told) = self
            .sockets
            .iter()
            .find(|s| !s.receives && s.payload != 0 && s.payload != size)
        {
            bail!(
                "a sender was told {} bytes instead of its message being passed on",
                told.payload
            );
        }
        self.size = size;
        for link in &mut self.links {
            (link.sent, link.payload, link.seen) = (0, 0, 0);
        }
        Ok(())
    }

    fn until_quiet(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut heard = Instant::now();
        while heard.elapsed() < QUIET {
            self.poll.poll(&mut events, Some(QUIET / 4))?;
            for event in &events {
                if event.is_readable() && self.read(event.token().0)? > 0 {
                    heard = Instant::now();
                }
            }
        }
        Ok(())
    }

    /// Offers load for a warm-up that is not counted, then for `time`. `mark` is called at both ends of what is counted.
    pub(super) fn run(
        &mut self,
        offer: Offer,
        warm_up: Duration,
        time: Duration,
        mut mark: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Counted> {
        let mut counted = Counted::default();
        self.offer(offer, warm_up, &mut Vec::new())?;
        let before = self.totals();
        mark()?;
        let begun = Instant::now();
        self.offer(offer, time, &mut counted.latencies_us)?;
        counted.seconds = begun.elapsed().as_secs_f64();
        mark()?;
        let after = self.totals();
        counted.sent = after.0 - before.0;
        counted.delivered = (after.1 - before.1) / self.size;
        counted.latencies_us.sort_by(f64::total_cmp);
        self.until_quiet()?;
        Ok(counted)
    }

    /// Messages of every run so far that did not arrive.
    pub(super) fn missing(&self) -> u64 {
        let (sent, payload) = self.totals();
        sent - payload / self.size
    }

    fn totals(&self) -> (u64, u64) {
        let sum = |value: fn(&State) -> u64| self.links.iter().map(value).sum();
        (sum(|link| link.sent), sum(|link| link.payload))
    }

    fn offer(&mut self, offer: Offer, time: Duration, latencies: &mut Vec<f64>) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(4096);
        let begun = Instant::now();
        let (mut paced, mut next) = (0_u64, 0_usize);
        if let Offer::Window(window) = offer {
            for link in 0..self.links.len() {
                self.fill(link, window)?;
            }
        }
        loop {
            let elapsed = begun.elapsed();
            if elapsed >= time {
                return Ok(());
            }
            if let Offer::Rate(rate) = offer {
                let due = (elapsed.as_secs_f64() * rate) as u64;
                while paced < due {
                    self.links[next].at.push_back(Instant::now());
                    self.send(next, 1)?;
                    next = (next + 1) % self.links.len();
                    paced += 1;
                }
            }
            // It looks all the time: to be woken would be part of what is measured, an interrupt from the server's core to this
            // one for each message.
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                let socket = event.token().0;
                if event.is_readable() {
                    self.read(socket)?;
                }
                let link = self.sockets[socket].link;
                match offer {
                    Offer::Window(window) => self.fill(link, window)?,
                    Offer::Rate(_) => {
                        self.send(link, 0)?;
                        self.links[link].look(self.size, latencies);
                    }
                }
            }
        }
    }

    /// Sends what the window allows.
    fn fill(&mut self, link: usize, window: usize) -> anyhow::Result<()> {
        let state = &self.links[link];
        let back = state.payload / (self.size * state.receivers.max(1) as u64);
        let room = (window as u64).saturating_sub(state.sent.saturating_sub(back));
        self.send(link, room as usize)
    }

    /// Sends `count` messages in one write, after what an earlier write left.
    fn send(&mut self, link: usize, count: usize) -> anyhow::Result<()> {
        let state = &mut self.links[link];
        let count = count.min(BATCH - 1 - state.unwritten / state.frame);
        state.sent += count as u64;
        // All frames are the same bytes, so what is left stands at the end of any row of them.
        let mut left = state.unwritten + count * state.frame;
        while left > 0 {
            let rows = left.div_ceil(state.frame) * state.frame;
            let bytes = state.frames.get(rows - left..rows).unwrap_or_default();
            match self.sockets[state.sender].stream.write(bytes) {
                Ok(written) => left -= written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        state.unwritten = left;
        Ok(())
    }

    /// Reads all that is there.
    fn read(&mut self, index: usize) -> anyhow::Result<usize> {
        let mut total = 0;
        loop {
            let socket = &mut self.sockets[index];
            match socket.stream.read(&mut self.buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(n) => {
                    let before = socket.payload;
                    socket.take(self.buffer.get(..n).unwrap_or_default());
                    if socket.receives {
                        self.links[socket.link].payload += socket.payload - before;
                    }
                    total += n;
                    if n < READ {
                        return Ok(total);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(total),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Load {
    /// Every socket says goodbye: a server that waits for lost clients would tell the others of them in a later case.
    fn drop(&mut self) {
        let goodbye = frame(CLOSE, &1000_u16.to_be_bytes());
        for socket in &mut self.sockets {
            let _ = socket.stream.write(&goodbye);
        }
    }
}

impl State {
    /// Notes the time of what has arrived since.
    fn look(&mut self, size: u64, latencies: &mut Vec<f64>) {
        let delivered = self.payload / size;
        while self.seen < delivered {
            self.seen += 1;
            if let Some(at) = self.at.pop_front() {
                latencies.push(at.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
}

impl Socket {
    /// Counts the payload in some bytes of the stream.
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest == 0 {
                let known = self.head.len();
                // Headers have 10 bytes at most.
                self.head.extend(bytes.iter().take(10 - known.min(10)));
                let Some((length, payload)) = header(&self.head) else {
                    return;
                };
                bytes = bytes.get(length - known..).unwrap_or_default();
                self.head.clear();
                self.rest = payload;
                self.counts = payload > SMALL;
            }
            let n = self.rest.min(bytes.len());
            self.rest -= n;
            if self.counts {
                self.payload += n as u64;
            }
            bytes = bytes.get(n..).unwrap_or_default();
        }
    }
}
