//! A short cut for floods of plain lines, which would scroll away before anybody could see them.
//!
//! What `yes`, `seq` or a long log writes goes through the screen a character at a time only where it stays on the
//! screen; the lines in between go to the history as they are. The result is the same
//! (`tests::the_short_cut_changes_nothing`).

use mesh_protocol::channel::TermSize;

/// Fewer bytes than this are not worth a look.
const WORTHWHILE: usize = 2 * 1024;

/// One piece of output, cut in four.
pub(super) struct Flood<'a> {
    /// Anything, up to and including the end of a line.
    pub(super) head: &'a str,
    /// Whole plain lines, none of which stays on the screen.
    pub(super) middle: &'a str,
    pub(super) middle_lines: usize,
    /// More plain lines than the screen has rows, and the beginning of another.
    pub(super) tail: &'a str,
}

/// Finds a flood of plain lines at the end of `text`.
pub(super) fn find(text: &str, size: TermSize) -> Option<Flood<'_>> {
    if text.len() < WORTHWHILE {
        return None;
    }
    let bytes = text.as_bytes();
    // Controls but CR LF and HT; a CR alone overwrites, an LF alone keeps the column.
    let plain = |at: usize| match bytes[at] {
        b'\n' => at > 0 && bytes[at - 1] == b'\r',
        b'\r' => bytes.get(at + 1).is_none_or(|next| *next == b'\n'),
        byte => byte >= 0x20 || byte == b'\t',
    };
    let start = (0..bytes.len())
        .rev()
        .find(|at| !plain(*at))
        .map_or(0, |at| at + 1);
    let line_end = |from: usize| {
        bytes[from..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| from + at + 1)
    };
    let head = line_end(start)?;
    let mut tail = bytes.len();
    for _ in 0..usize::from(size.rows) + 2 {
        tail = bytes[head..tail].iter().rposition(|byte| *byte == b'\n')? + head;
    }
    tail += 1;
    if tail - head < WORTHWHILE {
        return None;
    }
    let middle = &text[head..tail];
    let middle_lines = middle.bytes().filter(|byte| *byte == b'\n').count();
    Some(Flood {
        head: &text[..head],
        middle,
        middle_lines,
        tail: &text[tail..],
    })
}

/// Whether a terminal is set so that plain lines simply scroll: main screen, no margins, no modes, no colour, the usual
/// tab stops. Read off its dump, which holds nothing but text, colours and cursor moves then.
pub(super) fn is_plain(terminal: &avt::Terminal) -> bool {
    let dump = terminal.dump();
    let mut last_pen = "";
    for sequence in dump.split('\x1b').skip(1) {
        let end = sequence
            .bytes()
            .skip(1)
            .position(|byte| matches!(byte, b'@'..=b'~'))
            .map(|at| at + 2);
        let body = sequence.get(..end.unwrap_or(sequence.len())).unwrap_or(sequence);
        match body.as_bytes() {
            [b'[', .., b'm'] => last_pen = body,
            [b'[', b'0'..=b'9' | b';', .., b'H' | b'b'] | [b'7', ..] => {}
            _ if matches!(body, "[H" | "[?25l" | "[?1h") => {}
            _ => return false,
        }
    }
    last_pen == "[0m"
}

/// Whether nothing was written to the row, nor its colour changed.
pub(super) fn is_blank(row: &avt::Line) -> bool {
    row.cells()
        .iter()
        .all(|cell| cell.char() == ' ' && cell.pen().is_default())
}
