//! Standing answers of the owner: what this person, this room or anybody may do without a question, or never.
//!
//! Owns [`Rules`], kept in a file of the device. Rules about a person go before rules about a room, and those before rules about
//! all. What no rule is about is asked.

use std::path::PathBuf;

use mesh_protocol::capability::Capability;
use mesh_protocol::ids::{RoomId, UserId};
use serde::{Deserialize, Serialize};

use super::consent::Question;
use crate::config::{read_private, write_private};
use crate::exit::{Failure, Outcome};

/// The most rules that are kept: what fits into a state file.
const MAX_RULES: usize = 200;

/// Whom a rule is about. Names are for people; ids decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Scope {
    Everybody,
    Room { room_id: RoomId, name: String },
    Person { user_id: UserId, name: String },
}

impl Scope {
    fn is_about(&self, question: &Question) -> bool {
        match self {
            Self::Everybody => true,
            Self::Room { room_id, .. } => question.room_id.as_ref() == Some(room_id),
            Self::Person { user_id, .. } => question.user_id.as_ref() == Some(user_id),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everybody, Self::Everybody) => true,
            (Self::Room { room_id: a, .. }, Self::Room { room_id: b, .. }) => a == b,
            (Self::Person { user_id: a, .. }, Self::Person { user_id: b, .. }) => a == b,
            _ => false,
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Person { .. } => 0,
            Self::Room { .. } => 1,
            Self::Everybody => 2,
        }
    }
}

/// One standing answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub capability: Capability,
    pub scope: Scope,
    pub allow: bool,
}

/// What an owner changes, in words of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub capability: Capability,
    /// `None`: ask again.
    pub allow: Option<bool>,
    /// A room by name or id.
    pub room: Option<String>,
    /// A person by name, who must be in one of the rooms now.
    pub person: Option<String>,
}

/// All standing answers.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Where they are kept; nowhere in tests.
    file: Option<PathBuf>,
}

impl Rules {
    /// Those of the file. One that cannot be understood is an error: a forgotten "never" must not become a question.
    pub fn load(file: PathBuf) -> Outcome<Self> {
        let rules = match read_private(&file)? {
            None => Vec::new(),
            Some(text) => serde_json::from_slice(&text).map_err(|error| {
                Failure::general(format!(
                    "The standing answers in {} are damaged ({error}): repair or remove the file.",
                    file.display()
                ))
            })?,
        };
        Ok(Self {
            rules,
            file: Some(file),
        })
    }

    /// Whether this is allowed or refused without a question.
    pub fn decide(&self, question: &Question) -> Option<bool> {
        let about = |rule: &&Rule| rule.capability == question.capability && rule.scope.is_about(question);
        let nearest = self
            .rules
            .iter()
            .filter(about)
            .min_by_key(|rule| rule.scope.rank());
        nearest.map(|rule| rule.allow)
    }

    /// Whether anybody may do this without a question.
    pub fn may_allow(&self, capability: Capability) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.capability == capability && rule.allow)
    }

    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Allows or refuses from now on; with `None` it is asked again.
    pub fn set(&mut self, capability: Capability, scope: Scope, allow: Option<bool>) -> Outcome {
        let mut rules = self.rules.clone();
        rules.retain(|rule| rule.capability != capability || !rule.scope.is_same(&scope));
        if let Some(allow) = allow {
            if rules.len() >= MAX_RULES {
                return Err(Failure::general(format!(
                    "There are {MAX_RULES} standing answers already: take some back with `mesh consent … ask`."
                )));
            }
            rules.push(Rule {
                capability,
                scope,
                allow,
            });
        }
        if let Some(file) = &self.file {
            let text = serde_json::to_vec_pretty(&rules).map_err(Failure::general)?;
            write_private(file, &text)?;
        }
        self.rules = rules;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(room: &str, person: &str) -> Question {
        Question {
            capability: Capability::TerminalView,
            who: String::new(),
            room: String::new(),
            room_id: room.parse().ok(),
            user_id: person.parse().ok(),
            details: Vec::new(),
            decides: false,
        }
    }

    fn room(id: &str) -> Scope {
        Scope::Room {
            room_id: id.parse().unwrap(),
            name: "Home".into(),
        }
    }

    fn person(id: &str) -> Scope {
        Scope::Person {
            user_id: id.parse().unwrap(),
            name: "Bob".into(),
        }
    }

    #[test]
    fn the_nearest_rule_decides_and_what_no_rule_is_about_is_asked() {
        let view = Capability::TerminalView;
        let mut rules = Rules::default();
        assert_eq!(rules.decide(&question("r", "bob")), None);
        rules.set(view, room("r"), Some(true)).unwrap();
        rules.set(view, person("eve"), Some(false)).unwrap();
        assert_eq!(rules.decide(&question("r", "bob")), Some(true));
        assert_eq!(rules.decide(&question("r", "eve")), Some(false));
        assert_eq!(rules.decide(&question("other", "bob")), None);
        let control = Question {
            capability: Capability::TerminalControl,
            ..question("r", "bob")
        };
        assert_eq!(rules.decide(&control), None);
        rules.set(view, Scope::Everybody, Some(false)).unwrap();
        assert_eq!(rules.decide(&question("other", "bob")), Some(false));
        assert_eq!(rules.decide(&question("r", "bob")), Some(true));
        rules.set(view, room("r"), None).unwrap();
        assert_eq!(rules.decide(&question("r", "bob")), Some(false));
        assert!(!rules.may_allow(view));
    }

    #[test]
    fn they_outlive_the_daemon_and_a_damaged_file_allows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("consent.json");
        let mut rules = Rules::load(file.clone()).unwrap();
        rules
            .set(Capability::ShareFile, person("eve"), Some(false))
            .unwrap();
        let again = Rules::load(file.clone()).unwrap();
        assert_eq!(again.all(), rules.all());
        std::fs::write(&file, "[{}]").unwrap();
        assert!(Rules::load(file).unwrap_err().sentence.contains("damaged"));
    }
}
