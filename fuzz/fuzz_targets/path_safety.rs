//! A name that is accepted stays beneath its folder on every system, and no two of one transfer are one file anywhere.

#![no_main]

use std::collections::BTreeSet;
use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use mesh_protocol::safe_path::{PathSet, SafePath};

/// The rules of docs/protocol.md, section 5, in other words than the code's.
fn stays(path: &str) -> bool {
    let ordinary = |part: Component<'_>| matches!(part, Component::Normal(_));
    let device = |stem: &str| {
        let stem = stem.trim_end().to_uppercase();
        let numbered = |name: &str| {
            let mut rest = stem.strip_prefix(name).unwrap_or_default().chars();
            rest.next().is_some_and(|digit| "0123456789\u{b9}\u{b2}\u{b3}".contains(digit)) && rest.next().is_none()
        };
        ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
    };
    Path::new(path).components().all(ordinary)
        && Path::new(path).components().count() == path.split('/').count()
        && path.len() <= 4_096
        && path.split('/').count() <= 32
        && path.split('/').all(|part| {
            part.len() <= 255
                && !part.ends_with('.')
                && !part.ends_with(' ')
                && !device(part.split('.').next().unwrap_or_default())
        })
        && !path.chars().any(|c| {
            c.is_control() || "\\:\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".contains(c)
        })
}

fuzz_target!(|names: Vec<&str>| {
    let mut set = PathSet::default();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for name in names {
        assert_eq!(SafePath::parse(name).is_ok(), stays(name), "{name:?}");
        let Ok(path) = set.insert(name) else {
            continue;
        };
        let folded = path.folded();
        let beneath = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
        for other in &taken {
            assert!(*other != folded && !beneath(other, &folded) && !beneath(&folded, other));
        }
        taken.insert(folded);
    }
});
