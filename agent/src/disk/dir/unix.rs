//! Linux, macOS and other POSIX systems.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::{Facts, Kind, Links, Writing};

// A named pipe would block for ever without NONBLOCK; for ordinary files it means nothing.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
const WRITE: OFlags = OFlags::RDWR
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOFOLLOW);
const NEW: OFlags = WRITE.union(OFlags::CREATE).union(OFlags::EXCL);
const FOLDER: OFlags = READ.union(OFlags::DIRECTORY);
/// As `umask` has it.
const CONTENT: Mode = Mode::from_raw_mode(0o666);
const NOTES: Mode = Mode::from_raw_mode(0o600);

/// A folder that is held open; see the module.
#[derive(Debug)]
pub(in crate::disk) struct Dir(OwnedFd);

impl Dir {
    /// One that somebody named: links in its path are followed.
    pub(in crate::disk) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::open(path, FOLDER, Mode::empty())?))
    }

    /// A folder below this one, by names with `/` between them; without any, this one once more.
    pub(in crate::disk) fn folder(&self, below: &str) -> io::Result<Self> {
        Ok(Self(self.below(below, FOLDER)?))
    }

    /// The same, made where it is missing.
    pub(in crate::disk) fn made_folder(&self, below: &str) -> io::Result<Self> {
        match self.below(below, FOLDER) {
            Err(Errno::NOENT) => {}
            found => return Ok(Self(found?)),
        }
        let mut current = self.below("", FOLDER)?;
        for name in below.split('/') {
            match fs::mkdirat(&current, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            current = step(&current, name, FOLDER)?;
        }
        Ok(Self(current))
    }

    /// Whatever stands under a name below, to be read.
    pub(in crate::disk) fn read(&self, below: &str) -> io::Result<File> {
        Ok(self.below(below, READ)?.into())
    }

    /// A file in this folder, to be written.
    pub(in crate::disk) fn write(&self, name: &str, writing: Writing) -> io::Result<File> {
        let (flags, mode) = match writing {
            Writing::There => (WRITE, Mode::empty()),
            Writing::Appending => (WRITE | OFlags::APPEND, Mode::empty()),
            Writing::New => (NEW, CONTENT),
            Writing::NewNotes => (NEW | OFlags::APPEND, NOTES),
        };
        Ok(fs::openat(&self.0, name, flags, mode)?.into())
    }

    /// The same of one that is there; `None` where nothing is, or nothing that could be such a file.
    pub(in crate::disk) fn existing(&self, name: &str, writing: Writing) -> io::Result<Option<File>> {
        let missing = |error: &io::Error| {
            let errno = Errno::from_io_error(error);
            matches!(
                errno,
                Some(Errno::LOOP | Errno::ISDIR | Errno::NOENT | Errno::ACCESS | Errno::NXIO)
            )
        };
        match self.write(name, writing) {
            Err(error) if missing(&error) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// A new file that has no name yet; `None` where there are none of that kind.
    pub(in crate::disk) fn unnamed(&self) -> io::Result<Option<File>> {
        #[cfg(target_os = "linux")]
        {
            /// It gets its name through there.
            static CAN_BE_NAMED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
            if *CAN_BE_NAMED.get_or_init(|| Path::new(DESCRIPTORS).is_dir()) {
                let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
                return match fs::openat(&self.0, ".", flags, CONTENT) {
                    Ok(made) => Ok(Some(made.into())),
                    Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
                    Err(errno) => Err(errno.into()),
                };
            }
        }
        Ok(None)
    }

    /// Gives a file of [`Dir::unnamed`] a name that is free.
    pub(in crate::disk) fn link(&self, file: &File, name: &str) -> io::Result<()> {
        let own = descriptor(file.as_fd());
        Ok(fs::linkat(fs::CWD, own, &self.0, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// What stands under a name in this folder; of a link, the link.
    pub(in crate::disk) fn facts(&self, name: &str) -> io::Result<Facts> {
        Ok(facts_of(&fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// The names in it that are text.
    pub(in crate::disk) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<String>>> {
        let entries = fs::Dir::read_from(&self.0)?;
        Ok(entries.filter_map(|entry| match entry {
            Ok(entry) => {
                let name = entry.file_name().to_str().ok()?;
                (name != "." && name != "..").then(|| Ok(name.to_owned()))
            }
            Err(errno) => Some(Err(errno.into())),
        }))
    }

    /// Gives a file another name, which must be free.
    pub(in crate::disk) fn rename_exclusive(&self, from: &str, to: &str) -> io::Result<()> {
        match fs::renameat_with(&self.0, from, &self.0, to, RenameFlags::NOREPLACE) {
            // Some file systems (NFS, old FUSE) do not know the flag; a hard link fails on an existing name as well.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                fs::linkat(&self.0, from, &self.0, to, AtFlags::empty())?;
                self.remove(from)
            }
            renamed => Ok(renamed?),
        }
    }

    /// Gives a file another name, in the place of a file that has it.
    pub(in crate::disk) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Takes a file's name away.
    pub(in crate::disk) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Bytes that are free on its disk.
    pub(in crate::disk) fn free(&self) -> io::Result<u64> {
        let stat = fs::fstatvfs(&self.0)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// A path by which it can be watched for as long as it is held.
    pub(in crate::disk) fn path(&self) -> io::Result<PathBuf> {
        #[cfg(target_vendor = "apple")]
        {
            use std::os::unix::ffi::OsStringExt as _;
            let path = fs::getpath(&self.0)?.into_bytes();
            Ok(std::ffi::OsString::from_vec(path).into())
        }
        #[cfg(not(target_vendor = "apple"))]
        Ok(descriptor(self.0.as_fd()))
    }

    /// Whether it has a place in its file system still.
    pub(in crate::disk) fn is_there(&self) -> bool {
        fs::fstat(&self.0).is_ok_and(|stat| stat.st_nlink > 0)
    }

    fn below(&self, below: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if below.is_empty() {
            return fs::openat(&self.0, ".", flags, Mode::empty());
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match fs::openat2(&self.0, below, flags, Mode::empty(), beneath) {
                // An old kernel, or a sandbox without this call.
                Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {}
                found => return found,
            }
        }
        steps(&self.0, below, flags)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens name by name.
fn steps(root: &OwnedFd, below: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let (folders, last) = below.rsplit_once('/').unwrap_or(("", below));
    let mut current = fs::openat(root, ".", FOLDER, Mode::empty())?;
    for name in folders.split('/').filter(|name| !name.is_empty()) {
        current = step(&current, name, FOLDER)?;
    }
    step(&current, last, flags)
}

fn step(folder: &OwnedFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let opened = fs::openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty());
    if matches!(opened, Err(Errno::NOTDIR)) {
        // Of a link that would have to be a folder, this is what some systems say.
        let there = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(there.st_mode) == FileType::Symlink {
            return Err(Errno::LOOP);
        }
    }
    opened
}

/// Where a file that is open is found by its descriptor.
#[cfg(target_os = "linux")]
const DESCRIPTORS: &str = "/proc/self/fd";
#[cfg(not(target_os = "linux"))]
const DESCRIPTORS: &str = "/dev/fd";

fn descriptor(open: BorrowedFd<'_>) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    Path::new(DESCRIPTORS).join(open.as_raw_fd().to_string())
}

/// Whether something was not opened because a link stands in its path.
pub(in crate::disk) fn met_link(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::XDEV))
}

/// Opens a file of this machine to read it.
pub(in crate::disk) fn open(path: &Path, links: Links) -> io::Result<File> {
    let flags = match links {
        Links::Followed => READ,
        Links::Refused => READ | OFlags::NOFOLLOW,
    };
    Ok(fs::open(path, flags, Mode::empty())?.into())
}

impl Facts {
    /// Of an open file.
    pub(in crate::disk) fn of(file: &File) -> io::Result<Self> {
        Ok(facts_of(&fs::fstat(file)?))
    }
}

#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the widths differ between systems"
)]
fn facts_of(stat: &Stat) -> Facts {
    Facts {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            _ => Kind::Other,
        },
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        id: (stat.st_dev as u64, stat.st_ino as u64),
        links: u64::from(stat.st_nlink),
        mode: Some(u32::from(stat.st_mode) & 0o777),
    }
}

/// Who may read it may execute it, as git does. A file system without permissions is no reason to lose the file.
pub(in crate::disk) fn let_execute(content: &File) {
    if let Ok(metadata) = content.metadata() {
        let mode = metadata.permissions().mode() & 0o777;
        let more = std::fs::Permissions::from_mode(mode | (mode & 0o444) >> 2);
        let _ = content.set_permissions(more);
    }
}

/// Reads from a position, behind what the buffer has, as much as comes and it has room for; 0 at the end.
pub(in crate::disk) fn append_at(file: &File, position: u64, buffer: &mut Vec<u8>) -> io::Result<usize> {
    Ok(rustix::io::pread(file, spare_capacity(buffer), position)?)
}

pub(in crate::disk) fn read_exact_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    file.read_exact_at(buffer, position)
}

pub(in crate::disk) fn write_all_at(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    file.write_all_at(bytes, position)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's walk and ours find and refuse the same.
    #[test]
    fn whichever_way_a_path_is_walked_it_follows_no_link_and_says_so() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir_all(at("shared/a/b")).unwrap();
        std::fs::create_dir(at("outside")).unwrap();
        for file in ["shared/a/b/file", "outside/file"] {
            std::fs::write(at(file), file).unwrap();
        }
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        link("../outside", "shared/folder-link");
        link("b/file", "shared/a/file-link");
        link("b", "shared/a/inner-link");
        let dir = Dir::open(&at("shared")).unwrap();
        type Walk = fn(&Dir, &str, OFlags) -> rustix::io::Result<OwnedFd>;
        let ways: [(&str, Walk); 2] = [
            ("below", |dir, below, flags| dir.below(below, flags)),
            ("steps", |dir, below, flags| steps(&dir.0, below, flags)),
        ];
        for (way, walk) in ways {
            let error = |below: &str, flags| io::Error::from(walk(&dir, below, flags).unwrap_err());
            let file = File::from(walk(&dir, "a/b/file", READ).unwrap());
            assert_eq!(io::read_to_string(file).unwrap(), "shared/a/b/file", "{way}");
            assert!(walk(&dir, "a/b", FOLDER).is_ok(), "{way}");
            for below in [
                "folder-link/file",
                "folder-link",
                "a/inner-link/file",
                "a/file-link",
            ] {
                assert!(met_link(&error(below, READ)), "{way}: {below}");
            }
            for below in ["folder-link", "a/inner-link"] {
                assert!(met_link(&error(below, FOLDER)), "{way}: {below} as a folder");
            }
            for below in ["a/b/file/c", "a/b/file"] {
                let kind = error(below, FOLDER).kind();
                assert_eq!(kind, io::ErrorKind::NotADirectory, "{way}: {below}");
            }
            let missing = error("a/c/file", READ).kind();
            assert_eq!(missing, io::ErrorKind::NotFound, "{way}");
        }
    }
}
