//! An offer of files, from the request to the open session: judged, shown, answered.

use mesh_peer::session::{self, Binding, OpenSession, SessionContext, SessionRoute, open_as_answerer};
use mesh_peer::transfer::Accepted;
use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, RoomId, SessionId};
use mesh_protocol::safe_path::SafePath;
use mesh_protocol::signal::{Reason, ServerMessage, SessionAnswer, TransferRequest};

use crate::cli::output::size;
use crate::daemon::consent::plain;

/// Names that are shown before "and more".
const SHOWN: usize = 10;

/// An offer that may be shown to the person: its capability was judged and its names are harmless.
#[derive(Debug)]
pub struct Offer {
    pub room_id: RoomId,
    pub from: PeerId,
    pub session_id: SessionId,
    pub request: TransferRequest,
    max_size: Option<u64>,
    route: SessionRoute,
}

/// Why an offer is not shown.
#[derive(Debug)]
pub struct Rejected {
    pub reason: Reason,
    pub why: String,
}

impl Offer {
    /// Judges a request. A rejection has been sent back as a decline.
    pub async fn judge(
        context: &SessionContext,
        from: PeerId,
        request: TransferRequest,
    ) -> Result<Self, Rejected> {
        let Some(session_id) = request.session_id.clone() else {
            return Err(Rejected {
                reason: Reason::Unsupported,
                why: "a request without a session".into(),
            });
        };
        let room_id = request.room_id.clone();
        let judged = async {
            let failed = |why: String| Rejected {
                reason: Reason::Failed,
                why,
            };
            let route = context
                .router()
                .register(&session_id, &room_id, Some(&from))
                .map_err(|e| failed(e.to_string()))?;
            let me = context
                .signal()
                .current_peer()
                .ok_or_else(|| failed("not connected".into()))?;
            let binding = Binding {
                room_id: room_id.clone(),
                session_id: session_id.clone(),
                me,
                remote: from.clone(),
                feature: Feature::File,
            };
            let claims = context
                .judge_request(&binding, request.cap_token.as_deref())
                .await;
            let claims = claims.map_err(|error| failed(error.to_string()))?;
            let max_size = claims.and_then(|claims| claims.max_size);
            check(&request, max_size).map_err(failed)?;
            Ok::<_, Rejected>((route, max_size))
        };
        match judged.await {
            Ok((route, max_size)) => Ok(Self {
                room_id,
                from,
                session_id,
                request,
                max_size,
                route,
            }),
            Err(rejected) => {
                decline(context, &room_id, &from, &session_id, rejected.reason).await;
                Err(rejected)
            }
        }
    }

    /// Names and sizes, one a line.
    pub fn lines(&self) -> Vec<String> {
        let listed = self.request.files.iter().take(SHOWN);
        let mut lines: Vec<String> = listed
            .map(|file| format!("{} ({})", plain(&file.path), size(file.size)))
            .collect();
        if lines.is_empty() {
            lines.push(format!(
                "{} ({})",
                plain(&self.request.name),
                size(self.request.size)
            ));
        }
        let more = self.request.count.saturating_sub(lines.len() as u64);
        if more > 0 {
            lines.push(format!("and {more} more, {} in all", size(self.request.size)));
        }
        lines
    }

    /// Resolves when the sender takes the offer back, or must not go on.
    pub async fn withdrawn(&mut self) -> Reason {
        loop {
            match self.route.next().await {
                Ok((_, ServerMessage::ShareCancel(said))) => return said.reason.unwrap_or(Reason::Cancelled),
                Ok(_) => {}
                Err(_) => return Reason::Failed,
            }
        }
    }

    /// No.
    pub async fn decline(self, context: &SessionContext, reason: Reason) {
        decline(context, &self.room_id, &self.from, &self.session_id, reason).await;
    }

    /// Yes: opens the session.
    pub async fn accept(
        self,
        context: &SessionContext,
    ) -> Result<(OpenSession, Accepted), session::SessionError> {
        let accepted = Accepted {
            size: self.request.size,
            count: self.request.count,
            max_size: self.max_size,
        };
        let yes = session::Accepted {
            room_id: self.room_id,
            remote: self.from,
            feature: Feature::File,
        };
        let open = open_as_answerer(context, yes, self.route).await?;
        // The token of the connection counts; it may allow less than that of the request.
        let max_size = match (accepted.max_size, open.claims.max_size) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Ok((open, Accepted { max_size, ..accepted }))
    }
}

/// The rules that need no disk.
fn check(request: &TransferRequest, max_size: Option<u64>) -> Result<(), String> {
    if max_size.is_some_and(|max| request.size > max) {
        return Err("more is offered than the permission allows".into());
    }
    let listed = request.files.len() as u64;
    if request.count == 0 || listed > request.count {
        return Err("the list of files does not fit its count".into());
    }
    let sum = request
        .files
        .iter()
        .try_fold(0u64, |sum, file| sum.checked_add(file.size));
    if sum.is_none_or(|sum| sum > request.size) {
        return Err("the sizes do not fit their total".into());
    }
    for file in &request.files {
        SafePath::parse(&file.path).map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn decline(
    context: &SessionContext,
    room_id: &RoomId,
    from: &PeerId,
    session_id: &SessionId,
    reason: Reason,
) {
    let answer = SessionAnswer {
        room_id: room_id.clone(),
        target: Some(from.clone()),
        session_id: session_id.clone(),
        reason: Some(reason),
        max_record: None,
    };
    // Offline, there is nobody to tell.
    let _ = context
        .signal()
        .send(session::decline(Feature::File, answer))
        .await;
}
