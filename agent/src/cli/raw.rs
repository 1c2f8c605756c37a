//! This terminal in raw mode, and back again whatever happens.

use std::io::IsTerminal as _;

use mesh_protocol::channel::TermSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::exit::{Failure, Outcome};

/// Raw mode for as long as it lives.
pub(crate) struct RawMode(Termios);

impl RawMode {
    /// Needs a terminal on both sides.
    pub(crate) fn enter() -> Outcome<Self> {
        if !available() {
            return Err(Failure::usage("This needs a terminal: run it in one."));
        }
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin)
            .map_err(|errno| Failure::general(format!("The terminal cannot be read: {errno}.")))?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Flush, &raw)
            .map_err(|errno| Failure::general(format!("The terminal cannot be set: {errno}.")))?;
        Ok(Self(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Whether both sides are a terminal.
pub(crate) fn available() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// The size of this terminal; 80×24 when it does not say.
pub(crate) fn size() -> TermSize {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => TermSize {
            cols: size.ws_col,
            rows: size.ws_row,
        },
        _ => TermSize { cols: 80, rows: 24 },
    }
}

/// What is put on the last line over whatever stands there, and taken away by the next repaint. The text must be plain.
pub(crate) fn status_line(text: &str, size: TermSize) -> String {
    let text: String = text.chars().take(usize::from(size.cols)).collect();
    // Save the cursor, go to the last line, inverse, clear to the end; then back.
    format!("\x1b7\x1b[{};1H\x1b[0;7m{text}\x1b[K\x1b[0m\x1b8", size.rows)
}

/// Leaves every mode that a shared program may have set: alternate screen, mouse, paste, application keys, colours.
pub(crate) const RESTORE: &str = "\x1b[0m\x1b[?25h\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1049l\x1b[r\x1b[?7h";
