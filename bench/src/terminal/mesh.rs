//! Ours: a server, a daemon of its own process that shares terminals, and viewers in this one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use mesh_agent::config::Settings;
use mesh_agent::online::Online;
use mesh_peer::session::{Invitation, OpenSession, Wanted, new_session_id, open_as_requester};
use mesh_peer::signal::{ControlPlane, SessionToken};
use mesh_peer::terminal::{Viewer, ViewerEvent};
use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::channel::Frame;
use mesh_protocol::ids::{RoomId, ShareId};
use mesh_protocol::limits::{LEASE_RENEWAL, MAX_SOCKETS_PER_USER};
use mesh_protocol::signal::{ClientMessage, SessionRequest};
use mesh_testkit::{TestClient, TestServer};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Interval, interval_at};

use super::report::Measured;
use super::{ECHO_SCRIPT, Options, Output, PATIENCE, REST, Seat, bulk, bulk_script};
use crate::process::{Running, resident_mib, start};

const HOST: &str = "host";

pub(super) struct Site {
    server: TestServer,
    room: RoomId,
    /// Enough of them for all sockets.
    people: Vec<TestClient>,
    mesh: PathBuf,
    home: PathBuf,
    daemon: Running,
    stage: PathBuf,
}

impl Site {
    /// `mesh` is built beside this program.
    pub(super) async fn start(stage: &Path) -> anyhow::Result<Self> {
        let server = TestServer::start().await?;
        let owner = server.client("owner").await?;
        let mut people = Vec::new();
        for number in 0..4 {
            people.push(server.client(&format!("viewer{number}")).await?);
        }
        let room = server.room(&owner, &people.iter().collect::<Vec<_>>()).await?;
        let (mesh, home) = (std::env::current_exe()?.with_file_name("mesh"), stage.join(HOST));
        let command = |arguments: &[&str]| {
            let mut command = Command::new(&mesh);
            command
                .args(arguments)
                .env("MESH_HOME", &home)
                .env("SHELL", "/bin/sh");
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        let link = owner.post("/auth/links", json!({})).await?;
        let link = link["url"].as_str().context("no link")?;
        let login = command(&["login", link, "--plaintext", "--device-name", HOST]).status();
        let login = login.context("mesh is not there: run `cargo xtask bench terminal`")?;
        ensure!(login.success(), "the host could not sign in");
        let daemon = start(&mut command(&[
            "up",
            "--allow",
            "terminal:view",
            "--allow",
            "terminal:control",
        ]))?;
        Ok(Self {
            server,
            room,
            people,
            mesh,
            home,
            daemon,
            stage: stage.to_owned(),
        })
    }

    /// Shares a terminal that runs a script.
    fn share(&self, script: &str) -> anyhow::Result<ShareId> {
        let shared = Command::new(&self.mesh)
            .args([
                "--json", "share", "terminal", "--detach", "--", "/bin/sh", "-c", script,
            ])
            .env("MESH_HOME", &self.home)
            .output()?;
        let event: Value = serde_json::from_slice(&shared.stdout).context("mesh share terminal")?;
        Ok(event["share_id"].as_str().context("not shared")?.parse()?)
    }

    /// Ends what is shared.
    pub(super) fn stop(&self) -> anyhow::Result<()> {
        let mut stop = Command::new(&self.mesh);
        let stopped = stop
            .arg("stop")
            .env("MESH_HOME", &self.home)
            .stdout(Stdio::null())
            .status()?;
        ensure!(stopped.success(), "mesh stop");
        Ok(())
    }

    /// A viewer who may type, of a program that echoes.
    pub(super) async fn typist(&self) -> anyhow::Result<Viewing> {
        let share = self.share(ECHO_SCRIPT)?;
        let mut seat = self.seat(0, &share).await?;
        seat.until("ready").await?;
        seat.control().await?;
        Ok(seat)
    }

    /// Bulk output once, with each number of viewers.
    pub(super) async fn round(&self, options: &Options, measured: &mut Measured) -> anyhow::Result<()> {
        for count in &options.viewers {
            let file = self.stage.join("took");
            let share = self.share(&bulk_script(options.lines, &file, REST))?;
            let before = resident_mib(self.daemon.0.id())?;
            let mut seats = Vec::new();
            for number in 0..*count {
                let seat = self.seat(number, &share).await?;
                measured.first_screen_ms.push(seat.first_screen * 1e3);
                seats.push(seat);
            }
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
            let each = (resident_mib(self.daemon.0.id())? - before) / *count as f64;
            seats[0].control().await?;
            measured.add_memory("mesh", *count, each);
            measured.add_bulk(*count, bulk(seats, &file).await?);
            self.stop()?;
        }
        Ok(())
    }

    /// Opens a view, of one person after the other.
    async fn seat(&self, number: usize, share: &ShareId) -> anyhow::Result<Viewing> {
        let person = &self.people[number % self.people.len()];
        ensure!(
            number < self.people.len() * MAX_SOCKETS_PER_USER,
            "too many viewers"
        );
        let control =
            ControlPlane::new(&self.server.url())?.with_session(SessionToken::new(person.token.clone()));
        let rooms = [self.room.clone()];
        let mut online = Online::enter(control, &Settings::default(), &rooms, &[])
            .await
            .map_err(failed)?;
        let target = loop {
            let view = &online.roster.rooms[&self.room];
            let shared = view.shares.iter().find(|known| known.share_id == *share);
            if let Some(shared) = shared {
                break shared.peer_id.clone();
            }
            tokio::time::timeout(PATIENCE, online.next()).await?;
        };
        let wanted = Wanted {
            room_id: self.room.clone(),
            target: Some(target),
            feature: Feature::Terminal,
            session_id: new_session_id(),
            max_size: None,
            consent: PATIENCE,
        };
        let share_id = Some(share.clone());
        let request = |invitation: Invitation| {
            ClientMessage::TerminalShareRequest(SessionRequest {
                room_id: invitation.room_id,
                target: invitation.target,
                session_id: Some(invitation.session_id),
                cap_token: Some(invitation.cap_token),
                share_id,
            })
        };
        let context = online.context.clone();
        // Consent is given in advance: what follows the request is acceptance and all that comes after it.
        let begun = Instant::now();
        let session = online
            .alongside(open_as_requester(&context, wanted, request))
            .await?;
        let mut viewing = Viewing {
            session,
            viewer: Viewer::new(),
            output: Output::default(),
            first_screen: 0.0,
            shown: false,
            online: tokio::spawn(async move {
                loop {
                    online.next().await;
                }
            }),
            signal: context.signal().clone(),
            renewal: interval_at((Instant::now() + LEASE_RENEWAL).into(), LEASE_RENEWAL),
        };
        while !viewing.shown {
            viewing.step().await?;
        }
        viewing.first_screen = begun.elapsed().as_secs_f64();
        Ok(viewing)
    }
}

fn failed(failure: mesh_agent::exit::Failure) -> anyhow::Error {
    anyhow::anyhow!(failure.sentence)
}

/// One viewer, without a terminal of its own.
pub(super) struct Viewing {
    session: OpenSession,
    signal: mesh_peer::signal::SignalHandle,
    viewer: Viewer,
    output: Output,
    /// Seconds from the request to the first whole screen.
    first_screen: f64,
    shown: bool,
    online: JoinHandle<()>,
    renewal: Interval,
}

impl Drop for Viewing {
    fn drop(&mut self) {
        self.online.abort();
    }
}

impl Viewing {
    /// One frame of the host, and the answers to it.
    async fn step(&mut self) -> anyhow::Result<()> {
        self.answer();
        let late = self.viewer.poll_timeout().map(tokio::time::Instant::from_std);
        let due = async {
            match late {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let message = tokio::select! {
            message = self.session.frames_rx.recv() => message.context("the session ended")?,
            () = due => return Ok(()),
            _ = self.renewal.tick() => return self.renew().await,
        };
        self.viewer.handle(Frame::decode(&message)?)?;
        while let Some(event) = self.viewer.poll_event() {
            if let ViewerEvent::Write { bytes, seq } = event {
                self.output.add(&bytes);
                if let Some(seq) = seq {
                    self.shown = true;
                    self.viewer.shown(seq, Instant::now());
                }
            }
        }
        self.answer();
        Ok(())
    }

    fn answer(&mut self) {
        while let Ok(permit) = self.session.frames_tx.try_reserve() {
            let Some(frame) = self.viewer.poll_frame(Instant::now()) else {
                break;
            };
            permit.send(frame);
        }
    }

    /// What is held, as every viewer does.
    async fn renew(&mut self) -> anyhow::Result<()> {
        let frame = self.session.renewal.frame(self.viewer.held()).await?;
        Ok(self.session.frames_tx.send(frame).await?)
    }

    async fn control(&mut self) -> anyhow::Result<()> {
        let grant = self.session.renewal.renew(&[Capability::TerminalControl]).await?;
        let binding = &self.session.binding;
        let request = SessionRequest {
            room_id: binding.room_id.clone(),
            target: Some(binding.remote.clone()),
            session_id: Some(binding.session_id.clone()),
            cap_token: Some(grant.cap_token),
            share_id: None,
        };
        self.signal
            .send(ClientMessage::TerminalControlTake(request))
            .await?;
        while !self.viewer.holds_control() {
            self.step().await?;
        }
        Ok(())
    }
}

impl Seat for Viewing {
    async fn type_in(&mut self, bytes: &str) -> anyhow::Result<()> {
        ensure!(self.viewer.input(bytes.as_bytes()), "control was lost");
        self.answer();
        Ok(())
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        self.step().await
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }
}
