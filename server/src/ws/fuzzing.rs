//! What a client's text goes through before a rule is applied, for the fuzz target `client_frames`.

use std::collections::BTreeMap;

use mesh_protocol::ids::SessionId;
use mesh_protocol::signal::ClientType;
use serde_json::value::RawValue;

use super::frame::{self, Head};
use super::{payload, signal};

/// Reads a text as the relay does. Panics where the ways of reading it disagree, or where what is passed on is not what it
/// has to be.
pub fn read(text: &str) {
    let Ok(incoming) = frame::parse(text) else {
        return;
    };
    let Some(kind) = ClientType::parse(&incoming.kind) else {
        return;
    };
    let long = payload::decode(kind, incoming.payload);
    let short = signal::decode(kind, incoming.payload);
    let Ok(head) = Head::parse(incoming.payload) else {
        assert!(short.is_none());
        return;
    };
    if let Some((short_head, short)) = short {
        assert_eq!(Ok(format!("{short:?}")), long.map(|long| format!("{long:?}")));
        assert_eq!(short_head.room_id(), head.room_id());
    }
    let session: SessionId = "s".parse().expect("an id");
    for (keep_token, session) in [(false, None), (true, None), (false, Some(&session))] {
        let forwarded = head.forwarded(incoming.payload, keep_token, session);
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(&forwarded).expect("still an object");
        assert!(keep_token || !members.contains_key("cap_token"));
        assert!(session.is_none() || members["session_id"].get() != "null");
    }
}
