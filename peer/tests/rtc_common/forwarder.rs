//! Two ends whose path can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;

use super::{OpenEnd, loopback, open_both, start};

/// Two sockets in the path of two peers, which forward until they are told to swallow everything.
struct Path {
    for_offerer: SocketAddr,
    for_answerer: SocketAddr,
}

async fn forwarder(offerer: SocketAddr, answerer: SocketAddr, cut: Arc<AtomicBool>) -> Path {
    let (x, y) = (
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    );
    let path = Path {
        for_offerer: y.local_addr().unwrap(),
        for_answerer: x.local_addr().unwrap(),
    };
    // `x` is what the answerer sees of the offerer, `y` what the offerer sees of the answerer.
    tokio::spawn(async move {
        let (mut one, mut two) = (vec![0; 2048], vec![0; 2048]);
        loop {
            tokio::select! {
                Ok((length, from)) = x.recv_from(&mut one) => if !cut.load(Ordering::Relaxed) && from == answerer {
                    let _ = y.send_to(&one[..length], offerer).await;
                },
                Ok((length, from)) = y.recv_from(&mut two) => if !cut.load(Ordering::Relaxed) && from == offerer {
                    let _ = x.send_to(&two[..length], answerer).await;
                },
            }
        }
    });
    path
}

fn own_address(sdp: &str) -> SocketAddr {
    let line = sdp
        .lines()
        .find(|line| line.contains(" 127.0.0.1 "))
        .expect("a loopback candidate");
    let fields: Vec<&str> = line.split(' ').collect();
    format!("{}:{}", fields[4], fields[5]).parse().unwrap()
}

fn with_only(sdp: &str, address: SocketAddr) -> String {
    let rest = sdp.lines().filter(|line| !line.starts_with("a=candidate:"));
    let sdp = rest.fold(String::new(), |all, line| all + line + "\r\n");
    format!(
        "{sdp}a=candidate:1 1 udp 2130706431 127.0.0.1 {} typ host\r\n",
        address.port()
    )
}

/// Two open ends, and what cuts the path between them.
pub(crate) async fn joined() -> (OpenEnd, OpenEnd, Arc<AtomicBool>) {
    let (a, b) = (start(loopback(), "file"), start(loopback(), "file"));
    let offer = a.connection.offer(None).await.unwrap();
    // The answer is needed to know where the answerer is; the path stands before either candidate is used.
    let without: String = offer
        .lines()
        .filter(|l| !l.starts_with("a=candidate:"))
        .fold(String::new(), |all, l| all + l + "\r\n");
    let answer = b.connection.accept_offer(&without).await.unwrap();
    let cut = Arc::new(AtomicBool::new(false));
    let path = forwarder(own_address(&offer), own_address(&answer), cut.clone()).await;
    a.connection
        .accept_answer(&with_only(&answer, path.for_offerer))
        .await
        .unwrap();
    let _ = path.for_answerer;
    let (a, b) = open_both(a, b).await;
    (a, b, cut)
}
