//! Gotify: `POST /message` with the token of an application (<https://gotify.net/api-docs>).

use async_trait::async_trait;
use mesh_protocol::gotify;
use reqwest::Url;

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

fn priority(priority: Priority) -> gotify::Priority {
    match priority {
        Priority::Low => gotify::Priority::Low,
        Priority::Normal => gotify::Priority::Normal,
        Priority::High => gotify::Priority::High,
    }
}

#[async_trait]
impl Notifier for Gotify<'_> {
    async fn notify(&self, notice: &Outgoing<'_>) -> Result<(), Failure> {
        let mut url = self.url.clone();
        url.set_path(&gotify::message_path(self.url.path()));
        let body = gotify::Message::new(
            notice.title,
            notice.message,
            priority(notice.priority),
            &notice.click,
        );
        let request = self.http.post(url, self.trusted)?;
        send(
            request
                .header(gotify::TOKEN_HEADER, self.token.expose())
                .json(&body),
        )
        .await
        .map_err(|failure| match failure {
            Failure::Gone => Failure::never("there is no Gotify at this address (404)"),
            other => other,
        })
    }
}
