//! One task a socket: reads, writes, notices that the other end is gone, and cleans up.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mesh_protocol::error_code::close;
use mesh_protocol::ids::{MessageId, RoomId};
use mesh_protocol::signal::{ServerMessage, Welcome};
use tokio::time::{Instant, Sleep};

use super::codec::Received;
use super::event::event;
use super::outbound::{Attachment, Closing, Order};
use super::relay::{Outcome, Relay};
use super::room;
use super::socket::{End, Socket};
use crate::app::App;
use crate::hub::LivePeer;

/// How often a silent client is pinged.
const HEARTBEAT: Duration = Duration::from_secs(25);
/// A client that says nothing for so long, not even to a ping, is gone.
const DEAD_AFTER: Duration = Duration::from_secs(70);
/// How long a write may take before the client counts as too slow.
const WRITE_STALL: Duration = Duration::from_secs(20);
/// Bytes that are gathered for one write.
const WRITE_AT_ONCE: usize = 64 * 1024;

/// Lets go of the peer when the task ends, however it ends.
struct Hold {
    app: Arc<App>,
    peer: Arc<LivePeer>,
    attachment: Attachment,
    /// The socket broke, or its node goes: its client may come back. Else it said goodbye, or is sent away.
    broken: bool,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.app.hub.release(&self.peer, self.attachment, self.broken);
    }
}

/// Serves a socket to its end.
pub(super) fn serve(
    mut socket: Socket,
    app: Arc<App>,
    peer: Arc<LivePeer>,
    attachment: Attachment,
) -> impl Future<Output = ()> {
    let welcome = Welcome {
        peer_id: peer.id.clone(),
        user_id: peer.user_id.clone(),
        device_id: peer.device_id.clone(),
        resume: app.hub.resume_token(&peer),
        protocol: mesh_protocol::PROTOCOL_VERSION,
        terminal_data: app.config.terminal_fallback,
    };
    let welcome = ServerMessage::Welcome(welcome);
    socket.send(&event(&*app.clock, peer.id.as_str(), welcome));
    let now = Instant::now();
    Connection {
        socket,
        relay: Relay::new(app.clone(), peer.clone()),
        heard: now,
        heartbeat: now + HEARTBEAT,
        stalled: None,
        awaited: None,
        hold: Hold {
            app,
            peer,
            attachment,
            broken: true,
        },
    }
    .run()
}

/// How a socket ends.
enum Over {
    Broken,
    /// The client closed in order.
    SaidGoodbye(Option<u16>),
    Close(Closing),
}

/// What interrupts reading and writing.
enum Interruption {
    Over(Over),
    Join {
        room_id: RoomId,
        reference: Option<MessageId>,
    },
}

struct Connection {
    socket: Socket,
    relay: Relay,
    /// When the client last said something.
    heard: Instant,
    /// When to look whether it is still there.
    heartbeat: Instant,
    /// Since when it takes nothing of what is written.
    stalled: Option<Instant>,
    /// When the timer wakes this task: until then it need not be looked at.
    awaited: Option<Instant>,
    hold: Hold,
}

