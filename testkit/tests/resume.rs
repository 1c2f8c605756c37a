//! A device whose network breaks and comes back: the same peer, and nothing that was said meanwhile is missed.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_peer::signal::{ControlPlane, SessionToken, Signal, SignalEvent};
use mesh_protocol::http::{DeviceIntro, DeviceKind, Login};
use mesh_protocol::ids::PeerId;
use mesh_protocol::signal::ServerMessage;
use mesh_testkit::{PASSWORD, TestServer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// A network on the way to the server, which can be away.
struct Network {
    address: SocketAddr,
    up: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Network {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (up, state) = watch::channel(true);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let mut state = state.clone();
                connections.spawn(async move {
                    if !*state.borrow_and_update() {
                        return;
                    }
                    let mut far = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.wait_for(|up| !up) => {}
                    }
                });
            }
        });
        Self {
            address,
            up,
            _task: task,
        }
    }
}

/// What a device hears, in order.
#[derive(Default)]
struct Heard {
    peers: Vec<PeerId>,
    texts: Vec<String>,
}

impl Heard {
    /// Listens until there were so many welcomes and so many messages.
    async fn until(&mut self, events: &mut mpsc::Receiver<SignalEvent>, peers: usize, texts: usize) {
        while self.peers.len() < peers || self.texts.len() < texts {
            let event = timeout(SOON, events.recv()).await.unwrap().unwrap();
            match event {
                SignalEvent::Connected(welcome) => self.peers.push(welcome.peer_id),
                SignalEvent::Message { message, .. } => match message {
                    ServerMessage::ChatMessageCreated(message) => self.texts.push(message.text),
                    ServerMessage::RoomLeft(left) => panic!("{} left", left.peer_id),
                    _ => {}
                },
                SignalEvent::Disconnected { .. } => {}
                SignalEvent::Ended(reason) => panic!("{reason}"),
            }
        }
    }
}

#[tokio::test]
async fn a_cut_of_the_network_costs_neither_the_peer_nor_a_message() {
    let server = TestServer::start().await.unwrap();
    let alice = server.client("alice").await.unwrap();
    server.add_user("bob").await.unwrap();
    let network = Network::to(server.address()).await;
    let stranger = ControlPlane::new(&format!("http://{}", network.address)).unwrap();
    let device = DeviceIntro {
        name: "bob's machine".into(),
        kind: DeviceKind::Agent,
        key: None,
    };
    let login = Login {
        username: "bob".into(),
        password: PASSWORD.into(),
        device: Some(device),
    };
    let session = stranger.login(&login).await.unwrap();
    let bob = stranger.with_session(SessionToken::new(session.token));
    let room = server.room(&alice, &[]).await.unwrap();
    let invite = alice
        .post(&format!("/rooms/{room}/invites"), json!({}))
        .await
        .unwrap();
    bob.join_by_invite(invite["token"].as_str().unwrap())
        .await
        .unwrap();
    let mut a = alice.join(&room).await.unwrap();

    let (signal, mut events) = Signal::start(bob);
    let mut heard = Heard::default();
    heard.until(&mut events, 1, 0).await;
    let peer = heard.peers[0].clone();
    signal.handle().join(&room).await.unwrap();
    let mut said = Vec::new();
    for round in 0..5 {
        for when in ["before", "during", "still during"] {
            network.up.send_replace(when == "before");
            let text = format!("{when} {round}");
            let payload = json!({"room_id": room, "client_id": said.len().to_string(), "text": text});
            a.send("chat.message.create", payload).await.unwrap();
            a.expect("ack").await.unwrap();
            said.push(text);
        }
        network.up.send_replace(true);
        heard.until(&mut events, round + 2, said.len()).await;
    }
    assert_eq!(heard.texts, said);
    assert_eq!(heard.peers, vec![peer; 6]);
    signal.stop().await;
}
