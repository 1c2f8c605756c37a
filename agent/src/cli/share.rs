//! `mesh share terminal`: has the daemon hold a shell and announce it, and puts this terminal at it.

use mesh_protocol::channel::TermSize;
use serde_json::json;
use tokio::sync::mpsc;

use super::args::ShareTerminalArgs;
use super::attach::{self, Key};
use super::background;
use super::raw::{self, RawMode};
use super::{Context, connect};
use crate::config::StoredSession;
use crate::daemon::consent::{Question, plain};
use crate::daemon::ipc::{Blob, Client, FromDaemon, Request, ToShell, lost};
use crate::exit::{Failure, Outcome};

/// What is said to the daemon and not yet taken; past that the keyboard is not read.
const SAYING: usize = 64;
const MENU: &str =
    " d detach (the shell stays)   q stop sharing   t take control back   Ctrl-] type it   other: go on ";

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
        cols: size.cols,
        rows: size.rows,
        attach,
    };
    client.request(request).await?;
    let FromDaemon::Attached {
        share_id,
        room,
        label,
    } = client.answer().await?
    else {
        return Err(lost(std::io::ErrorKind::InvalidData.into()));
    };
    let shared = json!({"event": "shared", "share_id": share_id, "room": room, "label": label});
    let human = format!(
        "The terminal \"{}\" is shared in {}.",
        plain(&label),
        plain(&room)
    );
    if !attach {
        context
            .output
            .result(&format!("{human} `mesh down` ends it."), shared);
        return Ok(());
    }
    context
        .output
        .note(&format!("{human} Ctrl-] opens the menu."), shared);
    let end = Attached::new(client, size)?.run(&context).await;
    let _ = attach::show(raw::RESTORE.as_bytes());
    match end? {
        End::Detached => context
            .output
            .say("\nDetached: the shell is still shared; `mesh share terminal` comes back to it."),
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
    controller: Option<String>,
    in_menu: bool,
    _raw: RawMode,
}

impl Attached {
    /// Reading and writing are tasks of their own, so that neither side waits for the other; they end with the socket.
    fn new(client: Client, size: TermSize) -> Outcome<Self> {
        let raw = RawMode::enter()?;
        let Client {
            mut reader,
            mut writer,
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
            controller: None,
            in_menu: false,
            _raw: raw,
        })
    }

    async fn run(mut self, context: &Context) -> Outcome<End> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut resized = signal(SignalKind::window_change()).map_err(Failure::general)?;
        let mut keys = attach::keys();
        let mut repaint = tokio::time::interval(std::time::Duration::from_secs(1));
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
                _ = resized.recv() => {
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
                    b'q' => {
                        self.say(ToShell::Stop);
                        return Some(End::Stopped);
                    }
                    b't' => self.say(ToShell::TakeBack),
                    b'y' | b'n' => {
                        if let Some((id, _)) = self.questions.first() {
                            self.say(ToShell::Answer {
                                id: *id,
                                allow: choice == b'y',
                            });
                            self.questions.remove(0);
                        }
                    }
                    _ => {}
                }
                self.repaint();
            }
        }
        None
    }

    fn show_question(&self) {
        if let Some((_, question)) = self.questions.first() {
            self.status(&format!(
                " Ctrl-] y allows, Ctrl-] n refuses: {} ",
                question.sentence()
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
        attach::show(format!("\x1b]2;mesh: {}{}\x07", plain(&watching), plain(&control)).as_bytes());
    }
}
