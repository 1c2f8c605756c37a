//! The short way for what passes most: `rtc.*` in its usual form, read in one scan and without a copy of its long parts.
//!
//! **Invariant:** what is taken here, `Head` and `payload::decode` would have taken with the same values. Whatever is
//! unusual (an escape in an identifier, a member twice, a wrong type) goes the long way, which also finds the words for
//! what is wrong.

use std::borrow::Cow;

use mesh_protocol::capability::Feature;
use mesh_protocol::ids::is_id;
use mesh_protocol::signal::{ClientType, IceCandidate};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::frame::{Head, plain};
use super::payload::{Act, MAX_TOKEN_BYTES, Payload};

#[derive(Deserialize)]
struct Form<'a> {
    #[serde(borrow)]
    room_id: &'a RawValue,
    #[serde(borrow, alias = "target_peer_id")]
    target: &'a str,
    #[serde(borrow)]
    session_id: &'a RawValue,
    #[serde(default)]
    feature: Option<Feature>,
    #[serde(borrow)]
    cap_token: &'a RawValue,
    #[serde(borrow, default)]
    sdp: Option<Cow<'a, str>>,
    #[serde(default)]
    candidate: Option<IceCandidate>,
}

/// The parts of an `rtc.*` in its usual form; `None`: take the long way.
pub(super) fn decode(kind: ClientType, text: &str) -> Option<(Head<'_>, Payload<'_>)> {
    let description = match kind {
        ClientType::RtcOffer | ClientType::RtcAnswer => true,
        ClientType::RtcIce => false,
        _ => return None,
    };
    let form: Form<'_> = serde_json::from_str(text).ok()?;
    // Read for its form alone: it is passed on as it was written.
    let _: Option<IceCandidate> = form.candidate;
    if description && form.sdp.is_none() {
        return None;
    }
    plain(form.room_id.get()).filter(|room| is_id(room))?;
    let token = plain(form.cap_token.get()).filter(|token| token.len() <= MAX_TOKEN_BYTES)?;
    let payload = Payload {
        target: Some(form.target.parse().ok()?),
        session_id: Some(plain(form.session_id.get())?.parse().ok()?),
        cap_token: Some(Cow::Borrowed(token)),
        feature: form.feature,
        act: Act::Relay,
    };
    let head = Head::of(form.room_id, form.session_id, form.cap_token);
    Some((head, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::payload;

    const KINDS: [ClientType; 4] = [
        ClientType::RtcOffer,
        ClientType::RtcAnswer,
        ClientType::RtcIce,
        ClientType::CallRequest,
    ];

    /// Members, each with values that are usual, unusual and wrong.
    const MEMBERS: [(&str, &[&str]); 7] = [
        ("room_id", &["\"r\"", "\"\\u0072\"", "\"\"", "null", "3"]),
        ("target", &["\"p\"", "\"p\\n\"", "null", "\"p p\""]),
        ("session_id", &["\"s\"", "null", "\"\\u0073\"", "\"s s\""]),
        ("cap_token", &["\"t.t.t\"", "null", "\"\\\"\"", "[]"]),
        ("feature", &["\"file\"", "null", "\"nothing\""]),
        ("sdp", &["\"v=0\\r\\n\"", "null", "7"]),
        (
            "candidate",
            &["{\"candidate\":\"c\"}", "null", "\"c\"", "{\"candidate\":1}"],
        ),
    ];

    #[test]
    fn the_short_way_takes_nothing_that_the_long_way_takes_otherwise() {
        let mut usual = 0;
        let mut compare = |text: &str| {
            for kind in KINDS {
                let Some((head, short)) = decode(kind, text) else {
                    continue;
                };
                usual += 1;
                let long_head = Head::parse(text).expect(text);
                let long = payload::decode(kind, text).expect(text);
                assert_eq!(format!("{short:?}"), format!("{long:?}"), "{text}");
                assert_eq!(head.room_id(), long_head.room_id(), "{text}");
                for keep in [false, true] {
                    let forwarded = |head: &Head<'_>| head.forwarded(text, keep, None).into_owned();
                    assert_eq!(forwarded(&head), forwarded(&long_head), "{text}");
                }
            }
        };
        let object = |members: &[String]| format!("{{{}}}", members.join(","));
        let member = |(name, values): &(&str, &[&str]), value: usize| format!("\"{name}\":{}", values[value]);
        let first: Vec<String> = MEMBERS.iter().map(|one| member(one, 0)).collect();
        compare(&object(&first));
        for (at, one) in MEMBERS.iter().enumerate() {
            let mut without = first.clone();
            without.remove(at);
            compare(&object(&without));
            compare(&object(&[first.clone(), vec![first[at].clone()]].concat()));
            for value in 1..one.1.len() {
                let mut changed = first.clone();
                changed[at] = member(one, value);
                compare(&object(&changed));
            }
        }
        let mut renamed = first.clone();
        renamed[1] = "\"target_peer_id\":\"p\"".into();
        compare(&object(&renamed));
        let long_token = format!("\"cap_token\":\"{}\"", "t".repeat(MAX_TOKEN_BYTES + 1));
        let mut too_long = first.clone();
        too_long[3] = long_token;
        assert!(decode(ClientType::RtcIce, &object(&too_long)).is_none());
        assert!(usual > 10, "the usual form goes the short way: {usual}");
    }
}
