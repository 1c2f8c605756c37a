//! `mesh share terminal` and `mesh attach`: has the daemon hold a shell and announce it, and puts this terminal at it.

use mesh_protocol::channel::TermSize;
use mesh_protocol::ids::ShareId;
use serde_json::json;
use tokio::sync::mpsc;

use super::args::{AttachArgs, ShareTerminalArgs};
use super::attach::{self, Key};
use super::background;
use super::raw;
use super::{Context, connect, prompt};
use crate::config::StoredSession;
use crate::daemon::consent::{Answer, Question, plain};
use crate::daemon::ipc::{Blob, Client, FromDaemon, Request, ToShell, lost};
use crate::exit::{Failure, Outcome};
use crate::system;

/// What is said to the daemon and not yet taken; past that the keyboard is not read.
const SAYING: usize = 64;
const MENU: &str = " d detach   q stop this   Q stop all   p pause, go on   w who watches   t take control back   Ctrl-] type it ";
const GREETING: &str =
    " This terminal is shared. Ctrl-] opens the menu; Ctrl-] Q stops all sharing at once. ";
/// Viewers that the keys 1 to 9 send away.
const LISTED: usize = 9;

pub(crate) async fn run(context: Context, args: ShareTerminalArgs) -> Outcome {
    StoredSession::load(&context.paths, connect::now())?;
    let attach = !args.detach && raw::available() && !context.output.is_json();
    let mut client = background::client(&context).await?;
    let size = raw::size();
    let folder = std::env::current_dir()
        .map(|folder| folder.to_string_lossy().into_owned())
        .unwrap_or_default();
    let request = Request::ShareTerminal {
        room: args.room,
        command: args.command,
        folder,
        record: args
            .record
            .map(std::path::absolute)
            .transpose()
            .map_err(Failure::general)?,
        cols: size.cols,
        rows: size.rows,
        attach,
    };
    client.request(request).await?;
    let (label, room, share_id) = attached(&mut client).await?;
    let shared = json!({"event": "shared", "share_id": share_id, "room": room, "label": label});
    let human = format!(
        "The terminal \"{}\" is shared in {}.",
        plain(&label),
        plain(&room)
    );
    if !attach {
        context.output.result(
            &format!(
                "{human} `mesh attach \"{0}\"` comes to it, `mesh stop \"{0}\"` ends it.",
                plain(&label)
            ),
            shared,
        );
        return Ok(());
    }
    context.output.note(&human, shared);
    sit_at(&context, client, &label).await
}

pub(crate) async fn come_back(context: Context, args: AttachArgs) -> Outcome {
    if !raw::available() {
        return Err(Failure::usage("This needs a terminal: run it in one."));
    }
    let none = || Failure::general("No terminal is shared: `mesh share terminal` shares one.");
    let socket = context.paths.socket()?;
    let mut client = Client::connect(&socket).await?.ok_or_else(none)?;
    let TermSize { cols, rows } = raw::size();
    let share = args.share;
    client
        .request(Request::AttachTerminal { share, cols, rows })
        .await?;
    let (label, _, share_id) = attached(&mut client).await?;
    if std::env::var("MESH_SHARE_ID").is_ok_and(|id| id == share_id.as_str()) {
        return Err(Failure::usage(
            "This is that terminal: it cannot be shown within itself.",
        ));
    }
    sit_at(&context, client, &label).await
}

/// The label, the room and the id of what the daemon attached.
async fn attached(client: &mut Client) -> Outcome<(String, String, ShareId)> {
    match client.answer().await? {
        FromDaemon::Attached {
            share_id,
            room,
            label,
        } => Ok((label, room, share_id)),
        _ => Err(lost(std::io::ErrorKind::InvalidData.into())),
    }
}

