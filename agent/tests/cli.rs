//! The binary from outside: help texts and sentences are golden, settings and state behave as documented.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn mesh(home: &Path, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("MESH_HOME", home)
        .envs(environment.iter().copied());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> (i32, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

#[test]
fn help_and_sentences() {
    trycmd::TestCases::new()
        .env("MESH_HOME", "/nonexistent/mesh")
        .env("SHELL", "/bin/sh")
        .case("tests/cmd/*.trycmd");
}

#[test]
fn a_wrong_setting_is_a_usage_error_wherever_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let (code, sentence) = told(&mesh(home.path(), &["rooms"], &[("MESH_ALLOW", "call")], ""));
    assert_eq!(code, 2, "{sentence}");
    assert!(
        sentence.starts_with("mesh: A setting cannot be used: one of terminal:view"),
        "{sentence}"
    );
    assert_eq!(sentence.lines().count(), 1);
    // Settings of the server, or of someone else, are not ours.
    let (code, _) = told(&mesh(
        home.path(),
        &["rooms"],
        &[("MESH_LISTEN", "x"), ("MESH_SESSION", "1")],
        "",
    ));
    assert_eq!(code, 3);
    std::fs::write(home.path().join("config.toml"), "colour = 1\n").unwrap();
    let (code, sentence) = told(&mesh(home.path(), &["rooms"], &[], ""));
    assert_eq!(code, 2);
    assert!(sentence.contains("colour"), "{sentence}");
}

#[test]
fn a_server_that_is_down_is_code_5_and_leaves_no_session() {
    let home = tempfile::tempdir().unwrap();
    // Port 9 of this machine is closed.
    let arguments = [
        "login",
        "http://127.0.0.1:9",
        "--username",
        "alice",
        "--password-stdin",
    ];
    let (code, sentence) = told(&mesh(home.path(), &arguments, &[], "a long password\n"));
    assert_eq!(code, 5, "{sentence}");
    assert!(
        sentence.contains("http://127.0.0.1:9 cannot be reached"),
        "{sentence}"
    );
    assert!(!sentence.contains("long password"));
    let state = home.path().join("state");
    assert_eq!(
        std::fs::metadata(&state).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        std::fs::metadata(state.join("device.key"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    assert!(!state.join("session.json").exists());
    let key = std::fs::read(state.join("device.key")).unwrap();
    mesh(home.path(), &arguments, &[], "a long password\n");
    assert_eq!(
        std::fs::read(state.join("device.key")).unwrap(),
        key,
        "a device keeps its key"
    );
}

#[test]
fn json_says_the_same_as_the_sentence() {
    let home = tempfile::tempdir().unwrap();
    let output = mesh(home.path(), &["--json", "rooms"], &[], "");
    let event: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (event["event"].as_str(), event["exit"].as_i64()),
        (Some("failed"), Some(3))
    );
    assert_eq!(
        format!("mesh: {}\n", event["detail"].as_str().unwrap()),
        told(&output).1
    );
    let output = mesh(home.path(), &["--json", "down"], &[], "");
    assert_eq!(output.stdout, b"{\"event\":\"stopped\",\"running\":false}\n");
}

#[test]
fn completions_are_scripts_for_each_shell() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = mesh(home.path(), &["completions", shell], &[], "");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("receive"), "{shell}");
        assert!(
            !script.contains("--background"),
            "{shell} offers what is not for people"
        );
    }
}

#[test]
fn what_cannot_be_sent_is_said_before_anyone_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, two, odd) = (file("a/x.txt"), file("b/X.txt"), file("a:b"));
    let within = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(home.path().join("empty/er")).unwrap();
    file("folder/odd./x");
    let cases: [(&[&str], i32, &str); 10] = [
        (&[&within("empty")], 2, "There is no file in it"),
        (&[&within("a"), "--exclude", "*.txt"], 2, "There is no file in it"),
        (&[&within("folder")], 2, "leave it out with `--exclude`"),
        (
            &[&within("folder"), "--exclude", "odd."],
            2,
            "There is no file in it",
        ),
        (&[&one, "--exclude", "{a"], 2, "is not a pattern"),
        (&[&one, "--name", "x"], 2, "`-` stands for standard input"),
        (&["-", "-"], 2, "`-` stands for standard input"),
        (&[&one, &two], 2, "send them one after the other"),
        (&[&odd], 2, "rename it"),
        (&["/nonexistent"], 1, "is gone or cannot be read"),
    ];
    for (files, code, words) in cases {
        let arguments = [&["send", "--to", "Home"], files].concat();
        let (found, sentence) = told(&mesh(home.path(), &arguments, &[], ""));
        assert_eq!(found, code, "{sentence}");
        assert!(
            sentence.contains(words) && sentence.lines().count() == 1,
            "{sentence}"
        );
    }
}
