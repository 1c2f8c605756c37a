use super::*;

const NOW: u64 = 1_700_000_000;

fn signer() -> CapabilitySigner {
    CapabilitySigner::from_seed("k1", &[7; 32]).unwrap()
}

fn verifier() -> CapabilityVerifier {
    CapabilityVerifier::from_jwks(&Jwks {
        keys: vec![signer().jwk().clone()],
    })
}

fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: "bob".parse().unwrap(),
        room_id: "home".parse().unwrap(),
        caps: vec![Capability::TerminalView],
        target_peer_id: Some("alice".parse().unwrap()),
        max_size: None,
        session_id: Some("s1".parse().unwrap()),
        jti: "t1".parse().unwrap(),
        iat: NOW,
        exp: NOW + 120,
        cnf: Some(Confirmation { fp: fingerprint('A') }),
    }
}

fn fingerprint(digit: char) -> String {
    format!("sha-256 {}", vec![format!("{digit}{digit}"); 32].join(":"))
}

#[test]
fn a_signed_token_comes_back_whole() {
    let token = signer().sign(&claims()).unwrap();
    assert_eq!(verifier().verify(&token, NOW + 60), Ok(claims()));
    assert!(verifier().knows_key_of(&token));
}

#[test]
fn it_opens_at_119_seconds_and_not_at_126() {
    let token = signer().sign(&claims()).unwrap();
    assert!(verifier().verify(&token, NOW + 119).is_ok());
    assert!(verifier().verify(&token, NOW + 125).is_ok());
    assert_eq!(
        verifier().verify(&token, NOW + 126),
        Err(CapabilityError::Expired)
    );
    assert_eq!(verifier().verify(&token, NOW - 6), Err(CapabilityError::NotYet));
}

/// RFC 8725: none, another algorithm with the public key as its secret, another key, issuer, audience, type; missing and
/// mistyped claims.
#[test]
fn no_token_of_another_make_is_accepted() {
    let judge = |token: &str| verifier().verify(token, NOW);
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::to_value(claims()).unwrap();
        change(&mut value);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYP.into());
        header.kid = Some("k1".into());
        jsonwebtoken::encode(&header, &value, &signer().key).unwrap()
    };
    assert!(
        judge(&with(&|_| {})).is_ok(),
        "the unchanged token is the control"
    );

    for missing in ["iss", "aud", "sub", "room_id", "caps", "jti", "iat", "exp"] {
        let token = with(&|value| {
            value.as_object_mut().unwrap().remove(missing);
        });
        assert_eq!(judge(&token), Err(CapabilityError::Invalid), "without {missing}");
    }
    for (name, wrong) in [
        ("iss", serde_json::json!("mesh:sessions")),
        ("aud", serde_json::json!("mesh:session")),
        ("exp", serde_json::json!("1700000120")),
        ("caps", serde_json::json!(["root"])),
        ("sub", serde_json::json!("../x")),
    ] {
        let token = with(&|value| value[name] = wrong.clone());
        assert_eq!(judge(&token), Err(CapabilityError::Invalid), "{name} = {wrong}");
    }

    let public = URL_SAFE_NO_PAD.decode(&signer().jwk().x).unwrap();
    let mut hmac = Header::new(Algorithm::HS256);
    hmac.typ = Some(TYP.into());
    hmac.kid = Some("k1".into());
    let forged = jsonwebtoken::encode(&hmac, &claims(), &EncodingKey::from_secret(&public)).unwrap();
    assert_eq!(judge(&forged), Err(CapabilityError::Invalid));

    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).unwrap());
    let none = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","typ":"{TYP}","kid":"k1"}}"#));
    assert_eq!(judge(&format!("{none}.{body}.")), Err(CapabilityError::Invalid));

    let other_key = CapabilitySigner::from_seed("k1", &[8; 32])
        .unwrap()
        .sign(&claims())
        .unwrap();
    assert_eq!(judge(&other_key), Err(CapabilityError::Invalid));
    let other_kid = CapabilitySigner::from_seed("k2", &[7; 32])
        .unwrap()
        .sign(&claims())
        .unwrap();
    assert_eq!(judge(&other_kid), Err(CapabilityError::Invalid));
    assert!(!verifier().knows_key_of(&other_kid));

    let mut session = Header::new(Algorithm::EdDSA);
    session.kid = Some("k1".into());
    let untyped = jsonwebtoken::encode(&session, &claims(), &signer().key).unwrap();
    assert_eq!(judge(&untyped), Err(CapabilityError::Invalid));
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let token = signer().sign(&claims()).unwrap();
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] ^= 1;
        let Ok(altered) = String::from_utf8(bytes) else {
            continue;
        };
        // The last character of a base64url part may carry bits that decode to nothing.
        if verifier().verify(&altered, NOW).is_ok() {
            let parts = |text: &str| {
                text.split('.')
                    .map(|p| URL_SAFE_NO_PAD.decode(p))
                    .collect::<Vec<_>>()
            };
            assert_eq!(parts(&altered), parts(&token), "position {position}");
        }
    }
}

