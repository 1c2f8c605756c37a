//! What is in a folder that is to be sent: its ordinary files in order, and what is passed over.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::{DiskError, Patterns};

/// One thing in a folder.
#[derive(Debug)]
pub enum Met {
    File(PathBuf),
    /// Neither a file nor a folder, and what it is instead.
    Other(PathBuf, &'static str),
}

/// Goes through a folder and all below, in the order of names. Links are not followed; what a pattern means, by its path below
/// `root`, is not looked at.
pub fn walk<E: From<DiskError>>(
    root: &Path,
    exclude: &Patterns,
    mut met: impl FnMut(Met) -> Result<(), E>,
) -> Result<(), E> {
    let (exclude, from) = (exclude.clone(), root.to_owned());
    let entries = WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| {
            let below = entry.path().strip_prefix(&from).unwrap_or(Path::new(""));
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            below.as_os_str().is_empty() || !exclude.fit(below, is_folder)
        })
        .build();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(root, error))?;
        let Some(kind) = entry.file_type() else { continue };
        let path = entry.into_path();
        if kind.is_dir() {
            continue;
        }
        met(if kind.is_file() {
            Met::File(path)
        } else if kind.is_symlink() {
            Met::Other(path, "a symbolic link")
        } else {
            Met::Other(path, "not a file")
        })?;
    }
    Ok(())
}

fn unreadable(root: &Path, error: ignore::Error) -> DiskError {
    let place = match &error {
        ignore::Error::WithPath { path, .. } => path.clone(),
        ignore::Error::WithDepth { err, .. } => match &**err {
            ignore::Error::WithPath { path, .. } => path.clone(),
            _ => root.to_owned(),
        },
        _ => root.to_owned(),
    };
    let why = error
        .into_io_error()
        .unwrap_or_else(|| std::io::Error::other("it cannot be read"));
    DiskError::SourceGone(place, why)
}
