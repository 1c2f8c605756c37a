//! Tests 13 to 16 of the list in `SECURITY.md`: every message against every right, role, policy and target, compared with a
//! model; forgeries; types that are not for clients; tokens where they do not belong.

use std::collections::BTreeMap;

use crate::common::{payload, stage};
use anyhow::Result;
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_testkit::{Socket, TestClient, TestServer};
use serde_json::{Value, json};

const CAPS: [&str; 6] = [
    "call",
    "screen",
    "share:file",
    "share:folder",
    "terminal:view",
    "terminal:control",
];
const FEATURES: [(&str, &str); 5] = [
    ("call", "call"),
    ("screen", "screen"),
    ("file", "share:file"),
    ("folder", "share:folder"),
    ("terminal", "terminal:view"),
];
const ROLES: [&str; 4] = ["owner", "moderator", "member", "guest"];

/// A message that opens something or signals: its type, the feature that it names, the right that it needs.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    feature: Option<&'static str>,
    needs: &'static str,
    /// Goes to one peer only.
    targeted: bool,
    /// Goes to the room only, whatever target is written.
    to_room: bool,
}

fn kinds() -> Vec<Kind> {
    let kind = |name, needs, targeted, to_room| Kind {
        name,
        feature: None,
        needs,
        targeted,
        to_room,
    };
    let mut kinds = vec![
        kind("call.request", "call", false, false),
        kind("screen.share.request", "screen", false, false),
        kind("share.file.request", "share:file", false, false),
        kind("share.folder.request", "share:folder", false, false),
        kind("terminal.share.request", "terminal:view", true, false),
        kind("terminal.control.take", "terminal:control", true, false),
        kind("terminal.control.release", "terminal:control", true, false),
        kind("share.folder.started", "share:folder", false, true),
        kind("share.folder.ended", "share:folder", false, true),
        kind("terminal.share.started", "terminal:view", false, true),
        kind("terminal.share.ended", "terminal:view", false, true),
    ];
    for name in ["rtc.offer", "rtc.answer", "rtc.ice"] {
        kinds.push(kind(name, "rtc", true, false));
        for (feature, needs) in FEATURES {
            let feature = Some(feature);
            kinds.push(Kind {
                feature,
                ..kind(name, needs, true, false)
            });
        }
    }
    kinds
}

/// Where a message says that it goes. The tokens are for Bob in the room, or for anybody there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Bob,
    Room,
    /// In the room too, and not whom a bound token names.
    Dora,
    /// In another room of the sender.
    OtherRoom,
    /// In a room that the sender is not in.
    ForeignRoom,
}

const PLACES: [Place; 5] = [
    Place::Bob,
    Place::Room,
    Place::Dora,
    Place::OtherRoom,
    Place::ForeignRoom,
];

/// What the rules say: the model.
fn expected(
    kind: Kind,
    offered: Option<&str>,
    bound: bool,
    place: Place,
    allowed: &[&str],
) -> Option<&'static str> {
    if place == Place::ForeignRoom {
        return Some("ROOM_NOT_FOUND");
    }
    let bob = place == Place::Bob && !kind.to_room;
    let Some(offered) = offered else {
        return Some("CAP_REQUIRED");
    };
    let token_has_it = kind.needs == offered || kind.needs == "rtc";
    let fits = place != Place::OtherRoom && (!bound || bob) && token_has_it;
    // `rtc` stands beside the right that the token was given for.
    let in_policy = allowed.contains(&offered);
    (!fits || !in_policy).then_some("CAP_REQUIRED")
}

/// What a sender holds, and what the policy allows it at this moment.
struct Hand<'a> {
    token: Option<&'a str>,
    /// The right that the token was given for.
    offered: Option<&'a str>,
    /// Whether it names Bob.
    bound: bool,
    allowed: &'a [&'a str],
    session: &'a str,
}

struct World {
    server: TestServer,
    owner: TestClient,
    room: RoomId,
    other: RoomId,
    foreign: RoomId,
    bob: Socket,
    dora: Socket,
    carol: Socket,
}

