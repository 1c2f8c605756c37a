//! `mesh consent`: the standing answers, and how one is given or taken back.

use serde_json::json;

use super::args::{ConsentArgs, Standing};
use super::{Context, background};
use crate::daemon::consent::plain;
use crate::daemon::ipc::{FromDaemon, Request, lost};
use crate::daemon::rules::{Change, Rule, Scope};
use crate::exit::Outcome;

pub(crate) async fn run(context: Context, args: ConsentArgs) -> Outcome {
    let (room, person) = (args.room, args.person);
    let change = args.right.zip(args.answer).map(|(capability, answer)| Change {
        capability,
        allow: match answer {
            Standing::Ask => None,
            Standing::Allow => Some(true),
            Standing::Never => Some(false),
        },
        room,
        person,
    });
    let mut client = background::client(&context).await?;
    client.request(Request::Consent { change }).await?;
    let FromDaemon::Rules { rules } = client.answer().await? else {
        return Err(lost(std::io::ErrorKind::InvalidData.into()));
    };
    let lines: Vec<String> = rules.iter().map(sentence).collect();
    let human = if lines.is_empty() {
        "There is no standing answer: whoever asks is asked about.".to_owned()
    } else {
        lines.join("\n")
    };
    context
        .output
        .result(&human, json!({"event": "consent", "rules": rules}));
    Ok(())
}

fn sentence(rule: &Rule) -> String {
    let answer = if rule.allow { "allow" } else { "never" };
    let whom = match &rule.scope {
        Scope::Everybody => "anybody".to_owned(),
        Scope::Room { name, .. } => format!("anybody in {}", plain(name)),
        Scope::Person { name, .. } => plain(name),
    };
    format!("{} {answer} {whom}", rule.capability)
}
