//! Whom a chat message names: `@name` becomes the id of a member when the message is stored.
//!
//! A later change of a name changes no message. Names are compared as at the sign-in; the longest one that fits counts.

use std::cmp::Reverse;

use mesh_protocol::http::Member;
use mesh_protocol::ids::UserId;
use mesh_protocol::limits::MAX_MENTIONS;

use crate::auth::names;

/// Places that are looked at, so that a text of nothing but `@` costs no more than others.
const PLACES: usize = 4 * MAX_MENTIONS;

/// The members whom the text names, each once, in the order of the text.
pub(crate) fn resolve(text: &str, members: &[Member]) -> Vec<UserId> {
    let text = names::key(text);
    let mut named: Vec<_> = members
        .iter()
        .map(|m| (names::key(&m.name), &m.user_id))
        .collect();
    named.sort_by_key(|(name, _)| Reverse(name.len()));
    let begins_a_word = |at: &usize| !text[..*at].ends_with(char::is_alphanumeric);
    let places = text.match_indices('@').map(|(at, _)| at).filter(begins_a_word);
    let mut found: Vec<UserId> = Vec::new();
    for at in places.take(PLACES) {
        let rest = &text[at + 1..];
        let ends_there = |name: &str| {
            let after = rest.strip_prefix(name);
            after.is_some_and(|after| !after.starts_with(char::is_alphanumeric))
        };
        let hit = named.iter().find(|(name, _)| ends_there(name));
        if let Some((_, id)) = hit
            && !found.contains(id)
            && found.len() < MAX_MENTIONS
        {
            found.push((*id).clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_protocol::http::Role;

    fn named(text: &str) -> Vec<String> {
        let member = |id: &str, name: &str| Member {
            user_id: id.parse().unwrap(),
            name: name.into(),
            role: Role::Member,
        };
        let members = [
            member("b", "Bob"),
            member("bs", "Bob Stone"),
            member("z", "Zoë"),
            member("a", "alice"),
        ];
        resolve(text, &members).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_are_found_where_a_word_begins_and_the_longest_counts() {
        assert_eq!(named("@bob, look"), ["b"]);
        assert_eq!(named("hello @Bob Stone and @BOB and @bob"), ["bs", "b"]);
        assert_eq!(named("(@zoë) @Ａlice!"), ["z", "a"]);
        assert_eq!(named("mail bob@alice.example, @bobby, @ bob, @"), [""; 0]);
    }

    #[test]
    fn a_text_of_signs_is_looked_at_so_far_and_no_further() {
        assert_eq!(named(&format!("{} @bob", "@ ".repeat(PLACES))), [""; 0]);
    }
}