async fn world() -> Result<World> {
    let server = TestServer::builder()
        .config(|config| {
            config.limits.frames_per_second = 1_000_000;
            config.limits.frame_burst = 1_000_000;
        })
        .start()
        .await?;
    let owner = server.client("owner").await?;
    let (bob, dora, carol) = (
        server.client("bob").await?,
        server.client("dora").await?,
        server.client("carol").await?,
    );
    let room = server.room(&owner, &[&bob, &dora]).await?;
    let other = server.room(&owner, &[&carol]).await?;
    let foreign = server.room(&carol, &[]).await?;
    let (b, d) = (bob.join(&room).await?, dora.join(&room).await?);
    let mut c = carol.join(&other).await?;
    c.join(&foreign).await?;
    Ok(World {
        server,
        owner,
        room,
        other,
        foreign,
        bob: b,
        dora: d,
        carol: c,
    })
}

/// How many messages of the kinds under test arrived.
async fn arrived(socket: &mut Socket) -> Result<usize> {
    let kinds = kinds();
    let of_kind = |m: &&Value| kinds.iter().any(|kind| m["type"] == kind.name);
    Ok(socket.drain().await?.iter().filter(of_kind).count())
}

impl World {
    async fn policy(&self, list: &[&str]) -> Result<()> {
        let policy = json!({"policy": {"guest": list, "member": list, "moderator": list}});
        self.owner.patch(&format!("/rooms/{}", self.room), policy).await?;
        Ok(())
    }

    fn place(&self, place: Place) -> (&RoomId, Option<&PeerId>) {
        match place {
            Place::Bob => (&self.room, Some(&self.bob.peer_id)),
            Place::Room => (&self.room, None),
            Place::Dora => (&self.room, Some(&self.dora.peer_id)),
            Place::OtherRoom => (&self.other, Some(&self.carol.peer_id)),
            Place::ForeignRoom => (&self.foreign, Some(&self.carol.peer_id)),
        }
    }

    /// Sends every kind to one place under one token; compares refusals and deliveries with the model.
    async fn row(&mut self, sender: &mut Socket, hand: &Hand<'_>, place: Place) -> Result<usize> {
        let Hand {
            token,
            offered,
            bound,
            allowed,
            session,
        } = *hand;
        let mut sent = BTreeMap::new();
        let (mut to_bob, mut to_dora) = (0, 0);
        for kind in kinds() {
            // A message for one peer that names none is no question of rights: see below.
            if kind.targeted && place == Place::Room {
                continue;
            }
            let (room, target) = self.place(place);
            let mut message = payload(kind.name, room, target, session, token);
            if let Some(feature) = kind.feature {
                message["feature"] = json!(feature);
            }
            if kind.to_room {
                // A share has its own id in place of a session.
                message["share_id"] = json!(session);
            }
            let expected = expected(kind, offered, bound, place, allowed);
            if expected.is_none() {
                let room_wide = kind.to_room || place == Place::Room;
                to_bob += usize::from(room_wide || place == Place::Bob);
                to_dora += usize::from(room_wide || place == Place::Dora);
            }
            let id = sender.send(kind.name, message).await?;
            sent.insert(id, (kind, expected));
        }
        let mut refused = BTreeMap::new();
        for message in sender.drain().await? {
            if message["type"] == "error" {
                let text = |key: &str| message["payload"][key].as_str().unwrap_or_default().to_owned();
                refused.insert(text("ref"), text("code"));
            }
        }
        let count = sent.len();
        for (id, (kind, expected)) in sent {
            let got = refused.remove(&id);
            assert_eq!(
                got.as_deref(),
                expected,
                "{kind:?} with {offered:?}, bound {bound}, to {place:?}, policy {allowed:?}"
            );
        }
        let row = format!("{offered:?}, bound {bound}, to {place:?}, policy {allowed:?}");
        assert_eq!(arrived(&mut self.bob).await?, to_bob, "to Bob: {row}");
        assert_eq!(arrived(&mut self.dora).await?, to_dora, "to Dora: {row}");
        assert_eq!(arrived(&mut self.carol).await?, 0, "to another room: {row}");
        Ok(count)
    }
}

