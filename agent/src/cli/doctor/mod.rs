//! `mesh doctor`: looks at everything that keeps this device from the others, and says what to do about it.
//!
//! Changes nothing. What keeps something from working fails the command; what is only unwise is a warning. [`machine`] looks at
//! this device, [`server`] at the way to the server, [`path`] at the ways to other devices.

mod machine;
mod path;
mod server;

use serde_json::json;

use super::{Context, until_stopped};
use crate::exit::{Exit, Failure, Outcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    Warning,
    /// With what the command ends where nothing worse is found.
    Failed(Exit),
}

/// What was found at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    level: Level,
    /// What is, and what to do where that is not good.
    text: String,
}

impl Finding {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, text)
    }

    fn warning(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Warning, text)
    }

    /// This device is not as it should be.
    fn failed(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Failed(Exit::Failure), text)
    }

    /// Something on the network is not as it should be.
    fn network(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Failed(Exit::Network), text)
    }

    fn new(check: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self {
            check,
            level,
            text: text.into(),
        }
    }

    fn from_failure(check: &'static str, failure: Failure) -> Self {
        Self::new(check, Level::Failed(failure.exit), failure.sentence)
    }
}

pub(crate) async fn run(context: Context) -> Outcome {
    let mut found = Vec::new();
    let mut tell = |findings: Vec<Finding>| {
        for finding in findings {
            let level = match finding.level {
                Level::Ok => "ok",
                Level::Warning => "warning",
                Level::Failed(_) => "failed",
            };
            let human = format!("{level:<8} {:<10} {}", finding.check, finding.text);
            let event =
                json!({"event": "finding", "check": finding.check, "level": level, "text": finding.text});
            context.output.result(&human, event);
            found.push(finding);
        }
    };
    let looked = async {
        tell(machine::look(&context).await);
        let (findings, control) = server::look(&context).await;
        tell(findings);
        // Without the server nobody says which relays there are, but what this device is behind shows without one.
        tell(path::look(&context, control.as_ref()).await);
        Ok(())
    };
    until_stopped(&context.stop, looked).await?;
    verdict(&found)
}

/// The command ends with the first thing that failed: what comes after it may follow from it.
fn verdict(found: &[Finding]) -> Outcome {
    let failed: Vec<(Exit, &str)> = found
        .iter()
        .filter_map(|finding| match finding.level {
            Level::Failed(exit) => Some((exit, finding.check)),
            _ => None,
        })
        .collect();
    let Some((exit, first)) = failed.first() else {
        return Ok(());
    };
    let sentence = match failed.len() {
        1 => format!("One check failed: {first}."),
        several => format!("{several} checks failed, the first of them: {first}."),
    };
    Err(Failure {
        exit: *exit,
        sentence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_how_it_ends_and_warnings_are_none() {
        let fine = [Finding::ok("a", "good"), Finding::warning("b", "so so")];
        assert_eq!(verdict(&fine), Ok(()));
        let bad = [
            Finding::ok("a", "good"),
            Finding::network("server", "gone"),
            Finding::failed("disk", "full"),
        ];
        let failure = verdict(&bad).unwrap_err();
        assert_eq!(failure.exit, Exit::Network);
        assert_eq!(failure.sentence, "2 checks failed, the first of them: server.");
    }
}
