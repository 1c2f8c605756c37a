//! STUN and TURN against a real `turnserver` (coturn) on this machine.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::rtc_common::{closed_reason, connect, loopback, start};
use bytes::Bytes;
use mesh_peer::rtc::{ConnectionEvent, IceServer, RtcConfig};
use mesh_peer::transport::{Path, Transport};

/// A turnserver that ends with the test.
struct TurnServer {
    child: Child,
    address: SocketAddrV4,
    _directory: tempfile::TempDir,
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl TurnServer {
    fn start() -> Self {
        // An address of this process alone, a port for each server in it: a free port may be taken before coturn has it.
        static PORT: AtomicU16 = AtomicU16::new(3478);
        let own = Ipv4Addr::from(0x7f40_0000 | (std::process::id() & 0x3f_ffff));
        let address = SocketAddrV4::new(own, PORT.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let child = Command::new("turnserver")
            .args(["-n", "--relay-ip=127.0.0.1", "--allow-loopback-peers"])
            .arg(format!("--listening-ip={}", address.ip()))
            .args([
                "--lt-cred-mech",
                "--user=mesh:secret",
                "--realm=mesh.test",
                "--no-tls",
                "--no-dtls",
            ])
            .args(["--no-cli", "--log-file=stdout", "--simple-log"])
            // One thread: by default each core has a socket of its own at this port.
            .arg("--relay-threads=1")
            .arg(format!("--listening-port={}", address.port()))
            .arg(format!("--pidfile={}", directory.path().join("pid").display()))
            .arg(format!("--db={}", directory.path().join("db").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs `turnserver` (Debian: apt-get install coturn)");
        let server = Self {
            child,
            address,
            _directory: directory,
        };
        server.wait_until_it_answers();
        server
    }

    fn wait_until_it_answers(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42mesh-is-here";
        let answered = (0..100).any(|_| {
            let _ = socket.send_to(request, self.address);
            let answer = socket.recv(&mut [0; 512]).is_ok();
            if !answer {
                std::thread::sleep(Duration::from_millis(20));
            }
            answer
        });
        assert!(answered, "turnserver does not answer");
    }

    fn relay_only(&self, transport: &str, credential: &str) -> RtcConfig {
        RtcConfig {
            relay_only: true,
            ice_servers: vec![IceServer {
                urls: vec![format!("turn:{}?transport={transport}", self.address)],
                username: Some("mesh".into()),
                credential: Some(credential.into()),
            }],
            ..RtcConfig::default()
        }
    }
}

async fn relays(transport: &str) {
    let server = TurnServer::start();
    let (a, b) = connect(server.relay_only(transport, "secret")).await;
    assert_eq!(a.transport.link().borrow().path, Path::Relayed);
    assert_eq!(b.transport.link().borrow().path, Path::Relayed);
    let (tx, _rx) = a.transport.split();
    let (_tx, mut rx) = b.transport.split();
    let frames = 64_u8;
    let sending = tokio::spawn(async move {
        for index in 0..frames {
            tx.send(Bytes::from(vec![index; 64 << 10])).await.unwrap();
        }
    });
    for index in 0..frames {
        let frame = rx.recv().await.expect("the relay holds");
        assert_eq!(frame.len(), 64 << 10);
        assert!(frame.iter().all(|byte| *byte == index));
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn relays_over_udp() {
    relays("udp").await;
}

#[tokio::test]
async fn relays_over_tcp() {
    relays("tcp").await;
}

#[tokio::test]
async fn one_relayed_end_is_enough_to_be_called_relayed() {
    let server = TurnServer::start();
    let (a, b) = (
        start(server.relay_only("udp", "secret"), "file"),
        start(loopback(), "file"),
    );
    let offer = a.connection.offer(None).await.unwrap();
    assert!(
        !offer.contains("a=candidate:"),
        "a relayed-only end must not tell its own addresses"
    );
    let answer = b.connection.accept_offer(&offer).await.unwrap();
    a.connection.accept_answer(&answer).await.unwrap();
    let (a, b) = crate::rtc_common::open_both(a, b).await;
    for end in [&a, &b] {
        let mut link = end.transport.link();
        link.wait_for(|stats| stats.path == Path::Relayed).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_credentials_end_a_relayed_only_connection_with_a_reason() {
    let server = TurnServer::start();
    let mut a = start(server.relay_only("udp", "wrong"), "file");
    a.connection.offer(None).await.unwrap();
    let reason = closed_reason(&mut a.events).await.unwrap();
    assert!(reason.contains("TURN"), "{reason}");
}

#[tokio::test]
async fn a_direct_path_is_preferred_to_a_relay() {
    let server = TurnServer::start();
    let (a, _b) = connect(RtcConfig {
        relay_only: false,
        loopback: true,
        ..server.relay_only("udp", "secret")
    })
    .await;
    assert_eq!(a.transport.link().borrow().path, Path::Direct);
}

#[tokio::test]
async fn a_stun_server_that_is_silent_does_not_hold_up_the_end_of_candidates_for_ever() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("stun:127.0.0.1:{}", silent.local_addr().unwrap().port());
    let config = RtcConfig {
        ice_servers: vec![IceServer {
            urls: vec![url],
            ..IceServer::default()
        }],
        ..loopback()
    };
    let mut a = start(config, "file");
    a.connection.offer(None).await.unwrap();
    let wait = async {
        while let Some(event) = a.events.recv().await {
            if matches!(event, ConnectionEvent::EndOfCandidates) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("candidates end");
}

#[tokio::test]
async fn a_stun_server_shows_the_address_seen_from_outside() {
    // A server that claims to see everybody at 203.0.113.5:7000, as one beyond a NAT would.
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("stun:127.0.0.1:{}", server.local_addr().unwrap().port());
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            assert!(length >= 20);
            let cookie = [0x21, 0x12, 0xa4, 0x42];
            let mut answer = vec![1, 1, 0, 12];
            answer.extend_from_slice(&buffer[4..20]);
            answer.extend_from_slice(&[0, 0x20, 0, 8, 0, 1]);
            answer.extend_from_slice(&(7000_u16 ^ 0x2112).to_be_bytes());
            answer.extend(
                [203, 0, 113, 5]
                    .iter()
                    .zip(cookie)
                    .map(|(byte, mask): (&u8, u8)| byte ^ mask),
            );
            server.send_to(&answer, from).await.unwrap();
        }
    });
    let config = RtcConfig {
        ice_servers: vec![IceServer {
            urls: vec![url],
            ..IceServer::default()
        }],
        ..loopback()
    };
    let mut a = start(config, "file");
    a.connection.offer(None).await.unwrap();
    let found = async {
        loop {
            if let ConnectionEvent::Candidate(candidate) = a.events.recv().await.expect("alive") {
                return candidate;
            }
        }
    };
    let candidate = tokio::time::timeout(Duration::from_secs(10), found)
        .await
        .expect("a candidate");
    assert!(
        candidate.candidate.contains(" 203.0.113.5 7000 typ srflx"),
        "{}",
        candidate.candidate
    );
    assert_eq!(candidate.sdp_mid.as_deref(), Some("0"));
    answering.abort();
}
