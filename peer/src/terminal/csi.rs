//! Which ESC and CSI sequences pass, and what they tell the host.
//!
//! The list is what the host's screen itself obeys (so that every viewer shows the same) and the input modes that
//! `modes` keeps for late viewers.

use super::filter::{Event, Filtered, Query};

/// The most digits of one parameter.
const DIGITS: usize = 5;
/// The most repetitions of a character that one sequence may ask for.
const REPETITIONS: u16 = 1_000;

/// An ESC sequence other than CSI and strings.
pub(super) fn escape(intermediates: &[u8], last: u8, out: &mut Filtered) {
    match (intermediates, last) {
        ([], b'7' | b'8' | b'D' | b'E' | b'H' | b'M') | ([b'(' | b')'], b'B' | b'0') | ([b'#'], b'8') => {}
        ([], b'=' | b'>') => out.event(Event::Keypad {
            application: last == b'=',
        }),
        ([], b'c') => out.event(Event::FullReset),
        ([], b'Z') => return out.event(Event::Query(Query::Primary)),
        _ => return,
    }
    out.bytes.push(0x1b);
    out.bytes.extend_from_slice(intermediates);
    out.bytes.push(last);
}

/// A CSI sequence: `body` is all between `CSI` and its last byte.
pub(super) fn control(body: &[u8], last: u8, out: &mut Filtered) {
    let (prefix, rest) = match body.split_first() {
        Some((first @ b'<'..=b'?', rest)) => (Some(*first), rest),
        _ => (None, body),
    };
    let len = rest
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b';'))
        .unwrap_or(rest.len());
    let (params, intermediates) = rest.split_at(len);
    if !intermediates.iter().all(|byte| matches!(byte, 0x20..=0x2f)) {
        return;
    }
    if params
        .split(|byte| !byte.is_ascii_digit())
        .any(|digits| digits.len() > DIGITS)
    {
        return;
    }
    let first = params
        .split(|byte| *byte == b';')
        .next()
        .and_then(number)
        .unwrap_or_default();
    let count = params.split(|byte| *byte == b';').count();
    match (prefix, intermediates, last) {
        (None, [], b'm') => {}
        _ if params.contains(&b':') => return,
        (
            None,
            [],
            b'@'..=b'I' | b'K'..=b'M' | b'P' | b'S' | b'X' | b'Z' | b'`' | b'a' | b'd'..=b'g' | b'r',
        ) => {}
        (None, [], b'J') => {
            if first == 3 {
                out.event(Event::ClearScrollback);
            }
        }
        (None, [], b'T') if count == 1 => {}
        (None, [], b's' | b'u') if params.is_empty() => {}
        (None, [], b'b') => return pass(None, &[first.min(REPETITIONS)], last, out),
        (None, [], b'h' | b'l') => {
            let allowed: Vec<u16> = numbers(params).filter(|mode| matches!(mode, 4 | 20)).collect();
            return pass(None, &allowed, last, out);
        }
        (None, [], b'n') if first == 5 => return out.event(Event::Query(Query::Status)),
        (None, [], b'n') if first == 6 => return out.event(Event::Query(Query::Cursor { private: false })),
        (None, [], b'c') if first == 0 => return out.event(Event::Query(Query::Primary)),
        (Some(b'>'), [], b'c') if first == 0 => return out.event(Event::Query(Query::Secondary)),
        (Some(b'?'), [], b'n') if first == 6 => {
            return out.event(Event::Query(Query::Cursor { private: true }));
        }
        (Some(b'?'), [], b'h' | b'l') => return private_modes(params, last, out),
        (None, [b'!'], b'p') if params.is_empty() => out.event(Event::SoftReset),
        (None, [b' '], b'q') if first <= 6 => out.event(Event::CursorStyle(first as u8)),
        _ => return,
    }
    out.bytes.extend_from_slice(b"\x1b[");
    out.bytes.extend_from_slice(body);
    out.bytes.push(last);
}

fn private_modes(params: &[u8], last: u8, out: &mut Filtered) {
    let mut allowed = Vec::new();
    for mode in numbers(params) {
        // The old alternate screen is the new one without its clearing; one of them is enough.
        let mode = if mode == 47 { 1047 } else { mode };
        let passes = matches!(mode, 1 | 6 | 7 | 9 | 12 | 25 | 66 | 1000 | 1002..=1007 | 1015 | 1016 | 1047..=1049 | 2004 | 2026);
        if passes {
            allowed.push(mode);
            out.event(Event::Mode {
                mode,
                on: last == b'h',
            });
        }
    }
    pass(Some(b'?'), &allowed, last, out);
}

/// Writes a sequence anew, unless nothing of it is left.
fn pass(prefix: Option<u8>, params: &[u16], last: u8, out: &mut Filtered) {
    if params.is_empty() {
        return;
    }
    out.bytes.extend_from_slice(b"\x1b[");
    out.bytes.extend(prefix);
    let text: Vec<String> = params.iter().map(u16::to_string).collect();
    out.bytes.extend_from_slice(text.join(";").as_bytes());
    out.bytes.push(last);
}

fn numbers(params: &[u8]) -> impl Iterator<Item = u16> {
    params.split(|byte| *byte == b';').filter_map(number)
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
