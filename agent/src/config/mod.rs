//! Where things are and what was chosen: settings, folders, the stored session and the device key.
//!
//! Settings come from flag > environment (`MESH_*`) > file (`config.toml`) > default. Flags are the caller's: it lays
//! them over what [`Settings::load`] gives.

mod paths;
mod state;

use std::collections::BTreeSet;
use std::path::PathBuf;

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use mesh_protocol::capability::Capability;
use serde::{Deserialize, Serialize};

pub use paths::Paths;
pub use state::{DeviceKey, StoredSession};
pub(crate) use state::{read_private, write_private};

use crate::exit::{Failure, Outcome};

/// The settings that the environment may give, as `MESH_<NAME>`; everything else in `MESH_*` is someone else's.
const FROM_ENVIRONMENT: &[&str] = &[
    "download_dir",
    "device_name",
    "allow",
    "deny",
    "shell",
    "relay_only",
];

/// What a person may choose once and for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where received files go. Default: the XDG download folder, else `~/Downloads`.
    pub download_dir: Option<PathBuf>,
    /// The name of this device for others. Default: the host name.
    pub device_name: Option<String>,
    /// Consent given in advance: `terminal:view`, `terminal:control`, `share:file`.
    #[serde(deserialize_with = "one_or_many")]
    pub allow: BTreeSet<Capability>,
    /// Decline every request without asking.
    pub deny: bool,
    /// The shell to share. Default: `$SHELL`, else `/bin/sh`.
    pub shell: Option<String>,
    /// Use relays only, so that others never learn an address of this device.
    pub relay_only: bool,
}

/// The rights for which consent in advance has a meaning.
pub const GRANTABLE: [Capability; 3] = [
    Capability::TerminalView,
    Capability::TerminalControl,
    Capability::ShareFile,
];

/// A right for `--allow`.
pub fn parse_grant(text: &str) -> Result<Capability, String> {
    let wrong = || "one of terminal:view, terminal:control, share:file".to_owned();
    let capability = text.trim().parse::<Capability>().map_err(|_| wrong())?;
    GRANTABLE
        .contains(&capability)
        .then_some(capability)
        .ok_or_else(wrong)
}

/// A list in the file; one name or several with commas in the environment.
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Capability>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Many(Vec<String>),
    }
    let names = match Names::deserialize(deserializer)? {
        Names::One(text) => text
            .split(',')
            .map(str::trim)
            .filter(|n| !n.is_empty())
            .map(str::to_owned)
            .collect(),
        Names::Many(names) => names,
    };
    names
        .iter()
        .map(|name| parse_grant(name).map_err(serde::de::Error::custom))
        .collect()
}

impl Settings {
    /// Environment over file over defaults.
    pub fn load(paths: &Paths) -> Outcome<Self> {
        Self::layered(
            &paths.config_file(),
            Env::prefixed("MESH_").only(FROM_ENVIRONMENT),
        )
    }

    fn layered(file: &std::path::Path, environment: impl figment::Provider) -> Outcome<Self> {
        Figment::from(Serialized::defaults(Self::default()))
            .merge(Toml::file(file))
            .merge(environment)
            .extract()
            .map_err(|error| {
                let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
                Failure::usage(format!(
                    "A setting cannot be used: {}.",
                    text.trim_end_matches('.')
                ))
            })
    }

    /// The name that others see.
    pub fn device_name(&self) -> String {
        let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        let name = self.device_name.clone().unwrap_or_else(host);
        let name: String = name
            .chars()
            .filter(|c| !c.is_control())
            .take(mesh_protocol::limits::MAX_NAME_CHARS)
            .collect();
        if name.is_empty() { "agent".into() } else { name }
    }

    /// Where received files go.
    pub fn download_dir(&self) -> Outcome<PathBuf> {
        match &self.download_dir {
            Some(folder) => Ok(folder.clone()),
            None => paths::downloads().ok_or_else(|| {
                Failure::usage("There is no home folder to receive into: name a folder with `--out DIR`.")
            }),
        }
    }

    /// The shell to share.
    pub fn shell(&self) -> String {
        let from_login = || std::env::var("SHELL").ok().filter(|shell| shell.starts_with('/'));
        self.shell
            .clone()
            .or_else(from_login)
            .unwrap_or_else(|| "/bin/sh".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: serde_json::Value) -> Outcome<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        if !file.is_empty() {
            std::fs::write(&path, file).unwrap();
        }
        Settings::layered(&path, Serialized::defaults(environment))
    }

    #[test]
    fn the_environment_beats_the_file_beats_the_defaults() {
        let none = || serde_json::json!({});
        assert_eq!(load("", none()).unwrap(), Settings::default());
        let file =
            "download_dir = \"/file\"\ndevice_name = \"desk\"\nallow = [\"terminal:view\", \"share:file\"]\n";
        let settings = load(file, none()).unwrap();
        assert_eq!(settings.download_dir.as_deref(), Some("/file".as_ref()));
        assert_eq!(
            settings.allow,
            BTreeSet::from([Capability::TerminalView, Capability::ShareFile])
        );
        let settings = load(
            file,
            serde_json::json!({"download_dir": "/env", "allow": "terminal:control,share:file"}),
        )
        .unwrap();
        assert_eq!(settings.download_dir.as_deref(), Some("/env".as_ref()));
        assert_eq!(
            settings.allow,
            BTreeSet::from([Capability::TerminalControl, Capability::ShareFile])
        );
        assert_eq!(settings.device_name(), "desk");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_one_line() {
        for wrong in ["allow = [\"call\"]", "downloads = \"/x\"", "deny = 3", "= ="] {
            let failure = load(wrong, serde_json::json!({})).unwrap_err();
            assert_eq!(failure.exit, crate::exit::Exit::Usage, "{wrong}");
            assert!(
                !failure.sentence.contains('\n') && failure.sentence.starts_with("A setting"),
                "{failure}"
            );
        }
    }

    #[test]
    fn a_device_name_is_plain_and_never_empty() {
        let named = |name: &str| {
            Settings {
                device_name: Some(name.into()),
                ..Settings::default()
            }
            .device_name()
        };
        assert_eq!(named("a\u{1b}b"), "ab");
        assert_eq!(named("\n"), "agent");
        assert_eq!(named(&"x".repeat(200)).len(), 64);
    }
}
