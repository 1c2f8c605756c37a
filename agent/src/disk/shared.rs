//! A folder of this machine that others may look into.
//!
//! **Invariant**: nothing outside is read or written, whatever path is asked for and whatever happens to the folder
//! meanwhile (`agent/tests/folder_disk.rs`). What is told to others names paths as they see them, never where the folder
//! stands. Everything here blocks: callers keep it off the async threads.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use mesh_protocol::channel::FolderEntry;
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{
    MAX_FOLDER_ENTRIES, MAX_FOLDER_FOUND, MAX_MANIFEST_ENTRIES, MAX_PREVIEW_IMAGE, MAX_PREVIEW_TEXT,
};
use mesh_protocol::safe_path::{PathSet, SafePath};

use super::dir::{Dir, Facts, Kind, met_link};
use super::{DiskError, Folder, Inbox, SourceFile};

/// Why it is not told; the text goes to the person at the other end.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    #[error("\"{0}\" is not a path in this folder")]
    Path(String),
    #[error("there is no \"{0}\" in this folder")]
    Missing(String),
    #[error("\"{0}\" is not a folder")]
    NotFolder(String),
    #[error("\"{0}\" cannot be shown here: download it")]
    NoPreview(String),
    #[error("that is more than {MAX_MANIFEST_ENTRIES} files: take its folders one by one")]
    TooMany,
    #[error("two of the files would have the name \"{0}\": take them one by one")]
    Collision(String),
    #[error("\"{0}\" cannot be read: {1}")]
    Io(String, std::io::Error),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl SharedError {
    /// What the other end is told.
    pub fn code(&self) -> ChannelCode {
        match self {
            Self::Path(_) | Self::NotFolder(_) | Self::Collision(_) => ChannelCode::BadPath,
            Self::Missing(_) => ChannelCode::SourceGone,
            Self::NoPreview(_) | Self::TooMany => ChannelCode::TooLarge,
            Self::Io(..) => ChannelCode::Io,
            Self::Disk(error) => error.code(),
        }
    }
}

/// What stands in a folder, or was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<FolderEntry>,
    /// There is more.
    pub more: bool,
}

/// A file to be sent.
#[derive(Debug)]
pub struct Pulled {
    /// As the receiver is to have it.
    pub name: String,
    pub file: SourceFile,
}

/// How a file looks.
#[derive(Debug, PartialEq, Eq)]
pub struct Preview {
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
    /// The file is longer.
    pub more: bool,
}

/// A folder that is held open to be watched.
#[derive(Debug)]
pub struct Watchable {
    pub by: PathBuf,
    _held: Dir,
}

/// See the module.
#[derive(Debug)]
pub struct SharedFolder {
    root: Dir,
    /// How others know it.
    label: String,
    /// Whether names that begin with a dot are shown and taken.
    hidden: bool,
}

impl SharedFolder {
    /// Opens a folder that is there. Its owner named it: links in its own path are followed.
    pub fn open(path: &Path, label: &str, hidden: bool) -> std::io::Result<Self> {
        let root = Dir::open(path)?;
        Ok(Self {
            root,
            label: label.to_owned(),
            hidden,
        })
    }

