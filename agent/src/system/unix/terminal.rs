//! This terminal.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use mesh_protocol::channel::TermSize;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

/// Raw mode for as long as it lives.
pub(crate) struct RawMode(Termios);

impl RawMode {
    /// Standard input must be a terminal.
    pub(crate) fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Flush, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Columns and rows; `None` where it does not say.
pub(crate) fn size() -> Option<TermSize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(TermSize {
        cols: size.ws_col,
        rows: size.ws_row,
    })
}

/// Waits until something is typed, at most for so long; from anything but a terminal, reading waits by itself. A program in
/// the background must not read: the terminal would stop it.
pub(crate) fn typed_within(wait: Duration) -> bool {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return true;
    }
    let ours = || tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp());
    if !ours() {
        std::thread::sleep(wait);
        return false;
    }
    let wait = Timespec::try_from(wait).ok();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut watched, wait.as_ref()).is_ok_and(|ready| ready > 0) && ours()
}
