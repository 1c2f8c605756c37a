//! One connection of the socket, from the upgrade to its end.
//!
//! Owns the frames: decoding, pings, pace, queues. Must not know when to connect again: that is [`super::socket`].

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use mesh_protocol::error_code::close;
use mesh_protocol::ids::PeerId;
use mesh_protocol::signal::{Envelope, FROM_SERVER, ServerMessage, Welcome};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::ControlPlane;
use super::backoff::Pace;
use super::shared::{Outgoing, Shared};
use super::socket::SignalEvent;

/// From the first packet to `system.welcome`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the server is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_secs(10);
/// Silence after which the link is dead: a dead one is noticed within 25 s.
const SILENCE: Duration = Duration::from_secs(25);
/// One frame that does not leave within this time means that nothing gets through.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// An orderly close is worth this much waiting.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest message taken, bytes: what the server lets wait for one socket.
const MAX_MESSAGE: usize = mesh_protocol::limits::OUTBOUND_BYTES;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How a connection ended, or did not begin.
#[derive(Debug)]
pub(super) enum LinkEnd {
    /// The session has ended: 401 at the upgrade, or close code 4401.
    SignInNeeded,
    /// The server speaks another version of the protocol.
    Version(u32),
    /// It goes away and is back soon.
    Restart,
    /// It wants less of us: too many sockets, too many bad frames, or too slow a reader.
    Refused(String),
    /// Anything else; for the log.
    Lost(String),
    /// Our own wish, or nobody reads the events any more.
    Stopped,
}

/// Where to go on after a cut.
#[derive(Debug)]
pub(super) struct Resume {
    pub(super) peer_id: PeerId,
    /// From the welcome.
    pub(super) token: String,
    /// Messages handled since that peer's first welcome.
    pub(super) seen: u64,
}

/// Connects and reads the welcome.
pub(super) async fn connect(
    control: &ControlPlane,
    resume: Option<&Resume>,
) -> Result<(Socket, Welcome), LinkEnd> {
    match timeout(CONNECT_TIMEOUT, open(control, resume)).await {
        Ok(opened) => opened,
        Err(_) => Err(LinkEnd::Lost("no answer in time".to_owned())),
    }
}

async fn open(control: &ControlPlane, resume: Option<&Resume>) -> Result<(Socket, Welcome), LinkEnd> {
    let lost = |what: &dyn std::fmt::Display| LinkEnd::Lost(what.to_string());
    let query = resume
        .map(|Resume { token, seen, .. }| format!("?resume={token}&seq={seen}"))
        .unwrap_or_default();
    let mut request = format!("{}{query}", control.socket_url())
        .into_client_request()
        .map_err(|error| lost(&error))?;
    let token = control.session().ok_or(LinkEnd::SignInNeeded)?;
    let mut bearer =
        HeaderValue::try_from(format!("Bearer {}", token.reveal())).map_err(|_| LinkEnd::SignInNeeded)?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let connector = Connector::Rustls(control.tls());
    let connected = connect_async_tls_with_config(request, Some(config), true, Some(connector)).await;
    let mut socket = match connected {
        Ok((socket, _)) => socket,
        Err(WsError::Http(response)) => {
            return Err(match response.status().as_u16() {
                401 => LinkEnd::SignInNeeded,
                429 => LinkEnd::Refused("too many connections".to_owned()),
                status => LinkEnd::Lost(format!("the upgrade was answered with {status}")),
            });
        }
        Err(error) => return Err(lost(&error)),
    };
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => match decode(&text) {
                Some((None, ServerMessage::Welcome(welcome))) => {
                    if welcome.protocol != mesh_protocol::PROTOCOL_VERSION {
                        return Err(LinkEnd::Version(welcome.protocol));
                    }
                    return Ok((socket, welcome));
                }
                _ => return Err(LinkEnd::Lost("the server did not say welcome first".to_owned())),
            },
            Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(lost(&error)),
            None => return Err(LinkEnd::Lost("closed before the welcome".to_owned())),
        }
    }
}

/// One message; `None` is one that this version does not know, which is no fault of anyone.
fn decode(text: &str) -> Option<(Option<PeerId>, ServerMessage)> {
    match serde_json::from_str::<Envelope<ServerMessage>>(text) {
        Ok(envelope) => {
            let from = envelope
                .from
                .filter(|from| from != FROM_SERVER)
                .and_then(|from| from.parse().ok());
            Some((from, envelope.message))
        }
        Err(error) => {
            // The category only: the text may hold what people wrote.
            debug!(kind = ?error.classify(), bytes = text.len(), "a message that this version does not know");
            None
        }
    }
}

fn closed(frame: Option<CloseFrame>) -> LinkEnd {
    let Some(frame) = frame else {
        return LinkEnd::Lost("closed without a reason".to_owned());
    };
    match u16::from(frame.code) {
        close::SESSION_ENDED => LinkEnd::SignInNeeded,
        close::RESTART => LinkEnd::Restart,
        code @ (close::TOO_MANY | close::TOO_SLOW | close::TOO_LARGE) => {
            LinkEnd::Refused(format!("closed with {code}"))
        }
        code => LinkEnd::Lost(format!("closed with {code}")),
    }
}

