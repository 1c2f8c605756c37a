//! The judge of filtered terminal output: for the tests here, and for fuzz/.

/// Looks for what must never come out, in another way than the filter does.
pub(crate) fn forbidden(output: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(output) else {
        return Some("invalid UTF-8".into());
    };
    if let Some(c) = text.chars().find(
        |c| matches!(*c, '\u{80}'..='\u{9f}' | '\0'..='\x06' | '\x10'..='\x1a' | '\x1c'..='\x1f' | '\x7f'),
    ) {
        return Some(format!("control {c:?}"));
    }
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        rest = &rest[at + 1..];
        let bad = match rest.chars().next() {
            Some('[') => {
                let end = rest[1..].find(|c: char| matches!(c, '@'..='~'))? + 1;
                let (body, last) = (&rest[1..end], rest[end..].chars().next()?);
                let private = body.starts_with(['<', '=', '>', '?']);
                matches!(
                    last,
                    't' | 'n' | 'c' | 'x' | 'i' | 'y' | 'z' | 'w' | '{' | '}' | '|' | '~'
                ) || (last == 'q' && !body.ends_with(' '))
                    || (last == 'p' && body != "!")
                    || (private && !matches!(last, 'h' | 'l'))
                    || body.contains('$')
            }
            Some(']') => {
                let number: String = rest[1..].chars().take_while(char::is_ascii_digit).collect();
                let Some(end) = rest.find("\x1b\\") else {
                    return Some("an open string".into());
                };
                let body = &rest[1..end];
                rest = &rest[end + 2..];
                ![
                    "0", "1", "2", "4", "8", "10", "11", "12", "104", "110", "111", "112",
                ]
                .contains(&number.as_str())
                    || body.contains('?') && number != "8" && !matches!(number.as_str(), "0" | "1" | "2")
                    || body.contains(['\x07', '\n'])
            }
            Some(c) => !"78DEHM=>c()#".contains(c),
            None => true,
        };
        if bad {
            return Some(format!("{:?}", rest.chars().take(20).collect::<String>()));
        }
    }
    None
}
