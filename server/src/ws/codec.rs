//! The WebSocket protocol (RFC 6455) as a server without extensions speaks it, on bytes alone.
//!
//! Inbound, a frame is unmasked where it lies and handed on from there. Outbound, a message is framed once for all who
//! receive it, since a server masks nothing.

use std::borrow::Cow;

use bytes::{Buf as _, Bytes};
use mesh_protocol::error_code::close;
use mesh_protocol::limits::MAX_SIGNAL_FRAME;

/// The longest header of a frame: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;
/// The most bytes of a frame that is not complete.
pub(super) const MAX_PARTIAL: usize = MAX_HEADER + MAX_SIGNAL_FRAME;
/// A control frame carries no more (section 5.5).
const MAX_CONTROL: usize = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// A text message as it stands on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// Frames the text that `write` appends; `expected` is about its length.
    pub fn text(expected: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        // The length of the header depends on the text: written before it, as far to the right as it reaches.
        const ROOM: usize = 10;
        let mut bytes = Vec::with_capacity(ROOM + expected);
        bytes.resize(ROOM, 0);
        write(&mut bytes);
        let (header, length) = header(FINAL | TEXT, bytes.len() - ROOM);
        let start = ROOM - length;
        bytes[start..ROOM].copy_from_slice(&header[..length]);
        let mut bytes = Bytes::from(bytes);
        bytes.advance(start);
        Self(bytes)
    }

    /// Bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// As they go out.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// One that another node has framed.
    pub(crate) fn of_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::text(text.len(), |bytes| bytes.extend_from_slice(text.as_bytes()))
    }
}

/// The header of an unmasked frame, and its length.
fn header(first: u8, payload: usize) -> ([u8; 10], usize) {
    let mut header = [0; 10];
    header[0] = first;
    match (u8::try_from(payload), u16::try_from(payload)) {
        (Ok(short @ ..126), _) => {
            header[1] = short;
            (header, 2)
        }
        (_, Ok(medium)) => {
            header[1] = 126;
            header[2..4].copy_from_slice(&medium.to_be_bytes());
            (header, 4)
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(payload as u64).to_be_bytes());
            (header, 10)
        }
    }
}

fn control(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    let payload = &payload[..payload.len().min(MAX_CONTROL)];
    let (header, length) = header(FINAL | opcode, payload.len());
    out.extend_from_slice(&header[..length]);
    out.extend_from_slice(payload);
}

pub(super) fn ping(out: &mut Vec<u8>, payload: &[u8]) {
    control(out, PING, payload);
}

pub(super) fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    control(out, PONG, payload);
}

/// A close frame; without a code it has no payload.
pub(super) fn close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
    }
    control(out, CLOSE, &payload);
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    Text(Cow<'a, str>),
    Binary,
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// With its code, which the answer repeats.
    Close(Option<u16>),
}

/// The client does not keep to the protocol, or to the limits of this server; the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    Protocol,
    NotUtf8,
    TooLarge,
}

impl Violation {
    /// How the socket is closed (section 7.4.1).
    pub(super) fn code_and_reason(self) -> (u16, &'static str) {
        match self {
            Self::Protocol => (close::PROTOCOL_ERROR, "not the WebSocket protocol"),
            Self::NotUtf8 => (close::NOT_UTF8, "text that is not UTF-8"),
            Self::TooLarge => (close::TOO_LARGE, "frame too large"),
        }
    }
}

/// What stands at the front of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A message, and the bytes that it took.
    Message(Received<'a>, usize),
    /// A part of a message, and the bytes that it took.
    Part(usize),
    /// The frame is not complete.
    Incomplete,
}

/// The inbound half of a connection.
#[derive(Debug, Default)]
pub struct Decoder {
    /// A message in several frames, at most [`MAX_SIGNAL_FRAME`] long.
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    text: bool,
    bytes: Vec<u8>,
}

struct Header {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    /// Where the payload begins and ends.
    start: usize,
    end: usize,
}

