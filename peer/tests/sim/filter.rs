//! No forbidden sequence passes, however the stream is cut; what is allowed passes unchanged.

use mesh_peer::terminal::{EscapeFilter, Event};
use proptest::prelude::*;

use crate::sim::forbidden::forbidden;
use crate::sim::rng::Rng;
use crate::sim::terminal_world::noise;

fn filtered(input: &[u8]) -> Vec<u8> {
    EscapeFilter::new().push(input).bytes
}

fn filtered_in_pieces(input: &[u8], piece: usize) -> Vec<u8> {
    let mut filter = EscapeFilter::new();
    input
        .chunks(piece)
        .flat_map(|piece| filter.push(piece).bytes)
        .collect()
}

/// Input, and what is left of it.
const CORPUS: &[(&str, &str)] = &[
    // Clipboard.
    ("a\x1b]52;c;aGVsbG8=\x07b", "ab"),
    ("a\x1b]52;c;?\x1b\\b", "ab"),
    ("a\x1b]052;c;aGk=\x07b", "ab"),
    ("a\x1b]5\x002;c;aGk=\x07b", "ab"),
    ("a\u{9d}52;c;aGk=\x07b", "a52;c;aGk=\x07b"),
    // Strings that a terminal may obey or answer.
    ("a\x1bP$qm\x1b\\b", "ab"),
    ("a\x1bP+q544e\x1b\\b", "ab"),
    ("a\x1bPq#0;2;0;0;0~\x1b\\b", "ab"),
    ("a\x1b_Gf=100;AAAA\x1b\\b", "ab"),
    ("a\x1b^privacy\x1b\\b\x1bXstart\x1b\\c", "abc"),
    ("a\x1bPone\x1b]52;c;aGk=\x07b", "ab"),
    ("a\u{90}q\u{9c}b", "aqb"),
    // Windows.
    ("a\x1b[8;1;1tb\x1b[21tc\x1b[22;0td", "abcd"),
    // Questions.
    ("a\x05b", "ab"),
    ("a\x1b[cb\x1b[0cc\x1b[>cd\x1b[=ce\x1bZf", "abcdef"),
    ("a\x1b[5nb\x1b[6nc\x1b[?6nd\x1b[?15ne\x1b[?996nf", "abcdef"),
    ("a\x1b[?1$pb\x1b[4$pc\x1b[>qd\x1b[?ue\x1b[>0qf\x1b[xg", "abcdefg"),
    ("a\x1b]10;?\x07b\x1b]4;1;?\x07c\x1b]4;1;red;2;?\x07d", "abcd"),
    // Links elsewhere than the web, and disguised ones.
    ("\x1b]8;;file:///etc/passwd\x07x\x1b]8;;\x07", "x\x1b]8;;\x1b\\"),
    ("\x1b]8;;javascript:alert(1)\x07x", "x"),
    ("\x1b]8;;https://a b\x07x", "x"),
    ("\x1b]8;;ssh://host\x07x\x1b]8;;http://\x07y", "xy"),
    // Other commands.
    (
        "\x1b]7;file://host/\x07\x1b]9;notice\x07\x1b]777;notify;a;b\x07\x1b]1337;File=:AA\x07\x1b]133;A\x07x",
        "x",
    ),
    ("\x1b[>4;2m\x1b[?4mx\x1b[>1u\x1b[=1;1uy", "xy"),
    ("\x1b[5i\x1b[4ix\x1b[?5iy", "xy"),
    ("\x1b[6!px\x1b[61\"py", "xy"),
    ("\x1bnx\x1boy\x1b|z\x1bN\x1bO", "xyz"),
    ("\x1b%@x\x1b%Gy\x1b F\x1b Gz", "xyz"),
    ("\x1b[?3h\x1b[?69hx\x1b[5;10sy", "xy"),
    ("\x1b[?3;25;69h", "\x1b[?25h"),
    ("\x1b[?47h\x1b[?47l", "\x1b[?1047h\x1b[?1047l"),
    ("\x1b[2;4h\x1b[12l", "\x1b[4h"),
    // Titles become plain.
    ("\x1b]0;a\u{202e}b\x01c\x07", "\x1b]0;abc\x1b\\"),
    // Repetition is bounded, and so are numbers and lengths.
    ("x\x1b[65000b\x1b[999999Ay", "x\x1b[1000by"),
    // Broken and abandoned sequences.
    (
        "\x1b[12\x18x\x1b]0;t\x1ay\x1b\x1b[1mz\x1b[3\x1b[4mw",
        "xy\x1b[1mz\x1b[4mw",
    ),
    ("\x1b[1\r2mx\x1b[0\u{e9}y", "\r\x1b[12mx\u{e9}y"),
    ("\x01\x02\x7f\x1c\x00ok", "ok"),
];

