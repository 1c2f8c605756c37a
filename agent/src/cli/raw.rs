//! This terminal in raw mode, and back again whatever happens.

use std::io::IsTerminal as _;

use mesh_protocol::channel::TermSize;

use crate::exit::{Failure, Outcome};
use crate::system::{self, RawMode};

/// Raw mode for as long as it lives. Needs a terminal on both sides.
pub(crate) fn enter() -> Outcome<RawMode> {
    if !available() {
        return Err(Failure::usage("This needs a terminal: run it in one."));
    }
    RawMode::enter().map_err(|error| Failure::general(format!("The terminal cannot be set: {error}.")))
}

/// Whether both sides are a terminal.
pub(crate) fn available() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// The size of this terminal; 80×24 when it does not say.
pub(crate) fn size() -> TermSize {
    system::size().unwrap_or(TermSize { cols: 80, rows: 24 })
}

/// What is put on the last line over whatever stands there, and taken away by the next repaint. The text must be plain.
pub(crate) fn status_line(text: &str, size: TermSize) -> String {
    let text: String = text.chars().take(usize::from(size.cols)).collect();
    // Save the cursor, go to the last line, inverse, clear to the end; then back.
    format!("\x1b7\x1b[{};1H\x1b[0;7m{text}\x1b[K\x1b[0m\x1b8", size.rows)
}

/// Leaves every mode that a shared program may have set: alternate screen, mouse, paste, application keys, colours.
pub(crate) const RESTORE: &str = "\x1b[0m\x1b[?25h\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1049l\x1b[r\x1b[?7h";
