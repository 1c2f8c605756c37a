//! Where the device key and the sign-in are: in GNOME Keyring, in files, and on the way between them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::net::UnixListener;

use super::session::Session;
use crate::world::{Machine, World};

fn session_file(machine: &Machine) -> Value {
    let text = std::fs::read(machine.home().join("state/session.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn key_file(machine: &Machine) -> PathBuf {
    machine.home().join("state/device.key")
}

fn is_private(file: &Path) -> bool {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777 == 0o600
}

/// The same machine from another session, or from none.
fn again(machine: &Machine, variables: &[(&str, &str)]) -> Machine {
    Machine::new(machine.home().to_owned()).knowing(variables)
}

/// Starts a daemon and ends it.
async fn up_and_down(machine: &Machine) {
    machine.done(&["up", "--detach"]).await;
    machine.done(&["down"]).await;
}

#[tokio::test]
async fn secrets_are_in_the_store_where_it_is_open_and_are_never_lost_where_it_is_not() {
    let world = World::start().await;
    let mut session = Session::start().await;
    session.keyring().await;
    let desk = Machine::new(world.path("desk")).knowing(&[session.variable()]);
    world.sign_in(&desk, "desk").await;
    let stored = session_file(&desk);
    assert_eq!((stored.get("token"), &stored["kept"]), (None, &"system".into()));
    let marker = std::fs::read_to_string(key_file(&desk)).unwrap();
    assert!(marker.contains("secret store"), "{marker}");
    desk.done(&["rooms"]).await;
    assert_eq!(desk.done(&["status"]).await["secrets"], "system");
    up_and_down(&desk).await;

    // From where the store cannot be reached, nothing waits, nothing is lost, and the sentence says what to do.
    let elsewhere = again(&desk, &[]);
    let sentence = elsewhere.fails(&["rooms"]).await;
    assert!(
        sentence.contains("no bus") && sentence.contains("mesh login"),
        "{sentence}"
    );
    assert!(elsewhere.fails(&["up", "--detach"]).await.contains("no bus"));
    session.lock_keyring().await;
    let sentence = desk.fails(&["rooms"]).await;
    assert!(sentence.contains("it is locked"), "{sentence}");
    assert_eq!(session_file(&desk), stored);
    // Whoever must go on signs in anew, into a file.
    let file = again(&desk, &[("MESH_SECRETS", "file")]);
    world.sign_in(&file, "desk").await;
    elsewhere.done(&["rooms"]).await;
    assert_eq!(elsewhere.done(&["status"]).await["secrets"], "file");
}

#[tokio::test]
async fn files_of_before_go_on_working_and_move_with_the_daemon_there_and_back() {
    let world = World::start().await;
    let mut session = Session::start().await;
    let headless = world.machine("desk").await;
    let before = session_file(&headless);
    let key = std::fs::read_to_string(key_file(&headless)).unwrap();
    assert!(before["token"].is_string() && is_private(&key_file(&headless)));
    assert_eq!(headless.done(&["status"]).await["secrets"], "file");

    session.keyring().await;
    let desk = again(&headless, &[session.variable()]);
    // A command moves nothing.
    desk.done(&["rooms"]).await;
    assert_eq!(session_file(&desk), before);
    up_and_down(&desk).await;
    let moved = session_file(&desk);
    assert_eq!((moved.get("token"), &moved["kept"]), (None, &"system".into()));
    let state = std::fs::read_dir(desk.home().join("state")).unwrap();
    for entry in state.map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let token = before["token"].as_str().unwrap();
        assert!(
            !text.contains(token) && !text.contains(key.trim()),
            "{:?}",
            entry.path()
        );
    }
    desk.done(&["rooms"]).await;

    let back = again(&desk, &[session.variable(), ("MESH_SECRETS", "file")]);
    up_and_down(&back).await;
    assert_eq!(session_file(&back)["token"], before["token"]);
    assert_eq!(
        std::fs::read_to_string(key_file(&back)).unwrap(),
        key,
        "the device is the same"
    );
    assert!(is_private(&key_file(&back)));
    again(&back, &[]).done(&["rooms"]).await;
}

#[tokio::test]
async fn a_bus_that_answers_nothing_holds_nobody_up() {
    let world = World::start().await;
    let path = world.path("bus");
    // Whoever connects is never answered.
    let _silent = UnixListener::bind(&path).unwrap();
    let address = format!("unix:path={}", path.display());
    let desk = Machine::new(world.path("desk")).knowing(&[("DBUS_SESSION_BUS_ADDRESS", &address)]);
    world.sign_in(&desk, "desk").await;
    assert_eq!(desk.done(&["status"]).await["secrets"], "file");
    up_and_down(&desk).await;
    let only = again(
        &desk,
        &[("DBUS_SESSION_BUS_ADDRESS", &address), ("MESH_SECRETS", "system")],
    );
    let sentence = only.fails(&["up", "--detach"]).await;
    assert!(
        sentence.contains("secret store") && sentence.contains("no bus"),
        "{sentence}"
    );
}
