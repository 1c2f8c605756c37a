//! Frames on a DataChannel: one message is one frame, one byte of type and a body. See `docs/protocol.md`, section 4.

mod codec;
mod file;
mod folder;
mod media;
mod session;
mod terminal;

pub use codec::{FrameError, FrameType, bundle};
pub use file::*;
pub use folder::*;
pub use media::*;
pub use session::*;
pub use terminal::*;

use bytes::Bytes;

use crate::limits::MAX_CHANNEL_FRAME;

/// Every frame of protocol version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Hello(Hello),
    Bye(Bye),
    Renew(Renew),
    TermSnapshot(TermSnapshot),
    TermOut(TermOut),
    TermIn(TermIn),
    TermResize(TermResize),
    TermLease(TermLease),
    TermAck(TermAck),
    TermExit(TermExit),
    TermViewers(TermViewers),
    TermState(TermState),
    TermDecide(TermDecide),
    TermAsk(TermAsk),
    TermWithdrawn(TermWithdrawn),
    TermAnswer(TermAnswer),
    FolderOpen(FolderOpen),
    FolderOpened(FolderOpened),
    FolderList(FolderList),
    FolderEntries(FolderEntries),
    FolderSearch(FolderSearch),
    FolderPreview(FolderPreview),
    FolderPreviewed(FolderPreviewed),
    FolderData(FolderData),
    FolderChanged(FolderChanged),
    FolderFailed(FolderFailed),
    FileManifest(FileManifest),
    FileWant(FileWant),
    FileChunk(FileChunk),
    FileData(FileData),
    FileAck(FileAck),
    FileDone(FileDone),
    FileError(FileError),
    FilePause(FilePause),
    FileBundle(FileBundle),
    MediaState(MediaState),
    ScreenState(ScreenState),
    ScreenPointer(ScreenPointer),
}

impl Frame {
    /// Reads one message. Content is shared with `message`, not copied.
    pub fn decode(message: &Bytes) -> Result<Self, FrameError> {
        if message.len() > MAX_CHANNEL_FRAME {
            return Err(FrameError::TooLarge(message.len()));
        }
        codec::decode(message)
    }

    /// Writes one message.
    pub fn encode(&self) -> Bytes {
        codec::encode(self)
    }

    /// Its type byte.
    pub const fn frame_type(&self) -> FrameType {
        match self {
            Self::Hello(_) => FrameType::Hello,
            Self::Bye(_) => FrameType::Bye,
            Self::Renew(_) => FrameType::Renew,
            Self::TermSnapshot(_) => FrameType::TermSnapshot,
            Self::TermOut(_) => FrameType::TermOut,
            Self::TermIn(_) => FrameType::TermIn,
            Self::TermResize(_) => FrameType::TermResize,
            Self::TermLease(_) => FrameType::TermLease,
            Self::TermAck(_) => FrameType::TermAck,
            Self::TermExit(_) => FrameType::TermExit,
            Self::TermViewers(_) => FrameType::TermViewers,
            Self::TermState(_) => FrameType::TermState,
            Self::TermDecide(_) => FrameType::TermDecide,
            Self::TermAsk(_) => FrameType::TermAsk,
            Self::TermWithdrawn(_) => FrameType::TermWithdrawn,
            Self::TermAnswer(_) => FrameType::TermAnswer,
            Self::FolderOpen(_) => FrameType::FolderOpen,
            Self::FolderOpened(_) => FrameType::FolderOpened,
            Self::FolderList(_) => FrameType::FolderList,
            Self::FolderEntries(_) => FrameType::FolderEntries,
            Self::FolderSearch(_) => FrameType::FolderSearch,
            Self::FolderPreview(_) => FrameType::FolderPreview,
            Self::FolderPreviewed(_) => FrameType::FolderPreviewed,
            Self::FolderData(_) => FrameType::FolderData,
            Self::FolderChanged(_) => FrameType::FolderChanged,
            Self::FolderFailed(_) => FrameType::FolderFailed,
            Self::FileManifest(_) => FrameType::FileManifest,
            Self::FileWant(_) => FrameType::FileWant,
            Self::FileChunk(_) => FrameType::FileChunk,
            Self::FileData(_) => FrameType::FileData,
            Self::FileAck(_) => FrameType::FileAck,
            Self::FileDone(_) => FrameType::FileDone,
            Self::FileError(_) => FrameType::FileError,
            Self::FilePause(_) => FrameType::FilePause,
            Self::FileBundle(_) => FrameType::FileBundle,
            Self::MediaState(_) => FrameType::MediaState,
            Self::ScreenState(_) => FrameType::ScreenState,
            Self::ScreenPointer(_) => FrameType::ScreenPointer,
        }
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
