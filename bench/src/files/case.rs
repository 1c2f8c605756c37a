//! What is sent.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    File { mib: u64 },
    Folder { files: usize, bytes: usize },
}

/// By which memory is measured.
pub(super) const LARGE: Case = Case::File { mib: 2048 };
pub(super) const CASES: [Case; 3] = [
    Case::File { mib: 1024 },
    Case::Folder {
        files: 20_000,
        bytes: 1024,
    },
    LARGE,
];
/// Files of one folder.
const FOLDER: usize = 500;

impl Case {
    pub(super) fn name(self) -> String {
        match self {
            Self::File { mib } => format!("one file of {mib} MiB"),
            Self::Folder { files, bytes } => format!("{files} files of {bytes} bytes"),
        }
    }

    pub(super) const fn is_folder(self) -> bool {
        matches!(self, Self::Folder { .. })
    }

    pub(super) const fn bytes(self) -> u64 {
        match self {
            Self::File { mib } => mib << 20,
            Self::Folder { files, bytes } => (files * bytes) as u64,
        }
    }

    /// Makes it, of bytes that no program can make smaller.
    pub(super) fn make(self, stage: &Path) -> anyhow::Result<PathBuf> {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let path = stage.join("source");
        match self {
            Self::File { mib } => {
                let mut file = std::fs::File::create(&path)?;
                for _ in 0..mib {
                    file.write_all(&random.bytes(1 << 20))?;
                }
            }
            Self::Folder { files, bytes } => {
                for number in 0..files {
                    let inner = path.join(format!("d{}", number / FOLDER));
                    if number % FOLDER == 0 {
                        std::fs::create_dir_all(&inner)?;
                    }
                    std::fs::write(inner.join(format!("file {number}")), random.bytes(bytes))?;
                }
            }
        }
        Ok(path)
    }

    /// All of it arrived, by number and size; each program has its own check of content, or none.
    pub(super) fn check(self, target: &Path) -> anyhow::Result<()> {
        let (mut files, mut bytes, mut folders) = (0, 0, vec![target.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    files += 1;
                    bytes += metadata.len();
                }
            }
        }
        let expected = match self {
            Self::File { .. } => 1,
            Self::Folder { files, .. } => files,
        };
        ensure!(
            (files, bytes) == (expected, self.bytes()),
            "{files} files of {bytes} bytes arrived"
        );
        Ok(())
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
        });
        words.take(len.div_ceil(8)).flatten().take(len).collect()
    }
}
