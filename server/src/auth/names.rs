//! Which names people may give to themselves, their rooms and their devices.

use mesh_protocol::ids::UserId;
use mesh_protocol::limits::MAX_NAME_CHARS;
use unicode_normalization::UnicodeNormalization as _;

/// The name without surrounding space, or `None` where it is empty, too long, or could deceive whoever reads it
/// (control, bidirectional and invisible characters).
pub fn clean(name: &str) -> Option<String> {
    let name: String = name.trim().nfc().collect();
    let deceives = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{061C}')
    };
    let length = name.chars().count();
    ((1..=MAX_NAME_CHARS).contains(&length) && !name.chars().any(deceives)).then_some(name)
}

/// The name as it is compared: `Alice`, `alice` and `ａｌｉｃｅ` are one account.
pub fn key(name: &str) -> String {
    name.trim()
        .nfkc()
        .collect::<String>()
        .to_lowercase()
        .nfkc()
        .collect()
}

/// What stands in place of a key where a name need not be unique: no name has such a key, since [`clean`] takes no control
/// characters.
pub fn guest_key(id: &UserId) -> String {
    format!("\u{1}{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_deceive_are_refused() {
        for bad in ["", "   ", "a\nb", "a\u{202E}b", "a\u{200B}b", &"x".repeat(65)] {
            assert_eq!(clean(bad), None, "{bad:?}");
        }
        assert_eq!(clean(" Zoë ").as_deref(), Some("Zoë"));
        assert_eq!(key("Ａlice "), key("aLICE"));
    }
}
