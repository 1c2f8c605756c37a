//! A folder that received files cannot leave.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mesh_protocol::safe_path::SafePath;

use super::DiskError;
use super::dir::{Dir, is_taken, met_link};

/// How many names ` (1)`, ` (2)`, … are tried before giving up.
pub(super) const MAX_NUMBERED: u32 = 9_999;
/// Space that is left free on the disk whatever is received, bytes.
const SPARE: u64 = 64 * 1024 * 1024;
/// The longest file name of the file systems in use, bytes.
const MAX_NAME: usize = 255;

/// Folders below that stay open: of many small files each is looked for, written and named in its folder.
const RECENT: usize = 16;

/// Where received files go.
#[derive(Debug)]
pub struct Folder {
    root: Dir,
    path: PathBuf,
    /// Those that were asked for last, the newest first. Held to look and to move entries only.
    recent: Mutex<VecDeque<(String, Arc<Dir>)>>,
    /// Whether names that begin with a dot are taken.
    hidden: bool,
}

/// The folder of one received file, held open, and the file's own name in it.
#[derive(Debug)]
pub(super) struct Parent {
    pub(super) folder: Arc<Dir>,
    pub(super) name: String,
    /// For messages only; nothing is opened by it.
    pub(super) shown: PathBuf,
}

impl Folder {
    /// Opens the folder, making it when it is missing. The person named this one: links in its own path are followed.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let at = |error: std::io::Error| DiskError::at(path, error);
        std::fs::create_dir_all(path).map_err(at)?;
        let root = Dir::open(path).map_err(at)?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self::within(root, path, true))
    }

    /// One that is open already; `shown` stands for it in messages.
    pub(super) fn within(root: Dir, shown: PathBuf, hidden: bool) -> Self {
        Self {
            root,
            path: shown,
            recent: Mutex::default(),
            hidden,
        }
    }

    /// The folder's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where something below it stands, for messages.
    pub fn shown(&self, below: &str) -> PathBuf {
        let mut shown = self.path.clone();
        shown.extend(below.split('/').filter(|name| !name.is_empty()));
        shown
    }

    /// Fails where so many bytes more would leave less than [`SPARE`].
    pub fn has_room_for(&self, bytes: u64) -> Result<(), DiskError> {
        let free = self
            .root
            .free()
            .map_err(|error| DiskError::at(&self.path, error))?;
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
        let folder = self.opened(folders).map_err(|error| {
            let refused = |why| DiskError::Place(folders.to_owned(), why);
            if met_link(&error) {
                refused("a folder in it is a symbolic link")
            } else if error.kind() == io::ErrorKind::NotADirectory {
                refused("something in it is not a folder")
            } else {
                DiskError::at(self.shown(folders), error)
            }
        })?;
        Ok(Parent {
            folder,
            name,
            shown: self.shown(folders),
        })
    }

    /// A folder below, made where it is missing.
    fn opened(&self, folders: &str) -> io::Result<Arc<Dir>> {
        let known = self.recent(folders, None).filter(|dir| dir.is_there());
        if let Some(dir) = known {
            return Ok(dir);
        }
        let dir = Arc::new(self.root.made_folder(folders)?);
        self.recent(folders, Some(dir.clone()));
        Ok(dir)
    }

    /// One of the recent, which is `now` from now on where that is given.
    fn recent(&self, folders: &str, now: Option<Arc<Dir>>) -> Option<Arc<Dir>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let place = recent.iter().position(|(name, _)| name == folders);
        let known = place.and_then(|place| recent.remove(place)).map(|(_, dir)| dir);
        let dir = now.or(known)?;
        recent.push_front((folders.to_owned(), dir.clone()));
        recent.truncate(RECENT);
        Some(dir)
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
pub(super) fn rename_without_replacing(folder: &Dir, from: &str, name: &str) -> io::Result<String> {
    for number in 0..=MAX_NUMBERED {
        let to = numbered(name, number, "");
        match folder.rename_exclusive(from, &to) {
            Ok(()) => return Ok(to),
            Err(error) if is_taken(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Gives `from` this name, in the place of a file that has it; where a folder has it, the first free one.
pub(super) fn rename_replacing(folder: &Dir, from: &str, name: &str) -> io::Result<String> {
    match folder.rename(from, name) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            rename_without_replacing(folder, from, name)
        }
        renamed => renamed.map(|()| name.to_owned()),
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

    /// On Windows nobody can remove it.
    #[cfg(unix)]
    #[test]
    fn a_folder_that_was_removed_meanwhile_is_made_again() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let parent = |path: &str| folder.parent_of(&SafePath::parse(path).unwrap()).unwrap();
        let first = parent("a/b/one").folder;
        let again = parent("a/b/two").folder;
        assert!(Arc::ptr_eq(&first, &again), "it is opened once");
        std::fs::remove_dir(place.path().join("a/b")).unwrap();
        let anew = parent("a/b/three").folder;
        assert!(place.path().join("a/b").is_dir());
        assert!(anew.is_there() && !first.is_there());
        for number in 0..RECENT {
            parent(&format!("{number}/file"));
        }
        assert!(
            !Arc::ptr_eq(&anew, &parent("a/b/four").folder),
            "the eldest is let go"
        );
        assert_eq!(folder.recent.lock().unwrap().len(), RECENT);
    }
}
