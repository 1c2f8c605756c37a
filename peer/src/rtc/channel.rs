//! The application's side of an open channel: two bounded queues, the cap on what is in flight, the readings.
//!
//! Owns what the frames of one channel wait for. It must not know sockets, ICE or descriptions.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::RTCPeerConnection;
use rtc::peer_connection::message::RTCMessage;
use rtc::sansio::Protocol;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::PollSender;

use super::config::{CLOSE_LINGER, MAX_RECEIVE_BYTES, MAX_SEND_BYTES, WINDOW_BYTES};
use super::congestion::Congestion;
use super::repair::LONG_RECORD_BYTES;
use crate::transport::{FRAME_QUEUE, FrameReceiver, FrameSender, LinkStats, Path};

/// How far a channel is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The other end closed: what it sent before is still delivered.
    ClosedByPeer,
    /// Everything of ours was acknowledged and the channel closed; the other end may read on until the deadline.
    Closing(Instant),
}

/// The two ends of the queues that the application gets, and the readings of its link.
pub(super) type ApplicationEnd = (FrameSender, FrameReceiver, watch::Receiver<LinkStats>);

/// One open channel.
pub(super) struct Channel {
    id: RTCDataChannelId,
    /// Frames of the application, in order. Bound: [`FRAME_QUEUE`]; the application waits.
    outgoing: mpsc::Receiver<Bytes>,
    /// The frame taken from `outgoing` that does not fit in flight yet.
    pending: Option<Bytes>,
    /// All senders of `outgoing` are gone.
    outgoing_done: bool,
    /// Frames for the application. Bound: [`FRAME_QUEUE`]; while it is full nothing is taken from SCTP, whose window
    /// then closes, so that the other end waits.
    incoming: PollSender<Bytes>,
    incoming_full: bool,
    link: watch::Sender<LinkStats>,
    congestion: Congestion,
    state: State,
}

impl Channel {
    pub(super) fn new(id: RTCDataChannelId, congestion: Congestion) -> (Self, ApplicationEnd) {
        let (to_channel, outgoing) = mpsc::channel(FRAME_QUEUE);
        let (incoming, from_channel) = mpsc::channel(FRAME_QUEUE);
        let (link, link_reader) = watch::channel(LinkStats::default());
        let channel = Self {
            id,
            outgoing,
            pending: None,
            outgoing_done: false,
            incoming: PollSender::new(incoming),
            incoming_full: false,
            link,
            congestion,
            state: State::Open,
        };
        (channel, (to_channel, from_channel, link_reader))
    }

    pub(super) fn id(&self) -> RTCDataChannelId {
        self.id
    }

    /// The stack closed the channel; when it was not by our will the other end did.
    pub(super) fn on_close(&mut self) {
        if self.state == State::Open {
            self.state = State::ClosedByPeer;
        }
    }

    /// The rate at which datagrams may leave, bytes per second; `None` is as fast as they come.
    pub(super) fn pace(&self) -> Option<f64> {
        self.congestion.pace()
    }

