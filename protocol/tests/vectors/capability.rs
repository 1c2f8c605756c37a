//! Capability tokens and the verdict on each.

use mesh_protocol::capability::*;
use serde_json::{Value, json};

use super::{golden, id};

const FP: &str =
    "sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
const NOW: u64 = 1_700_000_000;

#[test]
fn capability_tokens() {
    let signer = CapabilitySigner::from_seed("k1", &[7; 32]).unwrap();
    let jwks = Jwks {
        keys: vec![signer.jwk().clone()],
    };
    let verifier = CapabilityVerifier::from_jwks(&jwks);
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: id("p2"),
        room_id: id("r1"),
        caps: vec![Capability::TerminalView],
        target_peer_id: Some(id("p1")),
        max_size: None,
        session_id: Some(id("s1")),
        jti: id("t1"),
        iat: NOW,
        exp: NOW + 120,
        cnf: Some(Confirmation { fp: FP.into() }),
    };
    let (room_id, session_id, bearer, target) = (id("r1"), id("s1"), id("p2"), id("p1"));
    let expected = Expected {
        capability: Capability::TerminalView,
        room_id: &room_id,
        session_id: &session_id,
        bearer: &bearer,
        target: &target,
        fingerprint: FP,
    };
    let other_fp = FP.replace("00:11", "11:00");
    let variants: Vec<(&str, Claims)> = vec![
        ("good", claims.clone()),
        (
            "expired",
            Claims {
                iat: NOW - 200,
                exp: NOW - 80,
                ..claims.clone()
            },
        ),
        (
            "not yet",
            Claims {
                iat: NOW + 60,
                exp: NOW + 180,
                ..claims.clone()
            },
        ),
        (
            "another session",
            Claims {
                session_id: Some(id("s2")),
                ..claims.clone()
            },
        ),
        (
            "another room",
            Claims {
                room_id: id("r2"),
                ..claims.clone()
            },
        ),
        (
            "another target",
            Claims {
                target_peer_id: Some(id("p9")),
                ..claims.clone()
            },
        ),
        (
            "another sender",
            Claims {
                sub: id("p9"),
                ..claims.clone()
            },
        ),
        (
            "another fingerprint",
            Claims {
                cnf: Some(Confirmation { fp: other_fp }),
                ..claims.clone()
            },
        ),
        (
            "another capability",
            Claims {
                caps: vec![Capability::Call],
                ..claims.clone()
            },
        ),
        (
            "no target",
            Claims {
                target_peer_id: None,
                ..claims.clone()
            },
        ),
        (
            "no session",
            Claims {
                session_id: None,
                ..claims.clone()
            },
        ),
        (
            "no fingerprint",
            Claims {
                cnf: None,
                ..claims.clone()
            },
        ),
        (
            "another issuer",
            Claims {
                iss: "mesh:sessions".into(),
                ..claims.clone()
            },
        ),
        (
            "another audience",
            Claims {
                aud: "mesh:session".into(),
                ..claims.clone()
            },
        ),
    ];
    let mut tokens: Vec<Value> = Vec::new();
    for (name, claims) in variants {
        let token = signer.sign(&claims).unwrap();
        let verdict = verifier
            .verify(&token, NOW)
            .and_then(|claims| claims.check(&expected));
        assert_eq!(verdict.is_ok(), name == "good", "{name}: {verdict:?}");
        tokens.push(json!({ "name": name, "token": token, "ok": verdict.is_ok() }));
    }
    let other_key = CapabilitySigner::from_seed("k1", &[8; 32])
        .unwrap()
        .sign(&claims)
        .unwrap();
    assert!(verifier.verify(&other_key, NOW).is_err());
    tokens.push(json!({ "name": "another key", "token": other_key, "ok": false }));
    let value = json!({
        "now": NOW,
        "jwks": jwks,
        "expected": {
            "capability": "terminal:view", "room_id": "r1", "session_id": "s1", "bearer": "p2", "target": "p1",
            "fingerprint": FP,
        },
        "tokens": tokens,
    });
    golden("capability.json", &value);
}
