//! `mesh send --code` and `mesh receive CODE`: a machine without an account, wrong words, a second recipient, an end half-way, and
//! a server that puts another device in somebody's place.

use std::time::Duration;

use crate::world::{Machine, Running, SOON, World, hash_of, random_file, status};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh_agent::code::phrase::{Code, Phrase};
use mesh_agent::code::seal::{self, FromRecipient, FromSender, Keys, Side};
use mesh_agent::config::Settings;
use mesh_agent::online::{Incoming, Online};
use mesh_agent::transfer::offer::Offer;
use mesh_peer::rtc::Certificate;
use mesh_peer::session::{
    OpenSession, SessionError, Wanted, new_session_id, open_as_requester, sdp_fingerprint,
};
use mesh_peer::signal::{ControlPlane, SessionToken};
use mesh_protocol::capability::{CapabilitySigner, Claims, Confirmation, Feature};
use mesh_protocol::http::{CodeGuess, CodeOffer, CodeReply, CreateInvite, GuestLogin};
use mesh_protocol::ids::RoomId;
use mesh_protocol::signal::{ClientMessage, OfferedFile, ServerMessage, TransferRequest};
use serde_json::Value;
use tokio::time::timeout;

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// What the failed command said, which spoke JSON.
fn why(said: &[String]) -> String {
    json(said.last().unwrap())["detail"].as_str().unwrap().to_owned()
}

/// Starts `mesh send --code`; gives it and the code.
async fn sending(sender: &Machine, file: &str, more: &[&str]) -> (Running, String) {
    let mut sending = sender.mesh(&[&["send", file, "--code"], more].concat());
    let code = next_code(&mut sending).await;
    (sending, code)
}

async fn next_code(sending: &mut Running) -> String {
    let line = sending.until("mesh receive ").await;
    let (_, code) = line.split_once("mesh receive ").unwrap();
    code.to_owned()
}

/// The same number and server with words that are none of its own.
fn other_words(code: &str) -> String {
    let own = Code::parse(code).unwrap().phrase;
    let other = std::iter::repeat_with(Phrase::random).find(|phrase| *phrase != own);
    let (server, rest) = code.rsplit_once('/').unwrap();
    let (number, _) = rest.split_once('-').unwrap();
    format!("{server}/{number}-{}", other.unwrap().written())
}

