//! What [`super::Sessions`] knows of whom.

use super::*;

fn id<T: std::str::FromStr<Err = mesh_protocol::ids::InvalidId>>(text: &str) -> T {
    text.parse().unwrap()
}

fn open(sessions: &Sessions, session: &str, requester: &str, target: Option<&str>) -> Result<(), TooMany> {
    let target = target.map(id::<PeerId>);
    let (room_id, session_id, requester) = (id("r"), id(session), id(requester));
    let opening = Opening {
        room_id: &room_id,
        session_id: &session_id,
        feature: Feature::Call,
        requester: &requester,
        target: target.as_ref(),
    };
    sessions.open(&opening, 0)
}

fn party(sessions: &Sessions, sender: &str, to: Option<&str>) -> bool {
    let to = to.map(id::<PeerId>);
    sessions.is_party(
        &id("r"),
        &id("s"),
        &id(sender),
        to.as_ref(),
        |f| f == Feature::Call,
        1,
    )
}

#[test]
fn only_the_two_ends_are_parties() {
    let sessions = Sessions::default();
    open(&sessions, "s", "a", Some("b")).unwrap();
    assert!(
        party(&sessions, "a", Some("b")) && party(&sessions, "b", Some("a")) && party(&sessions, "b", None)
    );
    assert!(
        !party(&sessions, "c", Some("a"))
            && !party(&sessions, "a", Some("c"))
            && !party(&sessions, "c", None)
    );
    assert!(!sessions.is_party(&id("other"), &id("s"), &id("a"), None, |_| true, 1));
    // A stranger who borrows the id stays a stranger to the first two.
    open(&sessions, "s", "c", Some("d")).unwrap();
    assert!(!party(&sessions, "c", Some("a")) && !party(&sessions, "d", Some("a")));
}

#[test]
fn a_request_to_the_room_may_be_answered_by_each_and_served_by_who_accepted() {
    let sessions = Sessions::default();
    open(&sessions, "s", "a", None).unwrap();
    assert!(
        party(&sessions, "b", Some("a"))
            && party(&sessions, "c", Some("a"))
            && !party(&sessions, "b", Some("c"))
    );
    let answering = |peer: &str| sessions.answering(&id("r"), &id("s"), &id(peer), &id("a"), 1);
    assert_eq!(answering("b"), None);
    sessions.accepted(&id("r"), &id("s"), &id("b"), Some(&id("a")));
    assert_eq!(answering("b"), Some(Feature::Call));
    assert_eq!(answering("c"), None);
}

#[test]
fn revocation_tells_both_and_lasts() {
    let sessions = Sessions::default();
    open(&sessions, "s", "a", Some("b")).unwrap();
    let ended = sessions.end_of(&id("b"), Some(&id("r")), 5);
    assert_eq!(
        ended,
        [Ended {
            session_id: id("s"),
            room_id: id("r"),
            parties: vec![id("a"), id("b")]
        }]
    );
    assert!(!party(&sessions, "a", Some("b")));
    open(&sessions, "s", "a", Some("b")).unwrap();
    assert!(
        sessions.is_revoked(&id("s"), &id("a"), Some(&id("b"))),
        "opening again does not undo it"
    );
    assert!(sessions.is_revoked(&id("s"), &id("b"), Some(&id("a"))));
    assert!(!sessions.is_revoked(&id("s"), &id("c"), Some(&id("d"))));
}

#[test]
fn everything_is_bounded_and_given_back() {
    let sessions = Sessions::default();
    for n in 0..PER_REQUESTER {
        open(&sessions, &format!("s{n}"), "a", Some("b")).unwrap();
    }
    assert_eq!(open(&sessions, "more", "a", Some("b")), Err(TooMany));
    open(&sessions, "s", "c", None).unwrap();
    sessions.forget(&id("a"));
    assert_eq!(sessions.count(), 1);
    sessions.sweep(IDLE);
    assert_eq!(sessions.count(), 0);
    assert!(sessions.table.lock().of_peer.values().all(Vec::is_empty));
}
