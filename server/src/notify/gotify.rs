//! Gotify: `POST /message` with the token of an application (<https://gotify.net/api-docs>).

use async_trait::async_trait;
use reqwest::Url;
use serde_json::json;

use super::notifier::{Failure, Notifier, Outgoing, Priority};
use super::outbound::{Outbound, send};
use crate::config::Secret;

/// An application of a Gotify.
pub(super) struct Gotify<'a> {
    pub(super) http: &'a Outbound,
    pub(super) url: Url,
    pub(super) trusted: bool,
    pub(super) token: &'a Secret,
}

/// Whether a Gotify answers at the operator's address: its version needs no token. Else what is wrong.
pub(crate) async fn answers(url: &str) -> Result<(), String> {
    let http = Outbound::new().map_err(|error| error.to_string())?;
    let url = format!("{}/version", url.trim_end_matches('/'));
    let url = Url::parse(&url).map_err(|error| error.to_string())?;
    send(http.get(url)).await.map_err(|failure| match failure {
        Failure::Gone => "there is no Gotify at this address (404)".to_owned(),
        Failure::Later { reason, .. } | Failure::Never { reason } => reason,
    })
}

/// As Gotify's clients read it: from 4 with a sound, from 8 on top of everything.
fn number(priority: Priority) -> u8 {
    match priority {
        Priority::Low => 2,
        Priority::Normal => 5,
        Priority::High => 8,
    }
}

#[async_trait]
impl Notifier for Gotify<'_> {
    async fn notify(&self, notice: &Outgoing<'_>) -> Result<(), Failure> {
        let mut url = self.url.clone();
        let path = format!("{}/message", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let body = json!({
            "title": notice.title,
            "message": notice.message,
            "priority": number(notice.priority),
            "extras": {
                "client::display": { "contentType": "text/plain" },
                "client::notification": { "click": { "url": notice.click } },
            },
        });
        let request = self.http.post(url, self.trusted)?;
        // In a header: Gotify takes it in the query too, where it would stand in logs.
        send(request.header("X-Gotify-Key", self.token.expose()).json(&body))
            .await
            .map_err(|failure| match failure {
                Failure::Gone => Failure::never("there is no Gotify at this address (404)"),
                other => other,
            })
    }
}
