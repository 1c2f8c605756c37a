//! What differs between operating systems, beside the file system ([`crate::disk`]), the secret store ([`crate::secrets`]), the
//! desktop and autostart: one module for each family, with the same functions in them.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::path::PathBuf;

#[cfg(unix)]
use self::unix as here;
#[cfg(windows)]
use self::windows as here;

pub(crate) use here::files::{create_private_folder, free_space, may_write, private, read_by_others};
pub(crate) use here::paths::{bases, downloads, socket};
pub(crate) use here::process::{
    Ends, Resizes, begin, default_shell, end_process, host_name, in_background, leave_terminal,
    let_go_of_output, uptime,
};
#[cfg(any(target_os = "macos", windows))]
pub(crate) use here::screen;
#[cfg(windows)]
pub(crate) use here::security::owned;
pub use here::socket::{Listener, ReadHalf, Stream, WriteHalf, same_user};
pub(crate) use here::socket::{connect, process, split};
pub(crate) use here::terminal::{RawMode, size, typed_within};

/// The folders of this person under which programs keep theirs.
#[derive(Debug)]
pub(crate) struct Bases {
    pub(crate) config: PathBuf,
    pub(crate) state: PathBuf,
    /// For as long as the person is logged in; without one it is a folder of the state.
    pub(crate) runtime: Option<PathBuf>,
}
