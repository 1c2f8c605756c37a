//! Folders of the agent, where the system has those of a person's programs. `MESH_HOME` puts all of them under one folder, so
//! that several agents can live on one machine.

use std::path::{Path, PathBuf};

use crate::exit::{Failure, Outcome};
use crate::system;

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
        let bases = system::bases(variable)
            .ok_or_else(|| Failure::usage("There is no home folder: set HOME or MESH_HOME."))?;
        let state = bases.state.join("mesh");
        let runtime = bases
            .runtime
            .map_or_else(|| state.join("run"), |base| base.join("mesh"));
        Ok(Self {
            config: bases.config.join("mesh"),
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
        system::socket(&self.runtime).map_err(Failure::usage)
    }

    /// Makes the folders of state and runtime, open to nobody else.
    pub fn create(&self) -> Outcome {
        for folder in [&self.state, &self.runtime] {
            system::create_private_folder(folder).map_err(|error| {
                Failure::general(format!(
                    "The folder {} cannot be used: {error}.",
                    folder.display()
                ))
            })?;
        }
        Ok(())
    }
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

    #[cfg(unix)]
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

    #[cfg(unix)]
    #[test]
    fn a_socket_path_that_cannot_be_bound_is_refused_with_a_sentence() {
        let paths = Paths::beneath(&PathBuf::from(format!("/{}", "x".repeat(120))));
        assert!(paths.socket().unwrap_err().sentence.contains("too long"));
    }

    #[cfg(windows)]
    #[test]
    fn mesh_home_beats_the_folders_of_application_data() {
        let all = [
            ("MESH_HOME", r"C:\m"),
            ("APPDATA", r"C:\r"),
            ("LOCALAPPDATA", r"C:\l"),
        ];
        let paths = Paths::resolve(&environment(Box::leak(Box::new(all)))).unwrap();
        assert_eq!(paths.session_file(), Path::new(r"C:\m\state\session.json"));
        let paths = Paths::resolve(&environment(&[("APPDATA", r"C:\r"), ("LOCALAPPDATA", r"C:\l")])).unwrap();
        assert_eq!(paths.config_file(), Path::new(r"C:\r\mesh\config.toml"));
        assert_eq!(paths.session_file(), Path::new(r"C:\l\mesh\session.json"));
        let pipe = |home: &str| Paths::beneath(Path::new(home)).socket().unwrap();
        assert!(pipe(r"C:\m").to_string_lossy().starts_with(r"\\.\pipe\mesh-"));
        assert_eq!(pipe(r"C:\m"), pipe(r"c:\M"), "it is the same folder");
        assert_ne!(pipe(r"C:\m"), pipe(r"C:\n"));
        assert!(Paths::resolve(&environment(&[("APPDATA", r"C:\r")])).is_err());
    }
}
