//! Which of the files that are offered a person wants.

use std::collections::HashSet;
use std::path::Path;

use mesh_protocol::safe_path::SafePath;
use mesh_protocol::signal::OfferedFile;

use crate::disk::Patterns;

/// What is wanted of an offer; by default all of it.
#[derive(Clone, Debug)]
pub struct Choice {
    exclude: Patterns,
    picked: Option<Picked>,
}

#[derive(Clone, Debug)]
struct Picked {
    paths: HashSet<String>,
    patterns: Patterns,
}

impl Choice {
    /// Everything but what these patterns mean.
    pub fn all_but(exclude: Patterns) -> Self {
        Self {
            exclude,
            picked: None,
        }
    }

    /// Narrows it to an answer: numbers of the list, such as `1 3-5`, and patterns. The error is for the person.
    pub fn picked(&self, answer: &str, listed: &[OfferedFile], all_are_listed: bool) -> Result<Self, String> {
        let mut paths = HashSet::new();
        let mut patterns = Vec::new();
        for word in answer.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
            match numbers(word) {
                Some((from, to)) if (1..=to).contains(&from) && to <= listed.len() => {
                    paths.extend(listed[from - 1..to].iter().map(|file| file.path.clone()));
                }
                Some(_) => return Err(format!("There is no {word} in the list.")),
                None => patterns.push(word),
            }
        }
        let picked = Picked {
            paths,
            patterns: Patterns::parse(patterns)?,
        };
        let choice = Self {
            exclude: self.exclude.clone(),
            picked: Some(picked),
        };
        let some = listed.iter().any(|file| choice.wants_path(&file.path));
        if all_are_listed && !some {
            return Err(format!("Nothing of it is {answer}."));
        }
        Ok(choice)
    }

    /// Whether this file is wanted.
    pub fn wants(&self, path: &SafePath) -> bool {
        self.wants_path(path.as_str())
    }

    fn wants_path(&self, path: &str) -> bool {
        let file = Path::new(path);
        !self.exclude.fit(file, false)
            && self
                .picked
                .as_ref()
                .is_none_or(|picked| picked.paths.contains(path) || picked.patterns.fit(file, false))
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self::all_but(Patterns::none())
    }
}

/// `3` or `3-5`.
fn numbers(word: &str) -> Option<(usize, usize)> {
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    Some((from.parse().ok()?, to.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Vec<OfferedFile> {
        ["a.txt", "p/1.jpg", "p/2.jpg", "p/notes.txt"]
            .map(|path| OfferedFile {
                path: path.into(),
                size: 1,
            })
            .to_vec()
    }

    fn taken(choice: &Choice) -> Vec<String> {
        let paths = listed().into_iter().map(|file| file.path);
        paths.filter(|path| choice.wants_path(path)).collect()
    }

    #[test]
    fn numbers_ranges_and_patterns_pick_and_what_is_excluded_stays_out() {
        let all = Choice::default();
        let pick = |answer: &str| all.picked(answer, &listed(), true).map(|choice| taken(&choice));
        assert_eq!(taken(&all).len(), 4);
        assert_eq!(pick("1, 3-4").unwrap(), ["a.txt", "p/2.jpg", "p/notes.txt"]);
        assert_eq!(pick("*.txt").unwrap(), ["a.txt", "p/notes.txt"]);
        assert_eq!(pick("p 1").unwrap().len(), 4);
        let some = Choice::all_but(Patterns::parse(["*.txt"]).unwrap());
        assert_eq!(taken(&some), ["p/1.jpg", "p/2.jpg"]);
        assert_eq!(taken(&some.picked("p", &listed(), true).unwrap()).len(), 2);
        for wrong in ["0", "5", "4-3", "1-9", "yess", ""] {
            assert!(pick(wrong).is_err(), "{wrong:?}");
        }
        assert!(
            all.picked("*.zip", &listed(), false).is_ok(),
            "what is not listed may fit"
        );
    }
}
