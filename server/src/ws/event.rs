//! Writes what goes out: the server's own messages and the envelope of relayed ones.

use std::cell::RefCell;

use mesh_protocol::error_code::SignalCode;
use mesh_protocol::ids::MessageId;
use mesh_protocol::signal::{Ack, Envelope, FROM_SERVER, ServerMessage, SignalError};

use super::codec::Frame;
use crate::auth::random;
use crate::clock::{Clock, rfc3339};

/// A message of the server, serialised once for all who receive it.
pub fn event(clock: &dyn Clock, to: &str, message: ServerMessage) -> Frame {
    let envelope = Envelope {
        id: Some(random::id()),
        timestamp: Some(rfc3339(clock.now())),
        from: Some(FROM_SERVER.to_owned()),
        to: Some(to.to_owned()),
        message,
    };
    Frame::text(256, |bytes| {
        let start = bytes.len();
        if let Err(error) = serde_json::to_writer(&mut *bytes, &envelope) {
            // Only a map with keys other than text can fail, and the protocol has none.
            tracing::error!(%error, "a server message could not be written");
            bytes.truncate(start);
            bytes.extend_from_slice(b"{\"type\":\"system.resync\",\"payload\":{}}");
        }
    })
}

/// An `error` for one client.
pub fn error(
    clock: &dyn Clock,
    to: &str,
    code: SignalCode,
    detail: &str,
    reference: Option<MessageId>,
) -> Frame {
    event(
        clock,
        to,
        ServerMessage::Error(SignalError {
            code,
            detail: detail.to_owned(),
            reference,
        }),
    )
}

/// An `ack` for one client.
pub fn ack(clock: &dyn Clock, to: &str, reference: MessageId, seq: Option<u64>) -> Frame {
    event(clock, to, ServerMessage::Ack(Ack { reference, seq }))
}

thread_local! {
    /// The second that was written last, and its text: messages of one second share it.
    static STAMP: RefCell<(u64, String)> = RefCell::default();
}

/// The envelope of a message that is relayed at `now` (Unix seconds): everything but the payload is the server's.
pub fn relayed(now: u64, kind: &str, from: &str, to: &str, payload: &str) -> Frame {
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    let mut buffer = uuid::Uuid::encode_buffer();
    let id: &str = id.hyphenated().encode_lower(&mut buffer);
    // Type, peers and rooms are checked identifiers: nothing in them needs an escape.
    STAMP.with_borrow_mut(|(second, text)| {
        if text.is_empty() || *second != now {
            (*second, *text) = (now, rfc3339(now));
        }
        let parts = [
            "{\"type\":\"",
            kind,
            "\",\"id\":\"",
            id,
            "\",\"timestamp\":\"",
            text,
            "\",\"from\":\"",
            from,
            "\",\"to\":\"",
            to,
            "\",\"payload\":",
            payload,
            "}",
        ];
        Frame::text(parts.iter().map(|part| part.len()).sum(), |bytes| {
            for part in parts {
                bytes.extend_from_slice(part.as_bytes());
            }
        })
    })
}
