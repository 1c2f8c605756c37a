//! The hash of a whole file out of the hashes of its chunks, so that chunks may be hashed on any thread in any order.
//!
//! BLAKE3 is a tree, and a chunk of 1 MiB is exactly one of its subtrees (the BLAKE3 paper, section 2.1).

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use mesh_protocol::limits::FILE_CHUNK;

/// What one chunk contributes to the hash of a file of more than one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree(ChainingValue);

impl Subtree {
    /// Hashes the bytes of chunk number `chunk`, given in any number of pieces.
    pub fn of<'a>(chunk: u32, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(u64::from(chunk) * FILE_CHUNK);
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize_non_root())
    }

    /// The hash of the file whose chunks these are, two or more.
    pub fn root(all: &[Self]) -> blake3::Hash {
        let (left, right) = all.split_at(left_len(all.len()));
        merge_subtrees_root(&merged(left), &merged(right), Mode::Hash)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
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
            assert_eq!(
                Subtree::root(&subtrees),
                blake3::hash(&data[..len]),
                "{len} bytes"
            );
        }
    }
}