    /// When the other end must have closed too.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Closing(until) => Some(until),
            _ => None,
        }
    }

    /// Whether everything of ours has been delivered and the channel closed.
    pub(super) fn closing(&self) -> bool {
        matches!(self.state, State::Closing(_))
    }

    /// Hands received messages to the application as far as it takes them. `Err` is the end of the connection.
    pub(super) fn deliver(&mut self, pc: &mut RTCPeerConnection) -> Result<(), String> {
        // The waker that counts is registered in `poll`; here only what is free now is used.
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match self.incoming.poll_reserve(&mut cx) {
                Poll::Pending => {
                    self.incoming_full = true;
                    return Ok(());
                }
                // A dropped receiver means that the application does not care: messages are read and dropped.
                Poll::Ready(_) => self.incoming_full = false,
            }
            let Some(read) = pc.poll_read() else { break };
            let RTCMessage::DataChannelMessage(id, message) = read.message else {
                continue;
            };
            if id != self.id {
                continue;
            }
            if message.data.len() > MAX_RECEIVE_BYTES {
                return Err(format!(
                    "the other device sent a message of {} bytes; {MAX_RECEIVE_BYTES} is the most",
                    message.data.len()
                ));
            }
            let _ = self.incoming.send_item(message.data.freeze());
        }
        if self.state == State::ClosedByPeer {
            return Err("the other device closed the channel".to_owned());
        }
        Ok(())
    }

    /// Bytes given to SCTP and not yet acknowledged.
    fn outstanding(&self, pc: &mut RTCPeerConnection) -> usize {
        pc.data_channel(self.id)
            .map_or(0, |channel| channel.outstanding_bytes())
    }

    /// The next frame that may be sent now; `arrived` bytes of those outstanding have left the path already. `Err` is
    /// the end of the connection.
    pub(super) fn next_frame(
        &mut self,
        pc: &mut RTCPeerConnection,
        arrived: usize,
    ) -> Result<Option<Bytes>, String> {
        if self.state != State::Open {
            return Ok(None);
        }
        let outstanding = self.outstanding(pc);
        // Of an odd number of records the last is acknowledged 200 ms later (RFC 9260, section 6.2): it has arrived by then.
        let in_flight = outstanding.saturating_sub(arrived + LONG_RECORD_BYTES);
        if self.pending.is_none() && !self.outgoing_done {
            match self.outgoing.try_recv() {
                Ok(frame) => self.pending = Some(frame),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.outgoing_done = true,
            }
        }
        let Some(frame) = &self.pending else {
            return Ok(None);
        };
        if frame.len() > MAX_SEND_BYTES {
            return Err(format!(
                "a frame of {} bytes is larger than {MAX_SEND_BYTES}",
                frame.len()
            ));
        }
        let over =
            in_flight + frame.len() > self.congestion.cap() || outstanding + frame.len() > WINDOW_BYTES;
        if outstanding > 0 && over {
            return Ok(None);
        }
        Ok(self.pending.take())
    }

    /// Gives `frame` to SCTP.
    pub(super) fn send(
        &mut self,
        pc: &mut RTCPeerConnection,
        stack_now: Instant,
        frame: Bytes,
    ) -> Result<(), String> {
        let length = frame.len();
        let Some(mut channel) = pc.data_channel(self.id) else {
            return Err("the channel is gone".to_owned());
        };
        channel
            .send(stack_now, BytesMut::from(frame))
            .map_err(|error| error.to_string())?;
        self.congestion
            .on_sent(Instant::now(), length, self.outgoing.is_empty());
        Ok(())
    }

    /// Reads what was acknowledged (`arrived` as in [`Self::next_frame`]; datagrams sent, and lost of them, ever), and
    /// closes once all is and the application has nothing more.
    pub(super) fn on_progress(
        &mut self,
        pc: &mut RTCPeerConnection,
        arrived: usize,
        losses: (u64, u64),
    ) -> Result<(), String> {
        let Some(mut channel) = pc.data_channel(self.id) else {
            return Ok(());
        };
        let outstanding = channel.outstanding_bytes();
        self.congestion.on_losses(losses);
        self.congestion
            .on_in_flight(Instant::now(), outstanding.saturating_sub(arrived));
        if self.state == State::Open && self.outgoing_done && self.pending.is_none() && outstanding == 0 {
            self.state = State::Closing(Instant::now() + CLOSE_LINGER);
            channel.close().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Registers for whatever lets this channel go on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = false;
        if self.incoming_full && self.incoming.poll_reserve(cx).is_ready() {
            ready = true;
        }
        if self.state == State::Open && self.pending.is_none() && !self.outgoing_done {
            match self.outgoing.poll_recv(cx) {
                Poll::Ready(Some(frame)) => {
                    self.pending = Some(frame);
                    ready = true;
                }
                Poll::Ready(None) => {
                    self.outgoing_done = true;
                    ready = true;
                }
                Poll::Pending => {}
            }
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Publishes the readings; `ice_round_trip` stands in until data has been acknowledged.
    pub(super) fn publish(
        &mut self,
        pc: &mut RTCPeerConnection,
        path: Path,
        ice_round_trip: Option<Duration>,
    ) {
        let in_flight = self.outstanding(pc);
        if let Some(sample) = ice_round_trip {
            self.congestion.on_path_round_trip(Instant::now(), sample);
        }
        let stats = LinkStats {
            path,
            rtt: self.congestion.round_trip().or(ice_round_trip),
            in_flight,
            in_flight_cap: self.congestion.cap(),
            closed: None,
        };
        self.link.send_if_modified(|current| {
            let changed = *current != stats;
            if changed {
                *current = stats;
            }
            changed
        });
    }

    /// Publishes why the link ended. The frames delivered so far stay readable.
    pub(super) fn end(self, reason: &str) {
        self.link.send_modify(|stats| {
            stats.in_flight = 0;
            stats.closed = Some(reason.to_owned());
        });
    }
}
