//! Files that are being received into one folder: what a [`mesh_peer::transfer::Receiver`] asks of the disk.
//!
//! Beside `<name>.part` stands `<name>.part.state`, the engine's notes of which chunks are there. A new attempt, on
//! whatever connection, reads each noted chunk again and believes only what the note confirms, so that neither a kill nor
//! a power cut can make it believe in bytes that are not there. The state file is locked while a transfer writes; a second
//! transfer of the same name takes ` (1).part`. A file of one chunk needs none of this where the disk has [`Unnamed`] files.
//! Methods block and may run side by side.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh_peer::transfer::{Entry, Held, PartRecord, VerifiedChunk, WrittenChunk};
use mesh_protocol::limits::FILE_CHUNK;

use super::dir::{Dir, Facts, Kind, Writing, is_taken, let_execute, read_exact_at, write_all_at};
use super::folder::{MAX_NUMBERED, Parent, numbered, rename_replacing, rename_without_replacing};
use super::sync::{self, Settling};
use super::unnamed::Unnamed;
use super::{DiskError, Folder};

/// After this many bytes the kernel is asked to begin writing, so that the last synchronisation is short.
const SYNC_EVERY: u64 = 64 * 1024 * 1024;
/// Parts of an earlier attempt that stay open between inspection and writing; others are opened again.
const KEPT_OPEN: usize = 64;
/// Existing files of the same name and size that are compared with what is offered.
const COMPARED: u32 = 4;
/// The longest side file that is read: 48 bytes and 36 for each chunk of 4 TiB, each noted once.
const MAX_STATE: u64 = 48 + 36 * 4 * 1024 * 1024;

/// What becomes of a file whose name is taken by another content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// The new one gets the first free number.
    #[default]
    Rename,
    /// The old one goes, once the new one is whole.
    Overwrite,
    /// The new one is left out.
    Skip,
}

/// One folder and the files on their way into it.
#[derive(Debug)]
pub struct Inbox {
    folder: Folder,
    existing: Existing,
    /// By file number of the transfer. Held for map operations only.
    open: Mutex<HashMap<u32, Arc<Part>>>,
    /// Small files that are written and not yet committed, by number; the engine bounds them. Held for map operations only.
    unnamed: Mutex<HashMap<u32, Unnamed>>,
    /// Held while a part is looked for or made: two chunks of one file may come at once, and only one may make it.
    making: Mutex<()>,
}

/// One `.part` with its notes, claimed by this transfer.
#[derive(Debug)]
struct Part {
    parent: Parent,
    name: String,
    state_name: String,
    content: File,
    /// Opened for appending; one note is one write.
    state: File,
    unsynced: AtomicU64,
    syncing: Arc<AtomicBool>,
}

impl Inbox {
    pub fn new(folder: Folder) -> Self {
        Self {
            folder,
            existing: Existing::default(),
            open: Mutex::default(),
            unnamed: Mutex::default(),
            making: Mutex::default(),
        }
    }

    /// The same, with another answer to names that are taken.
    pub fn with_existing(self, existing: Existing) -> Self {
        Self { existing, ..self }
    }

    /// Where the files go.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What is there of a file: the whole under its own name, or the confirmed chunks of a part; or another file that is to
    /// stay.
    pub fn inspect(&self, entry: &Entry) -> Result<Held, DiskError> {
        let parent = self.folder.parent_of(&entry.path)?;
        // Where nothing gets a number, a numbered copy is not it.
        let compared = match self.existing {
            Existing::Rename => COMPARED,
            Existing::Overwrite | Existing::Skip => 1,
        };
        if stands_already(&parent, entry, compared) {
            return Ok(Held::Whole);
        }
        if self.existing == Existing::Skip && parent.folder.facts(&parent.name).is_ok() {
            return Ok(Held::Unwanted);
        }
        // The part of an only chunk would prove nothing.
        if entry.size <= FILE_CHUNK {
            return Ok(Held::Nothing);
        }
        let Some(part) = Part::find(parent, entry, false)? else {
            return Ok(Held::Nothing);
        };
        let records = part.confirmed(entry)?;
        let mut open = self.open();
        if open.len() < KEPT_OPEN {
            open.insert(entry.file, Arc::new(part));
        }
        Ok(if records.is_empty() {
            Held::Nothing
        } else {
            Held::Chunks(records)
        })
    }

