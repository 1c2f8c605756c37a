//! The tray (StatusNotifierItem, by ksni): how the daemon is, what it is asked, and one act that stops everything.

use std::time::Duration;

use futures_util::StreamExt as _;
use ksni::menu::{StandardItem, SubMenu};
use ksni::{Icon, MenuItem, OfflineReason, Tray, TrayMethods as _};
use mesh_protocol::capability::Capability;
use tokio::sync::{mpsc, watch};
use zbus::Connection;
use zbus::fdo::DBusProxy;

use crate::daemon::consent::{Answer, DeskEvent, Question, Source, plain};
use crate::daemon::{Core, serve};

/// Who knows the items of a session.
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
/// How often the status is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Clicks that wait; the next is lost, as one on a menu that does not react is.
const CLICKS: usize = 16;
/// Of the icon, pixels.
const SIZE: i32 = 22;

#[derive(Clone, Copy, Debug)]
enum Click {
    Answer(u64, Answer),
    StopAll,
}

/// What there is to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shown {
    connected: bool,
    lines: Vec<String>,
    /// Whether somebody looks, or could.
    shared: bool,
    questions: Vec<(u64, Question)>,
}

struct Item {
    shown: Shown,
    clicks: mpsc::Sender<Click>,
    /// Whether somebody shows it.
    online: watch::Sender<bool>,
}

/// Resolves once somebody on this bus shows items, which may be long after the daemon started.
pub(super) async fn is_there(bus: &Connection) -> zbus::Result<()> {
    let names = DBusProxy::new(bus).await?;
    // Listened to before it is asked, so that none comes unseen in between.
    let mut owners = names
        .receive_name_owner_changed_with_args(&[(0, WATCHER)])
        .await?;
    if names.name_has_owner(WATCHER.try_into()?).await? {
        return Ok(());
    }
    while let Some(change) = owners.next().await {
        if change.args()?.new_owner.is_some() {
            return Ok(());
        }
    }
    Err(zbus::Error::Failure("the session's bus has gone".to_owned()))
}