/// What has to come out as it went in.
const UNCHANGED: &[&str] = &[
    "plain text\r\n\ttabs\x08 and \x07 bells \x0e\x0f\x0b\x0c",
    "Ünïcödé 漢字 🙂 e\u{301} \u{a0} \u{ad}",
    "\x1b[m\x1b[1;31mred\x1b[0m\x1b[38;5;99m\x1b[48;2;1;2;3mx\x1b[4:3m\x1b[38:2::1:2:3my\x1b[39;49m",
    "\x1b[H\x1b[2J\x1b[3J\x1b[K\x1b[10;20H\x1b[5A\x1b[B\x1b[3;9r\x1b[L\x1b[M\x1b[P\x1b[@\x1b[X\x1b[S\x1b[T\x1b[5b\x1b[3d\x1b[3G\x1b[3g\x1b[s\x1b[u",
    "\x1b7\x1b8\x1bD\x1bE\x1bH\x1bM\x1bc\x1b=\x1b>\x1b(0\x1b(B\x1b)0\x1b#8\x1b[!p\x1b[4 q",
    "\x1b[?1h\x1b[?7l\x1b[?25l\x1b[?1000;1006h\x1b[?1002l\x1b[?1049h\x1b[?2004h\x1b[?2026l\x1b[4h\x1b[20l",
    "\x1b]0;a title\x1b\\\x1b]2;tïtle\x1b\\\x1b]8;id=a;https://example.org/x?y=1#z\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]4;1;rgb:ff/00/00\x1b\\\x1b]10;#ffffff\x1b\\\x1b]11;black\x1b\\\x1b]104;1\x1b\\\x1b]104\x1b\\\x1b]110\x1b\\",
];

#[test]
fn t36_the_corpus_wherever_it_is_cut() {
    for (input, expected) in CORPUS {
        let whole = filtered(input.as_bytes());
        assert_eq!(String::from_utf8_lossy(&whole), *expected, "{input:?}");
        for at in 0..=input.len() {
            let mut filter = EscapeFilter::new();
            let mut cut = filter.push(&input.as_bytes()[..at]).bytes;
            cut.extend(filter.push(&input.as_bytes()[at..]).bytes);
            assert_eq!(String::from_utf8_lossy(&cut), *expected, "{input:?} cut at {at}");
        }
        assert_eq!(
            filtered_in_pieces(input.as_bytes(), 1),
            whole,
            "{input:?} byte by byte"
        );
    }
}

#[test]
fn what_is_allowed_passes_unchanged() {
    for text in UNCHANGED {
        for piece in 1..=text.len() {
            assert_eq!(
                String::from_utf8_lossy(&filtered_in_pieces(text.as_bytes(), piece)),
                *text
            );
        }
    }
}

#[test]
fn invalid_utf8_becomes_one_mark_each_and_c1_controls_go() {
    assert_eq!(
        filtered(b"a\xffb\xc3(c\x9b31md\xf0\x9f\x99"),
        "a\u{fffd}b\u{fffd}(c\u{fffd}31md".as_bytes()
    );
    assert_eq!(filtered("a\u{9b}31mb\u{85}c\u{80}\u{9f}d".as_bytes()), b"a31mbcd");
    let mut filter = EscapeFilter::new();
    assert_eq!(filter.push(b"\xf0\x9f\x99").bytes, b"");
    assert_eq!(filter.push(b"\x1b[mx").bytes, "\u{fffd}\x1b[mx".as_bytes());
}

#[test]
fn long_strings_are_bounded() {
    let title = format!("\x1b]0;{}\x07", "é".repeat(1_000));
    let plain = format!("\x1b]0;{}\x1b\\", "é".repeat(256));
    assert_eq!(String::from_utf8_lossy(&filtered(title.as_bytes())), plain);
    for (open, end) in [
        ("\x1b]0;", "\x07"),
        ("\x1b]8;;https://", "\x07"),
        ("\x1b[", "m"),
        ("\x1bP", "\x1b\\"),
    ] {
        let mut filter = EscapeFilter::new();
        filter.push(open.as_bytes());
        for _ in 0..100 {
            assert!(filter.push(&[b'1'; 100_000]).bytes.is_empty());
        }
        assert!(
            format!("{filter:?}").len() < 40_000,
            "the filter keeps a bounded beginning"
        );
        assert_eq!(
            filter.push(format!("{end}after").as_bytes()).bytes,
            b"after",
            "{open:?}"
        );
    }
}

#[test]
fn the_title_is_told() {
    let events = EscapeFilter::new().push(b"\x1b]2;vim\x07").events;
    assert!(matches!(&events[..], [(_, Event::Title(title))] if title == "vim"));
}

#[test]
fn the_judge_of_these_tests_sees_what_is_wrong() {
    for bad in [
        "\x1b]52;c;x\x1b\\",
        "\x1bPq\x1b\\",
        "\x1b[8;1;1t",
        "\x1b[6n",
        "\x1b[c",
        "\x05",
        "\u{9b}",
        "\x1b[>q",
        "\x1b",
        "\x1b]4;1;?\x1b\\",
    ] {
        assert!(forbidden(bad.as_bytes()).is_some(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_forbidden_passes(
        parts in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..8),
                "[\\x1b\\[\\]P_^X?;>=0-9a-zA-Z:$!\\x07\\\\ \u{80}-\u{9f}]{0,12}".prop_map(String::into_bytes),
                prop::sample::select(CORPUS).prop_map(|(input, _)| input.as_bytes().to_vec()),
                prop::sample::select(UNCHANGED).prop_map(|text| text.as_bytes().to_vec()),
            ],
            0..12,
        ),
        piece in 1usize..40,
    ) {
        let input = parts.concat();
        let whole = filtered(&input);
        prop_assert_eq!(forbidden(&whole), None);
        prop_assert_eq!(filtered_in_pieces(&input, piece), whole.clone(), "the same however it is cut");
        prop_assert_eq!(filtered(&whole), whole, "what passed once passes unchanged");
    }

    #[test]
    fn what_passed_once_passes_unchanged(seed: u64) {
        let once = filtered(&noise(&mut Rng::new(seed), 200));
        prop_assert_eq!(forbidden(&once), None);
        prop_assert_eq!(filtered(&once), once);
    }
}
