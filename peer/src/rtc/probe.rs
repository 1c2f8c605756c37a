//! Asking STUN and TURN servers one by one, for a person who wants to know what is wrong.
//!
//! Owns nothing that a connection uses: it asks with the same parts ([`Probes`], [`Turn`]) and tells what became of it.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;
use std::time::{Duration, Instant};

use rtc::crypto::default_provider;
use tokio::time::{sleep_until, timeout};

use super::config::{IceServer, MAX_ICE_URLS, RtcError};
use super::gather::{parse_url, resolve};
use super::socket::{ReceiveBuffer, Socket};
use super::stun::Probes;
use super::turn::{Turn, TurnEvent};

/// A server that has not answered by then is out of reach.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which server it was.
    pub server: SocketAddr,
    /// How it sees this device, or where it relays for it.
    pub address: SocketAddr,
    /// From the first question.
    pub within: Duration,
}

/// Why a server is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Its URL is none, or of a kind that this program does not use (`turns:`).
    #[error("an address of a kind that this program does not use")]
    NotUsed,
    /// There are no credentials for it.
    #[error("the server gave no name and password for it")]
    NoCredentials,
    /// Its name leads nowhere.
    #[error("its name has no address")]
    NoAddress,
    /// No connection to it came about.
    #[error("it cannot be reached ({0})")]
    Unreachable(String),
    /// It said no.
    #[error("it refused ({0})")]
    Refused(String),
    /// Nothing came back.
    #[error("it does not answer")]
    Silent,
}

impl From<RtcError> for ProbeError {
    fn from(error: RtcError) -> Self {
        match error {
            RtcError::Socket(error) => Self::Unreachable(error.to_string()),
            other => Self::Unreachable(other.to_string()),
        }
    }
}

/// Gets a place at a relay and gives it back.
pub async fn relay(ice: &IceServer, url: &str) -> Result<Answered, ProbeError> {
    let parsed = parse_url(url)
        .filter(|parsed| parsed.turn)
        .ok_or(ProbeError::NotUsed)?;
    let (Some(username), Some(password)) = (ice.username.clone(), ice.credential.clone()) else {
        return Err(ProbeError::NoCredentials);
    };
    let crypto = default_provider().map_err(|error| ProbeError::Unreachable(error.to_string()))?;
    let server = address_of(parsed.host, parsed.port).await?;
    let begun = Instant::now();
    let asked = async {
        let mut turn = Turn::start(server, parsed.tcp, username, password, Some(0), crypto).await?;
        let mut buffer = ReceiveBuffer::new();
        loop {
            let now = Instant::now();
            if turn.next_timeout().is_some_and(|at| at <= now) {
                turn.handle_timeout(now);
            }
            while turn.receive(now, &mut buffer) {}
            match turn.next_event(now) {
                Some(TurnEvent::Allocated(address)) => {
                    turn.release(now);
                    let within = begun.elapsed();
                    return Ok(Answered {
                        server,
                        address,
                        within,
                    });
                }
                Some(TurnEvent::Failed(why)) => return Err(ProbeError::Refused(why)),
                Some(TurnEvent::Data(..)) => continue,
                None if turn.gone() => {
                    return Err(ProbeError::Unreachable("the connection broke".to_owned()));
                }
                None => turn.flush(),
            }
            let until = turn.next_timeout().unwrap_or(now + ANSWER_WITHIN);
            tokio::select! {
                () = poll_fn(|cx| turn.poll_ready(cx)) => {}
                () = sleep_until(until.into()) => {}
            }
        }
    };
    timeout(ANSWER_WITHIN, asked)
        .await
        .unwrap_or(Err(ProbeError::Silent))
}

/// How this device looks to each of these servers (`stun:` or `turn:`, which answer alike), all asked from one and the same
/// port: where two see another one, each destination is shown another.
pub async fn seen_from_outside(urls: &[String]) -> Vec<Result<Answered, ProbeError>> {
    let mut found = Vec::new();
    for url in urls.iter().take(MAX_ICE_URLS) {
        found.push(match parse_url(url).filter(|parsed| !parsed.tcp) {
            Some(parsed) => address_of(parsed.host, parsed.port).await,
            None => Err(ProbeError::NotUsed),
        });
    }
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    let mut sockets = any.map(|any| Socket::bind(SocketAddr::new(any, 0), Some(0)));
    let (mut probes, mut buffer) = (Probes::default(), ReceiveBuffer::new());
    let begun = Instant::now();
    for server in found.iter().flatten() {
        probes.start(begun, usize::from(server.is_ipv6()), *server);
    }
    let mut answers: Vec<Answered> = Vec::new();
    let asked = async {
        while !probes.is_empty() {
            probes.handle_timeout(Instant::now(), |socket, server, request| {
                if let Ok(socket) = &mut sockets[socket] {
                    socket.queue(server, request);
                    socket.flush();
                }
            });
            for socket in sockets.iter().flatten() {
                while let Some(batches) = socket.receive(&mut buffer) {
                    for (from, datagram) in buffer.datagrams(batches) {
                        if let Some(Some((_, server, address))) = probes.handle_read(from, datagram) {
                            let within = begun.elapsed();
                            answers.push(Answered {
                                server,
                                address,
                                within,
                            });
                        }
                    }
                }
            }
            let until = probes.next_timeout().unwrap_or_else(Instant::now);
            let readable = poll_fn(|cx| {
                let ready = sockets
                    .iter()
                    .flatten()
                    .any(|socket| socket.poll_readable(cx).is_ready());
                if ready { Poll::Ready(()) } else { Poll::Pending }
            });
            tokio::select! {
                () = readable => {}
                () = sleep_until(until.into()) => {}
            }
        }
    };
    // Those that have not answered by then do not.
    let _ = timeout(ANSWER_WITHIN, asked).await;
    found
        .into_iter()
        .map(|server| {
            let server = server?;
            let answer = answers.iter().find(|answer| answer.server == server);
            answer.copied().ok_or(ProbeError::Silent)
        })
        .collect()
}

/// The addresses of this device that a connection would offer.
pub fn own_addresses() -> std::io::Result<Vec<IpAddr>> {
    let sockets = super::socket::bind_all(false, Some(0))?;
    Ok(sockets.iter().map(|socket| socket.addr().ip()).collect())
}

async fn address_of(host: &str, port: u16) -> Result<SocketAddr, ProbeError> {
    let found = resolve(host.to_owned(), port).await;
    found
        .and_then(|found| found.into_iter().next())
        .ok_or(ProbeError::NoAddress)
}