    /// Writes a chunk, then its note.
    pub fn write(&self, entry: &Entry, chunk: VerifiedChunk) -> Result<WrittenChunk, DiskError> {
        if let Some(unnamed) = self.begin_unnamed(entry)? {
            let written = chunk.write(|position, bytes| write_all_at(&unnamed.content, bytes, position));
            let written = written.map_err(|error| DiskError::at(&unnamed.shown, error))?;
            self.unnamed().insert(entry.file, unnamed);
            return Ok(written);
        }
        let part = self.part(entry)?;
        let at = |error| DiskError::at(part.shown(), error);
        let written = chunk.write(|position, bytes| {
            part.begin_writing_out(bytes.len() as u64);
            write_all_at(&part.content, bytes, position)
        });
        let written = written.map_err(at)?;
        (&part.state).write_all(&PartRecord::note(&written)).map_err(at)?;
        Ok(written)
    }

    /// Synchronises files whose hash the engine found right, and gives each the first free name. Says where they stand, which
    /// they do from then on whatever happens to the power. Many at once take little longer than one.
    pub fn commit(&self, entries: &[Entry]) -> Vec<Result<PathBuf, DiskError>> {
        let mut whole: Vec<_> = entries.iter().map(|entry| self.whole(entry)).collect();
        settle(&mut whole);
        let mut named: Vec<_> = entries
            .iter()
            .zip(whole)
            .map(|(entry, whole)| self.name(entry, whole?))
            .collect();
        settle(&mut named);
        let stands = |named: Result<Named, DiskError>| named.map(|named| named.path);
        named.into_iter().map(stands).collect()
    }

    /// Takes what was written of a file; an empty one is made here.
    fn whole(&self, entry: &Entry) -> Result<Whole, DiskError> {
        let written = self.unnamed().remove(&entry.file);
        let whole = match written.map_or_else(|| self.begin_unnamed(entry), |unnamed| Ok(Some(unnamed)))? {
            Some(unnamed) => Whole::Unnamed(unnamed),
            None => {
                let part = self.part(entry)?;
                self.open().remove(&entry.file);
                Whole::Part(part)
            }
        };
        if let Some(modified) = entry.modified_at {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(modified);
            // A date that the file system cannot hold is no reason to lose the file.
            let _ = whole.content().set_modified(time);
        }
        if entry.executable {
            let_execute(whole.content());
        }
        Ok(whole)
    }

    fn name(&self, entry: &Entry, whole: Whole) -> Result<Named, DiskError> {
        let at = |error| DiskError::at(whole.place(), error);
        let part = match &whole {
            Whole::Unnamed(unnamed) => {
                let parent = self.folder.parent_of(&entry.path)?;
                let name = unnamed
                    .name(&parent.folder, &parent.name, self.existing)
                    .map_err(at)?;
                return Ok(Named {
                    path: parent.shown.join(name),
                    folder: parent.folder,
                });
            }
            Whole::Part(part) => part,
        };
        part.still_named()?;
        let folder = &part.parent.folder;
        let renamed = match self.existing {
            Existing::Overwrite => rename_replacing(folder, &part.name, &part.parent.name),
            Existing::Rename | Existing::Skip => {
                rename_without_replacing(folder, &part.name, &part.parent.name)
            }
        };
        let name = renamed.map_err(at)?;
        let _ = folder.remove(&part.state_name);
        Ok(Named {
            path: part.parent.shown.join(name),
            folder: folder.clone(),
        })
    }

    /// A file without a name for one that comes in one piece; `None` where it is too large, has a part, or the disk has no such
    /// files.
    fn begin_unnamed(&self, entry: &Entry) -> Result<Option<Unnamed>, DiskError> {
        if entry.size > FILE_CHUNK || self.open().contains_key(&entry.file) {
            return Ok(None);
        }
        Unnamed::create(&self.folder.parent_of(&entry.path)?)
    }

    /// Removes a part that proved wrong.
    pub fn discard(&self, entry: &Entry) -> Result<(), DiskError> {
        let part = self.part(entry)?;
        self.open().remove(&entry.file);
        for name in [&part.name, &part.state_name] {
            let removed = part.parent.folder.remove(name);
            removed.map_err(|error| DiskError::at(part.shown(), error))?;
        }
        Ok(())
    }

