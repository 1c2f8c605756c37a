//! The terminal as it is now: cells, cursor and modes, and the lines that have left it.

use mesh_protocol::channel::TermSize;

use super::bulk;
use super::filter::Event;
use super::history::History;
use super::modes::Modes;

/// Obeys filtered output.
pub(super) struct Screen {
    terminal: avt::Terminal,
    history: History,
    modes: Modes,
    size: TermSize,
    /// Whether plain lines simply scroll; unknown after a sequence.
    plain: Option<bool>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Screen {
    /// `size` must have been clamped.
    pub(super) fn new(size: TermSize) -> Self {
        let terminal = avt::Terminal::new(usize::from(size.cols), usize::from(size.rows))
            .expect("a clamped size has rows and columns");
        Self {
            terminal,
            history: History::default(),
            modes: Modes::default(),
            size,
            plain: None,
        }
    }

    pub(super) const fn size(&self) -> TermSize {
        self.size
    }

    pub(super) const fn history(&self) -> &History {
        &self.history
    }

    /// Whether what leaves the screen from now on is forgotten.
    pub(super) fn hide(&mut self, hidden: bool) {
        self.history.hide(hidden);
    }

    pub(super) fn title(&self) -> &str {
        self.modes.title()
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        match bulk::find(&text, self.size) {
            Some(flood) => self.flood(&flood),
            None => self.show(&text, 0),
        }
    }

    fn show(&mut self, text: &str, unseen: usize) {
        if text.bytes().any(|byte| matches!(byte, 0x1b | 0x0e | 0x0f)) {
            self.plain = None;
        }
        self.terminal.feed_with(
            text,
            Leaving {
                history: &mut self.history,
                unseen,
            },
        );
    }

    fn flood(&mut self, flood: &bulk::Flood<'_>) {
        self.show(flood.head, 0);
        let above = usize::from(self.size.rows) - 1;
        let terminal = &self.terminal;
        let at_bottom = terminal.cursor().row == above && terminal.cursor().col == 0;
        // What stands there, if only as a colour, shows through a tab.
        let into_blank = || terminal.screen().line(above).is_some_and(bulk::is_blank);
        if !at_bottom || !into_blank() || !*self.plain.get_or_insert_with(|| bulk::is_plain(terminal)) {
            self.show(flood.middle, 0);
            return self.show(flood.tail, 0);
        }
        // The screen leaves; the middle follows it; the blank rows that are left then make room for the tail.
        self.show(&"\n".repeat(above), 0);
        self.history.push_text(flood.middle, flood.middle_lines);
        self.show(flood.tail, above);
    }

    /// What the filter noticed, at the place where it did.
    pub(super) fn apply(&mut self, event: Event) {
        if matches!(event, Event::ClearScrollback | Event::FullReset) {
            self.history.clear();
        }
        self.modes.apply(event);
    }

    pub(super) fn resize(&mut self, size: TermSize) {
        self.size = size;
        self.plain = None;
        self.terminal.resize_with(
            usize::from(size.cols),
            usize::from(size.rows),
            Leaving {
                history: &mut self.history,
                unseen: 0,
            },
        );
    }

    /// What, written to a terminal of this size in any state, gives the screen as it is, and leaves the scrollback.
    pub(super) fn repaint(&self) -> String {
        // The dump is for a fresh terminal: both screens are put back to that first, without clearing what has left.
        const FRESH: &str = "\x1b[?7h\x1b[?1047h\x1b[!p\x1b[?1047l\x1b[!p\x1b[r\x1b[?25h\x1b[?1l\x1b[20l\x1b(B\x1b)B\x0f\x1b[m\x1b[H\x1b[J";
        FRESH.to_owned() + &self.portable_dump() + &self.modes.dump()
    }

    /// A cursor outside the margins in origin mode cannot be reached by sequences: it takes a restored cursor or a new
    /// size to put it there. What gives up margins and mode but keeps the cursor, to be shown to every viewer, if so.
    pub(super) fn settle(&mut self) -> Option<String> {
        if !self.terminal.dump().contains("\x1b[u") {
            return None;
        }
        let (row, col) = self.cursor();
        let settling = format!("\x1b[?6l\x1b[r\x1b[{row};{col}H");
        self.show(&settling, 0);
        Some(settling)
    }

    /// Row and column of the cursor, from 1.
    pub(super) fn cursor(&self) -> (usize, usize) {
        let cursor = self.terminal.cursor();
        (
            cursor.row + 1,
            cursor.col.min(usize::from(self.size.cols) - 1) + 1,
        )
    }

    /// What, written after the blocks of history to a terminal of this size, gives the rest of the history and the
    /// screen.
    pub(super) fn dump(&self) -> String {
        let mut out = String::from_utf8_lossy(self.history.open()).into_owned();
        if self.history.is_folded() {
            out.push_str("\r\n");
        }
        // From whatever row the history ended in, this pushes all of it off the screen and no blank line with it.
        out.extend(std::iter::repeat_n('\n', usize::from(self.size.rows) - 1));
        out.push_str("\x1b[H");
        out.push_str(&self.portable_dump());
        out.push_str(&self.modes.dump());
        out
    }

    /// The dump with tab stops in the sequences that every terminal knows.
    fn portable_dump(&self) -> String {
        self.terminal
            .dump()
            .replace("\x1b[5W", "\x1b[3g")
            .replace("\x1b[0W", "\x1bH")
            .replace("\x1b[W", "\x1bH")
    }
}

/// Collects the lines that leave the screen.
struct Leaving<'a> {
    history: &'a mut History,
    /// Lines that were never written: the first to leave.
    unseen: usize,
}

