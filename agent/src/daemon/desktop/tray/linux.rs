//! StatusNotifierItem, by ksni.

use futures_util::StreamExt as _;
use ksni::menu::{StandardItem, SubMenu};
use ksni::{Handle, Icon, MenuItem, OfflineReason, Tray, TrayMethods as _};
use tokio::sync::{mpsc, watch};
use zbus::Connection;
use zbus::fdo::DBusProxy;

use super::{ASKING, CLICKS, Click, Face, STOP_ALL, Shown, asks, calm, disc, keep};
use crate::daemon::Core;
use crate::daemon::consent::Answer;

/// Who knows the items of a session.
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
/// Of the icon, pixels.
const SIZE: i32 = 22;

struct Item {
    shown: Shown,
    clicks: mpsc::Sender<Click>,
    /// Whether somebody shows it.
    online: watch::Sender<bool>,
}

/// Resolves once somebody on this bus shows items, which may be long after the daemon started.
pub(in super::super) async fn is_there(bus: &Connection) -> zbus::Result<()> {
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
pub(in super::super) async fn show(core: &Core) -> Result<(), ksni::Error> {
    let (clicks, clicked) = mpsc::channel(CLICKS);
    let (online, is_online) = watch::channel(true);
    let item = Item {
        shown: Shown::default(),
        clicks,
        online,
    };
    // It may go right now.
    let handle = item.assume_sni_available(true).spawn().await?;
    keep(core, &handle, clicked, is_online).await;
    handle.shutdown().await;
    Ok(())
}

impl Face for Handle<Item> {
    async fn show(&self, shown: &Shown) -> bool {
        // Without an answer the bus went, and the session with it.
        self.update(|item| item.shown.clone_from(shown)).await.is_some()
    }
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
        vec![icon(calm(&self.shown))]
    }

    fn attention_icon_pixmap(&self) -> Vec<Icon> {
        vec![icon(ASKING)]
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
        menu.push(Self::button(STOP_ALL, self.shown.shared, Click::StopAll));
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

/// A disc of one colour: alpha, red, green and blue of each pixel.
fn icon([red, green, blue]: [u8; 3]) -> Icon {
    let pixel = |inside| if inside { [255, red, green, blue] } else { [0; 4] };
    Icon {
        width: SIZE,
        height: SIZE,
        data: disc(SIZE).flat_map(pixel).collect(),
    }
}
