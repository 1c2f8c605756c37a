//! The bytes of each frame. Big-endian integers, JSON where a body is small and rare.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    FileAck, FileBundle, FileChunk, FileData, FolderData, Frame, TermAck, TermIn, TermOut, TermResize,
    TermSize, TermSnapshot,
};
use crate::limits::{MAX_BUNDLE_FRAMES, MAX_CHANNEL_DATA};

/// Why a message is not a frame. Whoever sent it broke the protocol: end the session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("an empty message")]
    Empty,
    #[error("a message of {0} bytes is over the limit")]
    TooLarge(usize),
    #[error("frame type {0:#04x} is unknown")]
    UnknownType(u8),
    #[error("{0:?}: the body is cut short")]
    Short(FrameType),
    #[error("{0:?}: the body has bytes too many")]
    Long(FrameType),
    #[error("{0:?} is not a frame that goes in a bundle")]
    Bundled(FrameType),
    #[error("{0:?}: {1}")]
    Json(FrameType, String),
}

macro_rules! frame_types {
    ($($variant:ident = $byte:literal),+ $(,)?) => {
        /// The first byte of a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum FrameType { $($variant = $byte),+ }

        impl FrameType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn parse(byte: u8) -> Option<Self> {
                match byte { $($byte => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

frame_types! {
    Hello = 0x01, Bye = 0x02, Renew = 0x03,
    TermSnapshot = 0x10, TermOut = 0x11, TermIn = 0x12, TermResize = 0x13, TermLease = 0x14, TermAck = 0x15,
    TermExit = 0x16, TermViewers = 0x17, TermState = 0x18, TermDecide = 0x19, TermAsk = 0x1a,
    TermWithdrawn = 0x1b, TermAnswer = 0x1c,
    FolderOpen = 0x30, FolderOpened = 0x31, FolderList = 0x32, FolderEntries = 0x33, FolderSearch = 0x34,
    FolderPreview = 0x35, FolderPreviewed = 0x36, FolderData = 0x37, FolderChanged = 0x38, FolderFailed = 0x39,
    FileManifest = 0x20, FileWant = 0x21, FileChunk = 0x22, FileData = 0x23, FileAck = 0x24, FileDone = 0x25,
    FileError = 0x26, FilePause = 0x27, FileBundle = 0x28,
    MediaState = 0x40, ScreenState = 0x41, ScreenPointer = 0x42,
}

const FIRST: u8 = 1;
const LAST: u8 = 2;

pub(super) fn decode(message: &Bytes) -> Result<Frame, FrameError> {
    let byte = *message.first().ok_or(FrameError::Empty)?;
    let kind = FrameType::parse(byte).ok_or(FrameError::UnknownType(byte))?;
    let mut body = Body {
        kind,
        rest: message.slice(1..),
    };
    Ok(match kind {
        FrameType::Hello => Frame::Hello(body.json()?),
        FrameType::Bye => Frame::Bye(body.json()?),
        FrameType::Renew => Frame::Renew(body.json()?),
        FrameType::TermLease => Frame::TermLease(body.json()?),
        FrameType::TermExit => Frame::TermExit(body.json()?),
        FrameType::TermViewers => Frame::TermViewers(body.json()?),
        FrameType::TermState => Frame::TermState(body.json()?),
        FrameType::TermDecide => Frame::TermDecide(body.json()?),
        FrameType::TermAsk => Frame::TermAsk(body.json()?),
        FrameType::TermWithdrawn => Frame::TermWithdrawn(body.json()?),
        FrameType::TermAnswer => Frame::TermAnswer(body.json()?),
        FrameType::FolderOpen => Frame::FolderOpen(body.json()?),
        FrameType::FolderOpened => Frame::FolderOpened(body.json()?),
        FrameType::FolderList => Frame::FolderList(body.json()?),
        FrameType::FolderEntries => Frame::FolderEntries(body.json()?),
        FrameType::FolderSearch => Frame::FolderSearch(body.json()?),
        FrameType::FolderPreview => Frame::FolderPreview(body.json()?),
        FrameType::FolderPreviewed => Frame::FolderPreviewed(body.json()?),
        FrameType::FolderChanged => Frame::FolderChanged(body.json()?),
        FrameType::FolderFailed => Frame::FolderFailed(body.json()?),
        FrameType::FolderData => {
            body.need(4)?;
            Frame::FolderData(FolderData {
                id: body.rest.get_u32(),
                bytes: body.data()?,
            })
        }
        FrameType::FileManifest => Frame::FileManifest(body.json()?),
        FrameType::FileWant => Frame::FileWant(body.json()?),
        FrameType::FileDone => Frame::FileDone(body.json()?),
        FrameType::FileError => Frame::FileError(body.json()?),
        FrameType::FilePause => Frame::FilePause(body.json()?),
        FrameType::MediaState => Frame::MediaState(body.json()?),
        FrameType::ScreenState => Frame::ScreenState(body.json()?),
        FrameType::ScreenPointer => Frame::ScreenPointer(body.json()?),
        FrameType::TermSnapshot => {
            body.need(13)?;
            let flags = body.rest.get_u8();
            let size = body.size();
            let seq = body.rest.get_u64();
            let (first, last) = (flags & FIRST != 0, flags & LAST != 0);
            Frame::TermSnapshot(TermSnapshot {
                first,
                last,
                size,
                seq,
                bytes: body.data()?,
            })
        }
        FrameType::TermOut => {
            body.need(8)?;
            Frame::TermOut(TermOut {
                seq: body.rest.get_u64(),
                bytes: body.data()?,
            })
        }
        FrameType::TermIn => {
            body.need(4)?;
            Frame::TermIn(TermIn {
                epoch: body.rest.get_u32(),
                bytes: body.data()?,
            })
        }
        FrameType::TermResize => {
            body.exactly(8)?;
            Frame::TermResize(TermResize {
                epoch: body.rest.get_u32(),
                size: body.size(),
            })
        }
        FrameType::TermAck => {
            body.exactly(8)?;
            Frame::TermAck(TermAck {
                seq: body.rest.get_u64(),
            })
        }
        FrameType::FileChunk => {
            body.exactly(44)?;
            let (file, chunk, len) = (body.rest.get_u32(), body.rest.get_u32(), body.rest.get_u32());
            let mut digest = [0; 32];
            body.rest.copy_to_slice(&mut digest);
            Frame::FileChunk(FileChunk {
                file,
                chunk,
                len,
                digest,
            })
        }
        FrameType::FileData => {
            body.need(12)?;
            let (file, offset) = (body.rest.get_u32(), body.rest.get_u64());
            Frame::FileData(FileData {
                file,
                offset,
                bytes: body.data()?,
            })
        }
        FrameType::FileBundle => Frame::FileBundle(FileBundle {
            frames: body.bundle()?,
        }),
        FrameType::FileAck => {
            body.exactly(8)?;
            Frame::FileAck(FileAck {
                bytes: body.rest.get_u64(),
            })
        }
    })
}

struct Body {
    kind: FrameType,
    rest: Bytes,
}

impl Body {
    fn need(&self, len: usize) -> Result<(), FrameError> {
        if self.rest.len() < len {
            Err(FrameError::Short(self.kind))
        } else {
            Ok(())
        }
    }

    fn exactly(&self, len: usize) -> Result<(), FrameError> {
        self.need(len)?;
        if self.rest.len() > len {
            Err(FrameError::Long(self.kind))
        } else {
            Ok(())
        }
    }

    fn size(&mut self) -> TermSize {
        TermSize {
            cols: self.rest.get_u16(),
            rows: self.rest.get_u16(),
        }
    }

    fn data(self) -> Result<Bytes, FrameError> {
        if self.rest.len() > MAX_CHANNEL_DATA {
            Err(FrameError::Long(self.kind))
        } else {
            Ok(self.rest)
        }
    }

    fn bundle(mut self) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        self.need(1)?;
        while !self.rest.is_empty() {
            if frames.len() == MAX_BUNDLE_FRAMES {
                return Err(FrameError::Long(self.kind));
            }
            self.need(4)?;
            let len = self.rest.get_u32() as usize;
            self.need(len)?;
            let frame = self.rest.split_to(len);
            let byte = *frame.first().ok_or(FrameError::Empty)?;
            match FrameType::parse(byte).ok_or(FrameError::UnknownType(byte))? {
                FrameType::FileChunk | FrameType::FileData | FrameType::FileAck | FrameType::FileDone => {}
                other => return Err(FrameError::Bundled(other)),
            }
            frames.push(decode(&frame)?);
        }
        Ok(frames)
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        serde_json::from_slice(&self.rest).map_err(|error| FrameError::Json(self.kind, error.to_string()))
    }
}

pub(super) fn encode(frame: &Frame) -> Bytes {
    let kind = frame.frame_type();
    match frame {
        Frame::Hello(body) => json(kind, body),
        Frame::Bye(body) => json(kind, body),
        Frame::Renew(body) => json(kind, body),
        Frame::TermLease(body) => json(kind, body),
        Frame::TermExit(body) => json(kind, body),
        Frame::TermViewers(body) => json(kind, body),
        Frame::TermState(body) => json(kind, body),
        Frame::TermDecide(body) => json(kind, body),
        Frame::TermAsk(body) => json(kind, body),
        Frame::TermWithdrawn(body) => json(kind, body),
        Frame::TermAnswer(body) => json(kind, body),
        Frame::FolderOpen(body) => json(kind, body),
        Frame::FolderOpened(body) => json(kind, body),
        Frame::FolderList(body) => json(kind, body),
        Frame::FolderEntries(body) => json(kind, body),
        Frame::FolderSearch(body) => json(kind, body),
        Frame::FolderPreview(body) => json(kind, body),
        Frame::FolderPreviewed(body) => json(kind, body),
        Frame::FolderChanged(body) => json(kind, body),
        Frame::FolderFailed(body) => json(kind, body),
        Frame::FolderData(body) => binary(kind, 4 + body.bytes.len(), |out| {
            out.put_u32(body.id);
            out.put_slice(&body.bytes);
        }),
        Frame::FileManifest(body) => json(kind, body),
        Frame::FileWant(body) => json(kind, body),
        Frame::FileDone(body) => json(kind, body),
        Frame::FileError(body) => json(kind, body),
        Frame::FilePause(body) => json(kind, body),
        Frame::MediaState(body) => json(kind, body),
        Frame::ScreenState(body) => json(kind, body),
        Frame::ScreenPointer(body) => json(kind, body),
        Frame::TermSnapshot(body) => binary(kind, 13 + body.bytes.len(), |out| {
            out.put_u8(if body.first { FIRST } else { 0 } | if body.last { LAST } else { 0 });
            put_size(out, body.size);
            out.put_u64(body.seq);
            out.put_slice(&body.bytes);
        }),
        Frame::TermOut(body) => binary(kind, 8 + body.bytes.len(), |out| {
            out.put_u64(body.seq);
            out.put_slice(&body.bytes);
        }),
        Frame::TermIn(body) => binary(kind, 4 + body.bytes.len(), |out| {
            out.put_u32(body.epoch);
            out.put_slice(&body.bytes);
        }),
        Frame::TermResize(body) => binary(kind, 8, |out| {
            out.put_u32(body.epoch);
            put_size(out, body.size);
        }),
        Frame::TermAck(body) => binary(kind, 8, |out| out.put_u64(body.seq)),
        Frame::FileChunk(body) => binary(kind, 44, |out| {
            out.put_u32(body.file);
            out.put_u32(body.chunk);
            out.put_u32(body.len);
            out.put_slice(&body.digest);
        }),
        Frame::FileData(body) => binary(kind, 12 + body.bytes.len(), |out| {
            out.put_u32(body.file);
            out.put_u64(body.offset);
            out.put_slice(&body.bytes);
        }),
        Frame::FileAck(body) => binary(kind, 8, |out| out.put_u64(body.bytes)),
        Frame::FileBundle(body) => bundle(&body.frames.iter().map(encode).collect::<Vec<_>>()),
    }
}

/// Puts frames that are written into one message, a [`FileBundle`].
pub fn bundle(frames: &[Bytes]) -> Bytes {
    let len = frames.iter().map(|frame| 4 + frame.len()).sum();
    binary(FrameType::FileBundle, len, |out| {
        for frame in frames {
            // A message is far below 4 GiB.
            out.put_u32(frame.len() as u32);
            out.put_slice(frame);
        }
    })
}

fn put_size(out: &mut BytesMut, size: TermSize) {
    out.put_u16(size.cols);
    out.put_u16(size.rows);
}

fn binary(kind: FrameType, len: usize, body: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(1 + len);
    out.put_u8(kind as u8);
    body(&mut out);
    out.freeze()
}

fn json<T: Serialize>(kind: FrameType, body: &T) -> Bytes {
    let mut out = vec![kind as u8];
    // Writing plain structs of text and numbers to memory has no way to fail.
    serde_json::to_writer(&mut out, body).expect("a frame body is plain data");
    out.into()
}
