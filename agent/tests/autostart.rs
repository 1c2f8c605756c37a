//! Starting with the session: with a real manager of systemd, and without one.
#![cfg(target_os = "linux")]

use crate::world::{Machine, World};
use mesh_testkit::eventually;
use tokio::process::Command;

#[tokio::test]
async fn without_systemd_the_desktop_starts_it_by_an_entry_that_works_as_written() {
    let world = World::start().await;
    let config = world.path("config dir $x");
    let machine =
        Machine::new(world.path("a \"b\" $c")).knowing(&[("XDG_CONFIG_HOME", config.to_str().unwrap())]);
    world.sign_in(&machine, "desk").await;
    assert_eq!(machine.done(&["autostart", "status"]).await["on"], false);
    let on = machine.done(&["autostart", "on"]).await;
    assert_eq!(on["by"], "an autostart entry of the desktop");
    assert_eq!(machine.done(&["autostart", "status"]).await["on"], true);
    let file = config.join("autostart/mesh-agent.desktop");
    let entry = std::fs::read_to_string(&file).unwrap();
    let exec = entry.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap();
    // What a desktop does with it: the file's own escapes, then the quotes of a command line.
    let started = Command::new("sh")
        .args(["-c", &exec.replace("\\\\", "\\").replace("%%", "%")])
        .env_remove("MESH_HOME")
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .output()
        .await
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    assert_eq!(machine.done(&["status"]).await["running"], true);
    let off = machine.done(&["autostart", "off"]).await;
    assert_eq!((&off["on"], &off["was_on"]), (&false.into(), &true.into()));
    assert!(!file.exists());
    assert_eq!(machine.done(&["status"]).await["running"], true, "it goes on");
    machine.done(&["down"]).await;
    // What somebody wrote themselves is not ours to take away.
    std::fs::write(&file, "[Desktop Entry]\nExec=mesh up --detach\n").unwrap();
    assert!(machine.fails(&["autostart", "off"]).await.contains("by hand"));
    assert!(file.exists());
}

/// Makes a /run of its own in which systemd believes in itself, starts a manager there, and runs the rest.
const MANAGER: &str = r#"
mount -t tmpfs none /run && mkdir -p /run/systemd/system /run/user/0 && chmod 700 /run/user/0 || exit 77
export XDG_RUNTIME_DIR=/run/user/0
/lib/systemd/systemd --user --log-target=null >/dev/null 2>&1 & manager=$!
trap 'systemctl --user stop mesh-agent 2>/dev/null; kill $manager; wait $manager' EXIT
for _ in $(seq 100); do systemctl --user show-environment >/dev/null 2>&1 && break; sleep 0.1; done
systemctl --user show-environment >/dev/null 2>&1 || exit 77
set -e
"$MESH" --json autostart on
systemctl --user is-active mesh-agent
for _ in $(seq 100); do "$MESH" --json status | grep -q '"connected":true' && break; sleep 0.1; done
"$MESH" --json status
systemctl --user show mesh-agent -p MainPID
"$MESH" --json autostart status
"$MESH" --json autostart off
"$MESH" --json autostart status
systemctl --user is-active mesh-agent
"#;

#[tokio::test]
async fn systemd_starts_it_and_keeps_it_and_lets_go_of_it() {
    let world = World::start().await;
    let machine = world.machine("desk").await;
    let output = Command::new("unshare")
        .args(["--mount", "--", "sh", "-c", MANAGER])
        .env("MESH", env!("CARGO_BIN_EXE_mesh"))
        .env("MESH_HOME", machine.home())
        .env("HOME", machine.home())
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    if !output.status.success() && said.is_empty() {
        return println!(
            "not tried, for this machine lets nobody start a manager: {:?}",
            output.stderr
        );
    }
    let lines: Vec<&str> = said.lines().collect();
    let [on, active, status, pid, is_on, off, is_off, still] = lines[..] else {
        panic!("{said} {}", String::from_utf8_lossy(&output.stderr));
    };
    assert!(
        on.contains("\"by\":\"a systemd user unit\"") && on.contains("\"started\":true"),
        "{on}"
    );
    assert_eq!(active, "active");
    let status: serde_json::Value = serde_json::from_str(status).unwrap();
    assert_eq!(status["connected"], true);
    assert_eq!(format!("MainPID={}", status["pid"]), pid, "it runs in the unit");
    assert!(is_on.contains("\"on\":true"), "{is_on}");
    assert!(
        off.contains("\"was_on\":true") && is_off.contains("\"on\":false"),
        "{off} {is_off}"
    );
    assert_eq!(still, "active", "what runs goes on");
    assert!(
        !machine
            .home()
            .join(".config/systemd/user/mesh-agent.service")
            .exists()
    );
    eventually("the unit is stopped with its manager", async || {
        machine.done(&["status"]).await["running"] == false
    })
    .await;
}