    /// The part of this file, made when it is missing.
    fn part(&self, entry: &Entry) -> Result<Arc<Part>, DiskError> {
        let known = || self.open().get(&entry.file).cloned();
        if let Some(part) = known() {
            return Ok(part);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = known() {
            return Ok(part);
        }
        let parent = self.folder.parent_of(&entry.path)?;
        let name = parent.name.clone();
        let made =
            Part::find(parent, entry, true)?.ok_or(DiskError::Place(name, "too many files of that name"))?;
        let part = Arc::new(made);
        self.open().insert(entry.file, part.clone());
        Ok(part)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u32, Arc<Part>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unnamed(&self) -> MutexGuard<'_, HashMap<u32, Unnamed>> {
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is wholly written and not yet under its final name.
enum Whole {
    Part(Arc<Part>),
    Unnamed(Unnamed),
}

/// A file under its final name, in a folder that may not be on the disk yet.
struct Named {
    folder: Arc<Dir>,
    path: PathBuf,
}

/// What has to be on the disk before the next step.
trait Step {
    fn settling(&self) -> Settling<'_>;
    /// For messages.
    fn place(&self) -> PathBuf;
}

impl Whole {
    fn content(&self) -> &File {
        match self {
            Self::Part(part) => &part.content,
            Self::Unnamed(unnamed) => &unnamed.content,
        }
    }
}

impl Step for Whole {
    fn settling(&self) -> Settling<'_> {
        Settling::File(self.content())
    }

    fn place(&self) -> PathBuf {
        match self {
            Self::Part(part) => part.shown(),
            Self::Unnamed(unnamed) => unnamed.shown.clone(),
        }
    }
}

impl Step for Named {
    fn settling(&self) -> Settling<'_> {
        Settling::Folder(&self.folder)
    }

    fn place(&self) -> PathBuf {
        self.path.clone()
    }
}

/// Synchronises what has come so far; where that fails, none of it goes further.
fn settle<T: Step>(steps: &mut [Result<T, DiskError>]) {
    let Err(error) = sync::together(steps.iter().flatten().map(Step::settling)) else {
        return;
    };
    let why = || {
        error
            .raw_os_error()
            .map_or_else(|| error.kind().into(), std::io::Error::from_raw_os_error)
    };
    for step in steps {
        if let Ok(done) = step {
            *step = Err(DiskError::at(done.place(), why()));
        }
    }
}

impl Part {
    /// The part of an earlier attempt at this very content, or, with `create`, a new one under the first free name.
    fn find(parent: Parent, entry: &Entry, create: bool) -> Result<Option<Self>, DiskError> {
        for number in 0..=MAX_NUMBERED {
            let name = numbered(&parent.name, number, ".part");
            let state_name = numbered(&parent.name, number, ".part.state");
            let claimed = match claim_existing(&parent, &name, &state_name, entry)? {
                Claim::Ours(content, state) => Some((content, state)),
                Claim::Foreign => None,
                Claim::Free if create => claim_new(&parent, &name, &state_name, entry)?,
                Claim::Free => return Ok(None),
            };
            if let Some((content, state)) = claimed {
                let unsynced = AtomicU64::new(0);
                return Ok(Some(Self {
                    parent,
                    name,
                    state_name,
                    content,
                    state,
                    unsynced,
                    syncing: Arc::default(),
                }));
            }
        }
        Ok(None)
    }

    /// Reads each noted chunk and keeps the notes that hold.
    fn confirmed(&self, entry: &Entry) -> Result<Vec<PartRecord>, DiskError> {
        let at = |error| DiskError::at(self.shown(), error);
        let mut notes = Vec::new();
        let mut state = self.state.try_clone().map_err(at)?;
        std::io::Seek::rewind(&mut state).map_err(at)?;
        state.take(MAX_STATE).read_to_end(&mut notes).map_err(at)?;
        let torn = PartRecord::torn(&notes);
        if torn > 0 {
            self.state.set_len((notes.len() - torn) as u64).map_err(at)?;
        }
        let mut buffer = Vec::new();
        let mut records = PartRecord::parse(&notes, entry).unwrap_or_default();
        records.retain(|record| {
            let (position, len) = record.range(entry.size);
            buffer.resize(usize::try_from(len).unwrap_or(0), 0);
            read_exact_at(&self.content, &mut buffer, position).is_ok() && record.confirms(&buffer)
        });
        Ok(records)
    }

