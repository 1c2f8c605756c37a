//! The ways to other devices: each STUN and TURN server that the server names, and what this device is behind.

use std::net::IpAddr;

use futures_util::future::join_all;
use mesh_peer::rtc::IceServer;
use mesh_peer::rtc::probe::{self, Answered, ProbeError};
use mesh_peer::signal::ControlPlane;

use super::Finding;
use crate::cli::{Context, connect};

const NO_STUN: &str =
    "none is configured: devices of different networks find no direct path. The operator sets STUN_URL";
const NO_TURN: &str =
    "none is configured: where no direct path is found there is no connection. The operator sets TURN_URL";
const NO_TURN_TCP: &str = "none over TCP: from networks that let no UDP through there is no connection. The operator adds ?transport=tcp to TURN_URL";

/// How this device is joined to the Internet, as far as that can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// With an address that everybody sees.
    Public(IpAddr),
    /// Behind a router that shows this address, and one port of ours as one.
    Cone(IpAddr),
    /// Behind one that shows another port to each destination.
    Symmetric(IpAddr),
    /// Behind one of which no more was seen.
    Router(IpAddr),
    /// No UDP comes back.
    Shut,
}

pub(super) async fn look(context: &Context, control: Option<&ControlPlane>) -> Vec<Finding> {
    let Some(control) = control else {
        return Vec::new();
    };
    let servers: Vec<IceServer> = match control.ice().await {
        Ok(answer) => answer
            .ice_servers
            .into_iter()
            .map(|server| IceServer {
                urls: server.urls,
                username: server.username,
                credential: server.credential,
            })
            .collect(),
        Err(error) => {
            return vec![Finding::from_failure(
                "relays",
                connect::api_failure(&error, control.base()),
            )];
        }
    };
    let mut found = Vec::new();
    let urls = |scheme: &str| -> Vec<String> {
        let all = servers.iter().flat_map(|server| &server.urls);
        all.filter(|url| url.starts_with(scheme)).cloned().collect()
    };
    let stun = urls("stun:");
    // A relay answers the same question, and another address makes a router show its kind.
    let asked: Vec<String> = stun.iter().cloned().chain(urls("turn:")).collect();
    let relays: Vec<(&IceServer, &str)> = servers
        .iter()
        .flat_map(|server| server.urls.iter().map(move |url| (server, url.as_str())))
        .filter(|(_, url)| url.starts_with("turn"))
        .collect();
    let places = join_all(relays.iter().map(|(server, url)| probe::relay(server, url)));
    let (seen, places) = tokio::join!(probe::seen_from_outside(&asked), places);
    for (url, answer) in stun.iter().zip(&seen) {
        found.push(stun_finding(url, answer));
    }
    if stun.is_empty() {
        found.push(Finding::warning("stun", NO_STUN));
    }
    for ((_, url), answer) in relays.iter().zip(&places) {
        found.push(relay_finding(url, answer));
    }
    if relays.is_empty() {
        found.push(Finding::warning("relay", NO_TURN));
    } else if !relays.iter().any(|(_, url)| url.contains("transport=tcp")) {
        found.push(Finding::warning("relay", NO_TURN_TCP));
    }
    if !asked.is_empty() {
        let answers: Vec<Answered> = seen.into_iter().flatten().collect();
        let own = probe::own_addresses().unwrap_or_default();
        let relayed = places.iter().any(Result::is_ok);
        found.push(verdict(
            place(&answers, &own),
            relayed,
            context.settings.relay_only,
        ));
    }
    found
}

fn stun_finding(url: &str, answer: &Result<Answered, ProbeError>) -> Finding {
    match answer {
        Ok(Answered { address, within, .. }) => Finding::ok(
            "stun",
            format!(
                "{url} sees this device as {address}, in {:.0} ms",
                within.as_secs_f64() * 1000.0
            ),
        ),
        Err(ProbeError::Silent) => Finding::network(
            "stun",
            format!("{url} does not answer: a firewall may stop UDP, or the address is wrong"),
        ),
        Err(error) => Finding::network("stun", format!("{url}: {error}")),
    }
}

