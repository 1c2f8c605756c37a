//! Where settings come from, and how each is read.
//!
//! Every source becomes a map from setting to text; the maps are laid over each other and only the result is parsed, so
//! that a setting means the same wherever it is written. An empty value counts as absent (compose files pass those on).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use figment::Figment;
use figment::providers::{Format as _, Toml};
use figment::value::Value;
use mesh_protocol::limits;

use super::{Config, ConfigError, LogFormat, Secret, TurnCredentials, oidc};
use crate::store::postgres;

/// The settings as flags. Secrets are not among them: a command line is readable by every user of the machine.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// The settings file [default: mesh-server.toml, where it exists]
    #[arg(long, value_name = "FILE", env = "MESH_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub listen: Option<String>,
    /// The address that people type, such as https://mesh.example.com
    #[arg(long, value_name = "URL", global = true)]
    pub public_url: Option<String>,
    /// Where the database and the keys are kept [default: ./data]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<String>,
    /// Seconds for which a capability is good [default: 120]
    #[arg(long, value_name = "SECONDS", global = true)]
    pub cap_ttl: Option<String>,
    /// Further origins that may use the server from a page, separated by commas
    #[arg(long, value_name = "ORIGINS", global = true)]
    pub allowed_origins: Option<String>,
    /// How the log is written: text or json
    #[arg(long, value_name = "FORMAT", global = true)]
    pub log_format: Option<String>,
    /// Let any non-empty name and password sign in (loopback only)
    #[arg(long, global = true)]
    pub dev_login: bool,
    /// Accept a session token in /ws?token=
    #[arg(long, global = true)]
    pub allow_query_token: bool,
}

/// A setting: its key in the file, its environment variable, and whether a `_FILE` variant exists.
struct Setting {
    key: &'static str,
    variable: &'static str,
    secret: bool,
}

const fn plain(key: &'static str, variable: &'static str) -> Setting {
    Setting {
        key,
        variable,
        secret: false,
    }
}
const fn secret(key: &'static str, variable: &'static str) -> Setting {
    Setting {
        key,
        variable,
        secret: true,
    }
}

/// Every setting. Those that later parts read are accepted here already, so that one `.env` fits all versions.
const SETTINGS: &[Setting] = &[
    plain("listen", "MESH_LISTEN"),
    plain("public_url", "MESH_PUBLIC_URL"),
    plain("data_dir", "MESH_DATA_DIR"),
    secret("database_url", "MESH_DATABASE_URL"),
    secret("nats_url", "MESH_NATS_URL"),
    plain("metrics_listen", "MESH_METRICS_LISTEN"),
    secret("jwt_secret", "MESH_JWT_SECRET"),
    plain("cap_ttl", "MESH_CAP_TTL"),
    plain("stun_url", "STUN_URL"),
    plain("turn_url", "TURN_URL"),
    plain("turn_realm", "TURN_REALM"),
    plain("turn_user", "TURN_USER"),
    secret("turn_pass", "TURN_PASS"),
    secret("turn_secret", "TURN_SECRET"),
    plain("gotify_url", "GOTIFY_URL"),
    secret("gotify_token", "GOTIFY_TOKEN"),
    plain("notify_private_addresses", "MESH_NOTIFY_PRIVATE_ADDRESSES"),
    plain("dev_login", "MESH_DEV_LOGIN"),
    plain("local_login", "MESH_LOCAL_LOGIN"),
    plain("oidc_issuer", "OIDC_ISSUER"),
    plain("oidc_client_id", "OIDC_CLIENT_ID"),
    secret("oidc_client_secret", "OIDC_CLIENT_SECRET"),
    plain("oidc_name", "OIDC_NAME"),
    plain("oidc_register", "OIDC_REGISTER"),
    plain("allow_query_token", "MESH_ALLOW_QUERY_TOKEN"),
    plain("terminal_fallback", "MESH_TERMINAL_FALLBACK"),
    plain("allowed_origins", "MESH_ALLOWED_ORIGINS"),
    plain("log_format", "MESH_LOG_FORMAT"),
    plain("frames_per_second", "MESH_FRAMES_PER_SECOND"),
    plain("audit_days", "MESH_AUDIT_DAYS"),
];

