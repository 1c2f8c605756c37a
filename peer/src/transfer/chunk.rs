//! One chunk on its way: asked of the disk, laid out for the wire, put together again, checked, written.
//!
//! Every function here is pure but for the closure it is given, and meant for a thread that may block.

use bytes::{Bytes, BytesMut};
use mesh_protocol::channel::{FileChunk, FileData, Frame};
use mesh_protocol::limits::MAX_CHANNEL_DATA;

use super::tree::Subtree;

/// The bytes of a FILE_DATA frame before its content.
const DATA_HEADER: usize = 13;
/// Pieces of a chunk that are kept as they came; smaller ones are gathered, so that a sender of one-byte frames costs
/// no more memory than another.
const PIECES: usize = 64;

/// A chunk that the sender wants read.
#[derive(Debug)]
pub struct ReadChunk {
    pub file: u32,
    pub chunk: u32,
    /// Position in the file.
    pub offset: u64,
    /// Bytes, 1 to 1 MiB.
    pub len: u32,
    /// What the receiver checks it by.
    pub(super) digest: [u8; 32],
}

impl ReadChunk {
    /// Calls `append(position, len, message)`, which puts the next `len` bytes of the file behind what the message has, until the
    /// chunk is there, in order and without gaps: straight into the messages that will be sent, with nothing written twice.
    pub fn fill<E>(
        self,
        mut append: impl FnMut(u64, usize, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<PreparedChunk, E> {
        let announcement = Frame::FileChunk(FileChunk {
            file: self.file,
            chunk: self.chunk,
            len: self.len,
            digest: self.digest,
        });
        let mut messages = Vec::with_capacity(1 + (self.len as usize).div_ceil(MAX_CHANNEL_DATA));
        messages.push(announcement.encode());
        let (mut offset, mut left) = (self.offset, self.len as usize);
        while left > 0 {
            let len = left.min(MAX_CHANNEL_DATA);
            let header = Frame::FileData(FileData {
                file: self.file,
                offset,
                bytes: Bytes::new(),
            });
            // Each message is an allocation of its own, which the path takes over without a copy.
            let mut message = Vec::with_capacity(DATA_HEADER + len);
            message.extend_from_slice(&header.encode());
            append(offset, len, &mut message)?;
            // Whatever was appended, the message has its length; the receiver sees what it is worth.
            message.resize(DATA_HEADER + len, 0);
            messages.push(Bytes::from(message));
            offset += len as u64;
            left -= len;
        }
        Ok(PreparedChunk {
            file: self.file,
            chunk: self.chunk,
            rest: messages.into_iter(),
            announced: false,
        })
    }
}

/// A chunk that was read and laid out.
#[derive(Debug)]
pub struct PreparedChunk {
    pub(super) file: u32,
    pub(super) chunk: u32,
    rest: std::vec::IntoIter<Bytes>,
    announced: bool,
}

impl PreparedChunk {
    /// The next message.
    pub(super) fn next_frame(&mut self) -> Option<Bytes> {
        self.announced = true;
        self.rest.next()
    }

    /// How long the next message is.
    pub(super) fn next_len(&self) -> Option<usize> {
        self.rest.as_slice().first().map(Bytes::len)
    }

    /// Whether the other end has been told of it.
    pub(super) const fn is_begun(&self) -> bool {
        self.announced
    }

    pub(super) fn is_sent(&self) -> bool {
        self.rest.as_slice().is_empty()
    }
}

/// A chunk that has been announced and whose bytes are coming in.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) file: u32,
    pub(super) chunk: u32,
    pub(super) offset: u64,
    pub(super) len: u64,
    /// Whether it is all of its file.
    only: bool,
    digest: [u8; 32],
    received: u64,
    pieces: Vec<Bytes>,
    gathered: BytesMut,
}

impl Assembly {
    pub(super) fn new(announced: &FileChunk, offset: u64, only: bool) -> Self {
        Self {
            file: announced.file,
            chunk: announced.chunk,
            offset,
            len: u64::from(announced.len),
            only,
            digest: announced.digest,
            received: 0,
            pieces: Vec::new(),
            gathered: BytesMut::new(),
        }
    }

    /// Where the next byte belongs in the file.
    pub(super) const fn position(&self) -> u64 {
        self.offset + self.received
    }

    /// Bytes that are still to come.
    pub(super) const fn missing(&self) -> u64 {
        self.len - self.received
    }

    /// Takes a piece of at most [`Self::missing`] bytes.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.received += bytes.len() as u64;
        if self.gathered.is_empty() && self.pieces.len() < PIECES {
            self.pieces.push(bytes);
            return;
        }
        if self.gathered.is_empty() {
            self.gathered.reserve(self.len as usize);
            for piece in self.pieces.drain(..) {
                self.gathered.extend_from_slice(&piece);
            }
        }
        self.gathered.extend_from_slice(&bytes);
    }

    pub(super) fn complete(mut self) -> WriteChunk {
        if !self.gathered.is_empty() {
            self.pieces = vec![self.gathered.freeze()];
        }
        let Self {
            file,
            chunk,
            offset,
            only,
            digest,
            pieces,
            ..
        } = self;
        WriteChunk {
            file,
            chunk,
            offset,
            only,
            digest,
            pieces,
        }
    }
}

/// A chunk that was received and not yet looked at.
#[derive(Debug)]
pub struct WriteChunk {
    file: u32,
    chunk: u32,
    offset: u64,
    only: bool,
    digest: [u8; 32],
    pieces: Vec<Bytes>,
}

impl WriteChunk {
    /// The file that it belongs to.
    pub const fn file(&self) -> u32 {
        self.file
    }

    /// Compares the digest; gives the bytes free only if it is right.
    pub fn verify(self) -> Result<VerifiedChunk, CorruptChunk> {
        let Self {
            file,
            chunk,
            offset,
            only,
            digest,
            pieces,
        } = self;
        let parts = pieces.iter().map(|piece| &piece[..]);
        let subtree = if only {
            Subtree::only(parts)
        } else {
            Subtree::of(chunk, parts)
        };
        if subtree.as_bytes() != &digest {
            return Err(CorruptChunk { file, chunk });
        }
        Ok(VerifiedChunk {
            file,
            chunk,
            offset,
            pieces,
            subtree,
        })
    }
}

/// A chunk whose bytes are not what was announced. Nothing of it has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chunk {chunk} of file {file} was altered on its way")]
pub struct CorruptChunk {
    pub file: u32,
    pub chunk: u32,
}

/// A chunk that may be written.
#[derive(Debug)]
pub struct VerifiedChunk {
    file: u32,
    chunk: u32,
    offset: u64,
    pieces: Vec<Bytes>,
    subtree: Subtree,
}

impl VerifiedChunk {
    /// Calls `write(position, bytes)` until the chunk is written, in order.
    pub fn write<E>(self, mut write: impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<WrittenChunk, E> {
        let mut position = self.offset;
        for piece in &self.pieces {
            write(position, piece)?;
            position += piece.len() as u64;
        }
        Ok(WrittenChunk {
            file: self.file,
            chunk: self.chunk,
            len: position - self.offset,
            subtree: self.subtree,
        })
    }
}

/// A chunk that was written; hand it to [`super::Receiver::chunk_written`].
#[derive(Debug)]
pub struct WrittenChunk {
    pub(super) file: u32,
    pub(super) chunk: u32,
    pub(super) len: u64,
    pub(super) subtree: Subtree,
}

impl WrittenChunk {
    /// The file that it belongs to.
    pub const fn file(&self) -> u32 {
        self.file
    }
}
