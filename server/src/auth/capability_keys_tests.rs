//! The life of a key, with the time passed in.

use mesh_protocol::capability::{AUDIENCE, Capability, ISSUER};

use super::*;

const START: u64 = 1_700_000_000;
const AGE: u64 = ROTATE_AFTER.as_secs();

fn claims(now: u64, ttl: u64) -> Claims {
    Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: "p".parse().unwrap(),
        room_id: "r".parse().unwrap(),
        caps: vec![Capability::Call],
        target_peer_id: None,
        max_size: None,
        session_id: None,
        jti: "j".parse().unwrap(),
        iat: now,
        exp: now + ttl,
        cnf: None,
    }
}

fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn kids(keys: &CapabilityKeys) -> Vec<String> {
    keys.published().keys.into_iter().map(|key| key.kid).collect()
}

#[test]
fn a_key_is_published_before_it_signs_and_kept_until_its_last_token_died() {
    let dir = tempfile::tempdir().unwrap();
    let keys = CapabilityKeys::open(dir.path(), START).unwrap();
    let first = kids(&keys);
    assert!(!keys.refresh(START + AGE - 1).unwrap(), "not due yet");
    let due = START + AGE;
    assert!(keys.refresh(due).unwrap());
    let both = kids(&keys);
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    let lead = LEAD.as_secs();
    for (now, signer) in [(due, 0), (due + lead - 1, 0), (due + lead, 1)] {
        assert_eq!(kid_of(&keys.sign(&claims(now, 120), now).unwrap()), both[signer]);
    }
    // The last token of the first key, with the longest life there is, is good to its end, also after a restart.
    let last = due + lead - 1;
    let longest = LONGEST_TOKEN.as_secs();
    let token = keys.sign(&claims(last, longest), last).unwrap();
    assert!(!keys.refresh(last + longest).unwrap());
    let restarted = CapabilityKeys::open(dir.path(), last + longest).unwrap();
    assert_eq!(kids(&restarted), both);
    for keys in [&keys, &restarted] {
        assert!(keys.verify(&token, last + longest).is_ok());
    }
    assert_eq!(keys.dropped(), 0);
    let dead = due + lead + longest + CLOCK_LEEWAY.as_secs();
    assert!(keys.refresh(dead).unwrap());
    assert_eq!((kids(&keys), keys.dropped()), (both[1..].to_vec(), 1));
    assert!(keys.verify(&token, last + longest).is_err());
}

#[test]
fn the_operator_rotates_and_the_server_follows_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let keys = CapabilityKeys::open(dir.path(), START).unwrap();
    let token = keys.sign(&claims(START, 120), START).unwrap();
    let told = rotate(dir.path(), Rotation::Orderly, START).unwrap();
    let states: Vec<_> = told.iter().map(|key| key.state).collect();
    assert_eq!(states, [KeyState::Signing, KeyState::Waiting]);
    assert_eq!(
        rotate(dir.path(), Rotation::Orderly, START + 1).unwrap(),
        told,
        "once is enough"
    );
    assert_eq!(kids(&keys).len(), 1);
    assert!(keys.refresh(START + 2).unwrap() && kids(&keys).len() == 2);
    assert!(keys.verify(&token, START + 100).is_ok());
    let replaced = rotate(dir.path(), Rotation::Compromised, START + 3).unwrap();
    assert_eq!((replaced.len(), replaced[0].state), (1, KeyState::Signing));
    assert!(keys.refresh(START + 4).unwrap());
    assert!(keys.verify(&token, START + 4).is_err() && keys.dropped() == 1);
    assert_eq!(
        kid_of(&keys.sign(&claims(START, 9), START + 4).unwrap()),
        replaced[0].kid
    );
}

#[test]
fn the_file_is_for_the_owner_and_what_it_was_before_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let seed = URL_SAFE_NO_PAD.encode([7; 32]);
    fs::write(&path, &seed).unwrap();
    let keys = CapabilityKeys::open(dir.path(), START).unwrap();
    let expected = Stored {
        seed: [7; 32],
        signs_from: 0,
    }
    .signer()
    .unwrap()
    .jwk()
    .kid
    .clone();
    assert_eq!(kids(&keys)[0], expected);
    assert_eq!(
        kids(&keys).len(),
        2,
        "its age is not known, so that the next one is due"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::remove_file(&path).unwrap();
    assert!(!keys.refresh(START).unwrap(), "a lost file is written again");
    assert_eq!(list(dir.path(), START).unwrap().len(), 2);
    for bad in ["", "short", &format!("{seed} soon"), &format!("{seed} 1\nrest")] {
        fs::write(&path, bad).unwrap();
        assert!(
            matches!(
                CapabilityKeys::open(dir.path(), START),
                Err(KeyError::Malformed(_))
            ),
            "{bad:?}"
        );
        assert!(keys.refresh(START).is_err());
    }
}
