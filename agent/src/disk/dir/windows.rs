//! Windows, through cap-std.

use std::fs::File;
use std::io;
use std::os::windows::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use cap_fs_ext::{DirExt as _, FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Metadata, OpenOptions};
use windows_sys::Win32::Foundation::ERROR_STOPPED_ON_SYMLINK;
use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OPEN_REPARSE_POINT;

use super::{Facts, Kind, Links, Writing};

/// A folder that is held open; see the module. Nobody can rename it, or one that it is in, until then.
#[derive(Debug)]
pub(in crate::disk) struct Dir {
    dir: cap_std::fs::Dir,
    /// Good for as long as it is held.
    path: PathBuf,
}

impl Dir {
    /// One that somebody named: links in its path are followed.
    pub(in crate::disk) fn open(path: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(path)?;
        let dir = cap_std::fs::Dir::open_ambient_dir(&path, ambient_authority())?;
        Ok(Self { dir, path })
    }

    /// A folder below this one, by names with `/` between them; without any, this one once more.
    pub(in crate::disk) fn folder(&self, below: &str) -> io::Result<Self> {
        self.walk(below, |_, _| Ok(()))
    }

    /// The same, made where it is missing.
    pub(in crate::disk) fn made_folder(&self, below: &str) -> io::Result<Self> {
        self.walk(below, |folder, name| match folder.create_dir(name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        })
    }

    fn walk(
        &self,
        below: &str,
        before: impl Fn(&cap_std::fs::Dir, &str) -> io::Result<()>,
    ) -> io::Result<Self> {
        let Self { mut dir, mut path } = self.again()?;
        for name in below.split('/').filter(|name| !name.is_empty()) {
            before(&dir, name)?;
            dir = dir.open_dir_nofollow(name)?;
            path.push(name);
        }
        Ok(Self { dir, path })
    }

    /// Whatever stands under a name below, to be read.
    pub(in crate::disk) fn read(&self, below: &str) -> io::Result<File> {
        let (folders, name) = below.rsplit_once('/').unwrap_or(("", below));
        self.folder(folders)?.opened(name, OpenOptions::new().read(true))
    }

