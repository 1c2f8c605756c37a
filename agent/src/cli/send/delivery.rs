//! From the first open session to the last file: over as many connections as it takes.

use std::time::Duration;

use mesh_peer::session::{Binding, OpenSession, SessionError, new_session_id};
use mesh_peer::transfer::{FileHash, Sender, SourceError};
use mesh_peer::transport::LinkStats;
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::signal::Reason;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::parcel::{self, Parcel};
use super::recipients::Candidate;
use crate::cli::args::SendArgs;
use crate::cli::{Context, connect, progress, prompt, steer};
use crate::exit::{Failure, Outcome};
use crate::online::Online;
use crate::transfer::again::AGAIN_WITHIN;
use crate::transfer::{Flow, Shown, TransferError, outgoing};

/// Between two attempts to connect again.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// A parcel on its way to the device that accepted it.
pub(super) struct Delivery<'a> {
    context: &'a Context,
    args: &'a SendArgs,
    parcel: &'a Parcel,
    hashes: &'a [FileHash],
    to: Candidate,
    /// What is typed, where somebody can.
    lines: Option<mpsc::Receiver<String>>,
    paused: watch::Sender<bool>,
}

/// A parcel that arrived.
pub(super) struct Delivered {
    /// The last session.
    pub(super) binding: Binding,
    /// Files that were left out, in order.
    pub(super) skipped: Vec<u32>,
    /// Bytes of those that were not.
    pub(super) wanted: u64,
    /// Of these, bytes that had to be moved.
    pub(super) moved: u64,
    pub(super) link: LinkStats,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(
        context: &'a Context,
        args: &'a SendArgs,
        parcel: &'a Parcel,
        hashes: &'a [FileHash],
        to: Candidate,
    ) -> Self {
        let steered = parcel::reads_no_stdin(args) && steer::can_steer(context.output);
        Self {
            context,
            args,
            parcel,
            hashes,
            to,
            lines: steered.then(prompt::lines),
            paused: watch::channel(false).0,
        }
    }

    /// Sends; where the connection is lost, connects again and goes on.
    pub(super) async fn run(mut self, online: &mut Online, first: OpenSession) -> Outcome<Delivered> {
        let (mut session, mut before) = (first, 0);
        loop {
            let (binding, link) = (session.binding.clone(), session.link.clone());
            let (sent, shown) = self.send(online, session).await?;
            let wanted = shown.progress.bytes_total;
            before += shown.moved;
            let error = match sent {
                Ok(skipped) => {
                    return Ok(Delivered {
                        binding,
                        skipped,
                        wanted,
                        moved: before.min(wanted),
                        link: link.borrow().clone(),
                    });
                }
                Err(error) => error,
            };
            let failure = self.failure(&error, shown);
            if !error.is_cut() {
                return Err(failure);
            }
            let who = &self.to.who;
            self.context.output.note(
                &format!("The connection to {who} was lost: connecting again."),
                json!({"event": "lost", "to": who}),
            );
            session = self.connect_again(online).await.ok_or(failure)?;
            self.context.output.note(
                &format!("{} is back: it goes on.", self.to.who),
                json!({"event": "resumed", "to": self.to.who}),
            );
        }
    }

    /// One session, and how far it came.
    async fn send(
        &mut self,
        online: &mut Online,
        session: OpenSession,
    ) -> Outcome<(Result<Vec<u32>, TransferError>, Shown)> {
        let sender = Sender::new(self.parcel.sources(self.hashes))
            .map_err(|error: SourceError| Failure::usage(connect::capitalised(&error.to_string())))?;
        let (shown, progress) = watch::channel(Shown::default());
        let bar = tokio::spawn(progress::show(
            self.context.output,
            progress,
            session.link.clone(),
        ));
        let flow = Flow {
            paused: self.paused.subscribe(),
            throttle: self.args.throttle,
            ..Flow::from(self.context.stop.clone())
        };
        let sending = outgoing::send(session, sender, self.parcel.files.clone(), &shown, &flow);
        let sent = online
            .alongside(steer::pausing(self.lines.as_mut(), &self.paused, sending))
            .await;
        bar.abort();
        let shown = *shown.borrow();
        Ok((sent, shown))
    }

    /// A session with the device that accepted, as soon as it is there and takes it; none if it declines, or is not there
    /// in time.
    async fn connect_again(&self, online: &mut Online) -> Option<OpenSession> {
        let stop = &self.context.stop;
        let until = Instant::now() + AGAIN_WITHIN;
        while Instant::now() < until {
            if let Some(there) = self.to.now(&online.roster) {
                let session_id = new_session_id();
                let pending = [(there.clone(), session_id.clone())];
                let attempt = super::ask(online, there, session_id, self.parcel, until);
                let opened = tokio::select! {
                    () = stop.cancelled() => None,
                    (_, _, opened) = online.alongside(attempt) => Some(opened),
                };
                match opened {
                    None => {
                        super::take_back(online, &pending, Reason::Cancelled).await;
                        return None;
                    }
                    Some(Ok(session)) => return Some(session),
                    Some(Err(
                        SessionError::Declined(_) | SessionError::Refused(_) | SessionError::Revoked(_),
                    )) => return None,
                    Some(Err(_)) => {}
                }
            }
            let pause = sleep(TRY_EVERY);
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep_until(until) => return None,
                () = online.alongside(pause) => {}
            }
        }
        None
    }

    fn failure(&self, error: &TransferError, shown: Shown) -> Failure {
        let again = "run the same command again and it goes on where it stopped.";
        let failure =
            changed_on_the_way(self.parcel, error).unwrap_or_else(|| error.failure(&self.to.who, again));
        failure.in_part(shown.progress.files_done.into(), self.parcel.files.len() as u64)
    }
}

/// The other end found content that is not what was announced, and here is why.
fn changed_on_the_way(parcel: &Parcel, error: &TransferError) -> Option<Failure> {
    let TransferError::Failed(failure) = error else {
        return None;
    };
    (failure.code == ChannelCode::HashMismatch).then_some(())?;
    let file = parcel.files.get(usize::try_from(failure.file?).ok()?)?;
    file.unchanged()
        .err()
        .map(|changed| connect::disk_failure(&changed))
}
