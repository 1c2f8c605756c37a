//! Settings, logs, manual pages, completions, and one version after another, from outside.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::world::{Machine, World};
use mesh_testkit::eventually;
use serde_json::Value;

fn mesh(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh"));
    command.args(arguments).env("MESH_HOME", home);
    command.env_remove("VISUAL").envs(environment.iter().copied());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_settings_file_is_found_made_edited_and_checked_line_by_line() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    let name = file.to_str().unwrap();
    assert_eq!(
        said(&mesh(home.path(), &["config", "path"], &[])),
        format!("{name}\n")
    );
    let output = mesh(home.path(), &["config", "check"], &[]);
    assert!(
        output.status.success() && said(&output).contains("There is no"),
        "{output:?}"
    );
    // The editor is a real one, with arguments: it gets a file with everything in comments.
    let editor = ("EDITOR", "sed -i s/^#shell.*$/shell=\"sh\"/");
    let output = mesh(home.path(), &["config", "edit"], &[editor]);
    assert!(
        output.status.success() && said(&output).contains("nothing is wrong"),
        "{output:?}"
    );
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("\nshell=\"sh\"\n")
    );
    let output = mesh(
        home.path(),
        &["config", "edit"],
        &[("EDITOR", "sed -i 1s/.*/shel=3/")],
    );
    assert_eq!(output.status.code(), Some(2));
    let expected = format!("{name}:1: there is no setting \"shel\"; the nearest is \"shell\".\n");
    assert!(said(&output).starts_with(&expected), "{}", said(&output));
    // Every other command says the same in one sentence.
    let output = mesh(home.path(), &["rooms"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains(&format!("{name}:1: there is no setting")),
        "{}",
        said(&output)
    );
    // A secret that others can read.
    std::fs::write(&file, "gotify_url = 'https://g'\ngotify_token = 'canary'\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = mesh(home.path(), &["config", "check"], &[]);
    assert!(
        !output.status.success() && said(&output).contains("chmod 600"),
        "{output:?}"
    );
    assert!(!said(&output).contains("canary"));
    // What is wrong in the environment is found as well.
    std::fs::remove_file(&file).unwrap();
    let output = mesh(home.path(), &["config", "check"], &[("MESH_DENY", "perhaps")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test]
async fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let world = World::start().await;
    let machine = Machine::new(world.path("desk"));
    let named = async |flags: &[&str], variable: Option<&str>| {
        let link = world
            .alice
            .post("/auth/links", serde_json::json!({}))
            .await
            .unwrap();
        let url = link["url"].as_str().unwrap().to_owned();
        let variables: Vec<(&str, &str)> = variable
            .map(|name| ("MESH_DEVICE_NAME", name))
            .into_iter()
            .collect();
        let machine = Machine::new(machine.home().to_owned()).knowing(&variables);
        let arguments = [&["login", &url, "--plaintext"][..], flags].concat();
        machine.done(&arguments).await["device_name"].clone()
    };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert_eq!(named(&[], None).await, host);
    std::fs::write(machine.home().join("config.toml"), "device_name = \"file\"\n").unwrap();
    assert_eq!(named(&[], None).await, "file");
    assert_eq!(named(&[], Some("variable")).await, "variable");
    assert_eq!(named(&["--device-name", "flag"], Some("variable")).await, "flag");
}

#[tokio::test]
async fn logs_are_shown_however_the_daemon_was_started_and_followed_while_it_runs() {
    let world = World::start().await;
    let machine = world.machine("desk").await;
    assert!(machine.fails(&["logs"]).await.contains("no daemon has run"));
    machine.done(&["up", "--detach"]).await;
    let (_, said) = machine.mesh(&["logs"]).finish().await;
    assert!(
        said.iter().any(|line| line.contains("the daemon is up")),
        "{said:?}"
    );
    let mut following = machine.mesh(&["logs", "--follow"]);
    following.until("the daemon is up").await;
    machine.done(&["down"]).await;
    // In front of somebody, and as JSON.
    let machine = Machine::new(machine.home().to_owned()).knowing(&[("MESH_LOG_FORMAT", "json")]);
    let mut daemon = machine.mesh(&["up"]);
    daemon.until("This device is up").await;
    let line = following.until("the daemon is up").await;
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&event["level"], &event["fields"]["message"]),
        (&"INFO".into(), &"the daemon is up".into())
    );
    let last = machine.done(&["logs", "--lines", "1"]).await;
    assert_eq!(last["level"], "INFO", "{last}");
    drop(daemon);
}

#[test]
fn every_command_has_a_manual_page_that_groff_reads_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man1");
    assert!(
        mesh(folder.path(), &["man", man.to_str().unwrap()], &[])
            .status
            .success()
    );
    let pages: Vec<_> = std::fs::read_dir(&man)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let names: Vec<_> = pages
        .iter()
        .map(|page| page.file_name().unwrap().to_str().unwrap())
        .collect();
    for expected in [
        "mesh.1",
        "mesh-up.1",
        "mesh-share-terminal.1",
        "mesh-config-check.1",
    ] {
        assert!(names.contains(&expected), "{names:?}");
    }
    let output = Command::new("groff")
        .args(["-man", "-Tutf8", "-ww", "-z"])
        .args(&pages)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        said(&output)
    );
}