    /// A file in this folder, to be written.
    pub(in crate::disk) fn write(&self, name: &str, writing: Writing) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        match writing {
            Writing::There => options.write(true),
            Writing::Appending => options.append(true),
            Writing::New => options.write(true).create_new(true),
            Writing::NewNotes => options.append(true).create_new(true),
        };
        self.opened(name, &mut options)
    }

    /// The same of one that is there; `None` where nothing is, or nothing that could be such a file.
    pub(in crate::disk) fn existing(&self, name: &str, writing: Writing) -> io::Result<Option<File>> {
        use io::ErrorKind;
        let missing = |error: &io::Error| {
            let kinds = [
                ErrorKind::NotFound,
                ErrorKind::IsADirectory,
                ErrorKind::PermissionDenied,
            ];
            kinds.contains(&error.kind()) || met_link(error)
        };
        match self.write(name, writing) {
            Err(error) if missing(&error) => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn opened(&self, name: &str, options: &mut OpenOptions) -> io::Result<File> {
        let options = options.follow(FollowSymlinks::No);
        match self.dir.open_with(name, options) {
            // What it says of a folder.
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && self.facts(name).is_ok_and(|facts| facts.kind == Kind::Folder) =>
            {
                Err(io::ErrorKind::IsADirectory.into())
            }
            opened => Ok(opened?.into_std()),
        }
    }

    /// There are none of that kind.
    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "there are elsewhere"
    )]
    pub(in crate::disk) fn unnamed(&self) -> io::Result<Option<File>> {
        Ok(None)
    }

    #[allow(clippy::unused_self, reason = "see `unnamed`")]
    pub(in crate::disk) fn link(&self, _: &File, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What stands under a name in this folder; of a link, the link.
    pub(in crate::disk) fn facts(&self, name: &str) -> io::Result<Facts> {
        Ok(facts_of(&self.dir.symlink_metadata(name)?))
    }

    /// The names in it that are text.
    pub(in crate::disk) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<String>>> {
        let entries = self.dir.entries()?;
        Ok(entries.filter_map(|entry| match entry {
            Ok(entry) => entry.file_name().into_string().ok().map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    /// Gives a file another name, which must be free.
    pub(in crate::disk) fn rename_exclusive(&self, from: &str, to: &str) -> io::Result<()> {
        match self.dir.hard_link(from, &self.dir, to) {
            Ok(()) => return self.remove(from),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // exFAT has no second names.
            Err(_) => {}
        }
        if self.dir.symlink_metadata(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    /// Gives a file another name, in the place of a file that has it.
    pub(in crate::disk) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.facts(to).is_ok_and(|facts| facts.kind == Kind::Folder) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.dir.rename(from, &self.dir, to)
    }

    /// Takes a file's name away.
    pub(in crate::disk) fn remove(&self, name: &str) -> io::Result<()> {
        self.dir.remove_file(name)
    }

    /// Bytes that are free on its disk.
    pub(in crate::disk) fn free(&self) -> io::Result<u64> {
        crate::system::free_space(&self.path)
    }

    /// The same folder, held open once more.
    fn again(&self) -> io::Result<Self> {
        Ok(Self {
            dir: self.dir.try_clone()?,
            path: self.path.clone(),
        })
    }

    /// A path by which it can be watched for as long as it is held.
    #[allow(clippy::unnecessary_wraps, reason = "other systems have to ask")]
    pub(in crate::disk) fn path(&self) -> io::Result<PathBuf> {
        Ok(self.path.clone())
    }

    /// It cannot be removed while it is held.
    #[allow(clippy::unused_self, reason = "elsewhere it can")]
    pub(in crate::disk) fn is_there(&self) -> bool {
        true
    }
}

/// Whether something was not opened because a link stands in its path.
pub(in crate::disk) fn met_link(error: &io::Error) -> bool {
    error.raw_os_error().map(i32::cast_unsigned) == Some(ERROR_STOPPED_ON_SYMLINK)
}

/// Opens a file of this machine to read it.
pub(in crate::disk) fn open(path: &Path, links: Links) -> io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    if links == Links::Refused {
        // The link itself is opened, which is no file.
        options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    }
    options.open(path)
}

impl Facts {
    /// Of an open file.
    pub(in crate::disk) fn of(file: &File) -> io::Result<Self> {
        Ok(facts_of(&Metadata::from_file(file)?))
    }
}

fn facts_of(metadata: &Metadata) -> Facts {
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    Facts {
        kind: if metadata.is_file() {
            Kind::File
        } else if metadata.is_dir() {
            Kind::Folder
        } else {
            Kind::Other
        },
        size: metadata.len(),
        modified: (modified.as_secs().cast_signed(), modified.subsec_nanos().into()),
        id: (metadata.dev(), metadata.ino()),
        links: metadata.nlink(),
        mode: None,
    }
}

/// Every file may be executed there.
pub(in crate::disk) fn let_execute(_: &File) {}

/// Reads from a position, behind what the buffer has, as much as comes and it has room for; 0 at the end.
pub(in crate::disk) fn append_at(file: &File, position: u64, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let had = buffer.len();
    buffer.resize(buffer.capacity(), 0);
    let read = file.seek_read(&mut buffer[had..], position);
    buffer.truncate(had + read.as_ref().map_or(0, |read| *read));
    read
}

pub(in crate::disk) fn read_exact_at(
    file: &File,
    mut buffer: &mut [u8],
    mut position: u64,
) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.seek_read(buffer, position)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                position += read as u64;
            }
        }
    }
    Ok(())
}

pub(in crate::disk) fn write_all_at(file: &File, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, position)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                position += written as u64;
            }
        }
    }
    Ok(())
}
