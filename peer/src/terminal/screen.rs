//! The terminal as it is now: cells, cursor and modes, and the lines that have left it.

use mesh_protocol::channel::TermSize;

use super::filter::Event;
use super::history::History;
use super::modes::Modes;

/// Obeys filtered output.
pub(super) struct Screen {
    terminal: avt::Terminal,
    history: History,
    modes: Modes,
    size: TermSize,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Screen {
    /// `size` must have been clamped.
    pub(super) fn new(size: TermSize) -> Self {
        let terminal = avt::Terminal::new(usize::from(size.cols), usize::from(size.rows))
            .expect("a clamped size has rows and columns");
        Self { terminal, history: History::default(), modes: Modes::default(), size }
    }

    pub(super) const fn size(&self) -> TermSize {
        self.size
    }

    pub(super) const fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn title(&self) -> &str {
        self.modes.title()
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.terminal.feed_with(&*String::from_utf8_lossy(bytes), Leaving(&mut self.history));
        }
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
        self.terminal.resize_with(usize::from(size.cols), usize::from(size.rows), Leaving(&mut self.history));
    }

    /// Row and column of the cursor, from 1.
    pub(super) fn cursor(&self) -> (usize, usize) {
        let cursor = self.terminal.cursor();
        (cursor.row + 1, cursor.col.min(usize::from(self.size.cols) - 1) + 1)
    }

    /// What, written after the blocks of history to a terminal of this size, gives the rest of the history and the
    /// screen.
    pub(super) fn dump(&self) -> String {
        let mut out = String::from_utf8_lossy(self.history.open()).into_owned();
        // From whatever row the history ended in, this pushes all of it off the screen and no blank line with it.
        out.extend(std::iter::repeat_n('\n', usize::from(self.size.rows) - 1));
        out.push_str("\x1b[H");
        // Tab stops in the sequences that every terminal knows.
        out.push_str(&self.terminal.dump().replace("\x1b[5W", "\x1b[3g").replace("\x1b[0W", "\x1bH").replace("\x1b[W", "\x1bH"));
        out.push_str(&self.modes.dump());
        out
    }
}

/// Collects the lines that leave the screen.
struct Leaving<'a>(&'a mut History);

impl avt::Observer for Leaving<'_> {
    type Output = ();

    fn evicted(&mut self, _: &mut avt::Observation<'_>, line: &avt::Line) {
        self.0.push(line);
    }

    fn end(&mut self, _: &mut avt::Observation<'_>) {}
}
