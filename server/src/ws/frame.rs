//! Reads a client's frame, and rewrites its payload for those who receive it.
//!
//! Rules 1 to 3 of `docs/protocol.md` begin here. The payload is passed on as it was sent, byte for byte, except for
//! `cap_token` and a missing `session_id`.

use std::borrow::Cow;

use mesh_protocol::ids::{MessageId, SessionId};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Not a JSON object with a string `type` and an object `payload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFrame;

/// A frame taken apart; the payload is still text.
#[derive(Debug)]
pub struct Incoming<'a> {
    pub kind: Cow<'a, str>,
    id: Option<&'a RawValue>,
    /// A JSON object.
    pub payload: &'a str,
}

impl Incoming<'_> {
    /// What an answer names. Most messages have none, so it is read only then.
    pub fn reference(&self) -> Option<MessageId> {
        self.id.and_then(|id| serde_json::from_str(id.get()).ok())
    }
}

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// Rule 1.
pub fn parse(text: &str) -> Result<Incoming<'_>, BadFrame> {
    // serde takes an array for a struct too.
    if !text.trim_start().starts_with('{') {
        return Err(BadFrame);
    }
    let raw: RawEnvelope<'_> = serde_json::from_str(text).map_err(|_| BadFrame)?;
    let payload = raw.payload.map_or("{}", RawValue::get);
    if !payload.starts_with('{') {
        return Err(BadFrame);
    }
    Ok(Incoming {
        kind: raw.kind,
        id: raw.id,
        payload,
    })
}

/// The members of a payload that the server itself looks at, as they stand in the text.
#[derive(Deserialize)]
pub struct Head<'a> {
    #[serde(borrow, default, deserialize_with = "as_written")]
    room_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "as_written")]
    session_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "as_written")]
    cap_token: Option<&'a RawValue>,
}

/// A member that is there, even where it is null.
fn as_written<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&'a RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Head<'a> {
    /// Fails where one of them is given twice.
    pub fn parse(payload: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(payload)
    }

    /// All three of them are there, once.
    pub(super) fn of(room_id: &'a RawValue, session_id: &'a RawValue, cap_token: &'a RawValue) -> Self {
        Self {
            room_id: Some(room_id),
            session_id: Some(session_id),
            cap_token: Some(cap_token),
        }
    }

    /// The text of `room_id`; `None` where it is absent, null or empty.
    pub fn room_id(&self) -> Option<&'a str> {
        self.room_id
            .map(RawValue::get)
            .filter(|text| !matches!(*text, "null" | "\"\""))
    }

    /// The payload for its receivers: without `cap_token` unless `keep_token`, with the session's id.
    pub fn forwarded(&self, payload: &'a str, keep_token: bool, session: Option<&SessionId>) -> Cow<'a, str> {
        let strip = self.cap_token.filter(|_| !keep_token);
        let null = self.session_id.is_some_and(|id| id.get() == "null");
        let add = session.filter(|_| self.session_id.is_none() || null);
        let mut out = Cow::Borrowed(payload);
        if let Some(token) = strip {
            out = match member_span(payload, token.get()) {
                Some((start, end)) => Cow::Owned([&payload[..start], &payload[end..]].concat()),
                None => without_member(payload, "cap_token"),
            };
        }
        if null {
            out = without_member(&out, "session_id");
        }
        if let Some(session) = add {
            let rest = out.strip_prefix('{').unwrap_or_default().trim_start();
            let comma = if rest.starts_with('}') { "" } else { "," };
            out = Cow::Owned(format!("{{\"session_id\":\"{session}\"{comma}{rest}"));
        }
        out
    }
}

/// A JSON string as it is meant; `None` where it is no string.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    plain(json)
        .map(Cow::Borrowed)
        .or_else(|| serde_json::from_str(json).ok().map(Cow::Owned))
}

/// A JSON string that stands in the text as it is meant.
pub(super) fn plain(json: &str) -> Option<&str> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    (!inside.contains('\\')).then_some(inside)
}

/// Where a member stands in its object, with one comma beside it: from its value, which borrows from the same text.
fn member_span(object: &str, value: &str) -> Option<(usize, usize)> {
    let value_start = (value.as_ptr() as usize).checked_sub(object.as_ptr() as usize)?;
    let value_end = value_start + value.len();
    let key = object
        .get(..value_start)?
        .trim_end()
        .strip_suffix(':')?
        .trim_end()
        .strip_suffix("\"cap_token\"")?;
    let after = object.get(value_end..)?;
    let trimmed = after.trim_start();
    if let Some(rest) = trimmed.strip_prefix(',') {
        return Some((key.len(), object.len() - rest.len()));
    }
    // The last member: the comma before it goes.
    let before = key.trim_end();
    Some((before.strip_suffix(',').unwrap_or(before).len(), value_end))
}

/// The slow way, for keys that are written with escapes.
fn without_member(object: &str, name: &str) -> Cow<'static, str> {
    let Ok(mut map) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(object) else {
        return Cow::Borrowed("{}");
    };
    map.remove(name);
    Cow::Owned(serde_json::Value::Object(map).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_objects_are_frames() {
        for bad in [
            "",
            "{",
            "[]",
            "[\"room.join\",null,{}]",
            "\"x\"",
            "{}",
            "{\"type\":1}",
            "{\"type\":\"a\",\"payload\":[]}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(
            parse("{\"type\":\"a\",\"type\":\"b\"}").is_err(),
            "twice the same member"
        );
        let frame = parse(" {\"type\":\"a\",\"id\":\"m1\",\"from\":3,\"payload\":null}").unwrap();
        assert_eq!(
            (&*frame.kind, frame.payload, frame.reference().unwrap().as_str()),
            ("a", "{}", "m1")
        );
    }

    #[test]
    fn the_token_is_taken_out_wherever_it_stands() {
        for (text, left) in [
            (r#"{"cap_token":"t"}"#, r#"{}"#),
            (r#"{"cap_token" : "t" , "a":1}"#, r#"{ "a":1}"#),
            (
                r#"{"a":"\"cap_token\":", "cap_token":"t"}"#,
                r#"{"a":"\"cap_token\":"}"#,
            ),
            (r#"{"a":1,"cap_token":"t","b":2}"#, r#"{"a":1,"b":2}"#),
            (r#"{"a":1,"cap\u005ftoken":"t"}"#, r#"{"a":1}"#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
        ] {
            let head = Head::parse(text).unwrap();
            assert_eq!(head.forwarded(text, false, None), left, "{text}");
            assert_eq!(head.forwarded(text, true, None), text);
        }
        assert!(Head::parse(r#"{"cap_token":"a","cap\u005ftoken":"b"}"#).is_err());
    }

    #[test]
    fn a_missing_session_is_filled_in() {
        let session: SessionId = "s1".parse().unwrap();
        for (text, left) in [
            (r#"{"cap_token":"t"}"#, r#"{"session_id":"s1"}"#),
            (r#"{"a":1}"#, r#"{"session_id":"s1","a":1}"#),
            (r#"{"session_id":"s0"}"#, r#"{"session_id":"s0"}"#),
            (r#"{"session_id":null,"a":1}"#, r#"{"session_id":"s1","a":1}"#),
        ] {
            assert_eq!(
                Head::parse(text).unwrap().forwarded(text, false, Some(&session)),
                left
            );
        }
    }

    proptest! {
        #[test]
        fn forwarding_keeps_everything_else(
            members in proptest::collection::btree_map("[a-z]{1,6}", "\\PC{0,12}", 0..6), token in "\\PC{0,20}", at in 0usize..7,
        ) {
            let mut written: Vec<String> =
                members.iter().map(|(k, v)| format!("{}: {}", serde_json::json!(k), serde_json::json!(v))).collect();
            written.insert(at.min(written.len()), format!("\"cap_token\" :{}", serde_json::json!(token)));
            let text = format!("{{{}}}", written.join(" ,"));
            let session: SessionId = "s".parse().unwrap();
            let out = Head::parse(&text).unwrap().forwarded(&text, false, Some(&session)).into_owned();
            let mut value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&out).unwrap();
            prop_assert_eq!(value.remove("session_id"), Some(serde_json::json!("s")));
            let expected: serde_json::Map<_, _> =
                members.into_iter().map(|(k, v)| (k, serde_json::Value::from(v))).collect();
            prop_assert_eq!(value, expected);
        }
    }
}