type Layer = BTreeMap<&'static str, String>;

/// Reads all sources. `env` is the environment, passed in so that tests need not change their own.
pub fn load(flags: &Flags, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    let mut merged = file_layer(flags.config.as_deref())?;
    merged.extend(env_layer(env)?);
    merged.extend(flag_layer(flags));
    parse(&merged)
}

fn flag_layer(flags: &Flags) -> Layer {
    let texts = [
        ("listen", &flags.listen),
        ("public_url", &flags.public_url),
        ("data_dir", &flags.data_dir),
        ("cap_ttl", &flags.cap_ttl),
        ("allowed_origins", &flags.allowed_origins),
        ("log_format", &flags.log_format),
    ];
    let mut layer: Layer = texts
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.clone()?)))
        .collect();
    for (key, set) in [
        ("dev_login", flags.dev_login),
        ("allow_query_token", flags.allow_query_token),
    ] {
        if set {
            layer.insert(key, "true".into());
        }
    }
    layer
}

fn env_layer(env: &dyn Fn(&str) -> Option<String>) -> Result<Layer, ConfigError> {
    let given = |name: &str| env(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    let mut layer = Layer::new();
    for setting in SETTINGS {
        let from_file = if setting.secret {
            given(&format!("{}_FILE", setting.variable))
        } else {
            None
        };
        match (given(setting.variable), from_file) {
            (Some(_), Some(_)) => {
                let name = setting.variable;
                return Err(ConfigError(format!(
                    "{name} and {name}_FILE are both set: keep one of them."
                )));
            }
            (Some(value), None) => drop(layer.insert(setting.key, value)),
            (None, Some(path)) => drop(layer.insert(setting.key, read_secret(Path::new(&path))?)),
            (None, None) => {}
        }
    }
    Ok(layer)
}

fn file_layer(path: Option<&Path>) -> Result<Layer, ConfigError> {
    let file = path.unwrap_or(Path::new("mesh-server.toml"));
    if !file.exists() {
        return match path {
            Some(file) => Err(ConfigError(format!(
                "There is no settings file {}.",
                file.display()
            ))),
            None => Ok(Layer::new()),
        };
    }
    let unreadable = |error| ConfigError(format!("{} cannot be read: {error}", file.display()));
    let values: BTreeMap<String, Value> = Figment::from(Toml::file_exact(file))
        .extract()
        .map_err(unreadable)?;
    let mut layer = Layer::new();
    for (key, value) in values {
        let unknown = || ConfigError(format!("{}: there is no setting \"{key}\".", file.display()));
        let (name, from_file) = match key.strip_suffix("_file") {
            Some(name) => (name, true),
            None => (key.as_str(), false),
        };
        let setting = SETTINGS
            .iter()
            .find(|s| s.key == name && (!from_file || s.secret))
            .ok_or_else(unknown)?;
        let text = text_of(&value).ok_or_else(|| {
            ConfigError(format!(
                "{}: \"{key}\" must be a text, a number, true or false.",
                file.display()
            ))
        })?;
        if text.is_empty() {
            continue;
        }
        let text = if from_file {
            read_secret(Path::new(&text))?
        } else {
            text
        };
        if layer.insert(setting.key, text).is_some() {
            return Err(ConfigError(format!(
                "{}: keep one of \"{name}\" and \"{name}_file\".",
                file.display()
            )));
        }
    }
    Ok(layer)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.trim().to_owned()),
        Value::Bool(_, flag) => Some(flag.to_string()),
        Value::Num(_, number) => number
            .to_i128()
            .map(|n| n.to_string())
            .or_else(|| number.to_u128().map(|n| n.to_string())),
        Value::Array(_, items) => Some(
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()?
                .join(","),
        ),
        _ => None,
    }
}

fn read_secret(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |error| {
        ConfigError(format!(
            "The secret in {} cannot be read: {error}",
            path.display()
        ))
    };
    Ok(std::fs::read_to_string(path)
        .map_err(unreadable)?
        .trim()
        .to_owned())
}

