//! Files between this disk and an open session: the engines of `mesh-peer`, driven.
//!
//! [`outgoing`] sends, [`incoming`] receives; [`offer`] is what happens before: an offer is judged, shown and answered, and
//! [`choice`] is what of it is wanted, [`again`] what happens after a lost connection. A [`Flow`] steers either way.
//! Disk work runs on blocking threads, several chunks at once, while frames go on; the engines bound what is held.

pub mod again;
pub mod choice;
mod flow;
pub mod incoming;
pub mod offer;
pub mod outgoing;
mod tasks;

use std::time::Duration;

use mesh_peer::session::SessionEnd;
use mesh_peer::transfer;
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::signal::Reason;

use tokio::sync::watch;

use crate::exit::Failure;

pub use flow::Flow;

/// How far a transfer is, as this session sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub progress: transfer::Progress,
    /// Bytes that went over this session, frames included: less than the whole where an earlier one left a part.
    pub moved: u64,
}

/// How long the last frames may take to be delivered once all is said.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// Why a transfer did not finish.
#[derive(Debug)]
pub enum TransferError {
    /// An end gave up and said why.
    Failed(transfer::Failure),
    /// The link ended in the middle.
    Lost(SessionEnd),
}

impl TransferError {
    /// Whether the link ended by nobody's will, so that the same offer may go on in another session.
    pub const fn is_cut(&self) -> bool {
        matches!(self, Self::Lost(SessionEnd::Closed(_) | SessionEnd::PeerLeft))
    }

    /// The sentence for the person at this end. `kept` is where partial content stands, `again` what resumes.
    pub fn failure(&self, other: &str, again: &str) -> Failure {
        match self {
            Self::Lost(SessionEnd::Revoked(why)) => {
                Failure::refused(format!("The permission was taken back ({why}); {again}"))
            }
            Self::Lost(SessionEnd::Stopped(Reason::Taken)) => {
                Failure::refused(format!("Another device took what {other} offered."))
            }
            Self::Lost(end) => Failure::network(format!(
                "The connection to {other} was lost ({}); {again}",
                short(end)
            )),
            Self::Failed(failure) => failed(failure, other, again),
        }
    }
}

/// Shows progress to whoever looks, if there is any.
fn show(shown: &watch::Sender<Shown>, now: Shown) {
    shown.send_if_modified(|before| std::mem::replace(before, now) != now);
}

fn short(end: &SessionEnd) -> String {
    match end {
        SessionEnd::Closed(why) => why.clone(),
        SessionEnd::PeerLeft => "it left the room".into(),
        end => end.to_string(),
    }
}

fn failed(failure: &transfer::Failure, other: &str, again: &str) -> Failure {
    let detail = crate::daemon::consent::plain(&failure.detail);
    let detail = detail.trim_end_matches('.');
    let by = if failure.by_peer {
        format!("{other} ended it")
    } else {
        "It was ended".to_owned()
    };
    match failure.code {
        ChannelCode::Cancelled if failure.by_peer => Failure::refused(format!("{other} cancelled; {again}")),
        ChannelCode::Cancelled => Failure::interrupted(),
        ChannelCode::Stopped => Failure::refused(format!("{by}: {detail}.")),
        ChannelCode::Revoked | ChannelCode::CapRefused => Failure::refused(format!("{by}: {detail}.")),
        ChannelCode::SourceChanged if !failure.by_peer => Failure::general(format!("{}.", capital(detail))),
        ChannelCode::SourceGone if !failure.by_peer => Failure::general(format!(
            "{by}: {detail}. Once it is there again, or left out, {again}"
        )),
        ChannelCode::DiskFull if failure.by_peer => Failure::general(format!(
            "The disk of {other} is full: once there is space, {again}"
        )),
        ChannelCode::DiskFull => Failure::general(format!("{}.", capital(detail))),
        code => Failure::general(format!("{by} ({code}): {detail}.")),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
