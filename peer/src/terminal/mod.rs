//! A shared terminal, as engines without I/O: [`Host`], whose shell it is, and [`Viewer`], who watches.
//!
//! Owns the screen and scrollback, who may watch and who may type, what each viewer has been sent, and which escape
//! sequences pass. Knows no PTY, no clock and no runtime: `now` is passed in. Enter by [`Host::new`] and [`Viewer::new`].
//!
//! **Invariant**: a byte of input reaches the PTY only from the holder of control, with the epoch of its grant, before
//! the lease lapses (`sim::terminal::t32_view_only_input_never_reaches_the_shell`).
//! **Invariant**: a viewer costs the host a position and a snapshot in the making, however slow it is; what it missed
//! is replaced by the screen as it is now (`sim::terminal::a_stalled_viewer_costs_no_memory_and_catches_up`).
//! **Invariant**: what happens during a pause reaches nobody, neither then nor later (`sim::pauses`).
//! **Invariant**: nobody answers for the host's owner who was not let, nor a question that was not put to them or is settled
//! (`sim::deciding`).
//! **Invariant**: only allowed sequences pass, at the host and again at the viewer (`sim::filter`).

mod bulk;
mod csi;
mod decider;
mod filter;
mod history;
mod host;
mod modes;
mod osc;
mod pace;
mod recording;
mod ring;
mod screen;
mod snapshot;
mod viewer;
mod watcher;

pub use filter::{EscapeFilter, Event, Filtered, Query};
pub use host::{Host, HostConfig, PTY_QUEUE, PtyAction};
pub use recording::Recording;
pub use viewer::{Viewer, ViewerError, ViewerEvent};

use mesh_protocol::channel::TermSize;

/// The largest terminal: what a snapshot of it costs stays bounded.
pub const MAX_SIZE: TermSize = TermSize {
    cols: 1_000,
    rows: 500,
};

/// A size within what both ends can bear.
pub fn clamped(size: TermSize) -> TermSize {
    TermSize {
        cols: size.cols.clamp(1, MAX_SIZE.cols),
        rows: size.rows.clamp(1, MAX_SIZE.rows),
    }
}