async fn rooms(world: &World) -> Vec<String> {
    let rooms = world.alice.get("/rooms").await.unwrap();
    let rooms = rooms["rooms"].as_array().unwrap().iter();
    rooms
        .map(|room| room["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A sender with a file, and a machine that nobody has signed in.
struct Scene {
    world: World,
    sender: Machine,
    receiver: Machine,
    source: String,
    hash: String,
}

impl Scene {
    async fn of(name: &str, mebibytes: usize) -> Self {
        let world = World::start().await;
        let source = world.path(name);
        Self {
            sender: world.machine("sender").await,
            receiver: Machine::new(world.path("stranger")),
            hash: random_file(&source, mebibytes),
            source: source.to_str().unwrap().to_owned(),
            world,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_an_account_receives_and_nothing_is_left_of_it() {
    let Scene {
        world,
        sender,
        receiver,
        source,
        hash,
    } = Scene::of("report.pdf", 3).await;
    let (sending, code) = sending(&sender, &source, &[]).await;
    assert!(code.starts_with(&format!("{}/1-", world.server.url())), "{code}");
    // As somebody types it who was told on the telephone.
    let (server, words) = code.rsplit_once('/').unwrap();
    let spoken = words.to_uppercase();
    let mut arguments = vec!["receive", "--yes"];
    let first = format!("{server}/{}", spoken.split('-').next().unwrap());
    arguments.push(&first);
    arguments.extend(spoken.split('-').skip(1));
    let received = receiver.mesh(&arguments).finish().await;
    assert_eq!(status(&received), Some(0), "{:?}", received.1);
    let sent = sending.finish().await;
    assert_eq!(status(&sent), Some(0), "{:?}", sent.1);
    assert_eq!(hash_of(&receiver.downloads().join("report.pdf")), hash);
    let verified = format!("BLAKE3 {hash} verified");
    for said in [&sent.1, &received.1] {
        assert!(said.iter().any(|line| line.contains(&verified)), "{said:?}");
    }
    assert_eq!(received.1[0], "alice (sender) offers report.pdf (3.1 MB).");
    // Nothing is kept, here and there: no sign-in, no key, no room, no number.
    assert_eq!(status(&receiver.mesh(&["rooms"]).finish().await), Some(3));
    let kept = std::fs::read_dir(world.path("stranger")).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["downloads"]);
    assert_eq!(rooms(&world).await, ["Home"]);
    let late = receiver
        .mesh(&["--json", "receive", "--yes", &code])
        .finish()
        .await;
    assert_eq!(status(&late), Some(4));
    assert!(
        why(&late.1).contains("Nobody waits under this number"),
        "{:?}",
        late.1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_words_void_the_code_and_a_new_one_works() {
    let Scene {
        world: _world,
        sender,
        receiver,
        source,
        hash,
    } = Scene::of("report.pdf", 1).await;
    let (mut sending, first) = sending(&sender, &source, &[]).await;
    let wrong = other_words(&first);
    let refused = receiver
        .mesh(&["--json", "receive", "--yes", &wrong])
        .finish()
        .await;
    assert_eq!(status(&refused), Some(4));
    assert!(why(&refused.1).contains("a word was wrong"), "{:?}", refused.1);
    sending.until("wrong words").await;
    let second = next_code(&mut sending).await;
    assert_ne!(first, second);
    // The right words of before are not good any more, and they void nothing but the number that they were used at.
    let third = {
        let late = receiver
            .mesh(&["--json", "receive", "--yes", &first])
            .finish()
            .await;
        assert_eq!(status(&late), Some(4));
        sending.until("wrong words").await;
        next_code(&mut sending).await
    };
    let received = receiver.mesh(&["receive", "--yes", &third]).finish().await;
    assert_eq!(status(&received), Some(0), "{:?}", received.1);
    assert_eq!(status(&sending.finish().await), Some(0));
    assert_eq!(hash_of(&receiver.downloads().join("report.pdf")), hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_wrong_guesses_end_it() {
    let Scene {
        world,
        sender,
        receiver,
        source,
        ..
    } = Scene::of("report.pdf", 1).await;
    let mut sending = sender.mesh(&["--json", "send", &source, "--code"]);
    for _ in 0..3 {
        let event = json(&sending.until("\"code\"").await);
        let wrong = other_words(event["code"].as_str().unwrap());
        let refused = receiver.mesh(&["receive", "--yes", &wrong]).finish().await;
        assert_eq!(status(&refused), Some(4));
    }
    let sent = sending.finish().await;
    assert_eq!(status(&sent), Some(4));
    assert!(why(&sent.1).contains("3 codes in a row"), "{:?}", sent.1);
    assert_eq!(rooms(&world).await, ["Home"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_in_no_code_uses_nothing_up() {
    let Scene {
        world,
        sender,
        receiver,
        source,
        ..
    } = Scene::of("report.pdf", 1).await;
    let (sending, code) = sending(&sender, &source, &[]).await;
    let typed = format!("{code}x");
    let mistyped = receiver.mesh(&["receive", "--yes", &typed]).finish().await;
    assert_eq!(status(&mistyped), Some(2));
    let input = world.path("code");
    std::fs::write(&input, format!("{code}\n")).unwrap();
    let input = std::fs::File::open(input).unwrap();
    let received = receiver.mesh_reading(&["receive", "--yes", "-"], input.into());
    assert_eq!(status(&received.finish().await), Some(0));
    assert_eq!(status(&sending.finish().await), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_sender_gives_its_number_back() {
    let Scene {
        world,
        sender,
        receiver,
        source,
        ..
    } = Scene::of("report.pdf", 1).await;
    let (mut waiting, code) = sending(&sender, &source, &[]).await;
    waiting.until("Waiting for the other machine").await;
    assert_eq!(status(&waiting.interrupt().await), Some(130));
    let late = receiver.mesh(&["receive", "--yes", &code]).finish().await;
    assert_eq!(status(&late), Some(4));
    // A machine that is signed in knows the server, and needs the code alone.
    let (sending, again) = sending(&sender, &source, &[]).await;
    let bare = again.rsplit_once('/').unwrap().1;
    assert!(bare.starts_with("1-"), "the number was not free: {again}");
    let own = world.machine("own").await;
    assert_eq!(
        status(&own.mesh(&["receive", "--yes", bare]).finish().await),
        Some(0)
    );
    assert_eq!(status(&sending.finish().await), Some(0));
    assert_eq!(
        status(&own.mesh(&["rooms"]).finish().await),
        Some(0),
        "its sign-in is what it was"
    );
    let nowhere = receiver.mesh(&["receive", "--yes", bare]).finish().await;
    assert_eq!(status(&nowhere), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_interruption_a_new_code_goes_on() {
    let Scene {
        world,
        sender,
        receiver,
        source,
        hash,
    } = Scene::of("disk.img", 24).await;
    let (mut interrupted, code) = sending(&sender, &source, &["--throttle", "8M"]).await;
    let taking = receiver.mesh(&["receive", "--yes", &code]);
    interrupted.until(" of 25.2 MB").await;
    assert_eq!(rooms(&world).await.len(), 2);
    assert_eq!(status(&interrupted.interrupt().await), Some(130));
    assert_eq!(status(&taking.finish().await), Some(4), "the sender cancelled");
    assert_eq!(rooms(&world).await, ["Home"]);
    let (sending, code) = sending(&sender, &source, &[]).await;
    let taking = receiver.mesh(&["receive", "--yes", &code]);
    let sent = sending.finish().await;
    assert_eq!(status(&sent), Some(0), "{:?}", sent.1);
    let partly = |line: &String| line.contains("the rest was there already");
    assert!(sent.1.iter().any(partly), "{:?}", sent.1);
    assert_eq!(status(&taking.finish().await), Some(0));
    assert_eq!(hash_of(&receiver.downloads().join("disk.img")), hash);
}

/// A server that was taken over has every account, every room and every key. It does not have the words.
struct TakenOver {
    control: ControlPlane,
    certificate: Certificate,
}

impl TakenOver {
    fn new(world: &World) -> Self {
        let token = SessionToken::new(world.alice.token.clone());
        Self {
            control: ControlPlane::new(&world.server.url())
                .unwrap()
                .with_session(token),
            certificate: Certificate::generate().unwrap(),
        }
    }

    fn fingerprint(&self) -> String {
        sdp_fingerprint(self.certificate.fingerprint())
    }

    async fn enter(&self, control: ControlPlane, room: &RoomId, honest: Option<&str>) -> Online {
        let (settings, rooms) = (Settings::default(), [room.clone()]);
        let entering = Online::enter(control, &settings, &rooms, &[Feature::File]);
        let mut online = entering.await.unwrap();
        if let Some(other) = honest {
            online.context = online.context.clone().pinned(self.certificate.clone(), other);
        }
        online
    }
}

/// How a server may put another device in the sender's place.
#[derive(Clone, Copy, PartialEq)]
enum Offering {
    Honest,
    /// One with another certificate.
    Swapped,
    /// The same, and with a request whose token names the right one.
    Forged,
}

/// The token once more, signed with the server's own key, for another certificate.
fn forged(world: &World, token: &str, fingerprint: &str) -> String {
    let keys = std::fs::read_to_string(world.server.data_dir().join("capability.key")).unwrap();
    let seed = URL_SAFE_NO_PAD
        .decode(keys.split_whitespace().next().unwrap())
        .unwrap();
    let part = |at: usize| URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&part(0)).unwrap();
    let mut claims: Claims = serde_json::from_slice(&part(1)).unwrap();
    claims.cnf = Some(Confirmation {
        fp: fingerprint.into(),
    });
    let signer = CapabilitySigner::from_seed(header["kid"].as_str().unwrap(), &seed.try_into().unwrap());
    signer.unwrap().sign(&claims).unwrap()
}

/// Plays the sender for a real recipient.
async fn offered(how: Offering) -> (Result<OpenSession, SessionError>, Option<i32>, Vec<String>) {
    let world = World::start().await;
    let receiver = Machine::new(world.path("stranger"));
    let server = TakenOver::new(&world);
    let phrase = Phrase::random();
    let (exchange, pake) = seal::begin(Side::Sender, &phrase);
    let nameplate = server
        .control
        .offer_code(&CodeOffer { pake })
        .await
        .unwrap()
        .nameplate;
    let code = Code::written(server.control.base(), nameplate, &phrase);
    let receiving = receiver.mesh(&["--json", "receive", "--yes", &code]);
    let guess = loop {
        if let Some(guess) = server.control.code_guess(nameplate).await.unwrap() {
            break guess;
        }
    };
    let keys: Keys = exchange.finish(&guess.pake, nameplate).unwrap();
    let other = keys.open_guess(&guess.sealed).unwrap().fingerprint;
    let room_id = server.control.create_short_room("x", 60).await.unwrap();
    let body = CreateInvite {
        guest: Some(true),
        ..CreateInvite::default()
    };
    let invite = server.control.create_invite(&room_id, &body).await.unwrap().token;
    let said = FromSender {
        fingerprint: server.fingerprint(),
        room_id: room_id.clone(),
        invite,
    };
    let sealed = keys.seal_reply(&said).unwrap();
    server
        .control
        .reply_code(nameplate, &CodeReply { sealed })
        .await
        .unwrap();

    let pin = (how == Offering::Honest).then_some(other.as_str());
    let mut online = server.enter(server.control.clone(), &room_id, pin).await;
    let me = online.context.signal().current_peer().unwrap();
    let target = loop {
        let others = online.roster.rooms[&room_id].peers.values();
        if let Some(peer) = others
            .clone()
            .find(|peer| peer.peer_id != me && peer.offers.contains(&Feature::File))
        {
            break peer.peer_id.clone();
        }
        timeout(SOON, online.next()).await.expect("the recipient comes");
    };
    let wanted = Wanted {
        room_id,
        target: Some(target),
        feature: Feature::File,
        session_id: new_session_id(),
        max_size: Some(1),
        consent: Duration::from_secs(30),
    };
    let context = online.context.clone();
    let opening = open_as_requester(&context, wanted, |invitation| {
        ClientMessage::ShareFileRequest(TransferRequest {
            room_id: invitation.room_id,
            target: invitation.target,
            session_id: Some(invitation.session_id),
            cap_token: Some(match how {
                Offering::Forged => forged(&world, &invitation.cap_token, &server.fingerprint()),
                _ => invitation.cap_token,
            }),
            name: "x".into(),
            size: 1,
            count: 1,
            files: vec![OfferedFile {
                path: "x".into(),
                size: 1,
            }],
            share_id: None,
        })
    });
    let opened = online.alongside(opening).await;
    if opened.is_ok() {
        return (opened, None, Vec::new());
    }
    let (status, said) = receiving.finish().await;
    (opened, status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_takes_nobody_but_who_had_the_words() {
    let (honest, ..) = offered(Offering::Honest).await;
    assert!(honest.is_ok(), "it was refused");
    let (swapped, exit, said) = offered(Offering::Swapped).await;
    assert!(matches!(swapped, Err(SessionError::Declined(_))), "it was taken");
    assert_eq!(exit, Some(4), "{said:?}");
    assert!(
        !said.iter().any(|line| line.contains("\"offer\"")),
        "it was shown: {said:?}"
    );
    // Then the request is shown, and the connection does not come about.
    let (forged, exit, said) = offered(Offering::Forged).await;
    assert!(matches!(forged, Err(SessionError::Declined(_))), "it was taken");
    assert_eq!(exit, Some(4), "{said:?}");
    assert!(
        why(&said).contains("not the device that the code was exchanged with"),
        "{said:?}"
    );
}

/// Plays the recipient for a real sender.
async fn taken(honest: bool) -> (bool, Option<i32>, Vec<String>) {
    let world = World::start().await;
    let sender = world.machine("sender").await;
    let source = world.path("secret.bin");
    random_file(&source, 1);
    let server = TakenOver::new(&world);
    let mut sending = sender.mesh(&["--json", "send", source.to_str().unwrap(), "--code"]);
    let event = json(&sending.until("\"code\"").await);
    let code = Code::parse(event["code"].as_str().unwrap()).unwrap();
    let offer = server.control.code(code.nameplate).await.unwrap();
    let (exchange, pake) = seal::begin(Side::Recipient, &code.phrase);
    let keys = exchange.finish(&offer.pake, code.nameplate).unwrap();
    let said = FromRecipient {
        fingerprint: server.fingerprint(),
    };
    let sealed = keys.seal_guess(&said).unwrap();
    let guess = CodeGuess { pake, sealed };
    let reply = loop {
        if let Some(reply) = server.control.guess_code(code.nameplate, &guess).await.unwrap() {
            break reply;
        }
    };
    let said = keys.open_reply(&reply.sealed).unwrap();
    let body = GuestLogin {
        invite: said.invite,
        name: "guest".into(),
        device: None,
    };
    let session = server.control.guest_login(&body).await.unwrap();
    let control = server.control.with_session(SessionToken::new(session.token));
    let pin = honest.then_some(said.fingerprint.as_str());
    let mut online = server.enter(control, &said.room_id, pin).await;
    let (from, request) = loop {
        if let Incoming::Message {
            from: Some(from),
            message: ServerMessage::ShareFileRequest(request),
        } = timeout(SOON, online.next()).await.expect("the sender offers")
        {
            break (from, request);
        }
    };
    let context = online.context.clone();
    let offer = online
        .alongside(Offer::judge(&context, from, request))
        .await
        .unwrap();
    let opened = online.alongside(offer.accept(&context)).await;
    if opened.is_ok() {
        return (true, None, Vec::new());
    }
    let (status, said) = sending.finish().await;
    assert_eq!(rooms(&world).await, ["Home"], "the room goes with the sender");
    (false, status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_sends_to_nobody_but_who_had_the_words() {
    assert!(taken(true).await.0);
    let (opened, exit, said) = taken(false).await;
    assert!(!opened);
    assert_eq!(exit, Some(4), "{said:?}");
    assert!(
        why(&said).contains("not the device that the code was exchanged with"),
        "{said:?}"
    );
}