#[tokio::test]
async fn t13_every_message_right_role_policy_and_target_as_the_model_says() -> Result<()> {
    let mut w = world().await?;
    let policies: [&[&str]; 3] = [&CAPS, &["call", "share:file", "terminal:view"], &[]];
    let (mut messages, mut requests, mut n) = (0, 0, 0);
    for role in ROLES {
        let actor = w.server.client(&format!("the-{role}")).await?;
        for room in [&w.room, &w.other] {
            let invite = w
                .owner
                .post(&format!("/rooms/{room}/invites"), json!({"role": role}))
                .await?;
            actor
                .post("/rooms/join", json!({"invite": invite["token"]}))
                .await?;
        }
        let mut sender = actor.join(&w.room).await?;
        sender.join(&w.other).await?;
        for policy in policies {
            let allowed: &[&str] = if role == "owner" { &CAPS } else { policy };
            for offered in CAPS.map(Some).into_iter().chain([None]) {
                for bound in [true, false] {
                    n += 1;
                    let session = format!("s{n}");
                    // Signed while everything was allowed: what counts is the policy at the time of the message.
                    w.policy(&CAPS).await?;
                    let token = match offered {
                        None => None,
                        Some(cap) => {
                            let target = bound.then_some(&w.bob.peer_id);
                            let ask = json!({"target_peer_id": target, "session_id": session});
                            Some(actor.cap(&w.room, &sender.peer_id, &[cap, "rtc"], ask).await?)
                        }
                    };
                    w.policy(policy).await?;
                    if let Some(cap) = offered {
                        let asked = actor.cap(&w.room, &sender.peer_id, &[cap], json!({})).await;
                        assert_eq!(asked.is_ok(), allowed.contains(&cap), "{role} asks for {cap}");
                        requests += 1;
                    }
                    let hand = Hand {
                        token: token.as_deref(),
                        offered,
                        bound,
                        allowed,
                        session: &session,
                    };
                    for place in PLACES {
                        messages += w.row(&mut sender, &hand, place).await?;
                    }
                }
            }
        }
        // A message for one peer that names none, on fresh sockets: ten such close one.
        let targeted: Vec<_> = kinds().into_iter().filter(|kind| kind.targeted).collect();
        for few in targeted.chunks(7) {
            let mut fresh = actor.join(&w.room).await?;
            for kind in few {
                let message = payload(kind.name, &w.room, None, "s", None);
                let got = fresh.error_of(kind.name, message).await?;
                assert_eq!(got.as_deref(), Some("BAD_PAYLOAD"), "{kind:?}");
                messages += 1;
            }
        }
    }
    // And somebody who is in none of the rooms, with the token of somebody who is.
    let mallory = w.server.client("mallory").await?;
    let mut m = mallory.connect().await?;
    w.policy(&CAPS).await?;
    let mut o = w.owner.join(&w.room).await?;
    for cap in CAPS {
        let token = w.owner.cap(&w.room, &o.peer_id, &[cap, "rtc"], json!({})).await?;
        let own = mallory.cap(&w.room, &m.peer_id, &[cap], json!({})).await;
        assert_eq!(own.unwrap_err().code, "ROOM_NOT_FOUND");
        for kind in kinds() {
            for place in PLACES {
                let (room, target) = w.place(place);
                let message = payload(kind.name, room, target, "s", Some(&token));
                let got = m.error_of(kind.name, message).await?;
                assert_eq!(got.as_deref(), Some("ROOM_NOT_FOUND"), "{kind:?} from outside");
                messages += 1;
            }
        }
    }
    assert_eq!(arrived(&mut w.bob).await? + arrived(&mut o).await?, 0);
    println!("t13: {messages} messages and {requests} requests for a right, all as the model says");
    Ok(())
}

