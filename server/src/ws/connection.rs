//! One task a socket: reads, writes, notices that the other end is gone, and cleans up.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt as _;
use mesh_protocol::error_code::close;
use mesh_protocol::signal::{ServerMessage, Welcome};
use tokio::time::{Instant, timeout};

use super::event::event;
use super::outbound::{Attachment, Closing, Next};
use super::relay::{Outcome, Relay};
use super::room;
use crate::app::App;
use crate::hub::LivePeer;

/// How often a silent client is pinged.
const HEARTBEAT: Duration = Duration::from_secs(25);
/// A client that says nothing for so long, not even to a ping, is gone.
const DEAD_AFTER: Duration = Duration::from_secs(70);
/// How long a write may take before the client counts as too slow.
const WRITE_STALL: Duration = Duration::from_secs(20);
/// How long the close frame may take, and then the client's own.
const GOODBYE: Duration = Duration::from_secs(2);

/// Lets go of the peer when the task ends, however it ends.
struct Connected {
    app: Arc<App>,
    peer: Arc<LivePeer>,
    attachment: Attachment,
    /// The socket broke: its client may come back. Else it said goodbye, or is sent away.
    broken: bool,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.app.hub.release(&self.peer, &self.attachment, self.broken);
    }
}

/// Serves a socket to its end.
pub(super) async fn serve(mut socket: WebSocket, app: Arc<App>, peer: Arc<LivePeer>, attachment: Attachment) {
    let mut connected = Connected {
        app: app.clone(),
        peer: peer.clone(),
        attachment: attachment.clone(),
        broken: true,
    };
    let welcome = Welcome {
        peer_id: peer.id.clone(),
        user_id: peer.user_id.clone(),
        device_id: peer.device_id.clone(),
        resume: peer.resume_token(),
        protocol: mesh_protocol::PROTOCOL_VERSION,
    };
    let welcome = event(&*app.clock, peer.id.as_str(), ServerMessage::Welcome(welcome));
    if !matches!(
        timeout(WRITE_STALL, socket.send(Message::Text(welcome))).await,
        Ok(Ok(()))
    ) {
        return;
    }
    let mut connection = Connection {
        socket,
        relay: Relay::new(app.clone(), peer.clone()),
        app,
        peer,
        attachment,
        said_goodbye: false,
    };
    let closing = connection.run().await;
    connected.broken = closing.is_none() && !connection.said_goodbye;
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
    attachment: Attachment,
    /// The client closed in order.
    said_goodbye: bool,
}

impl Connection {
    /// Until the socket ends (`None`) or is to be closed.
    async fn run(&mut self) -> Option<Closing> {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.tick().await;
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                () = self.attachment.superseded.cancelled() => return None,
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
                    let unconfirmed = self.peer.outbound.unconfirmed();
                    if heard.elapsed() < HEARTBEAT && unconfirmed.is_none() {
                        continue;
                    }
                    // Its pong comes back after everything before it was read, and so confirms that.
                    let count = unconfirmed.unwrap_or_default().to_be_bytes();
                    let ping = self.socket.send(Message::Ping(bytes::Bytes::copy_from_slice(&count)));
                    if !matches!(timeout(WRITE_STALL, ping).await, Ok(Ok(()))) {
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
            Message::Pong(count) => {
                if let Ok(count) = <[u8; 8]>::try_from(&count[..]) {
                    self.peer.outbound.confirm(u64::from_be_bytes(count));
                }
                Outcome::Done
            }
            // The library has answered the close; the next read is the end.
            Message::Close(_) => {
                self.said_goodbye = true;
                Outcome::Done
            }
            Message::Ping(_) => Outcome::Done,
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
        let (socket, outbound, attachment) = (&mut self.socket, &self.peer.outbound, &self.attachment);
        let all = async {
            loop {
                match outbound.next(attachment) {
                    Next::Frame(frame) => socket.feed(Message::Text(frame)).await?,
                    Next::Close(closing) => {
                        socket.flush().await?;
                        return Ok(Written::Close(closing));
                    }
                    Next::Superseded => return Ok(Written::Broken),
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
            () = attachment.superseded.cancelled() => Written::Broken,
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
