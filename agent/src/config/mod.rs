//! Where things are and what was chosen: settings, folders, the stored session and the device key.
//!
//! Settings come from flag > environment (`MESH_*`) > file (`config.toml`) > default. Flags are the caller's: it lays
//! them over what [`Settings::load`] gives. [`check`] says what is wrong in a file, and in which line.

mod check;
mod paths;
mod secret;
mod state;

use std::collections::BTreeSet;
use std::path::PathBuf;

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use mesh_protocol::capability::Capability;
use serde::{Deserialize, Serialize};

pub use check::{Problem, check, holds_secret};
pub use paths::Paths;
pub use secret::Secret;
pub use state::{DeviceKey, Kept, StoredSession, settle};
pub(crate) use state::{read_private, write_private};

use crate::exit::{Failure, Outcome};
use crate::notice::Event;
use crate::system;

/// The settings of the file, which the environment may give as well, as `MESH_<NAME>`; everything else in `MESH_*` is
/// someone else's.
const SETTINGS: &[&str] = &[
    "download_dir",
    "device_name",
    "allow",
    "deny",
    "shell",
    "relay_only",
    "log_format",
    "desktop_events",
    "tray",
    "secrets",
    "gotify_url",
    "gotify_token",
    "gotify_token_file",
    "gotify_events",
];
/// Those of them that nobody else should read.
const SECRETS: &[&str] = &["gotify_token"];

/// Every setting with its default, for who writes a file for the first time.
pub const TEMPLATE: &str = include_str!("template.toml");

/// What a person may choose once and for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How the daemon's log is written.
    pub log_format: LogFormat,
    /// What is told on the desktop of this machine, where it has one. Default: everything.
    #[serde(deserialize_with = "one_or_many")]
    pub desktop_events: BTreeSet<Event>,
    /// Show the daemon in the desktop's tray, where it has one.
    pub tray: bool,
    /// Where the device key and the sign-in are kept.
    pub secrets: Keeping,
    /// The owner's own Gotify, such as `https://gotify.example.com`.
    pub gotify_url: Option<String>,
    /// Of an application there.
    #[serde(skip_serializing)]
    pub gotify_token: Option<Secret>,
    /// A file that has the token in it, instead of the token itself.
    pub gotify_token_file: Option<PathBuf>,
    /// What is told there. Default: everything.
    #[serde(deserialize_with = "one_or_many")]
    pub gotify_events: BTreeSet<Event>,
}

/// Where secrets are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeping {
    /// In the system's secret store where one is open and lets this agent in without a question, else in files.
    #[default]
    Auto,
    /// In the system's secret store or nowhere.
    System,
    /// In files that only their owner can read.
    File,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            download_dir: None,
            device_name: None,
            allow: BTreeSet::new(),
            deny: false,
            shell: None,
            relay_only: false,
            log_format: LogFormat::default(),
            desktop_events: Event::ALL.into(),
            tray: true,
            secrets: Keeping::default(),
            gotify_url: None,
            gotify_token: None,
            gotify_token_file: None,
            gotify_events: Event::ALL.into(),
        }
    }
}

/// A Gotify of the owner's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GotifyPlace {
    /// Without a trailing slash.
    pub url: String,
    pub token: Secret,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line, for programs.
    Json,
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

/// What a list of a setting is made of.
trait Named: Ord + Sized {
    /// The one of this name; else which names there are.
    fn named(name: &str) -> Result<Self, String>;
}

impl Named for Capability {
    fn named(name: &str) -> Result<Self, String> {
        parse_grant(name)
    }
}

impl Named for Event {
    fn named(name: &str) -> Result<Self, String> {
        name.parse()
    }
}

/// A list in the file; one name or several with commas in the environment.
fn one_or_many<'de, D: serde::Deserializer<'de>, T: Named>(deserializer: D) -> Result<BTreeSet<T>, D::Error> {
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
        .map(|name| T::named(name).map_err(serde::de::Error::custom))
        .collect()
}

impl Settings {
    /// Environment over file over defaults.
    pub fn load(paths: &Paths) -> Outcome<Self> {
        Self::layered(&paths.config_file(), Env::prefixed("MESH_").only(SETTINGS))
    }

