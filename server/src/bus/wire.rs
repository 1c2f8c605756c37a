//! How events travel between nodes: a parcel is a run of events of one sender for one receiver, numbered.
//!
//! ```text
//! version u8 │ from u64 │ epoch u64 │ first u64 │ count u32 │ { meta u32 │ frame u32 │ meta as JSON │ frame as it is } …
//! ```
//! Numbers are big-endian. A parcel without events tells how far its sender has come. Nodes of another version are not
//! understood and not listened to: all nodes of a cluster run versions that share this number.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{BusEvent, NodeId};
use crate::ws::codec::Frame;

/// Of the form of parcels and of the events in them.
pub const VERSION: u8 = 1;
const HEAD: usize = 1 + 8 + 8 + 8 + 4;
const ENTRY: usize = 8;
/// A parcel is closed when it has so many bytes: with one event more it stays far below the 1 MiB that NATS takes.
const FULL: usize = 256 * 1024;
/// The largest event.
pub(super) const MOST: usize = 512 * 1024;

/// What is wrong with the bytes of a parcel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("its version is {0}")]
    Version(u8),
    #[error("it is cut off or has a length that cannot be")]
    Form,
    #[error("an event in it cannot be read")]
    Event,
}

/// One that is being filled.
pub(super) struct Parcel {
    bytes: BytesMut,
    count: u32,
}

impl Parcel {
    pub(super) fn new(from: NodeId, epoch: u64, first: u64) -> Self {
        let mut bytes = BytesMut::with_capacity(HEAD + 1_024);
        bytes.put_u8(VERSION);
        bytes.put_u64(from.number());
        bytes.put_u64(epoch);
        bytes.put_u64(first);
        bytes.put_u32(0);
        Self { bytes, count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        self.bytes.put_u32(entry.meta.len() as u32);
        self.bytes.put_u32(entry.frame.len() as u32);
        self.bytes.extend_from_slice(&entry.meta);
        self.bytes.extend_from_slice(entry.frame);
        self.count += 1;
    }

    pub(super) fn finish(mut self) -> Bytes {
        self.bytes[HEAD - 4..HEAD].copy_from_slice(&self.count.to_be_bytes());
        self.bytes.freeze()
    }
}

/// An event, written once for all nodes that it goes to.
pub(super) struct Entry<'a> {
    meta: Vec<u8>,
    frame: &'a [u8],
}

impl<'a> Entry<'a> {
    /// `None` where it is too large to be carried, which no event is that this server makes.
    pub(super) fn of(event: &'a BusEvent) -> Option<Self> {
        let mut meta = Vec::with_capacity(128);
        serde_json::to_writer(&mut meta, event).ok()?;
        let frame = event.frame().map_or(&[][..], Frame::bytes);
        (ENTRY + meta.len() + frame.len() <= MOST).then_some(Self { meta, frame })
    }
}

/// What arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) from: NodeId,
    pub(super) epoch: u64,
    /// The number of the first event.
    pub(super) first: u64,
    pub(super) events: Vec<BusEvent>,
}

pub(super) fn read(mut bytes: Bytes) -> Result<Arrived, WireError> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&other) => return Err(WireError::Version(other)),
        None => return Err(WireError::Form),
    }
    if bytes.len() < HEAD {
        return Err(WireError::Form);
    }
    bytes.advance(1);
    let (from, epoch, first) = (NodeId(bytes.get_u64()), bytes.get_u64(), bytes.get_u64());
    let count = bytes.get_u32() as usize;
    let mut events = Vec::with_capacity(count.min(bytes.len() / ENTRY));
    for _ in 0..count {
        if bytes.len() < ENTRY {
            return Err(WireError::Form);
        }
        let (meta, frame) = (bytes.get_u32() as usize, bytes.get_u32() as usize);
        if meta > MOST || frame > MOST || bytes.len() < meta + frame {
            return Err(WireError::Form);
        }
        let meta = bytes.split_to(meta);
        let mut event: BusEvent = serde_json::from_slice(&meta).map_err(|_| WireError::Event)?;
        let frame = bytes.split_to(frame);
        if let Some(place) = event.frame_mut() {
            *place = Frame::of_bytes(frame);
        }
        events.push(event);
    }
    if !bytes.is_empty() {
        return Err(WireError::Form);
    }
    Ok(Arrived {
        from,
        epoch,
        first,
        events,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parcel() -> Bytes {
        let mut parcel = Parcel::new(NodeId(7), 2, 40);
        for event in [
            BusEvent::Peer {
                peer_id: "p".parse().unwrap(),
                frame: Frame::from("{\"type\":\"rtc.offer\"}"),
            },
            BusEvent::RoomGone {
                room_id: "r".parse().unwrap(),
            },
            BusEvent::MemberGone {
                room_id: "r".parse().unwrap(),
                user_id: "u".parse().unwrap(),
                reason: "left".into(),
            },
        ] {
            parcel.push(&Entry::of(&event).unwrap());
        }
        parcel.finish()
    }

    #[test]
    fn what_is_packed_arrives() {
        let arrived = read(parcel()).unwrap();
        assert_eq!((arrived.from, arrived.epoch, arrived.first), (NodeId(7), 2, 40));
        let [
            BusEvent::Peer { peer_id, frame },
            BusEvent::RoomGone { .. },
            BusEvent::MemberGone { reason, .. },
        ] = &arrived.events[..]
        else {
            panic!("{arrived:?}");
        };
        assert_eq!(peer_id.as_str(), "p");
        assert_eq!(frame, &Frame::from("{\"type\":\"rtc.offer\"}"));
        assert_eq!(reason, "left");
    }

    /// The form is fixed: another version of the server on another node reads it.
    #[test]
    fn the_bytes_are_those_of_version_1() {
        let mut parcel = Parcel::new(NodeId(7), 2, 40);
        let event = BusEvent::Peer {
            peer_id: "p".parse().unwrap(),
            frame: Frame::from("x"),
        };
        parcel.push(&Entry::of(&event).unwrap());
        let mut expected = vec![1];
        for number in [7_u64, 2, 40] {
            expected.extend_from_slice(&number.to_be_bytes());
        }
        let meta = br#"{"is":"Peer","peer_id":"p"}"#;
        for number in [1, meta.len() as u32, 3] {
            expected.extend_from_slice(&number.to_be_bytes());
        }
        expected.extend_from_slice(meta);
        expected.extend_from_slice(&[0x81, 1, b'x']);
        assert_eq!(&*parcel.finish(), &*expected);
    }

    #[test]
    fn another_version_is_told_as_such() {
        let mut bytes = parcel().to_vec();
        bytes[0] = 9;
        assert_eq!(read(bytes.into()).unwrap_err(), WireError::Version(9));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(bytes.into());
        }

        #[test]
        fn a_parcel_cut_or_flipped_is_refused_or_read_and_never_more(at in 0_usize..200, bit in 0_u8..8, cut in any::<bool>()) {
            let mut bytes = parcel().to_vec();
            let at = at % bytes.len();
            if cut {
                bytes.truncate(at);
                prop_assert!(read(bytes.into()).is_err());
            } else {
                bytes[at] ^= 1 << bit;
                let _ = read(bytes.into());
            }
        }
    }
}
