//! STUN and TURN as clients will meet them: with the addresses and the credentials of `GET /ice`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mesh_protocol::http::IceServer;
use rtc_stun::attributes::{
    ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_RELAYED_ADDRESS,
};
use rtc_stun::crypto;
use rtc_stun::error_code::ErrorCodeAttribute;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter as _, METHOD_ALLOCATE,
    METHOD_REFRESH, Message, MessageType, Method, Setter as _, TransactionId,
};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::{Finding, failed, ok, warning};
use crate::Config;
use crate::clock::{Clock as _, SystemClock};
use crate::config::TurnCredentials;
use crate::http::ice::ice_servers;

/// For one answer over UDP; asked three times.
const ANSWER: Duration = Duration::from_millis(700);
const ASKED: usize = 3;
const CONNECT: Duration = Duration::from_secs(5);
const HEADER: usize = 20;
/// REQUESTED-TRANSPORT: UDP (RFC 8656, section 18.7).
const UDP: [u8; 4] = [17, 0, 0, 0];

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let user = "doctor".parse();
    let servers = user
        .map(|user| ice_servers(config, &user, SystemClock.now()))
        .unwrap_or_default();
    let mut findings = Vec::new();
    for server in &servers {
        for url in &server.urls {
            findings.push(one(url, server).await);
        }
    }
    if config.turn_urls.is_empty() {
        findings.push(warning(
            "turn",
            "TURN_URL is unset: people whose networks allow no direct path cannot meet",
        ));
    }
    if let Some(TurnCredentials::Static { .. }) = config.turn_credentials {
        findings.push(warning(
            "turn",
            "TURN_USER is one credential for all, for ever: set TURN_SECRET instead",
        ));
    }
    findings
}

async fn one(url: &str, server: &IceServer) -> Finding {
    let Some(at) = Address::parse(url) else {
        return failed(
            "turn",
            format!("{url} is no address such as turn:turn.example.com:3478?transport=udp"),
        );
    };
    if at.encrypted {
        let text = format!("{url} is over TLS, which is not looked at here");
        return warning(at.check, text);
    }
    let tried = if at.check == "stun" {
        binding(&at)
            .await
            .map(|seen| format!("{url} answers: this machine is seen as {seen}"))
    } else {
        let (user, password) = (server.username.as_deref(), server.credential.as_deref());
        allocation(&at, user.unwrap_or_default(), password.unwrap_or_default())
            .await
            .map(|relayed| format!("{url} relays, from {relayed}"))
    };
    match tried {
        Ok(text) => ok(at.check, text),
        Err(error) => failed(at.check, format!("{url}: {error:#}")),
    }
}

/// `turn:host:port?transport=tcp` (RFC 7064 and 7065).
#[derive(Debug, PartialEq, Eq)]
struct Address {
    check: &'static str,
    host: String,
    tcp: bool,
    encrypted: bool,
}

impl Address {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let (check, encrypted) = match scheme {
            "stun" => ("stun", false),
            "stuns" => ("stun", true),
            "turn" => ("turn", false),
            "turns" => ("turn", true),
            _ => return None,
        };
        let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
        let name = host.rsplit_once(']').map_or(host, |(_, port)| port);
        let port = if encrypted { 5349 } else { 3478 };
        let host = if name.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:{port}")
        };
        Some(Self {
            check,
            host,
            tcp: query == "transport=tcp",
            encrypted,
        })
    }
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Link {
    async fn open(at: &Address) -> Result<Self> {
        let mut found = tokio::net::lookup_host(&at.host)
            .await
            .context("the name is not known")?;
        let server: SocketAddr = found.next().context("the name has no address")?;
        if at.tcp {
            let stream = timeout(CONNECT, TcpStream::connect(server)).await;
            return Ok(Self::Tcp(
                stream.context("nobody answers")?.context("no connection")?,
            ));
        }
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        Ok(Self::Udp(socket))
    }

    /// The answer to one request.
    async fn ask(&mut self, request: &Message) -> Result<Message> {
        let raw = match self {
            Self::Udp(socket) => ask_udp(socket, request).await?,
            Self::Tcp(stream) => timeout(CONNECT, ask_tcp(stream, request))
                .await
                .context("no answer")??,
        };
        let mut answer = Message {
            raw,
            ..Message::default()
        };
        answer.decode().context("the answer is not STUN")?;
        Ok(answer)
    }
}

async fn ask_udp(socket: &UdpSocket, request: &Message) -> Result<Vec<u8>> {
    let mut buffer = [0; 2_048];
    for _ in 0..ASKED {
        // An error is that of an earlier datagram: nobody listens there.
        let refused = socket.send(&request.raw).await.is_err();
        match timeout(ANSWER, socket.recv(&mut buffer)).await {
            Ok(Ok(length)) if buffer.get(8..HEADER) == Some(request.transaction_id.0.as_slice()) => {
                return Ok(buffer[..length].to_vec());
            }
            Ok(Err(_)) => bail!("nobody listens there"),
            _ if refused => bail!("nobody listens there"),
            _ => {}
        }
    }
    bail!("no answer: is it running, and does the firewall let UDP through?")
}

