//! Which operating system commands pass: titles, links to the web, colours. No clipboard, no queries, no files.

use super::filter::{Event, Filtered};

/// The longest title, in characters; what is longer is cut.
const TITLE_CHARS: usize = 256;
/// The longest link.
const LINK_BYTES: usize = 2_048;
/// The longest name of a link or of a colour.
const NAME_BYTES: usize = 64;

/// The text between `OSC` and its end.
pub(super) fn string(text: &str, out: &mut Filtered) {
    let (command, rest) = text.split_once(';').unwrap_or((text, ""));
    match command {
        "0" | "1" | "2" => {
            let plain: String = rest
                .chars()
                .filter(|c| !c.is_control() && !is_bidi_control(*c))
                .take(TITLE_CHARS)
                .collect();
            write(out, command, &plain);
            if command != "1" {
                out.event(Event::Title(plain));
            }
        }
        "8" => link(rest, out),
        "4" => palette(rest, out),
        "10" | "11" | "12" if is_colour(rest) => {
            out.event(Event::Colour {
                target: command.to_owned(),
                value: Some(rest.to_owned()),
            });
            write(out, command, rest);
        }
        "104" => {
            let all = rest.is_empty();
            if all || rest.split(';').all(is_index) {
                for index in rest.split(';') {
                    let target = if all { "4".to_owned() } else { format!("4;{index}") };
                    out.event(Event::Colour { target, value: None });
                }
                write_reset(out, command, rest);
            }
        }
        "110" | "111" | "112" if rest.is_empty() => {
            out.event(Event::Colour {
                target: command[1..].to_owned(),
                value: None,
            });
            write_reset(out, command, rest);
        }
        _ => {}
    }
}

fn link(rest: &str, out: &mut Filtered) {
    let Some((params, target)) = rest.split_once(';') else {
        return;
    };
    let web = ["http://", "https://"].iter().any(|scheme| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && target.len() > scheme.len()
    });
    let plain = target
        .chars()
        .all(|c| !c.is_control() && !c.is_whitespace() && !is_bidi_control(c));
    if target.is_empty() {
        write(out, "8", ";");
    } else if web && plain && target.len() <= LINK_BYTES {
        let named = params.strip_prefix("id=").filter(|name| is_name(name));
        let params = named.map(|name| format!("id={name}")).unwrap_or_default();
        write(out, "8", &format!("{params};{target}"));
    }
}

/// `index;colour` any number of times.
fn palette(rest: &str, out: &mut Filtered) {
    let parts: Vec<&str> = rest.split(';').collect();
    let pairs: Vec<&[&str]> = parts.chunks(2).collect();
    if !pairs
        .iter()
        .all(|pair| matches!(pair, [index, colour] if is_index(index) && is_colour(colour)))
    {
        return;
    }
    for pair in pairs {
        let target = format!("4;{}", pair[0]);
        out.event(Event::Colour {
            target,
            value: Some(pair[1].to_owned()),
        });
    }
    write(out, "4", rest);
}

fn is_index(text: &str) -> bool {
    text.len() <= 3 && text.parse::<u8>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `rgb:…`, `#…` or a name; not `?`, which asks.
fn is_colour(text: &str) -> bool {
    let body = text.strip_prefix("rgb:").unwrap_or(text);
    let body = body.strip_prefix('#').unwrap_or(body);
    !body.is_empty()
        && body.len() <= NAME_BYTES
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/')
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_BYTES
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The bidirectional controls of UAX #9.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn write(out: &mut Filtered, command: &str, rest: &str) {
    out.bytes
        .extend_from_slice(format!("\x1b]{command};{rest}\x1b\\").as_bytes());
}

fn write_reset(out: &mut Filtered, command: &str, rest: &str) {
    let separator = if rest.is_empty() { "" } else { ";" };
    out.bytes
        .extend_from_slice(format!("\x1b]{command}{separator}{rest}\x1b\\").as_bytes());
}