    /// Has the kernel write out what has gathered; one thread at a time, which ends with its one call. An error shows
    /// again when the file is committed.
    fn begin_writing_out(&self, bytes: u64) {
        let gathered = self.unsynced.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if gathered < SYNC_EVERY || self.syncing.swap(true, Ordering::AcqRel) {
            return;
        }
        self.unsynced.store(0, Ordering::Relaxed);
        if let Ok(content) = self.content.try_clone() {
            let syncing = self.syncing.clone();
            std::thread::spawn(move || {
                let _ = content.sync_data();
                syncing.store(false, Ordering::Release);
            });
        }
    }

    /// The name still means the file that was written.
    fn still_named(&self) -> Result<(), DiskError> {
        let at = |error| DiskError::at(self.shown(), error);
        let named = self.parent.folder.facts(&self.name).map_err(at)?;
        if named.id == Facts::of(&self.content).map_err(at)?.id {
            return Ok(());
        }
        Err(DiskError::Place(
            self.name.clone(),
            "something else was put in its place",
        ))
    }

    fn shown(&self) -> PathBuf {
        self.parent.shown.join(&self.name)
    }
}

/// What stands under the two names of a part.
enum Claim {
    /// A part of this content, locked for us.
    Ours(File, File),
    /// Another content, another transfer, or not made by this program.
    Foreign,
    /// Nothing.
    Free,
}

fn claim_existing(parent: &Parent, name: &str, state_name: &str, entry: &Entry) -> Result<Claim, DiskError> {
    let Some(state) = open_ordinary(parent, state_name, Writing::Appending)? else {
        let stands = |name| parent.folder.facts(name).is_ok();
        return Ok(if stands(name) || stands(state_name) {
            Claim::Foreign
        } else {
            Claim::Free
        });
    };
    if state.try_lock().is_err() {
        return Ok(Claim::Foreign);
    }
    let header = PartRecord::header(entry);
    let mut found = vec![0; header.len()];
    if read_exact_at(&state, &mut found, 0).is_err() || found != header {
        return Ok(Claim::Foreign);
    }
    Ok(open_ordinary(parent, name, Writing::There)?
        .map_or(Claim::Foreign, |content| Claim::Ours(content, state)))
}

fn claim_new(
    parent: &Parent,
    name: &str,
    state_name: &str,
    entry: &Entry,
) -> Result<Option<(File, File)>, DiskError> {
    let at = |error: std::io::Error| DiskError::at(parent.shown.join(name), error);
    let content = match parent.folder.write(name, Writing::New) {
        Ok(content) => content,
        Err(error) if is_taken(&error) => return Ok(None),
        Err(error) => return Err(at(error)),
    };
    let state = parent.folder.write(state_name, Writing::NewNotes);
    let prepared = state.and_then(|mut state| {
        state.try_lock()?;
        state.write_all(&PartRecord::header(entry))?;
        Ok(state)
    });
    prepared.map(|state| Some((content, state))).or_else(|error| {
        // An empty part without notes would only be in the way.
        let _ = parent.folder.remove(name);
        if is_taken(&error) {
            Ok(None)
        } else {
            Err(at(error))
        }
    })
}

/// Opens a file that is there, if it is an ordinary file with this one name: a link could lead anywhere.
fn open_ordinary(parent: &Parent, name: &str, writing: Writing) -> Result<Option<File>, DiskError> {
    let at = |error| DiskError::at(parent.shown.join(name), error);
    let Some(opened) = parent.folder.existing(name, writing).map_err(at)? else {
        return Ok(None);
    };
    let facts = Facts::of(&opened).map_err(at)?;
    Ok((facts.kind == Kind::File && facts.links == 1).then_some(opened))
}

/// Whether the very content stands already under the name, or one of its first numbers: an earlier transfer ended before
/// it could say so.
fn stands_already(parent: &Parent, entry: &Entry, compared: u32) -> bool {
    for number in 0..compared {
        let name = numbered(&parent.name, number, "");
        let Ok(found) = parent.folder.read(&name) else {
            return false;
        };
        if !Facts::of(&found).is_ok_and(|facts| facts.kind == Kind::File && facts.size == entry.size) {
            continue;
        }
        let mut hasher = blake3::Hasher::new();
        if hasher
            .update_reader(found)
            .is_ok_and(|hasher| hasher.finalize() == entry.hash)
        {
            return true;
        }
    }
    false
}