async fn ask_tcp(stream: &mut TcpStream, request: &Message) -> Result<Vec<u8>> {
    stream.write_all(&request.raw).await?;
    let mut raw = vec![0; HEADER];
    stream.read_exact(&mut raw).await?;
    let length = usize::from(u16::from_be_bytes([raw[2], raw[3]]));
    raw.resize(HEADER + length, 0);
    stream.read_exact(&mut raw[HEADER..]).await?;
    Ok(raw)
}

fn request(kind: MessageType) -> Result<Message> {
    let mut message = Message::new();
    message.build(&[Box::new(kind), Box::new(TransactionId::new())])?;
    Ok(message)
}

/// As what this machine is seen.
async fn binding(at: &Address) -> Result<SocketAddr> {
    let answer = Link::open(at).await?.ask(&request(BINDING_REQUEST)?).await?;
    ensure!(answer.typ == BINDING_SUCCESS, "it refused: {}", error_of(&answer));
    let mut seen = XorMappedAddress::default();
    seen.get_from(&answer).context("the answer names no address")?;
    Ok(SocketAddr::new(seen.ip, seen.port))
}

/// Allocates and gives back; the address that it relayed from.
async fn allocation(at: &Address, user: &str, password: &str) -> Result<SocketAddr> {
    let mut link = Link::open(at).await?;
    let mut first = request(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST))?;
    first.add(ATTR_REQUESTED_TRANSPORT, &UDP);
    let challenge = link.ask(&first).await?;
    let text = |attribute| TextAttribute::get_from_as(&challenge, attribute);
    let (Ok(realm), Ok(nonce)) = (text(ATTR_REALM), text(ATTR_NONCE)) else {
        bail!("it asks for no credentials, so that anybody may use it: give coturn use-auth-secret");
    };
    let sign = |method: Method, more: (_, &[u8])| -> Result<Message> {
        let mut message = request(MessageType::new(method, CLASS_REQUEST))?;
        message.add(more.0, more.1);
        message.add(ATTR_USERNAME, user.as_bytes());
        message.add(ATTR_REALM, realm.text.as_bytes());
        message.add(ATTR_NONCE, nonce.text.as_bytes());
        let provider = crypto::default_provider()?;
        let credentials = (user.to_owned(), realm.text.clone(), password.to_owned());
        MessageIntegrity::new_long_term_integrity_with_provider(
            credentials.0,
            credentials.1,
            credentials.2,
            provider.crypto(),
        )?
        .add_to(&mut message)?;
        Ok(message)
    };
    let answer = link
        .ask(&sign(METHOD_ALLOCATE, (ATTR_REQUESTED_TRANSPORT, &UDP))?)
        .await?;
    if answer.typ.class != CLASS_SUCCESS_RESPONSE {
        bail!("no allocation: {}", error_of(&answer));
    }
    let mut relayed = XorMappedAddress::default();
    relayed
        .get_from_as(&answer, ATTR_XOR_RELAYED_ADDRESS)
        .context("the answer names no address")?;
    // Given back at once, so that it does not count against the quota; coturn would end it by itself.
    let _ = link.ask(&sign(METHOD_REFRESH, (ATTR_LIFETIME, &[0; 4]))?).await;
    Ok(SocketAddr::new(relayed.ip, relayed.port))
}

/// What the server said, and what that means here.
fn error_of(answer: &Message) -> String {
    let mut error = ErrorCodeAttribute::default();
    if error.get_from(answer).is_err() {
        return "it gave no reason".into();
    }
    let advice = match error.code.0 {
        401 | 441 => " (TURN_SECRET is not coturn's static-auth-secret, or one of the clocks is wrong)",
        486 => " (its quota is used up: raise user-quota or total-quota)",
        508 => " (it has no port left: widen min-port to max-port)",
        _ => "",
    };
    format!("{error}{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_browsers_do() {
        let read = |url: &str| Address::parse(url).map(|at| (at.check, at.host, at.tcp, at.encrypted));
        assert_eq!(
            read("stun:a.example"),
            Some(("stun", "a.example:3478".into(), false, false))
        );
        assert_eq!(
            read("turn:a:1?transport=tcp"),
            Some(("turn", "a:1".into(), true, false))
        );
        assert_eq!(
            read("turns:[::1]"),
            Some(("turn", "[::1]:5349".into(), false, true))
        );
        assert_eq!(
            read("turn:[::1]:7?transport=udp"),
            Some(("turn", "[::1]:7".into(), false, false))
        );
        assert_eq!(read("https://a"), None);
    }
}