impl Connection {
    #[expect(
        clippy::manual_async_fn,
        reason = "it would hold what it is called with twice"
    )]
    fn run(mut self) -> impl Future<Output = ()> {
        async move {
            let mut timer = pin!(tokio::time::sleep_until(self.heartbeat));
            let over = loop {
                match poll_fn(|cx| self.poll(cx, timer.as_mut())).await {
                    Interruption::Over(over) => break over,
                    Interruption::Join { room_id, reference } => {
                        let Hold { app, peer, .. } = &self.hold;
                        // Boxed: an idle socket should not carry the state of a query.
                        if let Err(refusal) = Box::pin(room::join(app, peer, &room_id)).await {
                            self.relay.tell(refusal.code, &refusal.detail, reference);
                        }
                    }
                }
            };
            self.hold.broken = match over {
                Over::Broken => true,
                Over::Close(_) => self.hold.peer.outbound.goes_on(),
                Over::SaidGoodbye(_) => false,
            };
            // Out of every room before the goodbye, which may take its time.
            drop(self.hold);
            match over {
                Over::Broken => {}
                Over::SaidGoodbye(code) => Box::pin(self.socket.return_goodbye(code)).await,
                Over::Close(closing) => Box::pin(self.socket.say_goodbye(closing)).await,
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<Interruption> {
        if let Some(interruption) = self.read(cx) {
            return Poll::Ready(interruption);
        }
        // After what was read, which may be answered.
        let over = self.write(cx).or_else(|| self.look_at_the_clock(cx, timer));
        over.map_or(Poll::Pending, |over| Poll::Ready(Interruption::Over(over)))
    }

    /// Handles what is there to be read.
    fn read(&mut self, cx: &mut Context<'_>) -> Option<Interruption> {
        let Self {
            socket,
            relay,
            hold: Hold { peer, .. },
            heard,
            ..
        } = self;
        // What comes in one row came at one time.
        let mut received = None;
        let read = socket.poll_read(cx, |message| {
            let now = *received.get_or_insert_with(Instant::now);
            let outcome = match message {
                Received::Text(text) => relay.text(&text, now.into_std()),
                Received::Binary => relay.binary(),
                Received::Pong(count) => {
                    if let Ok(count) = count.try_into() {
                        peer.outbound.confirm(u64::from_be_bytes(count));
                    }
                    Outcome::Done
                }
                Received::Ping(_) => Outcome::Done,
                Received::Close(code) => {
                    return ControlFlow::Break(Interruption::Over(Over::SaidGoodbye(code)));
                }
            };
            match outcome {
                Outcome::Done => ControlFlow::Continue(()),
                Outcome::Close => {
                    peer.outbound.close(close::TOO_MANY, "too many bad frames");
                    ControlFlow::Continue(())
                }
                Outcome::Join { room_id, reference } => {
                    ControlFlow::Break(Interruption::Join { room_id, reference })
                }
            }
        });
        if let Some(received) = received {
            socket.came_after(received - *heard);
            *heard = received;
        }
        match read {
            Poll::Pending => None,
            Poll::Ready(Ok(interruption)) => Some(interruption),
            Poll::Ready(Err(End::Gone)) => Some(Interruption::Over(Over::Broken)),
            Poll::Ready(Err(End::Violation(violation))) => {
                let (code, reason) = violation.code_and_reason();
                Some(Interruption::Over(Over::Close(Closing { code, reason })))
            }
        }
    }

    /// Writes what waits, as far as the client takes it.
    fn write(&mut self, cx: &mut Context<'_>) -> Option<Over> {
        loop {
            let room = if self.socket.is_flushed() {
                WRITE_AT_ONCE
            } else {
                0
            };
            let (socket, hold) = (&mut self.socket, &self.hold);
            let outbound = &hold.peer.outbound;
            match outbound.next(hold.attachment, cx.waker(), room, |frame| socket.send(frame)) {
                Order::Write(None) => {}
                Order::Write(Some(count)) => self.socket.ask(count),
                Order::Close(closing) => return Some(Over::Close(closing)),
                Order::Yield => return Some(Over::Broken),
            }
            if self.socket.is_flushed() {
                return None;
            }
            match self.socket.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.stalled = None,
                Poll::Ready(Err(_)) => return Some(Over::Broken),
                Poll::Pending => {
                    self.stalled.get_or_insert_with(Instant::now);
                    return None;
                }
            }
        }
    }

    /// Sees to it that a client that is gone or too slow is noticed.
    fn look_at_the_clock(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Option<Over> {
        loop {
            let stall = self.stalled.map(|since| since + WRITE_STALL);
            let next = stall.map_or(self.heartbeat, |stall| stall.min(self.heartbeat));
            if self.awaited == Some(next) && Instant::now() < next {
                return None;
            }
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                self.awaited = Some(next);
                return None;
            }
            self.awaited = None;
            if stall == Some(next) {
                return Some(Over::Close(Closing::TOO_SLOW));
            }
            if self.heard.elapsed() > DEAD_AFTER {
                return Some(Over::Broken);
            }
            self.heartbeat += HEARTBEAT;
            let unconfirmed = self.hold.peer.outbound.unconfirmed();
            if self.heard.elapsed() >= HEARTBEAT || unconfirmed.is_some() {
                self.socket.ask(unconfirmed.unwrap_or_default());
                // Nothing is before it where all was written; then it would wait for the next message.
                cx.waker().wake_by_ref();
            }
        }
    }
}