/// Shows it until the daemon stops, where there is a tray, also after that went and came back.
pub(super) async fn show(core: &Core) -> Result<(), ksni::Error> {
    let (clicks, mut clicked) = mpsc::channel(CLICKS);
    let (online, mut is_online) = watch::channel(true);
    let item = Item {
        shown: Shown::default(),
        clicks,
        online,
    };
    // It may go right now.
    let handle = item.assume_sni_available(true).spawn().await?;
    let mut shown = Shown::default();
    let mut source: Option<(Source, super::super::Live)> = None;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    is_online.mark_changed();
    loop {
        let event = async {
            match &mut source {
                Some((source, _)) => source.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = core.stop.cancelled() => break,
            event = event => match event {
                Some(DeskEvent::Ask { id, question }) => shown.questions.push((id, question)),
                Some(DeskEvent::Withdrawn { id }) => shown.questions.retain(|(other, _)| *other != id),
                None => source = None,
            },
            Some(click) = clicked.recv() => match click {
                Click::Answer(id, answer) => core.desk.answer(id, answer),
                Click::StopAll => drop(serve::stop(core, None).await),
            },
            changed = is_online.changed() => {
                if changed.is_err() {
                    break;
                }
                let online = *is_online.borrow_and_update();
                if online != source.is_some() {
                    shown.questions.clear();
                    source = online.then(|| (core.desk.attach(), core.count_asker()));
                    core.tell_presence().await;
                }
            }
            _ = looks.tick() => {}
        }
        let now = look(core, shown.questions.clone()).await;
        let known = handle.update(|item| std::mem::replace(&mut item.shown, now.clone()) == now);
        if known.await.is_none() {
            // The bus went, and the session with it.
            break;
        }
        shown = now;
    }
    handle.shutdown().await;
    Ok(())
}

async fn look(core: &Core, questions: Vec<(u64, Question)>) -> Shown {
    let status = serve::status(core).await;
    let mut lines = vec![if status.connected {
        format!("{} on {}", plain(&status.name), plain(&status.server))
    } else {
        "Reconnecting".to_owned()
    }];
    let watchers = |names: &[String]| {
        if names.is_empty() {
            "nobody".to_owned()
        } else {
            plain(&names.join(", "))
        }
    };
    for share in &status.shares {
        let control = share.controller.as_ref();
        let control = control.map_or_else(String::new, |name| format!(", {} types", plain(name)));
        lines.push(format!(
            "{}: {}{control}",
            plain(&share.label),
            watchers(&share.viewers)
        ));
    }
    for folder in &status.folders {
        lines.push(format!(
            "{}: {}",
            plain(&folder.label),
            watchers(&folder.visitors)
        ));
    }
    Shown {
        connected: status.connected,
        shared: !status.shares.is_empty() || !status.folders.is_empty(),
        lines,
        questions,
    }
}

fn asks(question: &Question) -> String {
    let what = match question.capability {
        Capability::TerminalView => "watch a terminal",
        Capability::TerminalControl => "type into your terminal",
        Capability::ShareFile => "send you files",
        other => other.as_str(),
    };
    format!("{} in {}: {what}", plain(&question.who), plain(&question.room))
}

/// Menus take `_` for the mark of a key.
fn label(text: &str) -> String {
    text.replace('_', "__")
}

impl Item {
    fn button(text: &str, enabled: bool, click: Click) -> MenuItem<Self> {
        StandardItem {
            label: text.to_owned(),
            enabled,
            activate: Box::new(move |item: &mut Self| {
                let _ = item.clicks.try_send(click);
            }),
            ..StandardItem::default()
        }
        .into()
    }
}

impl Tray for Item {
    const MENU_ON_ACTIVATE: bool = true;

    fn id(&self) -> String {
        "mesh-agent".to_owned()
    }

    fn title(&self) -> String {
        "Mesh".to_owned()
    }

    fn status(&self) -> ksni::Status {
        if self.shown.questions.is_empty() {
            ksni::Status::Active
        } else {
            ksni::Status::NeedsAttention
        }
    }

    fn icon_pixmap(&self) -> Vec<Icon> {
        let colour = match (self.shown.connected, self.shown.shared) {
            (false, _) => GREY,
            (true, false) => BLUE,
            (true, true) => GREEN,
        };
        vec![disc(colour)]
    }

    fn attention_icon_pixmap(&self) -> Vec<Icon> {
        vec![disc(ORANGE)]
    }

    fn tool_tip(&self) -> ksni::ToolTip {
        ksni::ToolTip {
            title: "Mesh".to_owned(),
            description: self.shown.lines.join("\n"),
            ..ksni::ToolTip::default()
        }
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let line = |text: &String| {
            StandardItem {
                label: label(text),
                enabled: false,
                ..StandardItem::default()
            }
            .into()
        };
        let mut menu: Vec<MenuItem<Self>> = self.shown.lines.iter().map(line).collect();
        menu.push(MenuItem::Separator);
        for (id, question) in &self.shown.questions {
            let answers = SubMenu {
                label: label(&asks(question)),
                submenu: vec![
                    Self::button("Approve", true, Click::Answer(*id, Answer::Yes)),
                    Self::button("Decline", true, Click::Answer(*id, Answer::No)),
                ],
                ..SubMenu::default()
            };
            menu.push(answers.into());
        }
        menu.push(Self::button(
            "Stop sharing everything",
            self.shown.shared,
            Click::StopAll,
        ));
        menu
    }

    fn watcher_online(&self) {
        self.online.send_replace(true);
    }

    fn watcher_offline(&self, _: OfflineReason) -> bool {
        self.online.send_replace(false);
        true
    }
}

/// Alpha, red, green, blue.
const GREY: [u8; 4] = [255, 140, 140, 140];
const BLUE: [u8; 4] = [255, 34, 139, 230];
const GREEN: [u8; 4] = [255, 55, 178, 77];
const ORANGE: [u8; 4] = [255, 247, 103, 7];

/// A disc of one colour, in network byte order.
fn disc(colour: [u8; 4]) -> Icon {
    let inside = |x: i32, y: i32| {
        // From the middle, in half pixels.
        let (x, y) = (2 * x + 1 - SIZE, 2 * y + 1 - SIZE);
        x * x + y * y <= (SIZE - 4) * (SIZE - 4)
    };
    let pixels = (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (x, y)));
    let data = pixels.flat_map(|(x, y)| if inside(x, y) { colour } else { [0; 4] });
    Icon {
        width: SIZE,
        height: SIZE,
        data: data.collect(),
    }
}
