//! From the URLs of ICE servers to servers that can be talked to, and from local names to addresses.
//!
//! Owns what must wait for name resolution or a TCP handshake, as tasks the driver holds in one set and that end
//! with it. It must not know ICE's state.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rtc::crypto::RTCCryptoProvider;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::candidate::{self, IceCandidate};
use super::config::{MAX_ICE_URLS, RtcConfig};
use super::mdns;
use super::turn::Turn;

/// Name resolution and TCP connect together.
const REACH_TIMEOUT: Duration = Duration::from_secs(8);

/// How much later a relay is asked over TCP than others over UDP. One relayed address is enough, each takes a port of the relay and one of
/// its user's few, and TCP is the worse way: it is for networks that let no UDP through.
const TCP_AFTER: Duration = Duration::from_secs(1);

/// What a task of the set found.
pub(super) enum Found {
    /// A STUN server, at these addresses.
    Stun(Vec<SocketAddr>),
    /// A TURN server that was asked for an allocation.
    Turn(Box<Turn>),
    /// A remote candidate whose name was resolved.
    Resolved(IceCandidate),
    /// Nothing; the reason has been logged.
    Nothing,
}

/// The tasks. Bound: the URLs and the remote candidates of one connection, both limited by the driver.
pub(super) type Tasks = JoinSet<Found>;

/// A STUN or TURN URL (RFC 7064, 7065).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IceUrl<'a> {
    pub(super) turn: bool,
    pub(super) tcp: bool,
    pub(super) host: &'a str,
    pub(super) port: u16,
}

pub(super) fn parse_url(url: &str) -> Option<IceUrl<'_>> {
    let (scheme, rest) = url.split_once(':')?;
    let turn = match scheme {
        "stun" => false,
        "turn" => true,
        _ => return None,
    };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let tcp = match query {
        "" | "transport=udp" => false,
        "transport=tcp" => true,
        _ => return None,
    };
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        (host, rest.strip_prefix(':'))
    } else {
        match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        }
    };
    let port = port.map_or(Ok(3478), str::parse).ok()?;
    (!host.is_empty()).then_some(IceUrl {
        turn,
        tcp,
        host,
        port,
    })
}

/// Starts looking for every server of `config`. Gives the tasks that are not needed once one of the others got a relayed address.
pub(super) fn start(
    config: &RtcConfig,
    crypto: &Arc<dyn RTCCryptoProvider>,
    tasks: &mut Tasks,
) -> Vec<AbortHandle> {
    let over_udp = |url: &String| parse_url(url).is_some_and(|url| url.turn && !url.tcp);
    let any_over_udp = config
        .ice_servers
        .iter()
        .any(|server| server.urls.iter().any(over_udp));
    let mut reserve = Vec::new();
    let urls = config
        .ice_servers
        .iter()
        .flat_map(|server| server.urls.iter().map(move |url| (server, url)));
    for (server, url) in urls.take(MAX_ICE_URLS) {
        let Some(parsed) = parse_url(url) else {
            tracing::debug!(url, "ICE server of a kind that is not used");
            continue;
        };
        let (host, port) = (parsed.host.to_owned(), parsed.port);
        if !parsed.turn {
            if !config.relay_only {
                tasks.spawn(async move { resolve(host, port).await.map_or(Found::Nothing, Found::Stun) });
            }
            continue;
        }
        let (Some(username), Some(password)) = (server.username.clone(), server.credential.clone()) else {
            tracing::debug!(url, "TURN server without credentials");
            continue;
        };
        let (tcp, buffer, crypto, url) = (parsed.tcp, config.socket_buffer, crypto.clone(), url.clone());
        let after = if tcp && any_over_udp {
            TCP_AFTER
        } else {
            Duration::ZERO
        };
        let task = tasks.spawn(async move {
            sleep(after).await;
            let reach = async {
                let addr = resolve(host, port).await?.into_iter().next()?;
                match Turn::start(addr, tcp, username, password, buffer, crypto).await {
                    Ok(turn) => Some(turn),
                    Err(error) => {
                        tracing::debug!(url, %error, "TURN server not reached");
                        None
                    }
                }
            };
            match timeout(REACH_TIMEOUT, reach).await {
                Ok(Some(turn)) => Found::Turn(Box::new(turn)),
                _ => Found::Nothing,
            }
        });
        if tcp {
            reserve.push(task);
        }
    }
    reserve
}

/// Addresses of a host, IPv4 first: a server behind one name is usually better reachable that way.
pub(super) async fn resolve(host: String, port: u16) -> Option<Vec<SocketAddr>> {
    match timeout(REACH_TIMEOUT, tokio::net::lookup_host((host.as_str(), port))).await {
        Ok(Ok(found)) => {
            let mut addrs: Vec<SocketAddr> = found.take(8).collect();
            addrs.sort_by_key(|addr| addr.is_ipv6());
            Some(addrs)
        }
        Ok(Err(error)) => {
            tracing::debug!(host, %error, "ICE server has no address");
            None
        }
        Err(_) => {
            tracing::debug!(host, "ICE server name not resolved in time");
            None
        }
    }
}

/// Starts resolving the name in a candidate of the other end.
pub(super) fn resolve_candidate(candidate: IceCandidate, name: String, tasks: &mut Tasks) {
    tasks.spawn(async move {
        let Some(ip) = mdns::resolve(&name).await else {
            tracing::debug!(
                name,
                "nobody on this network has the name; waiting for the browser's own check"
            );
            return Found::Nothing;
        };
        match candidate::with_address(&candidate.candidate, ip) {
            Some(line) => Found::Resolved(IceCandidate {
                candidate: line,
                ..candidate
            }),
            None => Found::Nothing,
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls() {
        let url = |turn, tcp, host, port| {
            Some(IceUrl {
                turn,
                tcp,
                host,
                port,
            })
        };
        assert_eq!(
            parse_url("stun:stun.example.org"),
            url(false, false, "stun.example.org", 3478)
        );
        assert_eq!(
            parse_url("turn:192.0.2.1:80?transport=tcp"),
            url(true, true, "192.0.2.1", 80)
        );
        assert_eq!(
            parse_url("turn:[2001:db8::1]:99"),
            url(true, false, "2001:db8::1", 99)
        );
        assert_eq!(
            parse_url("turn:[::1]?transport=udp"),
            url(true, false, "::1", 3478)
        );
        for bad in [
            "turns:example.org",
            "http://x",
            "stun:",
            "stun:a:b",
            "turn:a?transport=sctp",
            "turn",
        ] {
            assert_eq!(parse_url(bad), None, "{bad}");
        }
    }
}
