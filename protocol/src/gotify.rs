//! A message to a Gotify (<https://gotify.net/api-docs>): `POST {address}/message` with the token of an application in a
//! header. Server and agent tell people there, each with a place of its own.

use serde::Serialize;

/// Where the token stands. Gotify takes it in the query too, where it would stand in logs.
pub const TOKEN_HEADER: &str = "X-Gotify-Key";

/// As Gotify's clients read it: from 4 with a sound, from 8 on top of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Low = 2,
    Normal = 5,
    High = 8,
}

/// The body.
#[derive(Clone, Debug, Serialize)]
pub struct Message<'a> {
    title: &'a str,
    message: &'a str,
    priority: u8,
    extras: Extras<'a>,
}

#[derive(Clone, Debug, Serialize)]
struct Extras<'a> {
    #[serde(rename = "client::display")]
    display: Display,
    #[serde(rename = "client::notification")]
    notification: Notification<'a>,
}

#[derive(Clone, Debug, Serialize)]
struct Display {
    #[serde(rename = "contentType")]
    content_type: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct Notification<'a> {
    click: Click<'a>,
}

#[derive(Clone, Debug, Serialize)]
struct Click<'a> {
    url: &'a str,
}

impl<'a> Message<'a> {
    /// Plain text, which opens `click` when it is touched.
    pub fn new(title: &'a str, message: &'a str, priority: Priority, click: &'a str) -> Self {
        Self {
            title,
            message,
            priority: priority as u8,
            extras: Extras {
                display: Display {
                    content_type: "text/plain",
                },
                notification: Notification {
                    click: Click { url: click },
                },
            },
        }
    }
}

/// The path that a message is posted to, at an address whose own path is `base`.
pub fn message_path(base: &str) -> String {
    format!("{}/message", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_gotify_documents_it() {
        let message = Message::new("Mesh", "Bob wrote.", Priority::High, "https://m.example.org/r");
        let expected = serde_json::json!({
            "title": "Mesh", "message": "Bob wrote.", "priority": 8,
            "extras": {
                "client::display": {"contentType": "text/plain"},
                "client::notification": {"click": {"url": "https://m.example.org/r"}},
            },
        });
        assert_eq!(serde_json::to_value(message).unwrap(), expected);
        assert_eq!(message_path("/"), "/message");
        assert_eq!(message_path("/gotify/"), "/gotify/message");
    }
}
