//! The hash of a whole file out of the hashes of its chunks, so that chunks may be hashed on any thread in any order, and each
//! byte once at either end.
//!
//! BLAKE3 is a tree, and a chunk of 1 MiB is exactly one of its subtrees (the BLAKE3 paper, section 2.1).

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use mesh_protocol::limits::FILE_CHUNK;

/// What one chunk contributes to the hash of its file, and by which it is known to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree(ChainingValue);

impl Subtree {
    /// Hashes the bytes of a file's only chunk: its subtree is the whole tree.
    pub fn only<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Hashes the bytes of chunk number `chunk`, one of several, given in any number of pieces. Without any, as of a file that
    /// became shorter, it is the hash of no chunk.
    pub fn of<'a>(chunk: u32, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(u64::from(chunk) * FILE_CHUNK);
        for part in parts {
            hasher.update(part);
        }
        if hasher.count() == 0 {
            return Self([0; 32]);
        }
        Self(hasher.finalize_non_root())
    }

    /// The hash of the file whose chunks these are, two or more.
    pub(super) fn root(all: &[Self]) -> blake3::Hash {
        let (left, right) = all.split_at(left_len(all.len()));
        merge_subtrees_root(&merged(left), &merged(right), Mode::Hash)
    }

    /// What FILE_CHUNK says of the chunk.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The hash of a file, with those of its chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHash {
    whole: blake3::Hash,
    /// None where the file is one chunk.
    chunks: Box<[Subtree]>,
}

impl FileHash {
    /// Of content that is in memory.
    pub fn of(content: &[u8]) -> Self {
        if content.len() as u64 <= FILE_CHUNK {
            return blake3::hash(content).into();
        }
        let chunks = (0..).zip(content.chunks(FILE_CHUNK as usize));
        Self::of_chunks(chunks.map(|(chunk, bytes)| Subtree::of(chunk, [bytes])).collect())
    }

    /// Of a file of several chunks, in their order.
    pub fn of_chunks(chunks: Vec<Subtree>) -> Self {
        Self {
            whole: Subtree::root(&chunks),
            chunks: chunks.into(),
        }
    }

    /// BLAKE3 of the content.
    pub const fn whole(&self) -> blake3::Hash {
        self.whole
    }

    /// What FILE_CHUNK says of this chunk.
    pub(super) fn digest(&self, chunk: u32) -> [u8; 32] {
        let subtree = usize::try_from(chunk).ok().and_then(|at| self.chunks.get(at));
        subtree.map_or(*self.whole.as_bytes(), |subtree| subtree.0)
    }
}

/// Of a file of one chunk, or an empty one.
impl From<blake3::Hash> for FileHash {
    fn from(whole: blake3::Hash) -> Self {
        Self {
            whole,
            chunks: Box::default(),
        }
    }
}

fn merged(subtrees: &[Subtree]) -> ChainingValue {
    match subtrees {
        [one] => one.0,
        more => {
            let (left, right) = more.split_at(left_len(more.len()));
            merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
        }
    }
}

/// The largest power of two below `len`: the left side of a BLAKE3 node is full.
fn left_len(len: usize) -> usize {
    debug_assert!(len > 1, "one chunk has no parent");
    len.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_is_gone_is_like_no_other() {
        let gone = Subtree::of(1, []);
        assert_ne!(gone, Subtree::of(1, [&b"x"[..]]));
        assert_ne!(gone, Subtree::only([]));
    }

    #[test]
    fn the_root_is_the_hash_of_the_whole() {
        let chunk = FILE_CHUNK as usize;
        let data: Vec<u8> = (0..chunk * 5 + 17).map(|i| (i * 31 % 251) as u8).collect();
        for len in [
            chunk + 1,
            2 * chunk,
            3 * chunk,
            3 * chunk + 1024,
            4 * chunk,
            data.len(),
        ] {
            let subtrees: Vec<Subtree> = data[..len]
                .chunks(chunk)
                .enumerate()
                .map(|(i, c)| Subtree::of(i as u32, c.chunks(1000)))
                .collect();
            let whole = blake3::hash(&data[..len]);
            assert_eq!(Subtree::root(&subtrees), whole, "{len} bytes");
            let hash = FileHash::of(&data[..len]);
            assert_eq!(hash.whole(), whole);
            assert_eq!(&hash.digest(1), subtrees[1].as_bytes());
        }
    }
}
