//! No token but one that the server signed is taken, and one that it signed only as it was signed and in its time.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use mesh_protocol::capability::{
    AUDIENCE, Capability, CapabilitySigner, CapabilityVerifier, Claims, ISSUER, Jwks,
};
use mesh_protocol::limits::CLOCK_LEEWAY;

static SIGNER: LazyLock<CapabilitySigner> =
    LazyLock::new(|| CapabilitySigner::from_seed("k", &[7; 32]).expect("a key"));
static VERIFIER: LazyLock<CapabilityVerifier> = LazyLock::new(|| {
    CapabilityVerifier::from_jwks(&Jwks {
        keys: vec![SIGNER.jwk().clone()],
    })
});

#[derive(Arbitrary, Debug)]
enum Attempt<'a> {
    /// Anything.
    Text(&'a str),
    /// The three parts of a token, as they were before they were encoded.
    Parts(&'a [u8], &'a [u8], &'a [u8]),
    /// A good one with some bytes changed.
    Altered(Vec<(u16, u8)>),
    /// A good one at some time.
    Late { issued: u32, life: u16, now: u32 },
}

fn claims(issued: u64, exp: u64) -> Claims {
    Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: "p".parse().expect("an id"),
        room_id: "r".parse().expect("an id"),
        caps: vec![Capability::Call],
        target_peer_id: None,
        max_size: None,
        session_id: None,
        jti: "j".parse().expect("an id"),
        iat: issued,
        exp,
        cnf: None,
    }
}

fuzz_target!(|attempt: Attempt<'_>| {
    match attempt {
        Attempt::Text(token) => assert!(VERIFIER.verify(token, 1_000).is_err()),
        Attempt::Parts(header, payload, signature) => {
            let token = [header, payload, signature]
                .map(|part| URL_SAFE_NO_PAD.encode(part))
                .join(".");
            assert!(VERIFIER.verify(&token, 1_000).is_err());
        }
        Attempt::Altered(changes) => {
            let good = claims(1_000, 1_120);
            let mut token = SIGNER.sign(&good).expect("a token").into_bytes();
            let length = token.len();
            for (at, byte) in changes {
                token[usize::from(at) % length] = byte;
            }
            if let Ok(token) = std::str::from_utf8(&token)
                && let Ok(taken) = VERIFIER.verify(token, 1_000)
            {
                assert_eq!(format!("{taken:?}"), format!("{good:?}"));
            }
        }
        Attempt::Late { issued, life, now } => {
            let (issued, now) = (u64::from(issued), u64::from(now));
            let exp = issued + u64::from(life);
            let token = SIGNER.sign(&claims(issued, exp)).expect("a token");
            let leeway = CLOCK_LEEWAY.as_secs();
            let in_time = issued <= now + leeway && now <= exp + leeway;
            assert_eq!(VERIFIER.verify(&token, now).is_ok(), in_time);
        }
    }
});