async fn sit_at(context: &Context, client: Client, label: &str) -> Outcome {
    let size = raw::size();
    let end = Attached::new(client, size)?.run(context).await;
    let _ = attach::show(raw::RESTORE.as_bytes());
    match end? {
        End::Detached => context.output.say(&format!(
            "\nDetached: the shell is still shared; `mesh attach \"{}\"` comes back to it.",
            plain(label)
        )),
        End::Stopped => context.output.say("\nThe terminal is not shared any more."),
        End::Exited(code) => context.output.say(&match code {
            Some(code) => format!("\nThe shell has ended with status {code}."),
            None => "\nThe shell has ended.".to_owned(),
        }),
    }
    Ok(())
}

enum End {
    Detached,
    Stopped,
    Exited(Option<i32>),
}

/// The owner's terminal at the shell.
struct Attached {
    said: mpsc::Receiver<Outcome<FromDaemon>>,
    saying: mpsc::Sender<ToShell>,
    size: TermSize,
    questions: Vec<(u64, Question)>,
    viewers: Vec<String>,
    /// As they were numbered last.
    listed: Vec<String>,
    controller: Option<String>,
    paused: bool,
    recording: bool,
    in_menu: bool,
    /// Until the first key, the keys of sharing stand where they are seen.
    greets: bool,
    _raw: system::RawMode,
}

