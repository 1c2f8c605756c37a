//! Resolving the `xxxx.local` names under which browsers hide their addresses (RFC 6762).
//!
//! Owns the query and the reading of the answer, which anybody on the local network may forge: the only harm is a
//! candidate that leads nowhere, since ICE and DTLS prove who answers. It must not know ICE.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;
/// How long after the start each query is waited for; a name that nobody knows by the last one is given up.
const ASK_AGAIN_AFTER: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

/// Whether `name` is one to resolve here.
pub(super) fn is_local_name(name: &str) -> bool {
    name.len() <= 255
        && name.to_ascii_lowercase().ends_with(".local")
        && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// The address that `name` stands for, asked on every IPv4 interface, loopback included. `None` when nobody answers.
pub(super) async fn resolve(name: &str) -> Option<IpAddr> {
    match ask(name).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(name, %error, "no multicast DNS");
            None
        }
    }
}

async fn ask(name: &str) -> io::Result<Option<IpAddr>> {
    let interfaces: Vec<Ipv4Addr> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter_map(|interface| match interface.ip() {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        })
        .take(8)
        .collect();
    // Answers go to the group; only on its port are they heard. Other responders of this machine share it.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    listener.set_reuse_address(true)?;
    #[cfg(unix)]
    listener.set_reuse_port(true)?;
    listener.set_nonblocking(true)?;
    listener.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into())?;
    let mut senders = Vec::new();
    for ip in &interfaces {
        if let Err(error) = listener.join_multicast_v4(&GROUP, ip) {
            tracing::trace!(%ip, %error, "no multicast on this interface");
        }
        match sender_on(*ip) {
            Ok(sender) => senders.push(sender),
            Err(error) => tracing::trace!(%ip, %error, "no multicast from this interface"),
        }
    }
    let listener = UdpSocket::from_std(listener.into())?;
    // One question each: Chromium does not answer a query that holds two.
    let queries = [TYPE_A, TYPE_AAAA].map(|kind| query(name, kind));
    let start = Instant::now();
    let mut buffer = vec![0; 9000];
    for wait_until in ASK_AGAIN_AFTER {
        let until = start + wait_until;
        for sender in &senders {
            for query in &queries {
                let _ = sender.send_to(query, (GROUP, PORT)).await;
            }
        }
        while let Ok(received) = timeout_at(until, receive(&listener, &senders, &mut buffer)).await {
            if let Some(ip) = received.ok().and_then(|length| answer(&buffer[..length], name)) {
                return Ok(Some(ip));
            }
        }
    }
    Ok(None)
}

/// A socket that asks on the interface of `ip`.
fn sender_on(ip: Ipv4Addr) -> io::Result<UdpSocket> {
    let sender = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    sender.set_reuse_address(true)?;
    #[cfg(unix)]
    sender.set_reuse_port(true)?;
    sender.set_nonblocking(true)?;
    sender.set_multicast_if_v4(&ip)?;
    sender.set_multicast_loop_v4(true)?;
    sender.set_multicast_ttl_v4(255)?;
    // The source port decides: from 5353 the answer is multicast (RFC 6762 section 6.7).
    sender.bind(&SocketAddr::from((ip, PORT)).into())?;
    UdpSocket::from_std(sender.into())
}

/// The next datagram on any of the sockets: unicast answers come to the one that asked.
async fn receive(listener: &UdpSocket, senders: &[UdpSocket], buffer: &mut [u8]) -> io::Result<usize> {
    std::future::poll_fn(|cx| {
        for socket in std::iter::once(listener).chain(senders) {
            let mut read = tokio::io::ReadBuf::new(buffer);
            if let std::task::Poll::Ready(result) = socket.poll_recv_from(cx, &mut read) {
                let length = read.filled().len();
                return std::task::Poll::Ready(result.map(|_| length));
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// A query for one address type of `name`.
fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&1_u16.to_be_bytes());
    out
}

/// The address of `name` in a response, if it is there.
fn answer(message: &[u8], name: &str) -> Option<IpAddr> {
    let count = |at: usize| {
        message
            .get(at..at + 2)
            .map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])))
    };
    if message.get(2)? & 0x80 == 0 {
        return None;
    }
    let (questions, answers, authorities, additional) = (count(4)?, count(6)?, count(8)?, count(10)?);
    let mut at = 12;
    for _ in 0..questions {
        at = read_name(message, at)?.1 + 4;
    }
    for _ in 0..answers + authorities + additional {
        let (owner, next) = read_name(message, at)?;
        let kind = u16::from_be_bytes(message.get(next..next + 2)?.try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(
            message.get(next + 8..next + 10)?.try_into().ok()?,
        ));
        let data = message.get(next + 10..next + 10 + length)?;
        at = next + 10 + length;
        if !owner.eq_ignore_ascii_case(name) {
            continue;
        }
        match kind {
            TYPE_A => return Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
            TYPE_AAAA => return Some(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into()),
            _ => {}
        }
    }
    None
}

/// The name at `at` and where the reading goes on. Compression may only point backwards, so it ends.
fn read_name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut after = None;
    loop {
        let length = usize::from(*message.get(at)?);
        match length >> 6 {
            0 if length == 0 => return Some((name, after.unwrap_or(at + 1))),
            0 => {
                let label = message.get(at + 1..at + 1 + length)?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(std::str::from_utf8(label).ok()?);
                if name.len() > 255 {
                    return None;
                }
                at += 1 + length;
            }
            3 => {
                let target = (length & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                after = after.or(Some(at + 2));
                if target >= at {
                    return None;
                }
                at = target;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(name: &str, ip: [u8; 4]) -> Vec<u8> {
        let mut out = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        out.extend_from_slice(&query(name, TYPE_A)[12..12 + name.len() + 2]);
        out.extend_from_slice(&[0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4]);
        out.extend_from_slice(&ip);
        out
    }

    #[test]
    fn reads_an_answer_for_its_name_only() {
        let message = response("ab-12.local", [192, 0, 2, 9]);
        assert_eq!(
            answer(&message, "AB-12.local"),
            Some("192.0.2.9".parse().unwrap())
        );
        assert_eq!(answer(&message, "other.local"), None);
        assert_eq!(
            answer(&query("ab-12.local", TYPE_A), "ab-12.local"),
            None,
            "a query is no answer"
        );
    }

    #[test]
    fn a_query_holds_one_question() {
        let query = query("ab-12.local", TYPE_AAAA);
        assert_eq!(query[4..12], [0, 1, 0, 0, 0, 0, 0, 0]);
        let (name, at) = read_name(&query, 12).unwrap();
        assert_eq!((name.as_str(), &query[at..]), ("ab-12.local", &[0, 28, 0, 1][..]));
    }

    #[test]
    fn cut_or_looping_messages_are_nothing() {
        let message = response("ab-12.local", [192, 0, 2, 9]);
        for end in 0..message.len() {
            assert_eq!(answer(&message[..end], "ab-12.local"), None);
        }
        let mut looping = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        looping.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4]);
        assert_eq!(answer(&looping, "x.local"), None);
    }

    #[test]
    fn only_local_names() {
        assert!(is_local_name("7f3c.local"));
        assert!(!is_local_name("example.org"));
        assert!(!is_local_name(".local"));
    }
}
