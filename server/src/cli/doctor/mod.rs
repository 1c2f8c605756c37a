//! `mesh-server doctor`: looks at everything that an operator can get wrong, and says what to do about it.
//!
//! Changes nothing. Exits with 1 where something keeps Mesh, or a part of it, from working; what is only unwise is a warning.

mod data;
mod notify;
mod relay;
mod settings;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::output;
use crate::Config;

/// Looks for what is wrong.
#[derive(Args)]
pub(super) struct Doctor {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warning,
    Failed,
}

/// What was found at one place.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    /// What is, and what to do where that is not good.
    text: String,
}

fn ok(check: &'static str, text: impl Into<String>) -> Finding {
    finding(check, Level::Ok, text)
}

fn warning(check: &'static str, text: impl Into<String>) -> Finding {
    finding(check, Level::Warning, text)
}

fn failed(check: &'static str, text: impl Into<String>) -> Finding {
    finding(check, Level::Failed, text)
}

fn finding(check: &'static str, level: Level, text: impl Into<String>) -> Finding {
    Finding {
        check,
        level,
        text: text.into(),
    }
}

impl Doctor {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let mut findings = data::look(config).await;
        findings.extend(settings::look(config).await);
        findings.extend(relay::look(config).await);
        findings.extend(notify::look(config).await);
        if self.json {
            output::json(&serde_json::json!({"findings": findings}))?;
        } else {
            let row = |finding: &Finding| {
                let level = match finding.level {
                    Level::Ok => "ok",
                    Level::Warning => "warning",
                    Level::Failed => "FAILED",
                };
                [level.to_owned(), finding.check.to_owned(), finding.text.clone()]
            };
            output::table(findings.iter().map(row))?;
        }
        match findings
            .iter()
            .filter(|finding| finding.level == Level::Failed)
            .count()
        {
            0 => Ok(()),
            1 => bail!("One check failed."),
            several => bail!("{several} checks failed."),
        }
    }
}
