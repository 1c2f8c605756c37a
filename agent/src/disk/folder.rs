//! A folder that received files cannot leave: every open starts at its descriptor and follows no symbolic link.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use mesh_protocol::safe_path::SafePath;
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::DiskError;

/// How many names ` (1)`, ` (2)`, … are tried before giving up.
pub(super) const MAX_NUMBERED: u32 = 9_999;
/// Space that is left free on the disk whatever is received, bytes.
const SPARE: u64 = 64 * 1024 * 1024;
/// The longest file name of the file systems in use, bytes.
const MAX_NAME: usize = 255;

/// Where received files go.
#[derive(Debug)]
pub struct Folder {
    root: OwnedFd,
    path: PathBuf,
    /// Whether names that begin with a dot are taken.
    hidden: bool,
}

/// The folder of one received file, held open, and the file's own name in it.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) folder: OwnedFd,
    pub(super) name: String,
    /// For messages only; nothing is opened by it.
    pub(super) shown: PathBuf,
}

impl Folder {
    /// Opens the folder, making it when it is missing. The person named this one: links in its own path are followed.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let at = |error: std::io::Error| DiskError::at(path, error);
        std::fs::create_dir_all(path).map_err(at)?;
        let root = fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| at(errno.into()))?;
        Ok(Self {
            root,
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            hidden: true,
        })
    }

    /// One that is open already; `shown` stands for it in messages.
    pub(super) fn within(root: OwnedFd, shown: PathBuf, hidden: bool) -> Self {
        Self {
            root,
            path: shown,
            hidden,
        }
    }

    /// The folder's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fails where so many bytes more would leave less than [`SPARE`].
    pub fn has_room_for(&self, bytes: u64) -> Result<(), DiskError> {
        let stat = fs::fstatvfs(&self.root).map_err(|errno| DiskError::at(&self.path, errno))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if bytes > 0 && free < bytes.saturating_add(SPARE) {
            return Err(DiskError::Short {
                folder: self.path.clone(),
                needed: bytes,
                free,
            });
        }
        Ok(())
    }

    /// Opens, and where missing makes, the folder in which `path` will stand.
    pub(super) fn parent_of(&self, path: &SafePath) -> Result<Parent, DiskError> {
        if !self.hidden && path.components().any(|name| name.starts_with('.')) {
            return Err(DiskError::Place(
                path.as_str().to_owned(),
                "hidden files are not taken here",
            ));
        }
        let name = path.file_name().to_owned();
        let folders = path
            .as_str()
            .strip_suffix(&name)
            .unwrap_or_default()
            .trim_end_matches('/');
        let folder = if folders.is_empty() {
            self.root
                .try_clone()
                .map_err(|error| DiskError::at(&self.path, error))?
        } else {
            self.descend(folders)?
        };
        let shown = if folders.is_empty() {
            self.path.clone()
        } else {
            self.path.join(folders)
        };
        Ok(Parent { folder, name, shown })
    }

    fn descend(&self, folders: &str) -> Result<OwnedFd, DiskError> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match fs::openat2(&self.root, folders, DIRECTORY, Mode::empty(), beneath) {
            Ok(found) => return Ok(found),
            // Missing folders, an old kernel, or a sandbox without this call: walk.
            Err(Errno::NOENT | Errno::NOSYS | Errno::PERM | Errno::INVAL) => {}
            Err(errno) => return Err(refused(folders, errno, &self.path)),
        }
        let mut current = self
            .root
            .try_clone()
            .map_err(|error| DiskError::at(&self.path, error))?;
        for component in folders.split('/') {
            match fs::mkdirat(&current, component, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(DiskError::at(self.path.join(folders), errno)),
            }
            current = fs::openat(&current, component, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
                .map_err(|errno| refused(folders, errno, &self.path))?;
        }
        Ok(current)
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn refused(folders: &str, errno: Errno, root: &Path) -> DiskError {
    match errno {
        Errno::LOOP | Errno::XDEV => {
            DiskError::Place(folders.to_owned(), "a folder in it is a symbolic link")
        }
        Errno::NOTDIR => DiskError::Place(folders.to_owned(), "something in it is not a folder"),
        errno => DiskError::at(root.join(folders), errno),
    }
}

/// `name`, `name (1)`, `name (2)`, … with the number before the extension, each short enough for the file system.
pub(super) fn numbered(name: &str, number: u32, suffix: &str) -> String {
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    let number = if number == 0 {
        String::new()
    } else {
        format!(" ({number})")
    };
    let room = MAX_NAME.saturating_sub(number.len() + suffix.len());
    // A name that is all extension gives way too.
    let mut extension_end = extension.len().min(room.saturating_sub(1));
    while !extension.is_char_boundary(extension_end) {
        extension_end -= 1;
    }
    let mut stem_end = stem.len().min(room - extension_end);
    while !stem.is_char_boundary(stem_end) {
        stem_end -= 1;
    }
    format!(
        "{}{number}{}{suffix}",
        &stem[..stem_end],
        &extension[..extension_end]
    )
}

/// Gives `from` the first free name of `name`, ` (1)`, …, replacing nothing; says which.
pub(super) fn rename_without_replacing(
    folder: impl AsFd,
    from: &str,
    name: &str,
) -> rustix::io::Result<String> {
    for number in 0..=MAX_NUMBERED {
        let to = numbered(name, number, "");
        match rename_exclusive(folder.as_fd(), from, &to) {
            Ok(()) => return Ok(to),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}

/// Gives `from` this name, in the place of a file that has it; where a folder has it, the first free one.
pub(super) fn rename_replacing(folder: impl AsFd, from: &str, name: &str) -> rustix::io::Result<String> {
    let folder = folder.as_fd();
    match fs::renameat(folder, from, folder, name) {
        Err(Errno::ISDIR) => rename_without_replacing(folder, from, name),
        renamed => renamed.map(|()| name.to_owned()),
    }
}

fn rename_exclusive(folder: impl AsFd, from: &str, to: &str) -> rustix::io::Result<()> {
    let folder = folder.as_fd();
    match fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        // Some file systems (NFS, old FUSE) do not know the flag; a hard link fails on an existing name as well.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::linkat(folder, from, folder, to, AtFlags::empty())?;
            fs::unlinkat(folder, from, AtFlags::empty())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_before_the_extension_and_names_stay_within_the_limit() {
        assert_eq!(numbered("a.tar.gz", 0, ""), "a.tar.gz");
        assert_eq!(numbered("a.txt", 2, ""), "a (2).txt");
        assert_eq!(numbered("noext", 1, ".part"), "noext (1).part");
        assert_eq!(numbered(".config", 1, ""), ".config (1)");
        for name in [
            "é".repeat(127),
            format!("{}.txt", "x".repeat(251)),
            format!("x.{}", "é".repeat(126)),
        ] {
            for suffix in ["", ".part", ".part.mesh"] {
                let made = numbered(&name, 12, suffix);
                assert!(made.len() <= MAX_NAME, "{made} has {} bytes", made.len());
                assert!(made.ends_with(suffix) && made.contains(" (12)"));
            }
        }
    }
}
