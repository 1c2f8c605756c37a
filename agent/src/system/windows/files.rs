//! Files of the agent's own.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{CreateDirectoryW, GetDiskFreeSpaceExW};

use super::security::{OwnerOnly, Reach};

/// A file that is made by this is open to whom its folder is.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes a folder, and those above it, open to nobody else; one that is there stays as its owner made it.
pub(crate) fn create_private_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        std::fs::create_dir_all(above)?;
    }
    let owner_only = OwnerOnly::new(Reach::Below)?;
    let path = wide(folder);
    // SAFETY: the path ends with NUL, and both outlive the call.
    #[allow(unsafe_code)]
    let made = unsafe { CreateDirectoryW(path.as_ptr(), &raw const *owner_only.attributes()) };
    match made {
        0 => Err(io::Error::last_os_error()).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        }),
        _ => Ok(()),
    }
}

/// Whether others of this machine may read it: what is under the folder of a person is theirs alone.
pub(crate) fn read_by_others(_: &Path) -> bool {
    false
}

/// Whether files can be made in this folder.
pub(crate) fn may_write(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
}

/// Bytes that are free on the disk of a folder.
pub(crate) fn free_space(folder: &Path) -> io::Result<u64> {
    let (path, mut free) = (wide(folder), 0);
    // SAFETY: the path ends with NUL, and what may be null is.
    #[allow(unsafe_code)]
    let told = unsafe {
        GetDiskFreeSpaceExW(
            path.as_ptr(),
            &raw mut free,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(free)
}

/// As the system takes it.
pub(super) fn wide(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}
