//! The hashes of files that are to be sent, which are told before their content: on every core, a large file too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use blake3::Hash;
use mesh_peer::transfer::{FileHash, Subtree};
use mesh_protocol::limits::FILE_CHUNK;

use super::{DiskError, SourceFile};

/// Threads at most; a disk gains nothing by more.
const THREADS: usize = 8;
/// Chunks of a large file that one thread takes at a time.
const STRETCH: u64 = 16;

/// What a thread has found.
enum Piece {
    Whole(Hash),
    /// Of the chunks from this one on.
    Chunks(u64, Vec<Subtree>),
}

/// The next file and chunk that nobody has taken.
#[derive(Default)]
struct Cursor {
    file: usize,
    chunk: u64,
}

/// Reads all of these files once, and gives their hashes in order; `None` once `go_on` says no.
pub fn hash(
    files: &[SourceFile],
    go_on: impl Fn() -> bool + Sync,
) -> Result<Option<Vec<FileHash>>, DiskError> {
    let cursor = Mutex::new(Cursor::default());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let (mut pieces, mut buffer) = (Vec::new(), Vec::new());
        while let Some((number, file, chunk)) = next(&cursor, files) {
            if !go_on() {
                return Ok(None);
            }
            // After a failure nobody needs the others.
            let piece = piece(file, chunk, &mut buffer).inspect_err(|_| exhaust(&cursor, files))?;
            pieces.push((number, piece));
        }
        Ok(Some(pieces))
    };
    let found = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(THREADS)).map(|_| scope.spawn(work)).collect();
        let mut found = vec![work()];
        found.extend(others.into_iter().filter_map(|thread| thread.join().ok()));
        found
    });
    let (mut hashes, mut large) = (vec![None; files.len()], BTreeMap::new());
    for pieces in found {
        let Some(pieces) = pieces? else { return Ok(None) };
        for (number, piece) in pieces {
            match piece {
                Piece::Whole(hash) => hashes[number] = Some(hash.into()),
                Piece::Chunks(from, subtrees) => {
                    large
                        .entry(number)
                        .or_insert_with(BTreeMap::new)
                        .insert(from, subtrees);
                }
            }
        }
    }
    for (number, stretches) in large {
        let chunks: Vec<Subtree> = stretches.into_values().flatten().collect();
        hashes[number] = Some(FileHash::of_chunks(chunks));
    }
    Ok(hashes.into_iter().collect())
}

fn next<'a>(cursor: &Mutex<Cursor>, files: &'a [SourceFile]) -> Option<(usize, &'a SourceFile, u64)> {
    let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
    let file = files.get(cursor.file)?;
    let taken = (cursor.file, file, cursor.chunk);
    cursor.chunk += STRETCH;
    if cursor.chunk * FILE_CHUNK >= file.size() {
        *cursor = Cursor {
            file: cursor.file + 1,
            chunk: 0,
        };
    }
    Some(taken)
}

fn exhaust(cursor: &Mutex<Cursor>, files: &[SourceFile]) {
    cursor.lock().unwrap_or_else(PoisonError::into_inner).file = files.len();
}

fn piece(file: &SourceFile, from: u64, buffer: &mut Vec<u8>) -> Result<Piece, DiskError> {
    let reading = file.reading()?;
    let end = file.size().min((from + STRETCH) * FILE_CHUNK);
    let mut subtrees = Vec::new();
    let mut position = from * FILE_CHUNK;
    let whole = loop {
        let len = (end - position).min(FILE_CHUNK);
        let room = usize::try_from(len).unwrap_or(0);
        buffer.clear();
        buffer.reserve_exact(room);
        reading.append(position, room, buffer)?;
        if file.size() <= FILE_CHUNK {
            break Piece::Whole(blake3::hash(buffer));
        }
        let chunk = u32::try_from(position / FILE_CHUNK).unwrap_or(u32::MAX);
        subtrees.push(Subtree::of(chunk, [&buffer[..]]));
        position += len;
        if position >= end {
            break Piece::Chunks(from, subtrees);
        }
    };
    reading.unchanged().map(|()| whole)
}