#[test]
fn the_receiver_holds_it_against_its_own_session() {
    let (room, session) = ("home".parse().unwrap(), "s1".parse().unwrap());
    let (bearer, target) = ("bob".parse().unwrap(), "alice".parse().unwrap());
    let print = fingerprint('A');
    let expected = Expected {
        capability: Capability::TerminalView,
        room_id: &room,
        session_id: &session,
        bearer: &bearer,
        target: &target,
        fingerprint: &print,
    };
    assert_eq!(claims().check(&expected), Ok(()));

    let (other_room, other_session) = ("lab".parse().unwrap(), "s2".parse().unwrap());
    let eve = "eve".parse().unwrap();
    let other_print = fingerprint('B');
    let refused = |expected: Expected<'_>| claims().check(&expected).unwrap_err();
    assert_eq!(
        refused(Expected {
            room_id: &other_room,
            ..expected
        }),
        CapabilityError::Other("room")
    );
    assert_eq!(
        refused(Expected {
            session_id: &other_session,
            ..expected
        }),
        CapabilityError::Other("session")
    );
    assert_eq!(
        refused(Expected {
            bearer: &eve,
            ..expected
        }),
        CapabilityError::Other("sender")
    );
    assert_eq!(
        refused(Expected {
            target: &eve,
            ..expected
        }),
        CapabilityError::Other("target")
    );
    assert_eq!(
        refused(Expected {
            fingerprint: &other_print,
            ..expected
        }),
        CapabilityError::Other("fingerprint")
    );
    let control = Capability::TerminalControl;
    assert_eq!(
        refused(Expected {
            capability: control,
            ..expected
        }),
        CapabilityError::Missing(control)
    );

    let unbound = |change: fn(&mut Claims)| {
        let mut open = claims();
        change(&mut open);
        open.check(&expected).unwrap_err()
    };
    assert_eq!(
        unbound(|c| c.target_peer_id = None),
        CapabilityError::Unbound("target")
    );
    assert_eq!(
        unbound(|c| c.session_id = None),
        CapabilityError::Unbound("session")
    );
    assert_eq!(unbound(|c| c.cnf = None), CapabilityError::Unbound("fingerprint"));
}

#[test]
fn fingerprints_compare_by_value_and_only_as_sha_256() {
    assert!(same_fingerprint(
        &fingerprint('a'),
        &fingerprint('A').replace("sha-256", "SHA-256")
    ));
    assert!(!same_fingerprint(&fingerprint('a'), &fingerprint('b')));
    for odd in ["", "sha-256", "sha-256 ", "sha-1 AA:BB", "sha-512 AA"] {
        assert!(!same_fingerprint(odd, odd), "{odd:?}");
    }
}

#[test]
fn a_signer_never_prints_its_key() {
    assert!(!format!("{:?}", signer()).contains("7, 7"));
}
