//! Answers what other nodes ask of this one.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;

use super::{Answer, Handed, Question, forward};
use crate::app::App;
use crate::bus::{NodeId, Serve};
use crate::hub::Hub;
use crate::store::SignInId;

/// See the module.
pub(crate) struct Desk {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
}

impl Desk {
    fn hand_over(&self, resume: &str, seen: u64, sign_in: &SignInId, to: NodeId) -> Option<Handed> {
        let (id, _) = Hub::place_of_resume(resume)?;
        let peer = self.app.hub.hand_over(resume, seen, sign_in, to)?;
        let calls = self.app.notices.hand_over(&id);
        Some(Handed { peer, calls })
    }
}

#[async_trait]
impl Serve for Desk {
    async fn serve(&self, question: Bytes) -> Bytes {
        let Ok(question) = serde_json::from_slice::<Question>(&question) else {
            // Of another version, whose asker takes no answer for what it is.
            return Bytes::new();
        };
        let app = &self.app;
        let answer = match question {
            Question::Request(request) => match forward::answer(self.router.clone(), request).await {
                Some(response) => Answer::Response(response),
                None => return Bytes::new(),
            },
            Question::Ticket(ticket) => {
                let own = app.cluster.as_ref().map(|cluster| cluster.untag(&ticket).1);
                Answer::Ticket(own.and_then(|ticket| app.tickets.take(ticket, app.clock.now())))
            }
            Question::Peer {
                resume,
                seen,
                sign_in,
                to,
            } => Answer::Peer(self.hand_over(&resume, seen, &sign_in, to).map(Box::new)),
        };
        serde_json::to_vec(&answer).map_or_else(|_| Bytes::new(), Bytes::from)
    }
}