fn relay_finding(url: &str, answer: &Result<Answered, ProbeError>) -> Finding {
    match answer {
        Ok(Answered { within, .. }) => Finding::ok(
            "relay",
            format!("{url} gives a place, in {:.0} ms", within.as_secs_f64() * 1000.0),
        ),
        Err(ProbeError::NotUsed) => Finding::warning(
            "relay",
            format!("{url} is for pages: this program does not use it"),
        ),
        Err(ProbeError::Refused(why)) if why.contains("401") => Finding::network(
            "relay",
            format!(
                "{url} refuses the name and password that the server gave: the operator compares TURN_SECRET at both"
            ),
        ),
        Err(ProbeError::Refused(why)) if why.contains("486") => Finding::network(
            "relay",
            format!("{url} has no place left for you: wait until other connections of yours have ended"),
        ),
        Err(ProbeError::Silent) => Finding::network(
            "relay",
            format!("{url} does not answer: a firewall may stop it, or the relay does not run"),
        ),
        Err(error) => Finding::network(
            "relay",
            format!("{url}: {error}. A firewall may stop it, or the relay does not run"),
        ),
    }
}

fn place(answers: &[Answered], own: &[IpAddr]) -> Place {
    let Some(first) = answers.first() else {
        return Place::Shut;
    };
    let ip = first.address.ip();
    if own.contains(&ip) {
        return Place::Public(ip);
    }
    // One server asked twice is shown the same port by any router.
    let mut others = answers[1..]
        .iter()
        .filter(|other| other.server != first.server && other.address.is_ipv4() == first.address.is_ipv4())
        .peekable();
    if others.peek().is_none() {
        return Place::Router(ip);
    }
    if others.all(|other| other.address == first.address) {
        Place::Cone(ip)
    } else {
        Place::Symmetric(ip)
    }
}

fn verdict(place: Place, relayed: bool, relay_only: bool) -> Finding {
    const CHECK: &str = "path";
    if relay_only {
        return if relayed {
            Finding::ok(CHECK, "everything goes through a relay, since relay_only is set")
        } else {
            Finding::network(
                CHECK,
                "relay_only is set, and no relay is there: nobody can be reached",
            )
        };
    }
    match (place, relayed) {
        (Place::Public(ip), _) => {
            Finding::ok(CHECK, format!("direct: this device has the public address {ip}"))
        }
        (Place::Cone(ip), _) => Finding::ok(
            CHECK,
            format!("behind a router ({ip}) that lets direct connections come about"),
        ),
        (Place::Router(ip), true) => Finding::ok(
            CHECK,
            format!("behind a router ({ip}): direct where it lets that come about, else through a relay"),
        ),
        (Place::Symmetric(ip), true) => Finding::ok(
            CHECK,
            format!(
                "behind a router ({ip}) that shows every destination another port: direct to devices with an open address, \
                 through a relay to others"
            ),
        ),
        (Place::Router(ip), false) => Finding::warning(
            CHECK,
            format!("behind a router ({ip}), and there is no relay: some devices may be out of reach"),
        ),
        (Place::Symmetric(ip), false) => Finding::network(
            CHECK,
            format!(
                "behind a router ({ip}) that shows every destination another port, and there is no relay: devices behind \
                 routers are out of reach"
            ),
        ),
        (Place::Shut, true) => Finding::warning(
            CHECK,
            "no UDP comes through: direct within this network only, else through the relay over TCP, which is slower",
        ),
        (Place::Shut, false) => Finding::network(
            CHECK,
            "no UDP comes through, and no relay is reached: devices of other networks are out of reach",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seen(addresses: &[&str]) -> Vec<Answered> {
        let answered = |(number, address): (u16, &&str)| Answered {
            server: ([5, 5, 5, 1], number).into(),
            address: address.parse().unwrap(),
            within: Duration::from_millis(3),
        };
        (0..).zip(addresses).map(answered).collect()
    }

    #[test]
    fn what_a_device_is_behind_shows_in_how_it_is_seen() {
        let own = ["192.168.1.2".parse().unwrap(), "5.5.5.9".parse().unwrap()];
        let ip = "9.9.9.9".parse().unwrap();
        for (addresses, expected) in [
            (&[][..], Place::Shut),
            (&["5.5.5.9:1000"], Place::Public("5.5.5.9".parse().unwrap())),
            (&["9.9.9.9:1000"], Place::Router(ip)),
            (&["9.9.9.9:1000", "9.9.9.9:1000"], Place::Cone(ip)),
            (&["9.9.9.9:1000", "9.9.9.9:1001"], Place::Symmetric(ip)),
            (&["9.9.9.9:1000", "[2606:4700::1]:7"], Place::Router(ip)),
        ] {
            assert_eq!(place(&seen(addresses), &own), expected, "{addresses:?}");
        }
    }
}