#[tokio::test]
async fn t14_forged_senders_and_rooms_are_not_relayed() -> Result<()> {
    let mut s = stage().await?;
    let (mut forged, mut delivered) = (0, 0);
    for n in 0..125 {
        let session = format!("f{n}");
        // The `sub` of another: Alice's token in Bob's hand.
        let alices = s.alice.cap(&s.room, &s.a.peer_id, &["call"], json!({})).await?;
        let stolen = payload(
            "call.request",
            &s.room,
            Some(&s.a.peer_id),
            &session,
            Some(&alices),
        );
        assert_eq!(
            s.b.error_of("call.request", stolen).await?.as_deref(),
            Some("CAP_REQUIRED")
        );
        // The room of another: Bob's token and Bob's word in a room that he is not in.
        let bobs = s.bob.cap(&s.room, &s.b.peer_id, &["call"], json!({})).await?;
        let foreign = payload(
            "call.request",
            &s.other,
            Some(&s.c.peer_id),
            &session,
            Some(&bobs),
        );
        assert_eq!(
            s.b.error_of("call.request", foreign).await?.as_deref(),
            Some("ROOM_NOT_FOUND")
        );
        let typing = json!({"room_id": s.other, "typing": true});
        assert_eq!(
            s.b.error_of("chat.typing", typing).await?.as_deref(),
            Some("ROOM_NOT_FOUND")
        );
        // The `from` of another arrives as the sender's own, or not at all.
        let lie = json!({"type": "chat.typing", "from": s.a.peer_id, "to": s.c.peer_id, "id": format!("x{n}"),
            "payload": {"room_id": s.room, "typing": true, "from": s.a.peer_id}});
        s.b.send_text(lie.to_string()).await?;
        let relayed = s.a.expect("chat.typing").await?;
        delivered += usize::from(relayed["from"] != s.b.peer_id.as_str());
        forged += 4;
    }
    let quiet = |m: &Value| {
        matches!(
            m["type"].as_str(),
            Some("chat.typing" | "room.joined" | "room.left")
        )
    };
    delivered += s.a.drain().await?.iter().filter(|m| !quiet(m)).count();
    delivered += s.c.drain().await?.len();
    assert_eq!(delivered, 0);
    println!("t14: {forged} forgeries, {delivered} relayed as they were meant");
    Ok(())
}

#[tokio::test]
async fn t15_types_that_are_not_for_clients_are_not_relayed() -> Result<()> {
    let mut s = stage().await?;
    let own = [
        "system.welcome",
        "system.resync",
        "system.drain",
        "room.state",
        "room.joined",
        "room.left",
        "room.changed",
        "room.member.changed",
        "room.member.removed",
        "room.lobby.changed",
        "room.admitted",
        "room.refused",
        "presence.changed",
        "ack",
        "error",
        "cap.revoked",
        "chat.message.edited",
        "chat.message.deleted",
    ];
    let unknown = [
        "TERM_OUT",
        "TERM_IN",
        "",
        " ",
        "system.",
        "rtc",
        "RTC.OFFER",
        "rtc.offer ",
        "call.request\u{0}",
    ];
    for kind in own.iter().chain(&unknown) {
        for target in [None, Some(&s.a.peer_id)] {
            let mut message = payload(kind, &s.room, target, "s", None);
            message["seq"] = json!(1);
            assert_eq!(
                s.b.error_of(kind, message).await?.as_deref(),
                Some("UNKNOWN_TYPE"),
                "{kind:?}"
            );
        }
    }
    assert_eq!(s.a.drain().await?, Vec::<Value>::new());
    println!("t15: {} types, 0 relayed", own.len() + unknown.len());
    Ok(())
}

#[tokio::test]
async fn t16_a_bound_token_goes_nowhere_else() -> Result<()> {
    let mut s = stage().await?;
    let mut tried = 0;
    for (kind, cap) in [
        ("call.request", "call"),
        ("screen.share.request", "screen"),
        ("share.file.request", "share:file"),
        ("share.folder.request", "share:folder"),
    ] {
        let ask = json!({"target_peer_id": s.b.peer_id});
        let token = s.alice.cap(&s.room, &s.a.peer_id, &[cap], ask).await?;
        let second = s.bob.join(&s.room).await?;
        let own = s.a.peer_id.clone();
        for (room, target) in [
            (&s.room, None),
            (&s.room, Some(&own)),
            (&s.room, Some(&second.peer_id)),
            (&s.other, None),
            (&s.other, Some(&s.c.peer_id)),
            (&s.other, Some(&s.b.peer_id)),
        ] {
            let message = payload(kind, room, target, "s", Some(&token));
            assert_eq!(
                s.a.error_of(kind, message).await?.as_deref(),
                Some("CAP_REQUIRED"),
                "{kind} to {target:?}"
            );
            tried += 1;
        }
        let right = payload(kind, &s.room, Some(&s.b.peer_id), "s", Some(&token));
        assert_eq!(
            s.a.error_of(kind, right).await?,
            None,
            "and where it belongs it is good"
        );
    }
    let seen = s.b.drain().await?;
    assert_eq!(
        seen.iter().filter(|m| m["payload"]["session_id"] == "s").count(),
        4
    );
    assert!(s.c.drain().await?.is_empty());
    println!("t16: {tried} bound tokens elsewhere, 0 delivered");
    Ok(())
}
