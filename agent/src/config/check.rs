//! What is wrong in a settings file, each fault with its line.
//!
//! Owns no rule of its own: a name is known when [`Settings`] has it, and a value is good when [`Settings`] takes it.

use figment::providers::{Format as _, Toml};
use toml_edit::{ImDocument, Item};

use super::{SECRETS, SETTINGS, Settings};

/// How much a name may differ from one that is known to be taken for it: as clap does for flags.
const ALIKE: f64 = 0.7;

/// One fault of a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1 on.
    pub line: usize,
    /// What is wrong and what to write instead; no full stop.
    pub what: String,
}

impl std::fmt::Display for Problem {
    /// As compilers do, so that an editor finds the line: `:3: there is no setting "colour"`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, ":{}: {}", self.line, self.what)
    }
}

/// The faults of a settings file, from top to bottom. A text that is no TOML at all has one: where it stops being that.
pub fn check(text: &str) -> Vec<Problem> {
    let line = |at: usize| {
        text.as_bytes()[..at.min(text.len())]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1
    };
    let document = match ImDocument::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let what = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            return vec![Problem {
                line: line(error.span().map_or(0, |span| span.start)),
                what: format!("this is not TOML: {what}"),
            }];
        }
    };
    let table = document.as_table();
    let mut problems: Vec<Problem> = table
        .iter()
        .filter_map(|(name, item)| {
            let what = fault(text, name, item)?;
            let span = table
                .key(name)
                .and_then(toml_edit::Key::span)
                .or_else(|| item.span());
            let line = line(span.map_or(0, |span| span.start));
            Some(Problem { line, what })
        })
        .collect();
    problems.sort_by_key(|problem| problem.line);
    problems
}

/// Whether a secret stands in it, so that nobody else should read it.
pub fn holds_secret(text: &str) -> bool {
    ImDocument::parse(text).is_ok_and(|document| SECRETS.iter().any(|name| document.contains_key(name)))
}

fn fault(text: &str, name: &str, item: &Item) -> Option<String> {
    if !SETTINGS.contains(&name) {
        let nearest = nearest(name).map_or_else(String::new, |known| format!("; the nearest is \"{known}\""));
        return Some(format!("there is no setting \"{name}\"{nearest}"));
    }
    let value = item
        .as_value()
        .and_then(|_| item.span())
        .and_then(|span| text.get(span));
    let Some(value) = value else {
        return Some(format!("\"{name}\" is a value and not a table: write {name} = …"));
    };
    let settings = Settings::defaults()
        .merge(Toml::string(&format!("{name} = {value}")))
        .extract::<Settings>();
    // The kind of the error alone: its place is the one in our own text.
    settings.err().map(|error| format!("{name}: {}", error.kind))
}

/// The known name that this one was probably meant to be.
fn nearest(name: &str) -> Option<&'static str> {
    let alike = |known: &&'static str| strsim::jaro_winkler(name, known);
    SETTINGS
        .iter()
        .copied()
        .filter(|known| alike(known) > ALIKE)
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        check(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unknown_names_are_told_with_the_nearest_one_and_the_line() {
        let text = "# mine\ndownload_dir = \"/x\"\ndevicename = \"a\"\n\nqqq = 1\n[deny]\nyes = true\n";
        assert_eq!(
            said(text),
            [
                ":3: there is no setting \"devicename\"; the nearest is \"device_name\"",
                ":5: there is no setting \"qqq\"",
                ":6: \"deny\" is a value and not a table: write deny = …",
            ]
        );
    }

    #[test]
    fn wrong_values_are_told_with_what_is_right() {
        let text = "deny = 3\nallow = [\n  \"terminal:view\",\n  \"call\",\n]\nlog_format = \"xml\"\n";
        let said = said(text);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with(":1: deny: invalid type"), "{said:?}");
        assert!(said[1].starts_with(":2: allow: one of terminal:view"), "{said:?}");
        assert!(
            said[2].starts_with(":6: log_format: ") && said[2].contains("json"),
            "{said:?}"
        );
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line_and_nothing_is_one() {
        assert!(said("deny = true\n= =\n")[0].starts_with(":2: this is not TOML"));
        assert_eq!(said(""), Vec::<String>::new());
        assert_eq!(
            said("deny = true # it is\nshell = '''/bin/sh'''\n"),
            Vec::<String>::new()
        );
    }
}
