//! A file that is being received: `<name>.part`, and beside it `<name>.part.state` with what has been verified so far.
//!
//! The state is a header (magic, size, hash) and one slot of 32 bytes for each chunk: its BLAKE3 once it stands on disk,
//! zeros before. A new attempt, on whatever connection, reads each claimed chunk again and holds it against its slot, so
//! that neither a kill nor a power cut can make it believe in bytes that are not there. The state file is locked while a
//! transfer writes; a second transfer of the same name takes ` (1).part`.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use mesh_protocol::limits::FILE_CHUNK;
use mesh_protocol::safe_path::SafePath;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::folder::{MAX_NUMBERED, Parent, numbered, rename_without_replacing};
use super::{DiskError, Folder};

const MAGIC: &[u8; 12] = b"mesh-part-1\n";
const HEADER: usize = MAGIC.len() + 8 + 32;
const SLOT: u64 = 32;
/// After this many bytes the kernel is asked to begin writing, so that the last synchronisation is short.
const SYNC_EVERY: u64 = 64 * 1024 * 1024;

/// One file on its way in.
#[derive(Debug)]
pub struct PartFile {
    parent: Parent,
    part_name: String,
    state_name: String,
    part: File,
    state: File,
    size: u64,
    hash: blake3::Hash,
    have: Vec<bool>,
    /// Over the content before `hashed`; what comes out of order is read again at the end.
    hasher: blake3::Hasher,
    hashed: u64,
    unsynced: u64,
    syncing: Option<std::thread::JoinHandle<()>>,
}

impl PartFile {
    /// Opens the part of an earlier attempt at the same content, or a new one. Nothing outside `folder` is touched, and
    /// no file that this program did not make.
    pub fn open(folder: &Folder, path: &SafePath, size: u64, hash: blake3::Hash) -> Result<Self, DiskError> {
        let parent = folder.parent_of(path)?;
        for number in 0..=MAX_NUMBERED {
            let part_name = numbered(&parent.name, number, ".part");
            let state_name = numbered(&parent.name, number, ".part.state");
            if let Some((part, state)) = claim(&parent, &part_name, &state_name, size, &hash)? {
                let chunks = usize::try_from(size.div_ceil(FILE_CHUNK)).unwrap_or(usize::MAX);
                let mut file = Self {
                    parent,
                    part_name,
                    state_name,
                    part,
                    state,
                    size,
                    hash,
                    have: vec![false; chunks],
                    hasher: blake3::Hasher::new(),
                    hashed: 0,
                    unsynced: 0,
                    syncing: None,
                };
                file.verify_claims()?;
                return Ok(file);
            }
        }
        Err(DiskError::Place(parent.name, "too many files of that name"))
    }

    /// The chunks that are still to come.
    pub fn missing(&self) -> Vec<Range<u32>> {
        let mut ranges: Vec<Range<u32>> = Vec::new();
        for (chunk, _) in self.have.iter().enumerate().filter(|(_, have)| !**have) {
            let chunk = u32::try_from(chunk).unwrap_or(u32::MAX);
            match ranges.last_mut() {
                Some(range) if range.end == chunk => range.end += 1,
                _ => ranges.push(chunk..chunk + 1),
            }
        }
        ranges
    }

    /// Bytes that an earlier attempt left, verified.
    pub fn kept(&self) -> u64 {
        (0..).zip(&self.have).filter(|(_, have)| **have).map(|(chunk, _)| self.length(chunk)).sum()
    }

    /// Writes one chunk whose digest its caller has verified. The slot is written after the content.
    pub fn write(&mut self, chunk: u32, bytes: &[u8], digest: &[u8; 32]) -> Result<(), DiskError> {
        let index = u64::from(chunk);
        let known = usize::try_from(chunk).ok().filter(|i| *i < self.have.len());
        let Some(slot) = known.filter(|_| bytes.len() as u64 == self.length(index)) else {
            return Err(DiskError::HashMismatch(self.shown()));
        };
        let offset = index * FILE_CHUNK;
        let written = self.part.write_all_at(bytes, offset).and_then(|()| self.state.write_all_at(digest, HEADER as u64 + index * SLOT));
        written.map_err(|error| DiskError::at(self.shown(), error))?;
        self.have[slot] = true;
        if offset == self.hashed {
            self.hasher.update(bytes);
            self.hashed += bytes.len() as u64;
        }
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SYNC_EVERY && self.syncing.as_ref().is_none_or(std::thread::JoinHandle::is_finished) {
            self.unsynced = 0;
            // One at a time; `finish` and drop wait for it. An error shows again in the last synchronisation.
            let part = self.part.try_clone().map_err(|error| DiskError::at(self.shown(), error))?;
            self.syncing = Some(std::thread::spawn(move || {
                let _ = part.sync_data();
            }));
        }
        Ok(())
    }

    /// Holds the whole against its hash, synchronises, and gives it the first free name. Says where it stands.
    pub fn finish(mut self) -> Result<PathBuf, DiskError> {
        if self.have.contains(&false) {
            return Err(DiskError::HashMismatch(self.shown()));
        }
        self.hash_rest()?;
        if self.hasher.finalize() != self.hash {
            // Each chunk was what its sender said, and yet the whole is not: none of it can be relied upon again.
            let _ = self.state.set_len(0);
            return Err(DiskError::HashMismatch(self.shown()));
        }
        if let Some(syncing) = self.syncing.take() {
            let _ = syncing.join();
        }
        let at = |errno: Errno| DiskError::at(self.shown(), errno);
        self.part.sync_all().map_err(|error| DiskError::at(self.shown(), error))?;
        self.still_ours()?;
        let name = rename_without_replacing(&self.parent.folder, &self.part_name, &self.parent.name).map_err(at)?;
        let _ = rustix::fs::unlinkat(&self.parent.folder, &self.state_name, AtFlags::empty());
        rustix::fs::fsync(&self.parent.folder).map_err(at)?;
        Ok(self.parent.shown.join(name))
    }

