//! One task a socket: reads, writes, notices that the other end is gone, and cleans up.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt as _;
use mesh_protocol::error_code::close;
use mesh_protocol::signal::{Nothing, ServerMessage, Welcome};
use tokio::time::{Instant, timeout};

use super::event::event;
use super::outbound::{Closing, Next};
use super::relay::{Outcome, Relay};
use super::room;
use crate::app::App;
use crate::auth::random;
use crate::hub::{LivePeer, SocketPlace};

/// How often a silent client is pinged.
const HEARTBEAT: Duration = Duration::from_secs(25);
/// A client that says nothing for so long, not even to a ping, is gone.
const DEAD_AFTER: Duration = Duration::from_secs(70);
/// How long a write may take before the client counts as too slow.
const WRITE_STALL: Duration = Duration::from_secs(20);
/// How long the close frame may take, and then the client's own.
const GOODBYE: Duration = Duration::from_secs(2);

/// Takes the peer out of everything when the task ends, however it ends.
struct Connected {
    app: Arc<App>,
    peer: Arc<LivePeer>,
    _place: SocketPlace,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.app.hub.disconnect(&self.peer);
    }
}

/// Serves a socket to its end. `resuming`: the client asked to go on where it was.
pub(super) async fn serve(
    socket: WebSocket,
    app: Arc<App>,
    peer: Arc<LivePeer>,
    place: SocketPlace,
    resuming: bool,
) {
    app.hub.connect(peer.clone());
    let connected = Connected {
        app: app.clone(),
        peer: peer.clone(),
        _place: place,
    };
    let to = peer.id.as_str();
    let welcome = Welcome {
        peer_id: peer.id.clone(),
        user_id: peer.user_id.clone(),
        device_id: peer.device_id.clone(),
        resume: random::token(),
        protocol: mesh_protocol::PROTOCOL_VERSION,
    };
    peer.outbound
        .push(event(&*app.clock, to, ServerMessage::Welcome(welcome)));
    if resuming {
        peer.outbound
            .push(event(&*app.clock, to, ServerMessage::Resync(Nothing {})));
    }
    let mut connection = Connection {
        socket,
        relay: Relay::new(app.clone(), peer.clone()),
        app,
        peer,
    };
    let closing = connection.run().await;
    // Out of every room before the goodbye, which may take its time.
    drop(connected);
    if let Some(closing) = closing {
        connection.say_goodbye(closing).await;
    }
}

struct Connection {
    socket: WebSocket,
    app: Arc<App>,
    peer: Arc<LivePeer>,
    relay: Relay,
}

impl Connection {
    /// Until the socket ends (`None`) or is to be closed.
    async fn run(&mut self) -> Option<Closing> {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.tick().await;
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                () = self.peer.outbound.ready() => match self.write().await {
                    Written::All => {}
                    Written::Close(closing) => return Some(closing),
                    Written::Broken => return None,
                },
                message = self.socket.recv() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(message)) => if let Some(closing) = self.read(message).await { return Some(closing) },
                        Some(Err(error)) => return reading_failed(error),
                        None => return None,
                    }
                }
                _ = heartbeat.tick() => {
                    if heard.elapsed() > DEAD_AFTER {
                        return None;
                    }
                    let ping = self.socket.send(Message::Ping(bytes::Bytes::new()));
                    if heard.elapsed() >= HEARTBEAT && !matches!(timeout(WRITE_STALL, ping).await, Ok(Ok(()))) {
                        return None;
                    }
                }
            }
        }
    }

    async fn read(&mut self, message: Message) -> Option<Closing> {
        let outcome = match message {
            Message::Text(text) => self.relay.text(&text),
            Message::Binary(_) => self.relay.binary(),
            // The library has answered the close; the next read is the end.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Outcome::Done,
        };
        match outcome {
            Outcome::Done => None,
            Outcome::Close => {
                self.peer.outbound.close(close::TOO_MANY, "too many bad frames");
                None
            }
            Outcome::Join { room_id, reference } => {
                // Boxed: an idle socket should not carry the state of a query.
                if let Err(refusal) = Box::pin(room::join(&self.app, &self.peer, &room_id)).await {
                    self.relay.tell(refusal.code, &refusal.detail, reference);
                }
                None
            }
        }
    }

    /// Writes all that waits, with one flush.
    async fn write(&mut self) -> Written {
        let (socket, outbound) = (&mut self.socket, &self.peer.outbound);
        let all = async {
            loop {
                match outbound.next() {
                    Next::Frame(frame) => socket.feed(Message::Text(frame)).await?,
                    Next::Close(closing) => {
                        socket.flush().await?;
                        return Ok(Written::Close(closing));
                    }
                    Next::Nothing => {
                        socket.flush().await?;
                        return Ok::<_, axum::Error>(Written::All);
                    }
                }
            }
        };
        let slow = Written::Close(Closing {
            code: close::TOO_SLOW,
            reason: "too slow to read",
        });
        tokio::select! {
            biased;
            () = outbound.overflowed() => slow,
            written = timeout(WRITE_STALL, all) => match written {
                Ok(Ok(written)) => written,
                Ok(Err(_)) => Written::Broken,
                Err(_) => slow,
            },
        }
    }

    /// Sends the close frame and waits a little for the client's, so that it learns the code.
    async fn say_goodbye(mut self, closing: Closing) {
        let frame = CloseFrame {
            code: closing.code,
            reason: closing.reason.into(),
        };
        if matches!(
            timeout(GOODBYE, self.socket.send(Message::Close(Some(frame)))).await,
            Ok(Ok(()))
        ) {
            let echo = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            let _ = timeout(GOODBYE, echo).await;
        }
    }
}

enum Written {
    All,
    Close(Closing),
    Broken,
}

/// A frame over the limit is told; anything else is an end.
fn reading_failed(error: axum::Error) -> Option<Closing> {
    use tokio_tungstenite::tungstenite::Error;
    let error = error.into_inner().downcast::<Error>().ok()?;
    matches!(*error, Error::Capacity(_)).then_some(Closing {
        code: close::TOO_LARGE,
        reason: "frame too large",
    })
}
