//! The file of a backup: a tar archive whose first entry says what follows, with sizes and SHA-256.
//!
//! `tar` reads it too. Nothing of it is believed before it was compared with that list: names are those of the data
//! directory and no paths, and what is cut off or changed is found.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::data_dir::DATABASE;

const MANIFEST: &str = "mesh-backup.json";
const FORMAT: u32 = 1;
/// Of the manifest; a few hundred keys fit.
const MANIFEST_BYTES: u64 = 64 * 1024;

/// What is in the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// Of the program that wrote it.
    version: String,
    /// Unix seconds.
    made_at: u64,
    /// The database first.
    pub(super) files: Vec<Listed>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    name: String,
    pub(super) size: u64,
    sha256: String,
}

/// Writes the files, the database first, and sees them on the disk.
pub(super) fn write(to: &Path, files: &[PathBuf], now: u64) -> Result<()> {
    let listed = files.iter().map(|path| list(path)).collect::<Result<Vec<_>>>()?;
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        made_at: now,
        files: listed,
    };
    let mut archive = tar::Builder::new(private_file(to)?);
    let header = |size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(now);
        header
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    archive.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
    for (path, listed) in files.iter().zip(&manifest.files) {
        archive.append_data(&mut header(listed.size), &listed.name, File::open(path)?)?;
    }
    let mut file = archive.into_inner()?;
    file.flush()?;
    Ok(file.sync_all()?)
}

fn list(path: &Path) -> Result<Listed> {
    let name = path.file_name().and_then(|name| name.to_str());
    let mut hashed = Hashed::new(io::sink());
    let size = io::copy(&mut File::open(path)?, &mut hashed)?;
    Ok(Listed {
        name: name.context("a name that is no text")?.to_owned(),
        size,
        sha256: hashed.hex(),
    })
}

/// Compares the archive with its list, and unpacks it into a folder where one is given.
pub(super) fn read(from: &Path, into: Option<&Path>) -> Result<Manifest> {
    let shown = from.display().to_string();
    let file = File::open(from).with_context(|| not_a_backup(&shown))?;
    read_from(file, &shown, into)
}

fn not_a_backup(shown: &str) -> String {
    format!("{shown} is not a backup of Mesh, or is damaged. Nothing was changed.")
}

/// The same of an archive that comes from anywhere; `shown` is what errors call it.
pub(super) fn read_from(from: impl Read, shown: &str, into: Option<&Path>) -> Result<Manifest> {
    let not_one = || not_a_backup(shown);
    let mut archive = tar::Archive::new(from);
    let mut entries = archive.entries().with_context(not_one)?;
    let mut first = entries.next().with_context(not_one)?.with_context(not_one)?;
    ensure!(first.path_bytes().as_ref() == MANIFEST.as_bytes(), not_one());
    let mut text = Vec::new();
    first
        .by_ref()
        .take(MANIFEST_BYTES)
        .read_to_end(&mut text)
        .with_context(not_one)?;
    let manifest: Manifest = serde_json::from_slice(&text).with_context(not_one)?;
    if manifest.format != FORMAT {
        bail!(
            "{shown} was written by Mesh {}, which is newer: restore it with that version.",
            manifest.version
        );
    }
    ensure!(
        manifest.files.first().is_some_and(|file| file.name == DATABASE)
            && manifest.files.iter().skip(1).all(|file| is_key(&file.name)),
        not_one()
    );
    for listed in &manifest.files {
        let mut entry = entries.next().with_context(not_one)?.with_context(not_one)?;
        ensure!(entry.path_bytes().as_ref() == listed.name.as_bytes(), not_one());
        let hex = match into {
            None => copied(&mut entry, io::sink()),
            Some(folder) => private_file(&folder.join(&listed.name)).and_then(|file| {
                let synced = file.try_clone()?;
                let hex = copied(&mut entry, file)?;
                synced.sync_all()?;
                Ok(hex)
            }),
        };
        ensure!(hex.with_context(not_one)? == listed.sha256, not_one());
    }
    Ok(manifest)
}

/// A plain name that ends in `.key`.
fn is_key(name: &str) -> bool {
    name.strip_suffix(".key").is_some_and(|stem| {
        !stem.is_empty()
            && stem
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
    })
}

fn copied(from: &mut impl Read, to: impl io::Write) -> io::Result<String> {
    let mut hashed = Hashed::new(to);
    io::copy(from, &mut hashed)?;
    Ok(hashed.hex())
}

/// Gives the draft its name, and sees the name on the disk.
pub(super) fn publish(draft: &Path, name: &Path, replace: bool) -> io::Result<()> {
    if replace {
        fs::rename(draft, name)?;
    } else {
        // Fails where there is one, also one that came meanwhile.
        fs::hard_link(draft, name)?;
    }
    File::open(super::beside(name))?.sync_all()
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Hashes what is written through it.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    fn hex(self) -> String {
        let digest = self.hash.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<W: io::Write> io::Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
