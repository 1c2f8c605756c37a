//! Folders of the agent, after the XDG base directory specification. `MESH_HOME` puts all of them under one folder, so
//! that several agents can live on one machine.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::exit::{Failure, Outcome};

/// The longest path that a Unix socket can be bound to (`sun_path`, its NUL left out).
const MAX_SOCKET_PATH: usize = 107;

/// Where the agent keeps things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config: PathBuf,
    pub(super) state: PathBuf,
    runtime: PathBuf,
}

impl Paths {
    /// From the environment of this process.
    pub fn from_environment() -> Outcome<Self> {
        Self::resolve(&|name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        })
    }

    /// From a given environment.
    pub fn resolve(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Outcome<Self> {
        if let Some(home) = variable("MESH_HOME") {
            return Ok(Self::beneath(&home));
        }
        // The specification has relative paths ignored.
        let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let within = |name: &str, fallback: &str| {
            absolute(name)
                .or_else(|| home.as_ref().map(|home| home.join(fallback)))
                .map(|base| base.join("mesh"))
                .ok_or_else(|| Failure::usage("There is no home folder: set HOME or MESH_HOME."))
        };
        let config = within("XDG_CONFIG_HOME", ".config")?;
        let state = within("XDG_STATE_HOME", ".local/state")?;
        let runtime = absolute("XDG_RUNTIME_DIR").map_or_else(|| state.join("run"), |base| base.join("mesh"));
        Ok(Self {
            config,
            state,
            runtime,
        })
    }

    /// Everything under one folder, as `MESH_HOME` asks for.
    pub fn beneath(home: &Path) -> Self {
        let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
        Self {
            config: home.clone(),
            state: home.join("state"),
            runtime: home.join("run"),
        }
    }

    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    pub fn session_file(&self) -> PathBuf {
        self.state.join("session.json")
    }

    pub fn device_key_file(&self) -> PathBuf {
        self.state.join("device.key")
    }

    /// The standing answers of the owner.
    pub fn consent_file(&self) -> PathBuf {
        self.state.join("consent.json")
    }

    pub fn log_file(&self) -> PathBuf {
        self.state.join("daemon.log")
    }

    /// Held for as long as a daemon runs.
    pub fn lock_file(&self) -> PathBuf {
        self.state.join("daemon.lock")
    }

    /// Where a command finds the daemon.
    pub fn socket(&self) -> Outcome<PathBuf> {
        let path = self.runtime.join("agent.sock");
        if path.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(Failure::usage(format!(
                "The path {} is too long for a socket: set MESH_HOME or XDG_RUNTIME_DIR to a shorter folder.",
                path.display()
            )));
        }
        Ok(path)
    }

    /// Makes the folders of state and runtime, open to nobody else.
    pub fn create(&self) -> Outcome {
        for folder in [&self.state, &self.runtime] {
            private_folder(folder).map_err(|error| {
                Failure::general(format!(
                    "The folder {} cannot be used: {error}.",
                    folder.display()
                ))
            })?;
        }
        Ok(())
    }
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let metadata = std::fs::metadata(folder)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// The person's download folder: `XDG_DOWNLOAD_DIR` from the environment or `user-dirs.dirs`, else `~/Downloads`.
pub(super) fn downloads() -> Option<PathBuf> {
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

    fn environment(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<PathBuf> {
        move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| PathBuf::from(value))
        }
    }

    #[test]
    fn mesh_home_beats_xdg_beats_home() {
        let all = [("MESH_HOME", "/m"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        let paths = Paths::resolve(&environment(Box::leak(Box::new(all)))).unwrap();
        assert_eq!(paths.session_file(), Path::new("/m/state/session.json"));
        assert_eq!(paths.config_file(), Path::new("/m/config.toml"));

        let paths = Paths::resolve(&environment(&[
            ("XDG_STATE_HOME", "/x"),
            ("XDG_CONFIG_HOME", "rel"),
            ("HOME", "/h"),
        ]))
        .unwrap();
        assert_eq!(paths.session_file(), Path::new("/x/mesh/session.json"));
        assert_eq!(
            paths.config_file(),
            Path::new("/h/.config/mesh/config.toml"),
            "a relative folder is ignored"
        );
        assert_eq!(paths.socket().unwrap(), Path::new("/x/mesh/run/agent.sock"));
        assert!(Paths::resolve(&environment(&[])).is_err());
    }

    #[test]
    fn a_socket_path_that_cannot_be_bound_is_refused_with_a_sentence() {
        let paths = Paths::beneath(&PathBuf::from(format!("/{}", "x".repeat(120))));
        assert!(paths.socket().unwrap_err().sentence.contains("too long"));
    }

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
