//! ICE candidates and the few lines of SDP this driver reads itself.
//!
//! Owns the textual forms (RFC 8839) only; it must not know sockets or timers. Everything here is given by the
//! other end and may be hostile: parsing fails softly and never allocates more than its input.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// A candidate as browsers exchange it (`RTCIceCandidateInit`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// `candidate:…`, or empty for the end of candidates.
    pub candidate: String,
    /// The media section it belongs to, by name.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// The media section it belongs to, by position.
    #[serde(default, rename = "sdpMLineIndex")]
    pub sdp_mline_index: Option<u16>,
    /// The ICE user name fragment of the generation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

/// Which kind of address a candidate names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    ServerReflexive,
    Relay,
}

impl Kind {
    /// Type preference, RFC 8445 section 5.1.2.2.
    const fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::ServerReflexive => 100,
            Self::Relay => 0,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::Relay => "relay",
        }
    }
}

/// The candidate attribute for `addr`; `base` is the local address behind it. `rank` orders candidates of one kind,
/// 0 first.
pub(super) fn attribute(kind: Kind, addr: SocketAddr, base: SocketAddr, rank: u16) -> String {
    let priority = (kind.preference() << 24) | (u32::from(u16::MAX - rank) << 8) | 255;
    // Same kind and same base address: same foundation (RFC 8445 section 5.1.1.3). FNV-1a is enough, it only groups.
    let mut foundation = 0x811c_9dc5_u32;
    for byte in kind.name().bytes().chain(base.ip().to_string().bytes()) {
        foundation = (foundation ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let (ip, port, typ) = (addr.ip(), addr.port(), kind.name());
    let mut line = format!("candidate:{foundation} 1 udp {priority} {ip} {port} typ {typ}");
    if kind != Kind::Host {
        // The base is private to this device: browsers write an unspecified address too.
        let any = if base.is_ipv4() { "0.0.0.0" } else { "::" };
        line.push_str(&format!(" raddr {any} rport 0"));
    }
    line
}

/// What the driver needs to know of a remote candidate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed<'a> {
    pub(super) address: &'a str,
    pub(super) port: u16,
    pub(super) udp: bool,
    pub(super) relay: bool,
}

/// Reads `candidate:…` or `a=candidate:…`; `None` when it is not one.
pub(super) fn parse(line: &str) -> Option<Parsed<'_>> {
    let line = line.trim();
    let line = line.strip_prefix("a=").unwrap_or(line);
    let mut fields = line.strip_prefix("candidate:")?.split_ascii_whitespace();
    let transport = fields.nth(2)?;
    let address = fields.nth(1)?;
    let port = fields.next()?.parse().ok()?;
    if fields.next()? != "typ" {
        return None;
    }
    let relay = fields.next()? == "relay";
    Some(Parsed {
        address,
        port,
        udp: transport.eq_ignore_ascii_case("udp"),
        relay,
    })
}

/// The address of a candidate, unless it is a name.
pub(super) fn socket_addr(parsed: &Parsed<'_>) -> Option<SocketAddr> {
    Some(SocketAddr::new(parsed.address.parse().ok()?, parsed.port))
}

/// `line` with its (named) address replaced by `ip`.
pub(super) fn with_address(line: &str, ip: IpAddr) -> Option<String> {
    let address = parse(line)?.address;
    Some(line.replacen(&format!(" {address} "), &format!(" {ip} "), 1))
}

/// Takes the candidates out of a description, so that each goes through the same checks as a trickled one.
pub(super) fn split_candidates(sdp: &str) -> (String, Vec<String>) {
    let mut rest = String::with_capacity(sdp.len());
    let mut candidates = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("a=candidate:") {
            candidates.push(line["a=".len()..].trim_end().to_owned());
        } else if !line.starts_with("a=end-of-candidates") && !line.is_empty() {
            rest.push_str(line);
            rest.push_str("\r\n");
        }
    }
    (rest, candidates)
}

/// The value of the first attribute `a=<name>:…` of a description.
pub(super) fn sdp_value<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| {
        line.strip_prefix("a=")?
            .strip_prefix(name)?
            .strip_prefix(':')
            .map(str::trim)
    })
}

/// The SHA-256 certificate fingerprint that a description promises (`AB:CD:…`, upper case). `None` when there is
/// none or when it holds two different ones.
pub fn fingerprint_of_sdp(sdp: &str) -> Option<String> {
    let mut found: Option<String> = None;
    for line in sdp.lines() {
        let Some(value) = line.strip_prefix("a=fingerprint:") else {
            continue;
        };
        let (algorithm, value) = value.trim().split_once(' ')?;
        if !algorithm.eq_ignore_ascii_case("sha-256") {
            return None;
        }
        let value = value.trim().to_ascii_uppercase();
        let well_formed = value.len() == 95
            && value
                .split(':')
                .all(|b| b.len() == 2 && b.bytes().all(|c| c.is_ascii_hexdigit()));
        if !well_formed || found.as_ref().is_some_and(|f| *f != value) {
            return None;
        }
        found = Some(value);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let base: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        let line = attribute(Kind::Relay, "198.51.100.1:5000".parse().unwrap(), base, 3);
        let parsed = parse(&line).unwrap();
        assert!(parsed.relay && parsed.udp);
        assert_eq!(socket_addr(&parsed), Some("198.51.100.1:5000".parse().unwrap()));
        assert!(
            !line.contains("192.0.2.7"),
            "a relayed candidate must not tell the address behind it"
        );
    }

    #[test]
    fn replaces_a_name_and_nothing_else() {
        let line = "candidate:1 1 udp 2113937151 ab12.local 50000 typ host generation 0";
        let out = with_address(line, "127.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(
            out,
            "candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host generation 0"
        );
    }

    #[test]
    fn refuses_what_is_no_candidate() {
        for line in [
            "",
            "candidate:",
            "candidate:1 1 udp 1",
            "candidate:1 1 udp 1 a 99999 typ host",
            "x",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn two_different_fingerprints_are_none() {
        let one = format!("a=fingerprint:sha-256 {}\r\n", vec!["AB"; 32].join(":"));
        let two = format!("a=fingerprint:sha-256 {}\r\n", vec!["cd"; 32].join(":"));
        assert_eq!(
            fingerprint_of_sdp(&one).as_deref(),
            Some(vec!["AB"; 32].join(":").as_str())
        );
        assert!(fingerprint_of_sdp(&format!("{one}{one}")).is_some());
        assert_eq!(fingerprint_of_sdp(&format!("{one}{two}")), None);
        assert_eq!(fingerprint_of_sdp("a=fingerprint:sha-256 AB\r\n"), None);
    }

    #[test]
    fn is_the_shape_of_browsers() {
        let json = r#"{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"abcd"}"#;
        let candidate: IceCandidate = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&candidate).unwrap(), json);
    }
}
