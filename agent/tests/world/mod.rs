//! A real server and real `mesh` processes, each with a home of its own.

pub mod distance;
pub mod onlooker;
pub mod small_disk;
pub mod window;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mesh_protocol::ids::RoomId;
use mesh_testkit::{TestClient, TestServer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long a single step may take before the test fails.
pub const SOON: Duration = Duration::from_secs(60);

/// A server with the room "Home" of alice.
pub struct World {
    pub server: TestServer,
    pub alice: TestClient,
    pub home: RoomId,
    folder: TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::of(TestServer::start().await.unwrap()).await
    }

    /// The same on a server that was started otherwise.
    pub async fn of(server: TestServer) -> Self {
        let alice = server.client("alice").await.unwrap();
        let home = alice.create_room("Home").await.unwrap();
        Self {
            server,
            alice,
            home,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A machine that has signed in as alice.
    pub async fn machine(&self, name: &str) -> Machine {
        let machine = Machine::new(self.path(name));
        self.sign_in(&machine, name).await;
        machine
    }

    /// Another person in the room.
    pub async fn member(&self, name: &str) -> TestClient {
        let member = self.server.client(name).await.unwrap();
        let invites = format!("/rooms/{}/invites", self.home);
        let invite = self.alice.post(&invites, json!({"max_uses": 1})).await.unwrap();
        member
            .post("/rooms/join", json!({"invite": invite["token"]}))
            .await
            .unwrap();
        member
    }

    /// The machine "host" with a daemon that lets everybody watch and control.
    pub async fn host(&self) -> (Machine, Running) {
        let host = self.machine("host").await;
        let mut daemon = host.mesh(&["up", "--allow", "terminal:view", "--allow", "terminal:control"]);
        daemon.until("This device is up").await;
        (host, daemon)
    }

    /// Signs this machine in as alice.
    pub async fn sign_in(&self, machine: &Machine, name: &str) {
        self.sign_in_as(&self.alice, machine, name).await;
    }

    /// Signs this machine in as somebody.
    pub async fn sign_in_as(&self, who: &TestClient, machine: &Machine, name: &str) {
        let link = who.post("/auth/links", json!({})).await.unwrap();
        let url = link["url"].as_str().unwrap();
        let login = machine.mesh(&["login", url, "--plaintext", "--device-name", name]);
        assert!(login.finish().await.0.success(), "{name} could not sign in");
    }
}

pub struct Machine {
    home: PathBuf,
    /// The words before every command, where it is not run as it is.
    within: Vec<String>,
    /// What its environment has beside ours.
    variables: Vec<(String, String)>,
}

impl Machine {
    pub fn new(home: PathBuf) -> Self {
        let machine = Self {
            home,
            within: Vec::new(),
            variables: Vec::new(),
        };
        std::fs::create_dir_all(machine.downloads()).unwrap();
        machine
    }

    /// The same, with words before every command.
    pub fn within(self, words: &[&str]) -> Self {
        Self {
            within: words.iter().map(|word| (*word).to_owned()).collect(),
            ..self
        }
    }

    /// The same, with variables in the environment of every command.
    pub fn knowing(mut self, variables: &[(&str, &str)]) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.variables.extend(variables);
        self
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Where a command finds its daemon.
    pub fn socket(&self) -> PathBuf {
        mesh_agent::config::Paths::beneath(&self.home).socket().unwrap()
    }

    /// Runs a command to its good end; gives its last event.
    pub async fn done(&self, arguments: &[&str]) -> Value {
        let (status, said) = self.mesh(&[&["--json"], arguments].concat()).finish().await;
        assert!(status.success(), "{arguments:?}: {said:?}");
        serde_json::from_str(said.last().unwrap()).unwrap()
    }

    /// Runs a command to its bad end; gives the sentence about it.
    pub async fn fails(&self, arguments: &[&str]) -> String {
        let (status, said) = self.mesh(&[&["--json"], arguments].concat()).finish().await;
        assert!(!status.success(), "{arguments:?}: {said:?}");
        let event: Value = serde_json::from_str(said.last().unwrap()).unwrap();
        event["detail"].as_str().unwrap().to_owned()
    }

    /// Shares a terminal that runs a script; gives its label.
    pub async fn share(&self, options: &[&str], script: &str) -> String {
        let script = ["--", "sh", "-c", script];
        let arguments = [&["share", "terminal", "--detach"], options, &script].concat();
        let shared = self.done(&arguments).await;
        shared["label"].as_str().unwrap().to_owned()
    }

    pub fn downloads(&self) -> PathBuf {
        self.home.join("downloads")
    }

    /// Starts a command; it is killed when the test lets go of it.
    pub fn mesh(&self, arguments: &[&str]) -> Running {
        self.mesh_reading(arguments, Stdio::null())
    }

    /// The same, with something on its standard input.
    pub fn mesh_reading(&self, arguments: &[&str], input: Stdio) -> Running {
        let words: Vec<&str> = self.within.iter().map(String::as_str).collect();
        let all = [&words[..], &[env!("CARGO_BIN_EXE_mesh")], arguments].concat();
        let mut child = Command::new(all[0])
            .args(&all[1..])
            .env("MESH_HOME", &self.home)
            .env("MESH_DOWNLOAD_DIR", self.downloads())
            .env("SHELL", "/bin/sh")
            // The desktop of whoever runs the tests is not to take part.
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("XDG_RUNTIME_DIR")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    /// Starts `mesh receive` for one offer and waits until it can be found.
    pub async fn receiving(&self, more: &[&str]) -> Running {
        let mut receiving = self.mesh(&[&["receive", "--yes", "--once"], more].concat());
        // For people, or as JSON.
        receiving.until("aiting").await;
        receiving
    }
}

pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Reads on until a line has this in it.
    pub async fn until(&mut self, text: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("ended before a line with {text:?}");
        };
        timeout(SOON, found)
            .await
            .unwrap_or_else(|_| panic!("no line with {text:?} within {SOON:?}"))
    }

    /// Ends it as the kernel does, at once.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends it as Ctrl-C does.
    pub async fn interrupt(self) -> Ended {
        let pid = rustix::process::Pid::from_raw(self.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.finish().await
    }

    /// Waits for its end; gives the status and what it still said.
    pub async fn finish(mut self) -> Ended {
        let all = async {
            let mut said = Vec::new();
            while let Some(line) = self.lines.next_line().await.unwrap() {
                said.push(line);
            }
            (self.child.wait().await.unwrap(), said)
        };
        timeout(SOON, all)
            .await
            .unwrap_or_else(|_| panic!("did not end within {SOON:?}"))
    }
}

/// How a command ended, and what it had said since it was last listened to.
pub type Ended = (std::process::ExitStatus, Vec<String>);

/// The exit code.
pub fn status(ended: &Ended) -> Option<i32> {
    ended.0.code()
}

/// A file whose content nobody could guess; gives its BLAKE3.
pub fn random_file(path: &Path, mebibytes: usize) -> String {
    use std::io::{Read as _, Write as _};
    let mut random = blake3::Hasher::new()
        .update(path.to_string_lossy().as_bytes())
        .finalize_xof();
    let (mut file, mut hash) = (std::fs::File::create(path).unwrap(), blake3::Hasher::new());
    let mut block = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        random.read_exact(&mut block).unwrap();
        file.write_all(&block).unwrap();
        hash.update(&block);
    }
    hash.finalize().to_hex().to_string()
}

pub fn hash_of(path: &Path) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update_reader(std::fs::File::open(path).unwrap()).unwrap();
    hash.finalize().to_hex().to_string()
}
