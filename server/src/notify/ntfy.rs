//! ntfy: a message as JSON to the root of the server (<https://docs.ntfy.sh/publish/#publish-as-json>).

use async_trait::async_trait;
use reqwest::Url;
use serde_json::json;

use super::notifier::{Failure, Notifier, Outgoing, Priority};
use super::outbound::{Outbound, send};
use crate::config::Secret;

/// A topic of an ntfy.
pub(super) struct Ntfy<'a> {
    pub(super) http: &'a Outbound,
    pub(super) url: Url,
    pub(super) trusted: bool,
    pub(super) topic: &'a str,
    pub(super) token: Option<&'a Secret>,
}

/// 3 is ntfy's default, 5 its "really urgent".
fn number(priority: Priority) -> u8 {
    match priority {
        Priority::Low => 2,
        Priority::Normal => 3,
        Priority::High => 4,
    }
}

#[async_trait]
impl Notifier for Ntfy<'_> {
    async fn notify(&self, notice: &Outgoing<'_>) -> Result<(), Failure> {
        let body = json!({
            "topic": self.topic,
            "title": notice.title,
            "message": notice.message,
            "priority": number(notice.priority),
            "click": notice.click,
        });
        let mut request = self.http.post(self.url.clone(), self.trusted)?.json(&body);
        if let Some(token) = self.token {
            request = request.bearer_auth(token.expose());
        }
        send(request).await.map_err(|failure| match failure {
            Failure::Gone => Failure::never("there is no ntfy at this address (404)"),
            other => other,
        })
    }
}