/// Asks a real shell what it would complete.
fn completed(shell: &str, script: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("_mesh");
    let output = mesh(home.path(), &["completions", shell], &[]);
    std::fs::write(&file, output.stdout).unwrap();
    let output = Command::new(shell)
        .args(["-c", &script.replace("FILE", file.to_str().unwrap())])
        .env("HOME", home.path())
        .output()
        .unwrap_or_else(|error| panic!("{shell}: {error}"));
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{shell}: {}",
        said(&output)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn shells_complete_commands_and_flags() {
    let bash = "source FILE; COMP_WORDS=(mesh autostart o); COMP_CWORD=2; _mesh mesh o autostart; echo ${COMPREPLY[@]}";
    assert_eq!(completed("bash", bash), "on off\n");
    assert!(completed("fish", "source FILE; complete -C 'mesh autosta'").starts_with("autostart\t"));
    // The functions that are defined show that zsh read it as its own.
    let zsh =
        "autoload -U compinit; compinit -u -D; source FILE; print -l ${(k)functions} | grep -c '^_mesh__'";
    let count: u32 = completed("zsh", zsh).trim().parse().unwrap();
    assert!(count > 20, "{count}");
}

/// A daemon of another version, which speaks as it is told to: in place of the one of a release that is not here.
const OTHER: &str = r#"
import fcntl, json, os, socket, struct, sys
home, answers = sys.argv[1], json.loads(sys.argv[2])
lock = open(home + "/state/daemon.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.makedirs(home + "/run", exist_ok=True)
path = home + "/run/agent.sock"
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
print("ready", flush=True)
while True:
    client, _ = server.accept()
    size = struct.unpack(">I", client.recv(4, socket.MSG_WAITALL))[0]
    kind = json.loads(client.recv(size, socket.MSG_WAITALL))["request"]["type"]
    answer = json.dumps(answers.get(kind, answers["other"])).encode()
    client.sendall(struct.pack(">I", len(answer)) + answer)
    client.close()
    if kind == "down" and "down" in answers:
        os.unlink(path)
        sys.exit(0)
"#;

async fn other_daemon(machine: &Machine, answers: &Value) -> tokio::process::Child {
    use tokio::io::AsyncBufReadExt as _;
    let mut child = tokio::process::Command::new("python3")
        .args([
            "-c",
            OTHER,
            machine.home().to_str().unwrap(),
            &answers.to_string(),
        ])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
    child
}

#[tokio::test]
async fn a_daemon_of_an_older_version_gives_way_when_it_is_idle_and_else_when_it_is_told_to() {
    let world = World::start().await;
    let machine = world.machine("desk").await;
    let refused =
        serde_json::json!({"type": "failed", "failure": {"exit": "failure", "sentence": "Another version."}});
    let status = |shares: Value| {
        serde_json::json!({"type": "status", "status": {
            "pid": 1, "server": "s", "name": "n", "device": "d", "connected": true, "rooms": [],
            "shares": shares, "folders": [], "transfers": [],
        }})
    };
    let stopped = serde_json::json!({"type": "stopped", "shares": 0, "sessions": 0});
    let answers =
        serde_json::json!({"status": status(serde_json::json!([])), "down": stopped, "other": refused});
    let mut idle = other_daemon(&machine, &answers).await;
    let (_, told) = machine.mesh(&["status"]).finish().await;
    assert!(
        told.iter()
            .any(|line| line.contains("`mesh up --detach --replace`")),
        "{told:?}"
    );
    machine.done(&["up", "--detach"]).await;
    assert!(idle.wait().await.unwrap().success());
    // One of this version stays.
    assert!(
        machine
            .fails(&["up", "--detach"])
            .await
            .contains("already running")
    );
    let pid = machine.done(&["status"]).await["pid"].clone();
    machine.done(&["up", "--detach", "--replace"]).await;
    assert_ne!(machine.done(&["status"]).await["pid"], pid);
    machine.done(&["down"]).await;

    let share = serde_json::json!([{
        "share_id": "x", "room": "Home", "label": "sh", "viewers": [], "controller": null, "paused": false,
        "recording": null,
    }]);
    let busy = serde_json::json!({"status": status(share), "down": stopped, "other": refused});
    let mut busy = other_daemon(&machine, &busy).await;
    assert!(machine.fails(&["up", "--detach"]).await.contains("--replace"));
    machine.done(&["up", "--detach", "--replace"]).await;
    assert!(busy.wait().await.unwrap().success());
    machine.done(&["down"]).await;

    // One that understands nothing at all still ends in order.
    let deaf = serde_json::json!({"other": refused});
    let mut deaf_daemon = other_daemon(&machine, &deaf).await;
    assert!(machine.fails(&["up", "--detach"]).await.contains("--replace"));
    machine.done(&["down"]).await;
    assert!(!deaf_daemon.wait().await.unwrap().success(), "by a signal");
    eventually("its place is free", async || {
        machine
            .mesh(&["--json", "up", "--detach"])
            .finish()
            .await
            .0
            .success()
    })
    .await;
    machine.done(&["down"]).await;
}