/// Says what was to be said before the end, such as that an offer is declined or taken back, and closes. The server answers the
/// close once it has read all of it (RFC 6455, section 5.5.1): gone before that, with answers unread, the rest could be lost there.
async fn farewell(mut socket: Socket, outbound: &mut mpsc::Receiver<Outgoing>, connection: u64) -> LinkEnd {
    let closing = async {
        while let Ok(outgoing) = outbound.try_recv() {
            if outgoing.connection == connection {
                socket.send(Message::text(outgoing.text)).await?;
            }
        }
        let going = CloseFrame {
            code: CloseCode::Away,
            reason: "".into(),
        };
        socket.close(Some(going)).await?;
        while let Some(Ok(_)) = socket.next().await {}
        Ok::<_, WsError>(())
    };
    let _ = timeout(CLOSE_TIMEOUT, closing).await;
    LinkEnd::Stopped
}

/// The parts of the task that outlive a connection.
pub(super) struct Around<'a> {
    pub(super) shared: &'a Shared,
    pub(super) outbound: &'a mut mpsc::Receiver<Outgoing>,
    pub(super) events: &'a mpsc::Sender<SignalEvent>,
    pub(super) stop: &'a CancellationToken,
}

/// Runs a connection to its end; counts the messages that were handled in `seen`.
pub(super) async fn run(mut socket: Socket, welcome: Welcome, seen: &mut u64, around: Around<'_>) -> LinkEnd {
    let Around {
        shared,
        outbound,
        events,
        stop,
    } = around;
    let (connection, replay) = shared.connected(&welcome);
    // At most one event is held while the queue of events is full, and nothing more is read then: the server's queue
    // fills instead, and it closes this socket (4408) rather than let others wait.
    let mut held = Some(SignalEvent::Connected(welcome));
    let mut replay = replay.into_iter();
    let mut next = replay.next();
    let mut pace = Pace::new(Instant::now().into_std());
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut draining = false;
    loop {
        let pause = pace.wait(Instant::now().into_std());
        let silence = SILENCE.saturating_sub(heard.elapsed());
        let text = tokio::select! {
            () = stop.cancelled() => return farewell(socket, outbound, connection).await,
            slot = events.reserve(), if held.is_some() => {
                let Ok(slot) = slot else { return farewell(socket, outbound, connection).await };
                if let Some(event) = held.take() {
                    *seen += u64::from(matches!(event, SignalEvent::Message { .. }));
                    slot.send(event);
                }
                heard = Instant::now();
                continue;
            }
            frame = socket.next(), if held.is_none() => {
                heard = Instant::now();
                match frame {
                    Some(Ok(Message::Text(text))) => {
                        let Some((from, message)) = decode(&text) else {
                            *seen += 1;
                            continue;
                        };
                        draining |= matches!(message, ServerMessage::Drain(_));
                        if shared.answered(&message) {
                            *seen += 1;
                        } else {
                            held = Some(SignalEvent::Message { from, message });
                        }
                    }
                    Some(Ok(Message::Close(frame))) => return closed(frame),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None if draining => return LinkEnd::Restart,
                    Some(Err(error)) => return LinkEnd::Lost(error.to_string()),
                    None => return LinkEnd::Lost("the connection was cut".to_owned()),
                }
                continue;
            }
            () = sleep(silence), if held.is_none() => return LinkEnd::Lost("no sign of life".to_owned()),
            () = sleep(pause), if !pause.is_zero() => continue,
            () = std::future::ready(()), if pause.is_zero() && next.is_some() => next.take().map(Message::text),
            outgoing = outbound.recv(), if pause.is_zero() && next.is_none() => match outgoing {
                Some(outgoing) if outgoing.connection == connection => Some(Message::text(outgoing.text)),
                // Meant for the connection before this one: whoever sent it was told that it is gone.
                Some(_) => continue,
                None => return LinkEnd::Stopped,
            },
            _ = ping.tick() => Some(Message::Ping(tokio_tungstenite::tungstenite::Bytes::new())),
        };
        let Some(message) = text else { continue };
        if message.is_text() {
            pace.sent();
            next = replay.next();
        }
        match timeout(WRITE_TIMEOUT, socket.send(message)).await {
            Ok(Ok(())) => {}
            // What the server said before it closed is still to be read, its reason above all.
            Ok(Err(WsError::ConnectionClosed | WsError::AlreadyClosed)) => {}
            Ok(Err(error)) if draining => {
                debug!(%error, "the draining server is gone");
                return LinkEnd::Restart;
            }
            Ok(Err(error)) => return LinkEnd::Lost(error.to_string()),
            Err(_) => return LinkEnd::Lost("nothing gets through".to_owned()),
        }
    }
}
