//! Where things are kept: the person's application data.

use std::path::{Path, PathBuf};
use std::ptr::null_mut;

use windows_sys::Win32::System::Com::CoTaskMemFree;
use windows_sys::Win32::UI::Shell::{FOLDERID_Downloads, SHGetKnownFolderPath};

use super::security::string;
use crate::system::Bases;

/// By these variables; `None` where they say too little.
pub(crate) fn bases(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<Bases> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    Some(Bases {
        config: absolute("APPDATA")?,
        state: absolute("LOCALAPPDATA")?,
        runtime: None,
    })
}

/// The name of the pipe where the daemon of a runtime folder is found.
#[allow(clippy::unnecessary_wraps, reason = "it can be too long elsewhere")]
pub(crate) fn socket(runtime: &Path) -> Result<PathBuf, String> {
    // Names of files are the same in either case there.
    let folder = runtime.to_string_lossy().to_lowercase();
    let hash = blake3::hash(folder.as_bytes()).to_hex();
    Ok(PathBuf::from(format!(r"\\.\pipe\mesh-{}", &hash[..32])))
}

/// The person's download folder.
pub(crate) fn downloads() -> Option<PathBuf> {
    let mut path: *mut u16 = null_mut();
    // SAFETY: what may be null is; the path ends with NUL, and is freed once it is copied.
    #[allow(unsafe_code)]
    let found = unsafe {
        let told = SHGetKnownFolderPath(&FOLDERID_Downloads, 0, null_mut(), &raw mut path);
        let found = (told == 0 && !path.is_null()).then(|| string(path));
        CoTaskMemFree(path.cast());
        found
    };
    found.map(PathBuf::from)
}
