//! Where things are kept, after the XDG base directory specification.

use std::path::{Path, PathBuf};

use crate::system::Bases;

/// By these variables; `None` where they say too little. Relative paths in them are ignored, as the specification asks.
pub(crate) fn bases(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<Bases> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let home = absolute("HOME");
    let within =
        |name: &str, fallback: &str| absolute(name).or_else(|| home.as_ref().map(|home| home.join(fallback)));
    Some(Bases {
        config: within("XDG_CONFIG_HOME", ".config")?,
        state: within("XDG_STATE_HOME", ".local/state")?,
        runtime: absolute("XDG_RUNTIME_DIR"),
    })
}

/// The longest path that a Unix socket can be bound to (`sun_path`, its NUL left out).
const MAX_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Where the daemon of a runtime folder is found; an error, what has to be otherwise.
pub(crate) fn socket(runtime: &Path) -> Result<PathBuf, String> {
    let path = runtime.join("agent.sock");
    if path.as_os_str().len() <= MAX_SOCKET_PATH {
        return Ok(path);
    }
    Err(format!(
        "The path {} is too long for a socket: set MESH_HOME or XDG_RUNTIME_DIR to a shorter folder.",
        path.display()
    ))
}

/// The person's download folder: `XDG_DOWNLOAD_DIR` from the environment or `user-dirs.dirs`, else `~/Downloads`.
pub(crate) fn downloads() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("XDG_DOWNLOAD_DIR")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
    {
        return Some(folder);
    }
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())?;
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute());
    let dirs = config
        .unwrap_or_else(|| home.join(".config"))
        .join("user-dirs.dirs");
    let chosen = std::fs::read_to_string(dirs)
        .ok()
        .and_then(|text| downloads_of(&text, &home));
    Some(chosen.unwrap_or_else(|| home.join("Downloads")))
}

/// `XDG_DOWNLOAD_DIR="$HOME/…"` of a `user-dirs.dirs` file.
fn downloads_of(text: &str, home: &Path) -> Option<PathBuf> {
    let value = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("XDG_DOWNLOAD_DIR="))?;
    let value = value.trim().trim_matches('"');
    let path = match value.strip_prefix("$HOME") {
        Some(rest) => home.join(rest.trim_start_matches('/')),
        None => PathBuf::from(value),
    };
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_download_folder_of_user_dirs() {
        let home = Path::new("/h");
        let text = "# c\nXDG_DESKTOP_DIR=\"$HOME/D\"\nXDG_DOWNLOAD_DIR=\"$HOME/Téléchargements\"\n";
        assert_eq!(downloads_of(text, home), Some("/h/Téléchargements".into()));
        assert_eq!(
            downloads_of("XDG_DOWNLOAD_DIR=\"/data/in\"", home),
            Some("/data/in".into())
        );
        assert_eq!(downloads_of("XDG_DOWNLOAD_DIR=\"in\"", home), None);
    }
}