fn parse(layer: &Layer) -> Result<Config, ConfigError> {
    let text = |key: &str| layer.get(key).map(String::as_str);
    let wrong = |key: &str, what: &str| {
        let variable = SETTINGS.iter().find(|s| s.key == key).map_or(key, |s| s.variable);
        ConfigError(format!("{variable} must be {what}."))
    };
    let list = |key: &str| -> Vec<String> {
        text(key)
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let flag = |key: &str, default: bool| match text(key).map(str::to_lowercase).as_deref() {
        None => Ok(default),
        Some("false" | "0" | "no" | "off") => Ok(false),
        Some("true" | "1" | "yes" | "on") => Ok(true),
        Some(_) => Err(wrong(key, "true or false")),
    };

    let listen = text("listen").unwrap_or("127.0.0.1:8000");
    let listen = listen
        .parse()
        .map_err(|_| wrong("listen", "an address and a port, such as 127.0.0.1:8000"))?;
    let mut config = Config::new(listen, text("data_dir").unwrap_or("data"));
    config.public_url = text("public_url")
        .map(|url| origin(url).ok_or(url))
        .transpose()
        .map_err(|_| {
            wrong(
                "public_url",
                "scheme and host, such as https://mesh.example.com, without a path",
            )
        })?;
    config.database_url = text("database_url")
        .map(|url| match postgres::check(url) {
            Ok(()) => Ok(Secret::new(url)),
            Err(flaw) => Err(ConfigError(format!("MESH_DATABASE_URL {flaw}."))),
        })
        .transpose()?;
    config.nats_url = text("nats_url").map(Secret::new);
    config.jwt_secret = text("jwt_secret").map(Secret::new);
    if let Some(seconds) = text("cap_ttl") {
        let seconds = seconds.parse().ok().filter(|s| (10..=3_600).contains(s));
        config.cap_ttl =
            Duration::from_secs(seconds.ok_or_else(|| wrong("cap_ttl", "10 to 3600 (seconds)"))?);
    }
    config.stun_urls = list("stun_url");
    config.turn_urls = list("turn_url");
    config.turn_credentials = match (text("turn_secret"), text("turn_user"), text("turn_pass")) {
        (Some(secret), _, _) => Some(TurnCredentials::Ephemeral(Secret::new(secret))),
        (None, Some(user), Some(pass)) => Some(TurnCredentials::Static {
            user: user.to_owned(),
            password: Secret::new(pass),
        }),
        (None, None, None) => None,
        (None, _, _) => {
            return Err(ConfigError(
                "TURN_USER and TURN_PASS belong together: set both, or TURN_SECRET.".into(),
            ));
        }
    };
    config.gotify_url = text("gotify_url")
        .map(|url| match crate::notify::place(url, true) {
            Ok(_) => Ok(url.trim_end_matches('/').to_owned()),
            Err(_) => Err(wrong("gotify_url", "a URL such as https://gotify.example.com")),
        })
        .transpose()?;
    config.gotify_token = text("gotify_token").map(Secret::new);
    config.notify_private_addresses = flag("notify_private_addresses", false)?;
    config.dev_login = flag("dev_login", false)?;
    config.allow_query_token = flag("allow_query_token", false)?;
    config.terminal_fallback = flag("terminal_fallback", false)?;
    config.local_login = flag("local_login", true)?;
    config.oidc = oidc::read(&text, flag("oidc_register", false)?)?;
    config.allowed_origins = list("allowed_origins")
        .iter()
        .map(|text| {
            origin(text).ok_or_else(|| wrong("allowed_origins", "origins such as https://mesh.example.com"))
        })
        .collect::<Result<_, _>>()?;
    if let Some(rate) = text("frames_per_second") {
        let rate = rate.parse().ok().filter(|rate| (10..=1_000_000).contains(rate));
        let rate = rate.ok_or_else(|| wrong("frames_per_second", "10 to 1000000 (frames of one socket)"))?;
        config.limits.frames_per_second = rate;
        config.limits.frame_burst = rate * 2;
    }
    config.metrics_listen = text("metrics_listen")
        .map(str::parse)
        .transpose()
        .map_err(|_| wrong("metrics_listen", "an address and a port, such as 127.0.0.1:9464"))?;
    if let Some(days) = text("audit_days") {
        let days = days
            .parse()
            .ok()
            .filter(|days| *days <= limits::MAX_RETENTION_DAYS);
        config.audit_days = days.ok_or_else(|| wrong("audit_days", "0 to 3650 (days; 0 records nothing)"))?;
    }
    config.log_format = match text("log_format").unwrap_or("text") {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(wrong("log_format", "text or json")),
    };
    config.check()?;
    Ok(config)
}

/// `scheme://host[:port]` as a browser writes it in `Origin`: lower case, no path, no default port.
fn origin(text: &str) -> Option<String> {
    let (scheme, rest) = text.trim_end_matches('/').split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let host = rest.to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if host.is_empty() || !host.chars().all(allowed) {
        return None;
    }
    Some(format!(
        "{scheme}://{}",
        host.strip_suffix(default_port).unwrap_or(&host)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mesh-server.toml");
        std::fs::write(
            &file,
            "listen = \"127.0.0.1:1\"\ncap_ttl = 30\npublic_url = \"https://Mesh.Example.com:443/\"\n",
        )
        .unwrap();
        let variables = [
            ("MESH_LISTEN", "127.0.0.1:2"),
            ("MESH_DATA_DIR", ""),
            ("STUN_URL", "stun:a,stun:b"),
            ("MESH_FRAMES_PER_SECOND", "200"),
        ];
        let mut flags = Flags {
            config: Some(file),
            ..Flags::default()
        };
        let config = load(&flags, &env(&variables)).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.cap_ttl, Duration::from_secs(30));
        assert_eq!(
            config.data_dir,
            Path::new("data"),
            "an empty variable is an absent one"
        );
        assert_eq!(config.public_url.as_deref(), Some("https://mesh.example.com"));
        assert_eq!(config.stun_urls, ["stun:a", "stun:b"]);
        assert_eq!(
            (config.limits.frames_per_second, config.limits.frame_burst),
            (200, 400)
        );
        flags.listen = Some("127.0.0.1:3".into());
        assert_eq!(load(&flags, &env(&variables)).unwrap().listen.port(), 3);
    }

    #[test]
    fn secrets_come_from_files_too_and_never_from_both() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("turn");
        std::fs::write(&file, "turn-secret-of-the-test\n").unwrap();
        let path = file.to_str().unwrap();
        let config = load(&Flags::default(), &env(&[("TURN_SECRET_FILE", path)])).unwrap();
        assert!(
            matches!(config.turn_credentials, Some(TurnCredentials::Ephemeral(s)) if s.expose() == "turn-secret-of-the-test")
        );
        assert!(
            load(
                &Flags::default(),
                &env(&[("TURN_SECRET_FILE", path), ("TURN_SECRET", "x")])
            )
            .is_err()
        );
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_to_write() {
        for (name, value) in [
            ("MESH_LISTEN", "8000"),
            ("MESH_CAP_TTL", "1"),
            ("MESH_PUBLIC_URL", "mesh"),
            ("MESH_DEV_LOGIN", "maybe"),
            ("MESH_LOCAL_LOGIN", "maybe"),
            ("OIDC_REGISTER", "maybe"),
            ("OIDC_ISSUER", "https://id.example.com"),
            ("MESH_FRAMES_PER_SECOND", "0"),
            ("GOTIFY_URL", "gotify"),
            ("MESH_NOTIFY_PRIVATE_ADDRESSES", "maybe"),
            ("MESH_METRICS_LISTEN", "9464"),
            ("MESH_AUDIT_DAYS", "soon"),
        ] {
            let error = load(&Flags::default(), &env(&[(name, value)]))
                .unwrap_err()
                .to_string();
            assert!(error.contains(name), "{error}");
        }
        let placeholder = [("MESH_JWT_SECRET", "change_me_super_secret")];
        assert!(
            load(&Flags::default(), &env(&placeholder))
                .unwrap_err()
                .to_string()
                .contains("placeholder")
        );
    }
}
