//! Both directions between this node and one other: what waits to be sent, and whether something is missing of what came.
//!
//! Sans-IO. Bound of what waits: 16 MiB for each node, an hour's worth of presence and seconds of anything else. Overflow: all of
//! it is dropped and the epoch moves on, by which the other end knows that something is missing, and asks.

use std::collections::VecDeque;

use bytes::Bytes;

use super::NodeId;
use super::wire::{Entry, Parcel};

const WAITING: usize = 16 * 1024 * 1024;

/// What goes to one node.
pub(super) struct Outgoing {
    own: NodeId,
    epoch: u64,
    /// The number of the next event.
    next: u64,
    /// Full ones; the last one is being filled.
    parcels: VecDeque<Parcel>,
    bytes: usize,
    /// The other end is to be told how far this one has come.
    beat: bool,
    /// Parcels that were dropped, for the metrics.
    pub(super) dropped: u64,
}

impl Outgoing {
    pub(super) fn new(own: NodeId) -> Self {
        Self {
            own,
            epoch: rand::random(),
            next: 0,
            parcels: VecDeque::new(),
            bytes: 0,
            beat: false,
            dropped: 0,
        }
    }

    /// Queues an event; whether nothing waited before.
    pub(super) fn push(&mut self, entry: &Entry<'_>) -> bool {
        if self.bytes >= WAITING {
            self.drop_all();
        }
        let idle = self.parcels.is_empty();
        let last = self.parcels.back_mut().filter(|parcel| !parcel.is_full());
        match last {
            Some(parcel) => {
                let before = parcel.len();
                parcel.push(entry);
                self.bytes += parcel.len() - before;
            }
            None => {
                let mut parcel = Parcel::new(self.own, self.epoch, self.next);
                parcel.push(entry);
                self.bytes += parcel.len();
                self.parcels.push_back(parcel);
            }
        }
        self.next += 1;
        idle
    }

    /// What waits, in order. One task takes: what it took is sent before it takes more.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let beat = std::mem::take(&mut self.beat);
        match self.parcels.pop_front() {
            Some(parcel) => {
                self.bytes -= parcel.len();
                Some(parcel.finish())
            }
            None if beat => Some(Parcel::new(self.own, self.epoch, self.next).finish()),
            None => None,
        }
    }

    /// Tells how far this end has come, where nothing else does.
    pub(super) fn beat(&mut self) {
        self.beat = true;
    }

    /// The other end has to ask.
    pub(super) fn drop_all(&mut self) {
        self.dropped += self.parcels.len() as u64;
        self.parcels.clear();
        (self.bytes, self.next) = (0, 0);
        self.epoch = self.epoch.wrapping_add(1);
    }
}

/// What comes from one node.
#[derive(Default)]
pub(super) struct Incoming {
    expected: Option<(u64, u64)>,
}

/// Whether events were missed before those of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The first that this node hears, from its beginning.
    New,
    Next,
    /// Deliver these, and ask for what is missing.
    Gap,
    /// They came before.
    Repeated,
}

impl Incoming {
    pub(super) fn took(&mut self, epoch: u64, first: u64, count: u64) -> Order {
        let order = match self.expected {
            Some((known, next)) if known == epoch && first == next => Order::Next,
            Some((known, next)) if known == epoch && first < next => return Order::Repeated,
            None if first == 0 => Order::New,
            _ => Order::Gap,
        };
        self.expected = Some((epoch, first + count));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::super::BusEvent;
    use super::super::wire;
    use super::*;

    fn push(out: &mut Outgoing, room: &str) -> bool {
        let event = BusEvent::RoomGone {
            room_id: room.parse().unwrap(),
        };
        out.push(&Entry::of(&event).unwrap())
    }

    fn carry(out: &mut Outgoing, to: &mut Incoming) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some(bytes) = out.take() {
            let arrived = wire::read(bytes).unwrap();
            orders.push(to.took(arrived.epoch, arrived.first, arrived.events.len() as u64));
        }
        orders
    }

    fn beat(out: &mut Outgoing, to: &mut Incoming) -> Order {
        out.beat();
        let orders = carry(out, to);
        assert_eq!(orders.len(), 1);
        orders[0]
    }

    #[test]
    fn events_in_a_row_share_a_parcel_and_are_in_order() {
        let (mut out, mut to) = (Outgoing::new(NodeId::random()), Incoming::default());
        assert!(push(&mut out, "a") && !push(&mut out, "b"));
        assert_eq!(carry(&mut out, &mut to), [Order::New]);
        push(&mut out, "c");
        assert_eq!(carry(&mut out, &mut to), [Order::Next]);
        assert_eq!(beat(&mut out, &mut to), Order::Next);
    }

    #[test]
    fn what_was_lost_is_noticed_at_the_latest_by_a_beat() {
        let (mut out, mut to) = (Outgoing::new(NodeId::random()), Incoming::default());
        push(&mut out, "a");
        carry(&mut out, &mut to);
        push(&mut out, "lost");
        out.take().unwrap();
        assert_eq!(beat(&mut out, &mut to), Order::Gap);
        assert_eq!(beat(&mut out, &mut to), Order::Next, "once");
    }

    #[test]
    fn too_much_is_dropped_whole_and_noticed() {
        let (mut out, mut to) = (Outgoing::new(NodeId::random()), Incoming::default());
        push(&mut out, "a");
        carry(&mut out, &mut to);
        let long = "x".repeat(60_000);
        let event = BusEvent::Peer {
            peer_id: "p".parse().unwrap(),
            frame: (&*long).into(),
        };
        let entry = Entry::of(&event).unwrap();
        for _ in 0..WAITING / 60_000 + 2 {
            out.push(&entry);
            assert!(out.bytes < WAITING + 70_000);
        }
        assert!(out.dropped > 0);
        assert_eq!(carry(&mut out, &mut to)[0], Order::Gap);
    }
}