impl avt::Observer for Leaving<'_> {
    type Output = ();

    fn evicted(&mut self, _: &mut avt::Observation<'_>, line: &avt::Line) {
        match self.unseen.checked_sub(1) {
            Some(rest) => self.unseen = rest,
            None => self.history.push(line),
        }
    }

    fn end(&mut self, _: &mut avt::Observation<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: TermSize = TermSize { cols: 20, rows: 5 };

    fn all(screen: &Screen) -> String {
        let blocks = std::iter::successors(screen.history.block(0), |(number, _)| {
            screen.history.block(number + 1)
        });
        let history: Vec<u8> = blocks.flat_map(|(_, bytes)| bytes.to_vec()).collect();
        String::from_utf8(history).unwrap() + &screen.dump()
    }

    fn lines() -> impl Strategy<Value = String> {
        let line = "[a-z é漢\t]{0,45}\r\n";
        prop::collection::vec(line, 0..400).prop_map(|lines| lines.concat())
    }

    /// The same whether the short cut was taken or not.
    fn same_by_both_ways(text: &str) -> Result<(), TestCaseError> {
        let (mut short, mut long) = (Screen::new(SIZE), Screen::new(SIZE));
        short.feed(text.as_bytes());
        long.show(text, 0);
        // Tabs are blanks once they have been on the screen, and a line's end is trimmed there.
        let same = |screen: &Screen| {
            let mut terminal = avt::Terminal::with_scrollback(20, 5, None).unwrap();
            terminal.feed(&*all(screen));
            let cells = |line: &avt::Line| format!("{:?} {}", line.cells(), line.is_wrapped());
            let lines: Vec<String> = terminal.primary_screen().all_lines().map(cells).collect();
            (lines, terminal.dump())
        };
        prop_assert_eq!(same(&short), same(&long));
        Ok(())
    }

    #[test]
    fn a_flood_into_a_row_of_another_colour_keeps_it_between_tabs() {
        let blue = "\x1b[44m".to_owned() + &"\r\n".repeat(5);
        let to_the_last_row = "\x1b8".to_owned() + &"x".repeat(80) + "\r\n";
        same_by_both_ways(&(blue + &to_the_last_row + &"a\tb\r\n".repeat(700))).unwrap();
    }

    proptest! {
        #[test]
        fn the_short_cut_changes_nothing(
            parts in prop::collection::vec(
                prop_oneof![
                    lines(),
                    lines(),
                    prop::sample::select(&[
                        "text", "\r", "\n", "\x1b[31m", "\x1b[m", "\x1b[2;4r", "\x1b[r", "\x1b[?1049h", "\x1b[?1049l", "\x1b[3A", "\x1b[?7l",
                        "\x1b[?7h", "\x1b[4h", "\x1b[4l", "\x1b[20h", "\x1b[20l", "\x1b(0", "\x1b(B", "\x0e", "\x0f", "\x1b[3g", "\x1b[?6h",
                        "\x1b[?6l", "\x1b7", "\x1b8", "\x1b[?25l", "\x1b[44m", "\x1b[H",
                    ][..]).prop_map(str::to_owned),
                ],
                1..8,
            ),
        ) {
            same_by_both_ways(&parts.concat())?;
        }
    }
}
