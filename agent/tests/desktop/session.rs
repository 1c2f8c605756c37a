//! A session: a bus, and what else a desktop has on it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use mesh_testkit::eventually;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use zbus::Connection;
use zbus::zvariant::OwnedObjectPath;

/// A bus that starts nothing by itself, and that anybody may use in any way.
const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=FOLDER</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Ends with everything that was started in it.
pub struct Session {
    pub address: String,
    pub bus: Connection,
    folder: TempDir,
    programs: Vec<Child>,
}

impl Session {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bus.conf");
        let text = CONFIGURATION.replace("FOLDER", folder.path().to_str().unwrap());
        std::fs::write(&file, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg("--config-file")
            .arg(&file)
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("dbus-daemon (Debian: dbus-daemon)");
        let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
        let address = lines
            .next_line()
            .await
            .unwrap()
            .expect("the bus says its address");
        let bus = zbus::connection::Builder::address(address.as_str()).unwrap();
        let bus = bus.build().await.unwrap();
        Self {
            address,
            bus,
            folder,
            programs: vec![daemon],
        }
    }

    /// For the environment of whoever belongs to it.
    pub fn variable(&self) -> (&str, &str) {
        ("DBUS_SESSION_BUS_ADDRESS", &self.address)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("HOME", self.folder.path())
            .env("XDG_DATA_HOME", self.folder.path().join("data"))
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    pub async fn has(&self, name: &str) -> bool {
        let answer = self
            .bus
            .call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "NameHasOwner",
                &name,
            )
            .await
            .unwrap();
        answer.body().deserialize().unwrap()
    }

    /// GNOME Keyring, with a collection that is open.
    pub async fn keyring(&mut self) {
        let mut daemon = self
            .program("gnome-keyring-daemon")
            .args(["--unlock", "--components=secrets", "--foreground"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("gnome-keyring-daemon (Debian: gnome-keyring)");
        let mut password = daemon.stdin.take().unwrap();
        password.write_all(b"password").await.unwrap();
        drop(password);
        self.programs.push(daemon);
        eventually("the keyring is there", async || {
            self.has("org.freedesktop.secrets").await
        })
        .await;
    }

    /// Locks it, as a desktop does when nobody is there.
    pub async fn lock_keyring(&self) {
        let collection = OwnedObjectPath::try_from("/org/freedesktop/secrets/collection/login").unwrap();
        self.bus
            .call_method(
                Some("org.freedesktop.secrets"),
                "/org/freedesktop/secrets",
                Some("org.freedesktop.Secret.Service"),
                "Lock",
                &[collection][..].to_vec(),
            )
            .await
            .unwrap();
    }

    /// Dunst, on a screen of its own.
    pub async fn dunst(&mut self) {
        let mut screen = self
            .program("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "640x480x24",
                "-nolisten",
                "tcp",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Xvfb (Debian: xvfb)");
        let mut lines = BufReader::new(screen.stdout.take().unwrap()).lines();
        let display = lines
            .next_line()
            .await
            .unwrap()
            .expect("the screen says its number");
        self.programs.push(screen);
        // What a desktop shows as a list of buttons; here somebody who always takes the one that allows.
        let menu = self.folder.path().join("menu");
        std::fs::write(&menu, "#!/bin/sh\ngrep '^#Allow '\n").unwrap();
        std::fs::set_permissions(&menu, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = self.folder.path().join("dunstrc");
        std::fs::write(&settings, format!("[global]\n    dmenu = {}\n", menu.display())).unwrap();
        let dunst = self
            .program("dunst")
            .arg("-conf")
            .arg(&settings)
            .env("DISPLAY", format!(":{}", display.trim()))
            .spawn()
            .expect("dunst (Debian: dunst)");
        self.programs.push(dunst);
        eventually("dunst is there", async || {
            self.has("org.freedesktop.Notifications").await
        })
        .await;
    }

    pub async fn dunstctl(&self, arguments: &[&str]) -> String {
        let mut command = self.program("dunstctl");
        command.args(arguments).stdout(Stdio::piped());
        let output = command.output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}