/// `None` while it is not complete.
fn read_header(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    // No extension was agreed upon, so no reserved bit means anything; a client masks.
    if first & 0x70 != 0 || second & MASKED == 0 {
        return Err(Violation::Protocol);
    }
    let (payload, width) = match second & 0x7F {
        126 => match rest.first_chunk() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (u64::from_be_bytes(*length), 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0),
    };
    let payload = usize::try_from(payload).unwrap_or(usize::MAX);
    if payload > MAX_SIGNAL_FRAME {
        return Err(Violation::TooLarge);
    }
    let Some(mask) = rest.get(width..).and_then(<[u8]>::first_chunk) else {
        return Ok(None);
    };
    let start = 2 + width + mask.len();
    Ok(Some(Header {
        last: first & FINAL != 0,
        opcode: first & 0x0F,
        mask: *mask,
        start,
        end: start + payload,
    }))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([
        mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3],
    ]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

fn text(bytes: &[u8]) -> Result<&str, Violation> {
    std::str::from_utf8(bytes).map_err(|_| Violation::NotUtf8)
}

impl Decoder {
    /// Takes the first frame out of `bytes`, which go on where the ones before ended.
    pub fn next<'a>(&mut self, bytes: &'a mut [u8]) -> Result<Next<'a>, Violation> {
        let Some(header) = read_header(bytes)? else {
            return Ok(Next::Incomplete);
        };
        let Header {
            last, opcode, end, ..
        } = header;
        if opcode >= CLOSE && (!last || end - header.start > MAX_CONTROL) {
            return Err(Violation::Protocol);
        }
        let Some(payload) = bytes.get_mut(header.start..end) else {
            return Ok(Next::Incomplete);
        };
        unmask(payload, header.mask);
        let payload = &*payload;
        let message = match (opcode, &mut self.begun) {
            (TEXT, None) if last => Received::Text(Cow::Borrowed(text(payload)?)),
            (BINARY, None) if last => Received::Binary,
            (TEXT | BINARY, None) => {
                self.begun = Some(Begun {
                    text: opcode == TEXT,
                    bytes: payload.to_vec(),
                });
                return Ok(Next::Part(end));
            }
            (CONTINUATION, Some(begun)) => {
                if begun.bytes.len() + payload.len() > MAX_SIGNAL_FRAME {
                    return Err(Violation::TooLarge);
                }
                begun.bytes.extend_from_slice(payload);
                match self.begun.take_if(|_| last) {
                    None => return Ok(Next::Part(end)),
                    Some(Begun { text: false, .. }) => Received::Binary,
                    Some(Begun { bytes, .. }) => {
                        let text = String::from_utf8(bytes).map_err(|_| Violation::NotUtf8)?;
                        Received::Text(Cow::Owned(text))
                    }
                }
            }
            (PING, _) => Received::Ping(payload),
            (PONG, _) => Received::Pong(payload),
            (CLOSE, _) => match payload {
                [] => Received::Close(None),
                [high, low, reason @ ..] => {
                    text(reason)?;
                    let code = u16::from_be_bytes([*high, *low]);
                    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                        return Err(Violation::Protocol);
                    }
                    Received::Close(Some(code))
                }
                [_] => return Err(Violation::Protocol),
            },
            _ => return Err(Violation::Protocol),
        };
        Ok(Next::Message(message, end))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use tungstenite::protocol::{Message, Role, WebSocket};

    use super::*;

    /// As a client may write it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 77, 177, 217];
        let (header, length) = header(first, payload.len());
        let mut bytes = header[..length].to_vec();
        bytes[1] |= MASKED;
        bytes.extend_from_slice(&mask);
        bytes.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        bytes
    }

    /// What a client wrote, read in pieces of these lengths.
    fn decode(bytes: &[u8], pieces: &[usize]) -> Result<Vec<String>, Violation> {
        let mut decoder = Decoder::default();
        let (mut held, mut got) = (Vec::new(), Vec::new());
        let mut pieces = pieces.iter().copied().cycle();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(pieces.next().unwrap().min(rest.len()));
            (rest, _) = (after, held.extend_from_slice(piece));
            loop {
                let used = match decoder.next(&mut held)? {
                    Next::Incomplete => break,
                    Next::Part(used) => used,
                    Next::Message(message, used) => {
                        got.push(format!("{message:?}"));
                        used
                    }
                };
                held.drain(..used);
            }
            assert!(held.len() < MAX_PARTIAL);
        }
        Ok(got)
    }

    #[test]
    fn the_examples_of_the_standard() {
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(decode(&hello, &[1]).unwrap(), ["Text(\"Hello\")"]);
        assert_eq!(
            Frame::from("Hello").bytes(),
            [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
        );
    }

    #[test]
    fn an_independent_client_reads_every_length() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let sent = Cursor::new(Frame::from(&*text).bytes().to_vec());
            let read = WebSocket::from_raw_socket(sent, Role::Client, None)
                .read()
                .unwrap();
            assert_eq!(read, Message::text(text));
        }
    }

    proptest! {
        #[test]
        fn what_an_independent_client_writes_arrives_however_it_is_cut(
            messages in proptest::collection::vec((0..5_usize, "\\PC{0,40}", 0..1_500_usize), 1..12),
            pieces in proptest::collection::vec(1..4_000_usize, 1..20),
        ) {
            let mut client = WebSocket::from_raw_socket(Cursor::new(Vec::new()), Role::Client, None);
            let mut sent = Vec::new();
            for (kind, text, times) in messages {
                let short = text.chars().take(30).collect::<String>();
                let (message, received) = match kind {
                    0 | 1 => {
                        let mut text = text.repeat(times);
                        text.truncate(text.floor_char_boundary(MAX_SIGNAL_FRAME));
                        (Message::text(text.clone()), format!("Text({text:?})"))
                    }
                    2 => (Message::binary(text.into_bytes()), "Binary".to_owned()),
                    3 => (Message::Ping(short.clone().into()), format!("Ping({:?})", short.as_bytes())),
                    _ => (Message::Pong(short.clone().into()), format!("Pong({:?})", short.as_bytes())),
                };
                client.send(message).unwrap();
                sent.push(received);
            }
            let bytes = client.get_ref().get_ref();
            prop_assert_eq!(decode(bytes, &pieces).unwrap(), sent);
        }
    }

    #[test]
    fn a_message_in_parts_is_put_together_around_a_ping() {
        let bytes = [
            frame(TEXT, "é".as_bytes().split_at(1).0),
            frame(FINAL | PING, b"still there?"),
            frame(CONTINUATION, b""),
            frame(FINAL | CONTINUATION, "é".as_bytes().split_at(1).1),
            frame(BINARY, b"a"),
            frame(FINAL | CONTINUATION, b"b"),
            frame(FINAL | CLOSE, &1001_u16.to_be_bytes()),
        ];
        let got = decode(&bytes.concat(), &[3]).unwrap();
        let ping = format!("Ping({:?})", b"still there?");
        assert_eq!(got, [&*ping, "Text(\"é\")", "Binary", "Close(Some(1001))"]);
    }

    #[test]
    fn whatever_breaks_the_protocol_ends_with_its_code() {
        let long = vec![b'x'; MAX_SIGNAL_FRAME];
        let mut unmasked = frame(FINAL | TEXT, b"x");
        unmasked[1] &= !MASKED;
        let too_long = header(FINAL | TEXT, MAX_SIGNAL_FRAME + 1)
            .0
            .map(|byte| byte | MASKED);
        let protocol = [
            unmasked,
            frame(FINAL | 0x40 | TEXT, b"x"),
            frame(FINAL | 0x3, b"x"),
            frame(FINAL | 0xB, b"x"),
            frame(PING, b"x"),
            frame(FINAL | PING, &long[..126]),
            frame(FINAL | CONTINUATION, b"x"),
            [frame(TEXT, b"x"), frame(FINAL | TEXT, b"x")].concat(),
            frame(FINAL | CLOSE, b"x"),
            frame(FINAL | CLOSE, &1005_u16.to_be_bytes()),
        ];
        for bytes in protocol {
            assert_eq!(decode(&bytes, &[1]), Err(Violation::Protocol), "{bytes:?}");
        }
        for bytes in [
            frame(FINAL | TEXT, b"\xFF"),
            [frame(TEXT, b"\xC3"), frame(FINAL | CONTINUATION, b"x")].concat(),
            frame(FINAL | CLOSE, b"\x03\xE8\xFF"),
        ] {
            assert_eq!(decode(&bytes, &[1]), Err(Violation::NotUtf8), "{bytes:?}");
        }
        for bytes in [
            too_long.to_vec(),
            [frame(TEXT, &long), frame(CONTINUATION, b"x")].concat(),
        ] {
            assert_eq!(decode(&bytes, &[4_000]), Err(Violation::TooLarge));
        }
        assert!(decode(&frame(FINAL | TEXT, &long), &[4_000]).is_ok());
    }
}
