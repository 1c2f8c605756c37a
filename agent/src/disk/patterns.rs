//! Names that a person leaves out or picks, in the syntax of `.gitignore`.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Patterns; of two that fit the later counts.
#[derive(Clone, Debug)]
pub struct Patterns(Gitignore);

impl Patterns {
    /// Reads one pattern of each text; the error names the one that is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut builder = GitignoreBuilder::new("");
        for text in texts {
            builder
                .add_line(None, text)
                .map_err(|error| format!("\"{text}\" is not a pattern: {error}"))?;
        }
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// No pattern at all.
    pub fn none() -> Self {
        Self(Gitignore::empty())
    }

    /// Whether a pattern means this relative path, or a folder that it is in.
    pub fn fit(&self, path: &Path, is_folder: bool) -> bool {
        !self.0.is_empty() && self.0.matched_path_or_any_parents(path, is_folder).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let patterns = Patterns::parse(["*.o", "/build", "node_modules/", "!keep.o"]).unwrap();
        let fits = |path: &str| patterns.fit(Path::new(path), false);
        for path in ["a.o", "deep/er/a.o", "build", "build/x/y", "a/node_modules/b/c"] {
            assert!(fits(path), "{path}");
        }
        for path in ["a.c", "keep.o", "a/build", "node_modules"] {
            assert!(!fits(path), "{path}");
        }
        assert!(patterns.fit(Path::new("node_modules"), true));
        assert!(!Patterns::none().fit(Path::new("a"), false));
        assert!(Patterns::parse(["{a"]).is_err());
    }
}
