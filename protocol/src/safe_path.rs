//! Which names a peer may give to what it sends. Pure text rules; opening beneath a folder is the receiver's part.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use crate::limits::MAX_MANIFEST_ENTRIES;

/// The longest component, in bytes.
pub const MAX_COMPONENT: usize = 255;
/// The longest path, in bytes.
pub const MAX_PATH: usize = 4_096;
/// The most components.
pub const MAX_DEPTH: usize = 32;

/// Why a path was refused; the text goes to the person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path is empty or longer than {MAX_PATH} bytes")]
    Length,
    #[error("the path has more than {MAX_DEPTH} components")]
    Depth,
    #[error("\"{0}\" is not allowed in a received path")]
    Component(String),
    #[error("\"{0}\" would overwrite another file of the same transfer")]
    Collision(String),
    #[error("more than {MAX_MANIFEST_ENTRIES} files")]
    TooMany,
}

/// A relative path that is safe to create beneath a folder on every operating system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SafePath(String);

impl SafePath {
    /// Checks every rule of `docs/protocol.md`, section 5.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() || text.len() > MAX_PATH {
            return Err(PathError::Length);
        }
        if text.split('/').count() > MAX_DEPTH {
            return Err(PathError::Depth);
        }
        for component in text.split('/') {
            if !component_allowed(component) {
                return Err(PathError::Component(printable(component)));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as text, with `/` between its components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its components, in order.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// What two paths share when some file system would take them for one.
    pub fn folded(&self) -> String {
        self.0.nfc().collect::<String>().to_lowercase().nfc().collect()
    }
}

/// Checks the paths of one manifest together: each safe, none colliding with another or with another's folder.
#[derive(Debug, Default)]
pub struct PathSet {
    files: HashSet<String>,
    folders: HashSet<String>,
}

impl PathSet {
    /// Adds one path of the manifest.
    pub fn insert(&mut self, text: &str) -> Result<SafePath, PathError> {
        if self.files.len() >= MAX_MANIFEST_ENTRIES {
            return Err(PathError::TooMany);
        }
        let path = SafePath::parse(text)?;
        let folded = path.folded();
        let collides = self.folders.contains(&folded)
            || folded
                .match_indices('/')
                .any(|(end, _)| self.files.contains(&folded[..end]))
            || !self.files.insert(folded.clone());
        if collides {
            return Err(PathError::Collision(printable(text)));
        }
        self.folders
            .extend(folded.match_indices('/').map(|(end, _)| folded[..end].to_owned()));
        Ok(path)
    }
}

fn component_allowed(component: &str) -> bool {
    let forbidden = |c: char| matches!(c, '\\' | ':') || c.is_control() || is_bidi_control(c);
    !component.is_empty()
        && component != "."
        && component != ".."
        && component.len() <= MAX_COMPONENT
        && !component.ends_with(['.', ' '])
        && !component.contains(forbidden)
        && !is_device_name(component)
}

/// The bidirectional controls of UAX #9, which can make `exe.txt` of `txt.exe`.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Names that Windows reads as devices, whatever the extension or case; superscript digits count too.
fn is_device_name(component: &str) -> bool {
    let stem = component
        .split('.')
        .next()
        .unwrap_or(component)
        .trim_end()
        .to_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") {
        return true;
    }
    let mut chars = stem.chars();
    let prefix: String = chars.by_ref().take(3).collect();
    let digit = chars
        .next()
        .is_some_and(|c| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³'));
    digit && chars.next().is_none() && matches!(prefix.as_str(), "COM" | "LPT")
}

fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_every_hostile_name() {
        let long = "x".repeat(256);
        let deep = vec!["d"; 33].join("/");
        let huge = "y/".repeat(3_000);
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            ".",
            "a\\b",
            "C:x",
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            "a.",
            "a ",
            "con",
            "CON.txt",
            "nul.tar.gz",
            "Com1",
            "lpt9.x",
            "COM¹",
            "AUX .txt",
            "a/prn/b",
            &long,
            &deep,
            &huge,
        ] {
            assert!(SafePath::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn accepts_ordinary_names() {
        for good in [
            "a",
            "a/b.txt",
            "Ünïcödé/naïve café.pdf",
            ".config",
            "com",
            "com10",
            "console.log",
            "..a",
            "日本語",
        ] {
            assert!(SafePath::parse(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn finds_collisions_of_case_normalisation_and_folders() {
        for (first, second) in [
            ("a", "A"),
            ("é", "e\u{301}"),
            ("É", "é"),
            ("a/b", "a"),
            ("a", "A/b"),
            ("d/x", "D/X"),
        ] {
            let mut set = PathSet::default();
            set.insert(first).unwrap();
            assert!(
                matches!(set.insert(second), Err(PathError::Collision(_))),
                "{first:?} and {second:?}"
            );
        }
        let mut set = PathSet::default();
        for fine in ["a/b", "a/c", "b/b", "ab"] {
            set.insert(fine).unwrap();
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_never_leaves_its_folder(text in "[a./\\\\: \u{0}-\u{1f}é]{0,40}") {
            if let Ok(path) = SafePath::parse(&text) {
                prop_assert!(path.components().all(|c| c != ".." && c != "." && !c.is_empty()));
                prop_assert!(!text.starts_with('/') && !text.contains(['\\', ':', '\0']));
            }
        }
    }
}
