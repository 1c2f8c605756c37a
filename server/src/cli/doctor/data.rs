//! The data directory: who may read it, the keys, the database, the space, the clock.

use std::fs;
use std::path::Path;

use super::{Finding, failed, ok, warning};
use crate::Config;
use crate::auth::{capability_keys, keys};
use crate::clock::{Clock as _, SystemClock, rfc3339};
use crate::config::Secret;
use crate::data_dir;
use crate::server::reason;
use crate::store::postgres;
use crate::store::sqlite::snapshot;

/// Below this much space nothing more is stored soon, and below ten times as much somebody should look.
const LITTLE_SPACE: u64 = 100 * 1024 * 1024;
/// The clock of this machine was never before this: 2025-01-01.
const PAST: u64 = 1_735_689_600;
/// Milliseconds that the newest thing in the database may be ahead.
const AHEAD_MS: u64 = 300_000;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let dir = &config.data_dir;
    let shown = dir.display();
    let mut findings = if dir.is_dir() {
        vec![directory(dir), all_keys(config), space(dir)]
    } else {
        let text = format!("{shown} does not exist: the first start makes it. Is MESH_DATA_DIR right?");
        vec![warning("data", text)]
    };
    let newest = match &config.database_url {
        Some(url) => postgres(url, &mut findings).await,
        None if dir.is_dir() => sqlite(&config.database_path(), &mut findings).await,
        None => None,
    };
    findings.push(clock(newest));
    findings
}

/// Returns when something was last noted in it.
async fn sqlite(path: &Path, findings: &mut Vec<Finding>) -> Option<u64> {
    let mut newest = None;
    findings.push(if !path.exists() {
        warning(
            "database",
            format!("{} does not exist: the first start makes it", path.display()),
        )
    } else {
        match snapshot::flaw(path).await {
            Ok(None) => {
                newest = snapshot::newest(path).await.ok().flatten();
                ok("database", format!("{} is whole", path.display()))
            }
            Ok(Some(flaw)) => failed(
                "database",
                format!("{flaw}. Restore a backup: mesh-server restore FILE"),
            ),
            Err(error) => failed(
                "database",
                format!("{} cannot be read: {}", path.display(), chain(&error)),
            ),
        }
    });
    newest
}

/// Returns when something was last noted in it.
async fn postgres(url: &Secret, findings: &mut Vec<Finding>) -> Option<u64> {
    let health = match postgres::look(url).await {
        Ok(health) => health,
        Err(error) => {
            findings.push(failed("database", reason(&error)));
            return None;
        }
    };
    let shown = format!("PostgreSQL {} at {}", health.version, health.place);
    findings.push(match health.flaw {
        Some(flaw) => failed("database", format!("{shown}: {flaw}")),
        None => ok(
            "database",
            format!("{shown} answers, and has {} MiB", health.bytes / (1024 * 1024)),
        ),
    });
    findings.extend(health.warnings.into_iter().map(|text| warning("database", text)));
    health.newest
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

fn directory(dir: &Path) -> Finding {
    let shown = dir.display();
    if let Err(error) = tempfile::tempfile_in(dir) {
        return failed(
            "data",
            format!("{shown} cannot be written to ({error}): give it to the user of the server"),
        );
    }
    match mode(dir) {
        Some(mode) if mode & 0o077 != 0 => warning(
            "data",
            format!("others on this machine may look into {shown}: chmod 700 {shown}"),
        ),
        _ => ok("data", format!("{shown} can be written to, and is nobody else's")),
    }
}

fn all_keys(config: &Config) -> Finding {
    let found = match data_dir::keys(&config.data_dir) {
        Ok(found) => found,
        Err(error) => return failed("keys", error.to_string()),
    };
    if let Some(open) = found
        .iter()
        .find(|key| mode(key).is_some_and(|mode| mode & 0o077 != 0))
    {
        let shown = open.display();
        return failed(
            "keys",
            format!("others may read {shown}: chmod 600 {shown}, then mesh-server keys rotate --compromised"),
        );
    }
    if config.data_dir.join("session.key").exists()
        && let Err(error) = keys::session_secret(&config.data_dir)
    {
        return failed("keys", error.to_string());
    }
    match capability_keys::list(&config.data_dir, SystemClock.now()) {
        Ok(keys) if keys.is_empty() => ok("keys", "none yet: the first start makes them"),
        Ok(keys) => ok("keys", format!("{} for capabilities", keys.len())),
        Err(error) => failed("keys", error.to_string()),
    }
}

#[cfg(unix)]
fn space(dir: &Path) -> Finding {
    let left = match rustix::fs::statvfs(dir) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return warning("space", format!("not known: {error}")),
    };
    let text = format!("{} MiB left for {}", left / (1024 * 1024), dir.display());
    match left {
        left if left < LITTLE_SPACE => failed(
            "space",
            format!("{text}: chat is refused when it is full, make room"),
        ),
        left if left < 10 * LITTLE_SPACE => warning("space", text),
        _ => ok("space", text),
    }
}

#[cfg(not(unix))]
fn space(_: &Path) -> Finding {
    ok("space", "not looked at on this system")
}

fn clock(newest_ms: Option<u64>) -> Finding {
    let now = SystemClock.now_ms();
    let text = format!("it is {}", rfc3339(now / 1_000));
    let advice =
        "capabilities last two minutes, so that a wrong clock refuses all: set it, and keep it set by NTP";
    if now / 1_000 < PAST || newest_ms.is_some_and(|newest| newest > now + AHEAD_MS) {
        return failed(
            "clock",
            format!("{text}, which is before what is in the database: {advice}"),
        );
    }
    ok("clock", text)
}
