//! Which addresses a user may have the server write to: those of the public internet.
//!
//! SECURITY: the address of a user's own Gotify, ntfy or push service is input of an attacker, who would reach the
//! operator's networks through it. Names are judged by what they resolve to, when the connection is made (`outbound`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// The longest address of a place, in bytes. Those of push services have a few hundred.
const MAX_BYTES: usize = 1_024;

/// Where a notice may be sent: http or https, a host, and neither credentials nor a fragment, which would end in logs. A
/// literal address of a closed network is refused here already, unless it is `trusted`.
pub(crate) fn place(text: &str, trusted: bool) -> Result<Url, &'static str> {
    if text.len() > MAX_BYTES {
        return Err("this address is too long");
    }
    let url = Url::parse(text).map_err(|_| "an address begins with https:// or http://")?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err("an address begins with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("an address has neither a name and password nor a # in it");
    }
    if !trusted && literal(&url).is_some_and(|ip| !is_public(ip)) {
        return Err(REFUSED);
    }
    Ok(url)
}

/// Said of what is not public.
pub(super) const REFUSED: &str = "this address is in a closed network, which the server does not write to; \
                                  its operator can allow that with MESH_NOTIFY_PRIVATE_ADDRESSES";

/// The address, where the host is one and no name.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    // A URL has them in one form only, however they were written.
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address belongs to the public internet (the special ranges of IANA are not, nor is what stands for them).
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match (a, b, c) {
        // This host; private; loopback; carrier-grade NAT; link-local.
        (0 | 10 | 127, ..) | (100, 64..=127, _) | (169, 254, _) => true,
        // Private; protocol assignments, documentation, 6to4 relays; private; benchmarks; documentation.
        (172, 16..=31, _) | (192, 0, 0 | 2) | (192, 88, 99) | (192, 168, _) => true,
        (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224.., ..) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and other protocol assignments; documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast; all else is local, multicast or not given out.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_networks_are_refused_however_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001:0:1::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[::7f00:1]",
        ] {
            let url = format!("http://{host}/");
            assert_eq!(place(&url, false), Err(REFUSED), "{host}");
            assert!(place(&url, true).is_ok(), "{host}");
        }
        for host in [
            "1.1.1.1",
            "172.32.0.1",
            "192.0.1.1",
            "[2606:4700::1]",
            "[64:ff9b::101:101]",
            "gotify.example",
        ] {
            assert!(place(&format!("https://{host}/gotify"), false).is_ok(), "{host}");
        }
    }

    #[test]
    fn only_web_addresses_without_credentials_are_places() {
        for bad in [
            "file:///etc/passwd",
            "gopher://example.com/",
            "example.com",
            "https://",
            "https://user:secret@example.com/",
            "https://example.com/#x",
            &format!("https://example.com/{}", "x".repeat(MAX_BYTES)),
        ] {
            assert!(place(bad, true).is_err(), "{bad}");
        }
    }
}
