//! Lines that have left the top of the screen, as text with colours, in blocks that snapshots share.

use std::collections::VecDeque;

use bytes::Bytes;

/// The most lines.
const LINES: usize = 10_000;
/// The most bytes.
const BYTES: usize = 2 * 1024 * 1024;
/// A block is closed when it is as large as this, or has as many lines.
const BLOCK_BYTES: usize = 32 * 1024;
/// See [`BLOCK_BYTES`].
const BLOCK_LINES: usize = 512;
/// Text that is added at once: with the shortest lines, a few blocks' worth.
const PIECE_BYTES: usize = 4 * 1024;

/// Overflow drops the oldest block.
#[derive(Debug, Default)]
pub(super) struct History {
    blocks: VecDeque<Block>,
    /// The number of the first block that is kept.
    first: u64,
    open: Vec<u8>,
    open_lines: usize,
    /// Whether the last line goes on in the first row of the screen.
    folded: bool,
    /// Whether lines that leave the screen are forgotten.
    hidden: bool,
    lines: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Block {
    bytes: Bytes,
    lines: usize,
}

impl History {
    pub(super) fn clear(&mut self) {
        self.first = self.end();
        self.blocks.clear();
        self.open = Vec::new();
        (self.open_lines, self.lines, self.bytes, self.folded) = (0, 0, 0, false);
    }

    /// Whether lines that leave the screen from now on are forgotten.
    pub(super) fn hide(&mut self, hidden: bool) {
        self.hidden = hidden;
        if std::mem::take(&mut self.folded) {
            self.open.extend_from_slice(b"\r\n");
            self.bytes += 2;
        }
    }

    /// The number that the next block will have.
    pub(super) fn end(&self) -> u64 {
        self.first + self.blocks.len() as u64
    }

    /// The first block that is kept, of those from `number` on.
    pub(super) fn block(&self, number: u64) -> Option<(u64, Bytes)> {
        let number = number.max(self.first);
        let block = self.blocks.get((number - self.first) as usize)?;
        Some((number, block.bytes.clone()))
    }

    /// The lines after the last block.
    pub(super) fn open(&self) -> &[u8] {
        &self.open
    }

    /// Whether the last line has no end of its own.
    pub(super) const fn is_folded(&self) -> bool {
        self.folded
    }

    pub(super) fn push(&mut self, line: &avt::Line) {
        if self.hidden {
            return;
        }
        let before = self.open.len();
        // The second row of a folded line has a cell at least: without one there would be no second row.
        write_line(line, usize::from(self.folded), &mut self.open);
        self.folded = line.is_wrapped();
        self.account(before, 1);
    }

    /// Adds whole lines of text without colours.
    pub(super) fn push_text(&mut self, text: &str, lines: usize) {
        if self.hidden {
            return;
        }
        self.folded = false;
        let (mut rest, mut lines_left) = (text, lines);
        while rest.len() > PIECE_BYTES {
            let end = rest.as_bytes()[PIECE_BYTES..]
                .iter()
                .position(|byte| *byte == b'\n');
            let end = end.map_or(rest.len(), |at| PIECE_BYTES + at + 1);
            let (block, more) = rest.split_at(end);
            let count = if more.is_empty() {
                lines_left
            } else {
                block.bytes().filter(|byte| *byte == b'\n').count()
            };
            self.push_block(block, count);
            (rest, lines_left) = (more, lines_left - count);
        }
        self.push_block(rest, lines_left);
    }

    fn push_block(&mut self, text: &str, lines: usize) {
        let before = self.open.len();
        self.open.extend_from_slice(text.as_bytes());
        self.account(before, lines);
    }

    fn account(&mut self, before: usize, lines: usize) {
        self.bytes += self.open.len() - before;
        self.open_lines += lines;
        self.lines += lines;
        if self.open.len() >= BLOCK_BYTES || self.open_lines >= BLOCK_LINES {
            let bytes = Bytes::from(std::mem::take(&mut self.open));
            self.blocks.push_back(Block {
                bytes,
                lines: std::mem::take(&mut self.open_lines),
            });
        }
        while (self.lines > LINES || self.bytes > BYTES)
            && let Some(block) = self.blocks.pop_front()
        {
            self.first += 1;
            self.lines -= block.lines;
            self.bytes -= block.bytes.len();
        }
    }
}

/// One line that stands for itself: its colours begin and end with it.
fn write_line(line: &avt::Line, at_least: usize, out: &mut Vec<u8>) {
    let cells = line.cells();
    let blank = |cell: &avt::Cell| cell.char() == ' ' && *cell.pen() == avt::Pen::default();
    let end = if line.is_wrapped() {
        cells.len()
    } else {
        cells
            .iter()
            .rposition(|cell| !blank(cell))
            .map_or(0, |last| last + 1)
            .max(at_least)
    };
    let mut pen = avt::Pen::default();
    for cell in cells[..end].iter().filter(|cell| cell.width() > 0) {
        if *cell.pen() != pen {
            pen = *cell.pen();
            write_pen(&pen, out);
        }
        let mut buffer = [0; 4];
        out.extend_from_slice(cell.char().encode_utf8(&mut buffer).as_bytes());
    }
    if pen != avt::Pen::default() {
        out.extend_from_slice(b"\x1b[m");
    }
    if !line.is_wrapped() {
        out.extend_from_slice(b"\r\n");
    }
}

fn write_pen(pen: &avt::Pen, out: &mut Vec<u8>) {
    let mut text = String::from("\x1b[0");
    let flags = [
        (pen.is_bold(), ";1"),
        (pen.is_faint(), ";2"),
        (pen.is_italic(), ";3"),
        (pen.is_underline(), ";4"),
        (pen.is_blink(), ";5"),
        (pen.is_inverse(), ";7"),
        (pen.is_strikethrough(), ";9"),
    ];
    for (_, code) in flags.iter().filter(|(on, _)| *on) {
        text.push_str(code);
    }
    for (base, colour) in [(38, pen.foreground()), (48, pen.background())] {
        match colour {
            Some(avt::Color::Indexed(index)) => text.push_str(&format!(";{base};5;{index}")),
            Some(avt::Color::RGB(rgb)) => text.push_str(&format!(";{base};2;{};{};{}", rgb.r, rgb.g, rgb.b)),
            None => {}
        }
    }
    text.push('m');
    out.extend_from_slice(text.as_bytes());
}