impl Attached {
    /// Reading and writing are tasks of their own, so that neither side waits for the other; they end with the socket.
    fn new(client: Client, size: TermSize) -> Outcome<Self> {
        let raw = raw::enter()?;
        let Client {
            mut reader,
            mut writer,
            ..
        } = client;
        let (to_main, said) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let message = match reader.next::<FromDaemon>().await {
                    Ok(Some(message)) => Ok(message),
                    Ok(None) => Err(lost(std::io::ErrorKind::UnexpectedEof.into())),
                    Err(error) => Err(lost(error)),
                };
                let last = message.is_err();
                if to_main.send(message).await.is_err() || last {
                    break;
                }
            }
        });
        let (saying, mut queue) = mpsc::channel::<ToShell>(SAYING);
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if writer.send(&message).await.is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            said,
            saying,
            size,
            questions: Vec::new(),
            viewers: Vec::new(),
            listed: Vec::new(),
            controller: None,
            paused: false,
            recording: false,
            in_menu: false,
            greets: true,
            _raw: raw,
        })
    }

    async fn run(mut self, context: &Context) -> Outcome<End> {
        let mut resized = system::Resizes::new().map_err(Failure::general)?;
        let mut keys = attach::keys();
        let mut repaint = tokio::time::interval(std::time::Duration::from_secs(1));
        self.title();
        loop {
            tokio::select! {
                () = context.stop.cancelled() => return Ok(End::Detached),
                message = self.said.recv() => match message {
                    Some(Ok(message)) => if let Some(end) = self.said(message) { return Ok(end) },
                    Some(Err(failure)) => return Err(failure),
                    None => return Err(lost(std::io::ErrorKind::UnexpectedEof.into())),
                },
                // Room for everything that one read of the keyboard can say.
                keys = keys.recv(), if self.saying.capacity() > SAYING / 2 => {
                    let Some(keys) = keys else { return Ok(End::Detached) };
                    for key in keys {
                        if let Some(end) = self.key(key) { return Ok(end) }
                    }
                }
                () = resized.next() => {
                    self.size = raw::size();
                    self.say(ToShell::Resize { cols: self.size.cols, rows: self.size.rows });
                }
                _ = repaint.tick() => self.show_question(),
            }
        }
    }

    fn say(&self, message: ToShell) {
        let _ = self.saying.try_send(message);
    }

    fn said(&mut self, message: FromDaemon) -> Option<End> {
        match message {
            FromDaemon::Output { data } => {
                attach::show(&data.0);
                if self.in_menu {
                    self.status(MENU);
                } else if self.greets {
                    self.status(GREETING);
                }
            }
            FromDaemon::Viewers { names } => {
                self.viewers = names;
                self.title();
            }
            FromDaemon::Control { name } => {
                self.controller = name;
                self.title();
            }
            FromDaemon::State { paused, recording } => {
                (self.paused, self.recording) = (paused, recording);
                self.title();
            }
            FromDaemon::Ask { id, question } => {
                self.questions.push((id, question));
                attach::show(b"\x07");
                self.show_question();
            }
            FromDaemon::Withdrawn { id } => {
                self.questions.retain(|(other, _)| *other != id);
                self.repaint();
            }
            FromDaemon::Exited { stopped: true, .. } => return Some(End::Stopped),
            FromDaemon::Exited { code, .. } => return Some(End::Exited(code)),
            _ => {}
        }
        None
    }

    fn key(&mut self, key: Key) -> Option<End> {
        if std::mem::take(&mut self.greets) {
            self.repaint();
        }
        match key {
            Key::Typed(data) => self.say(ToShell::Input { data: Blob(data) }),
            Key::Menu => {
                self.in_menu = true;
                if self.questions.is_empty() {
                    self.status(MENU)
                } else {
                    self.show_question()
                }
            }
            Key::Choice(choice) => {
                self.in_menu = false;
                match choice {
                    b'd' => return Some(End::Detached),
                    // The daemon says when it is so.
                    b'q' => self.say(ToShell::Stop),
                    b'Q' => self.say(ToShell::StopAll),
                    b't' => self.say(ToShell::TakeBack),
                    b'p' => self.say(ToShell::Pause { paused: !self.paused }),
                    b'w' => return self.list(),
                    b'1'..=b'9' => {
                        let number = usize::from(choice - b'1');
                        if let Some(who) = self.listed.get(number) {
                            self.say(ToShell::Eject { who: who.clone() });
                        }
                    }
                    b'y' => self.answer(Answer::Yes),
                    b'n' => self.answer(Answer::No),
                    b'a' => self.answer(Answer::AlwaysPerson),
                    b'r' => self.answer(Answer::AlwaysRoom),
                    b'x' => self.answer(Answer::NeverPerson),
                    _ => {}
                }
                self.repaint();
            }
        }
        None
    }

    fn answer(&mut self, answer: Answer) {
        if !self.questions.is_empty() {
            let (id, _) = self.questions.remove(0);
            self.say(ToShell::Answer { id, answer });
        }
    }

    /// Who watches, with the number that sends each away; the next key of the menu is it.
    fn list(&mut self) -> Option<End> {
        self.listed = self.viewers.iter().take(LISTED).cloned().collect();
        let names = self
            .listed
            .iter()
            .zip(1..)
            .map(|(name, number)| format!("{number} {}", plain(name)));
        let names: Vec<String> = names.collect();
        self.status(&if names.is_empty() {
            " Nobody watches. ".to_owned()
        } else {
            format!(" Ctrl-] and the number sends away: {} ", names.join(", "))
        });
        None
    }

    fn show_question(&self) {
        if let Some((_, question)) = self.questions.first() {
            self.status(&format!(
                " Ctrl-] y or n: {} ({}) ",
                question.sentence(),
                prompt::answers(question)
            ));
        }
    }

    fn status(&self, text: &str) {
        attach::show(raw::status_line(text, self.size).as_bytes());
    }

    /// The screen as it is takes the status line away.
    fn repaint(&self) {
        self.say(ToShell::Repaint);
    }

    /// Who watches and who controls, in the window's title, where it is in nobody's way.
    fn title(&self) {
        let watching = match self.viewers.len() {
            0 => "nobody watches".to_owned(),
            _ => format!("watched by {}", self.viewers.join(", ")),
        };
        let control = self
            .controller
            .as_ref()
            .map_or_else(String::new, |name| format!("; {name} types"));
        let state = match (self.paused, self.recording) {
            (true, true) => "paused; recorded; ",
            (true, false) => "paused; ",
            (false, true) => "recorded; ",
            (false, false) => "",
        };
        let title = format!("\x1b]2;mesh: {state}{}{}\x07", plain(&watching), plain(&control));
        attach::show(title.as_bytes());
    }
}