    fn layered(file: &std::path::Path, environment: impl figment::Provider) -> Outcome<Self> {
        let settings: Result<Self, figment::Error> = Self::defaults()
            .merge(Toml::file(file))
            .merge(environment)
            .extract();
        settings.map_err(|error| {
            // The file's own faults have a line; what is left is the environment's.
            let fault = std::fs::read_to_string(file)
                .ok()
                .and_then(|text| check(&text).into_iter().next());
            let text = match fault {
                Some(problem) => format!("{}{problem}", file.display()),
                None => error.to_string(),
            };
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            Failure::usage(format!(
                "A setting cannot be used: {}.",
                text.trim_end_matches('.')
            ))
        })
    }

    /// Where the owner is told by Gotify, if they are. The token's file is read now.
    pub fn gotify(&self) -> Outcome<Option<GotifyPlace>> {
        let wrong = |what: &str| Failure::usage(format!("A setting cannot be used: {what}."));
        let Some(url) = &self.gotify_url else {
            return if self.gotify_token.is_some() || self.gotify_token_file.is_some() {
                Err(wrong("there is a gotify_token without gotify_url: set both"))
            } else {
                Ok(None)
            };
        };
        let url = url.trim().trim_end_matches('/').to_owned();
        let host = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#', '@', ' '])) {
            return Err(wrong("gotify_url is a URL such as https://gotify.example.com"));
        }
        let token = match (&self.gotify_token, &self.gotify_token_file) {
            (Some(token), None) => token.expose().to_owned(),
            (None, Some(file)) => std::fs::read_to_string(file).map_err(|error| {
                wrong(&format!(
                    "the gotify_token_file {} cannot be read: {error}",
                    file.display()
                ))
            })?,
            (None, None) => return Err(wrong("there is a gotify_url without gotify_token: set both")),
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "gotify_token and gotify_token_file are both set: keep one of them",
                ));
            }
        };
        let token = Secret::new(token.trim());
        Ok(Some(GotifyPlace { url, token }))
    }

    fn defaults() -> Figment {
        Figment::from(Serialized::defaults(Self::default()))
    }

    /// The name that others see.
    pub fn device_name(&self) -> String {
        let name = self.device_name.clone().unwrap_or_else(system::host_name);
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
            None => system::downloads().ok_or_else(|| {
                Failure::usage("There is no home folder to receive into: name a folder with `--out DIR`.")
            }),
        }
    }

    /// The shell to share.
    pub fn shell(&self) -> String {
        self.shell.clone().unwrap_or_else(system::default_shell)
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
            let sentence = &failure.sentence;
            assert!(
                !sentence.contains('\n')
                    && sentence.starts_with("A setting")
                    && sentence.contains(".toml:1:"),
                "{failure}"
            );
        }
    }

    #[test]
    fn every_setting_is_known_by_name_and_stands_in_the_template_with_its_default() {
        // The template's lines that are settings, taken out of their comment.
        let settings: String = TEMPLATE
            .lines()
            .filter_map(|line| line.strip_prefix("#"))
            .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
            .fold(String::new(), |all, line| all + line + "\n");
        assert_eq!(check(&settings), [], "{settings}");
        for name in SETTINGS {
            assert!(settings.contains(&format!("{name} = ")), "{name}");
        }
        assert_eq!(settings.lines().count(), SETTINGS.len());
        assert_eq!(check(TEMPLATE), []);
    }

    #[test]
    fn gotify_needs_both_halves_and_its_token_stays_out_of_what_is_printed() {
        let load = |file: &str| load(file, serde_json::json!({})).unwrap();
        assert_eq!(load("").gotify().unwrap(), None);
        let settings = load(
            "gotify_url = 'https://g.example.org/'\ngotify_token = 'canary'\ngotify_events = ['request']",
        );
        let place = settings.gotify().unwrap().unwrap();
        assert_eq!(
            (place.url.as_str(), place.token.expose()),
            ("https://g.example.org", "canary")
        );
        assert_eq!(settings.gotify_events, BTreeSet::from([Event::Request]));
        let printed = format!(
            "{settings:?} {place:?} {}",
            serde_json::to_string(&settings).unwrap()
        );
        assert!(!printed.contains("canary"), "{printed}");
        for wrong in [
            "gotify_url = 'https://g.example.org'",
            "gotify_token = 'canary'",
            "gotify_url = 'g.example.org'\ngotify_token = 'canary'",
            "gotify_url = 'https://g'\ngotify_token_file = '/nonexistent'",
            "gotify_url = 'https://g'\ngotify_token = 'canary'\ngotify_token_file = '/x'",
        ] {
            let failure = load(wrong).gotify().unwrap_err();
            assert!(!failure.sentence.contains("canary"), "{failure}");
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