    /// Where the partial content is, for messages.
    pub fn shown(&self) -> PathBuf {
        self.parent.shown.join(&self.part_name)
    }

    fn length(&self, chunk: u64) -> u64 {
        self.size.saturating_sub(chunk * FILE_CHUNK).min(FILE_CHUNK)
    }

    /// Reads each chunk that the state claims and forgets what does not match.
    fn verify_claims(&mut self) -> Result<(), DiskError> {
        let mut buffer = vec![0; usize::try_from(FILE_CHUNK.min(self.size)).unwrap_or(0)];
        for chunk in 0..self.have.len() {
            let (index, mut slot) = (chunk as u64, [0; 32]);
            if self.state.read_exact_at(&mut slot, HEADER as u64 + index * SLOT).is_err() || slot == [0; 32] {
                continue;
            }
            let bytes = &mut buffer[..usize::try_from(self.length(index)).unwrap_or(0)];
            if self.part.read_exact_at(bytes, index * FILE_CHUNK).is_err() || *blake3::hash(bytes).as_bytes() != slot {
                continue;
            }
            self.have[chunk] = true;
            if index * FILE_CHUNK == self.hashed {
                self.hasher.update(bytes);
                self.hashed += bytes.len() as u64;
            }
        }
        Ok(())
    }

    fn hash_rest(&mut self) -> Result<(), DiskError> {
        let mut buffer = vec![0; usize::try_from(FILE_CHUNK).unwrap_or(0)];
        while self.hashed < self.size {
            let want = usize::try_from((self.size - self.hashed).min(FILE_CHUNK)).unwrap_or(0);
            let bytes = &mut buffer[..want];
            self.part.read_exact_at(bytes, self.hashed).map_err(|error| DiskError::at(self.shown(), error))?;
            self.hasher.update(bytes);
            self.hashed += want as u64;
        }
        Ok(())
    }

    /// The name still means the file that was written.
    fn still_ours(&self) -> Result<(), DiskError> {
        let named = rustix::fs::statat(&self.parent.folder, &self.part_name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| DiskError::at(self.shown(), errno))?;
        let open = self.part.metadata().map_err(|error| DiskError::at(self.shown(), error))?;
        #[allow(clippy::useless_conversion, reason = "the widths differ between systems")]
        if u64::from(named.st_ino) == open.ino() && u64::from(named.st_dev) == open.dev() {
            return Ok(());
        }
        Err(DiskError::Place(self.part_name.clone(), "something else was put in its place"))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if let Some(syncing) = self.syncing.take() {
            let _ = syncing.join();
        }
    }
}

const FLAGS: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Takes the pair of files under these names: made anew when neither is there, taken up when they are of the same content
/// and nobody writes them. `None`: the names belong to something else.
fn claim(
    parent: &Parent,
    part_name: &str,
    state_name: &str,
    size: u64,
    hash: &blake3::Hash,
) -> Result<Option<(File, File)>, DiskError> {
    let folder = &parent.folder;
    let at = |error: std::io::Error| DiskError::at(parent.shown.join(part_name), error);
    let private = Mode::from_raw_mode(0o600);
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&size.to_be_bytes());
    header.extend_from_slice(hash.as_bytes());

    match rustix::fs::openat(folder, state_name, FLAGS | OFlags::CREATE | OFlags::EXCL, private) {
        Ok(state) => {
            let state = File::from(state);
            if rustix::fs::flock(&state, FlockOperation::NonBlockingLockExclusive).is_err() {
                return Ok(None);
            }
            let made = rustix::fs::openat(folder, part_name, FLAGS | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(0o666));
            let prepared = made.map_err(std::io::Error::from).and_then(|part| {
                state.write_all_at(&header, 0)?;
                Ok(File::from(part))
            });
            match prepared {
                Ok(part) => Ok(Some((part, state))),
                Err(error) => {
                    let _ = rustix::fs::unlinkat(folder, state_name, AtFlags::empty());
                    if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(None) } else { Err(at(error)) }
                }
            }
        }
        Err(Errno::EXIST) => {
            let Some(state) = open_own(parent, state_name, OFlags::empty())? else { return Ok(None) };
            if rustix::fs::flock(&state, FlockOperation::NonBlockingLockExclusive).is_err() {
                return Ok(None);
            }
            let mut found = [0; HEADER];
            if state.read_exact_at(&mut found, 0).is_err() || found[..] != header[..] {
                return Ok(None);
            }
            let part = open_own(parent, part_name, OFlags::CREATE)?;
            Ok(part.map(|part| (part, state)))
        }
        Err(errno) => Err(at(errno.into())),
    }
}

/// Opens a file that is there, if it is an ordinary file with this one name: a link could lead anywhere.
fn open_own(parent: &Parent, name: &str, more: OFlags) -> Result<Option<File>, DiskError> {
    let opened = match rustix::fs::openat(&parent.folder, name, FLAGS | more, Mode::from_raw_mode(0o666)) {
        Ok(opened) => File::from(opened),
        Err(Errno::LOOP | Errno::ISDIR | Errno::NOENT | Errno::ACCESS | Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(DiskError::at(parent.shown.join(name), errno)),
    };
    let metadata = opened.metadata().map_err(|error| DiskError::at(Path::new(name), error))?;
    Ok((metadata.is_file() && metadata.nlink() == 1).then_some(opened))
}