    /// How others know it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What stands in a folder, by name.
    pub fn list(&self, path: &str) -> Result<Listing, SharedError> {
        let folder = self.folder(path)?;
        let mut listing = Listing::default();
        for (name, facts) in self.read(&folder, path)? {
            if listing.entries.len() == MAX_FOLDER_ENTRIES {
                listing.more = true;
                break;
            }
            listing.entries.push(entry(name, &facts));
        }
        listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// What has the text in its name beneath a folder, as far as it is found until then.
    pub fn search(&self, path: &str, text: &str, until: Instant) -> Result<Listing, SharedError> {
        let wanted = text.to_lowercase();
        self.folder(path)?;
        let mut listing = Listing::default();
        let mut folders = vec![String::new()];
        while let Some(beneath) = folders.pop() {
            let Ok(folder) = self.folder(&joined(path, &beneath)) else {
                continue;
            };
            for (name, facts) in self.read(&folder, &beneath)? {
                if listing.entries.len() == MAX_FOLDER_FOUND || Instant::now() >= until {
                    listing.more = true;
                    folders.clear();
                    break;
                }
                let place = joined(&beneath, &name);
                if facts.kind == Kind::Folder {
                    folders.push(place.clone());
                }
                if name.to_lowercase().contains(&wanted) {
                    listing.entries.push(entry(place, &facts));
                }
            }
        }
        listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// How a file looks: an image, a terminal's recording or the beginning of a text. What could carry a program of a page is not shown at all.
    pub fn preview(&self, path: &str) -> Result<Preview, SharedError> {
        let (file, size) = self.ordinary(path)?;
        let at = |error| SharedError::Io(path.to_owned(), error);
        let no_preview = || SharedError::NoPreview(path.to_owned());
        let mut start = Vec::new();
        (&file)
            .take(MAX_PREVIEW_TEXT)
            .read_to_end(&mut start)
            .map_err(at)?;
        if let Some(media_type) = image(&start).or_else(|| recording(path, &start)) {
            if size > MAX_PREVIEW_IMAGE {
                return Err(no_preview());
            }
            let rest = MAX_PREVIEW_IMAGE - start.len() as u64;
            (&file).take(rest).read_to_end(&mut start).map_err(at)?;
            return Ok(Preview {
                media_type,
                bytes: start,
                more: false,
            });
        }
        let more = size > start.len() as u64;
        let bytes = text(start, more)
            .filter(|text| !is_markup(path, text))
            .ok_or_else(no_preview)?;
        Ok(Preview {
            media_type: "text/plain",
            bytes,
            more,
        })
    }

    /// The files that these paths mean, whole folders with everything beneath them.
    pub fn pull(self: &Arc<Self>, paths: &[String]) -> Result<Vec<Pulled>, SharedError> {
        let (mut found, mut names) = (Vec::new(), PathSet::default());
        for path in paths {
            let name = match path.rsplit('/').next() {
                Some(last) if !last.is_empty() => last.to_owned(),
                _ => SafePath::parse(&self.label)
                    .ok()
                    .filter(|label| label.components().count() == 1)
                    .map_or_else(|| "folder".to_owned(), |label| label.as_str().to_owned()),
            };
            let mut places = vec![(path.clone(), name)];
            while let Some((place, name)) = places.pop() {
                match self.folder(&place) {
                    Ok(folder) => places.extend(
                        self.read(&folder, &place)?
                            .into_iter()
                            .map(|(entry, _)| (joined(&place, &entry), joined(&name, &entry))),
                    ),
                    Err(SharedError::NotFolder(_)) => {
                        let file = match self.source(&place) {
                            Err(SharedError::Missing(_)) if place != *path => continue,
                            file => file?,
                        };
                        if found.len() == MAX_MANIFEST_ENTRIES {
                            return Err(SharedError::TooMany);
                        }
                        names
                            .insert(&name)
                            .map_err(|_| SharedError::Collision(name.clone()))?;
                        found.push(Pulled { name, file });
                    }
                    // Gone since its folder was read: what is left is meant.
                    Err(SharedError::Missing(_)) if place != *path => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }

    /// Where files that others put into a folder arrive.
    pub fn inbox(&self, path: &str) -> Result<Inbox, SharedError> {
        let shown = PathBuf::from(joined(&self.label, path));
        let folder = Folder::within(self.folder(path)?, shown, self.hidden);
        Ok(Inbox::new(folder))
    }

    /// A folder, held open, and a path by which it can be watched until it is let go.
    pub fn watchable(&self, path: &str) -> Result<Watchable, SharedError> {
        let folder = self.folder(path)?;
        let by = folder
            .path()
            .map_err(|error| SharedError::Io(path.to_owned(), error))?;
        Ok(Watchable { by, _held: folder })
    }

    fn folder(&self, path: &str) -> Result<Dir, SharedError> {
        self.beneath(path, Dir::folder)
    }

    fn source(self: &Arc<Self>, path: &str) -> Result<SourceFile, SharedError> {
        let (file, _) = self.ordinary(path)?;
        let (folder, place) = (self.clone(), path.to_owned());
        let again = move || {
            folder
                .ordinary(&place)
                .map(|(file, _)| file)
                .map_err(std::io::Error::other)
        };
        let source = SourceFile::reopened(&file, Path::new(path), Box::new(again))?;
        Ok(source.named(path.to_owned()))
    }

    fn ordinary(&self, path: &str) -> Result<(File, u64), SharedError> {
        let missing = || SharedError::Missing(path.to_owned());
        if path.is_empty() {
            return Err(missing());
        }
        let file = self.beneath(path, Dir::read)?;
        let facts = Facts::of(&file).map_err(|error| SharedError::Io(path.to_owned(), error))?;
        if facts.kind == Kind::File {
            Ok((file, facts.size))
        } else {
            Err(missing())
        }
    }

    fn beneath<T>(
        &self,
        path: &str,
        open: impl FnOnce(&Dir, &str) -> std::io::Result<T>,
    ) -> Result<T, SharedError> {
        if !path.is_empty() {
            let safe = SafePath::parse(path).map_err(|_| SharedError::Path(path.to_owned()))?;
            if !self.hidden && safe.components().any(|name| name.starts_with('.')) {
                return Err(SharedError::Missing(path.to_owned()));
            }
        }
        open(&self.root, path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => SharedError::Missing(path.to_owned()),
            // A link is not there for others.
            _ if met_link(&error) => SharedError::Missing(path.to_owned()),
            ErrorKind::NotADirectory => SharedError::NotFolder(path.to_owned()),
            _ => SharedError::Io(path.to_owned(), error),
        })
    }

    /// The files and folders in it that others can be told of: no links, nothing special, no names that other systems
    /// cannot hold. One more than can be listed at most.
    fn read(&self, folder: &Dir, path: &str) -> Result<Vec<(String, Facts)>, SharedError> {
        let at = |error| SharedError::Io(path.to_owned(), error);
        let mut found = Vec::new();
        for name in folder.names().map_err(at)? {
            let name = name.map_err(at)?;
            if !self.hidden && name.starts_with('.') {
                continue;
            }
            if SafePath::parse(&joined(path, &name)).is_err() {
                continue;
            }
            let Ok(facts) = folder.facts(&name) else { continue };
            if matches!(facts.kind, Kind::File | Kind::Folder) {
                found.push((name, facts));
            }
            if found.len() > MAX_MANIFEST_ENTRIES {
                break;
            }
        }
        Ok(found)
    }
}

fn joined(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

fn entry(path: String, facts: &Facts) -> FolderEntry {
    let folder = facts.kind == Kind::Folder;
    FolderEntry {
        path,
        folder,
        size: if folder { 0 } else { facts.size },
        modified_at: facts.modified_at(),
    }
}

/// The images that every browser shows, by how they begin.
fn image(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// A recording of a terminal, by its name and its first line: asciicast 2 or 3. Whoever plays it checks the rest.
fn recording(path: &str, bytes: &[u8]) -> Option<&'static str> {
    let name = path.rsplit('.').next().unwrap_or_default();
    let first = bytes.split(|byte| *byte == b'\n').next()?;
    let header: serde_json::Value = serde_json::from_slice(first).ok()?;
    let version = header.get("version").and_then(serde_json::Value::as_u64);
    (name.eq_ignore_ascii_case("cast") && matches!(version, Some(2 | 3))).then_some("application/x-asciicast")
}

/// UTF-8 without controls that no text has; where the file goes on, a last character that was cut is left out.
fn text(mut bytes: Vec<u8>, more: bool) -> Option<Vec<u8>> {
    if let Err(error) = std::str::from_utf8(&bytes) {
        if !more || error.error_len().is_some() {
            return None;
        }
        bytes.truncate(error.valid_up_to());
    }
    (!bytes.contains(&0)).then_some(bytes)
}

/// HTML, SVG and what else a browser might run, by name and by how it begins.
fn is_markup(path: &str, text: &[u8]) -> bool {
    let extension = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let named = ["html", "htm", "xhtml", "xht", "svg", "mhtml"].contains(&extension.as_str());
    let start: String = String::from_utf8_lossy(&text[..text.len().min(512)])
        .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .to_ascii_lowercase();
    let begins = ["<!doctype html", "<html", "<svg", "<script"];
    named
        || begins.iter().any(|begin| start.starts_with(begin))
        || (start.starts_with("<?xml") && start.contains("<svg"))
}
