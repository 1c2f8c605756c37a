//! The notification area of Windows and the menu bar of macOS, by tray-icon.
//!
//! Both are one thread's, which turns to the system again and again for what is done there, and looks for news in between.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tray_icon::menu::{Menu, MenuEvent, MenuId, MenuItem, PredefinedMenuItem, Submenu};
use tray_icon::{Icon, TrayIcon, TrayIconBuilder};

use super::{ASKING, CLICKS, Click, Face, STOP_ALL, Shown, asks, calm, disc, keep};
use crate::daemon::Core;
use crate::daemon::consent::Answer;
use crate::system::screen;

/// Of the icon, pixels; the system makes it smaller where it wants to.
const SIZE: i32 = 32;
/// How long the thread turns to the system before it looks for news.
const TURN: Duration = Duration::from_millis(250);

/// Shows it until the daemon stops, where there is a place for it.
pub(in super::super) async fn show(core: &Core) {
    let (clicks, clicked) = mpsc::channel(CLICKS);
    let (shown, news) = watch::channel(Shown::default());
    let (online, is_online) = watch::channel(false);
    screen::begin(move || {
        if let Err(error) = serve(news, &clicks, &online) {
            tracing::info!(%error, "there is no tray");
        }
    });
    keep(core, &shown, clicked, is_online).await;
}

impl Face for watch::Sender<Shown> {
    async fn show(&self, shown: &Shown) -> bool {
        self.send_if_modified(|old| {
            let new = old != shown;
            old.clone_from(shown);
            new
        });
        !self.is_closed()
    }
}

/// On the thread that owns it: until nobody has news any more.
fn serve(
    mut news: watch::Receiver<Shown>,
    clicks: &mpsc::Sender<Click>,
    online: &watch::Sender<bool>,
) -> Result<(), Box<dyn std::error::Error>> {
    let tray = TrayIconBuilder::new()
        .with_icon(icon(calm(&Shown::default()))?)
        .build()?;
    online.send_replace(true);
    news.mark_changed();
    let mut acts = Vec::new();
    while let Ok(changed) = news.has_changed() {
        if changed {
            let shown = news.borrow_and_update().clone();
            acts = draw(&tray, &shown)?;
        }
        screen::turn(TURN);
        for event in MenuEvent::receiver().try_iter() {
            if let Some((_, click)) = acts.iter().find(|(id, _)| *id == event.id) {
                let _ = clicks.try_send(*click);
            }
        }
    }
    Ok(())
}

/// Gives what can be clicked now.
fn draw(tray: &TrayIcon, shown: &Shown) -> Result<Vec<(MenuId, Click)>, Box<dyn std::error::Error>> {
    let (menu, mut acts) = (Menu::new(), Vec::new());
    let mut act = |text: &str, enabled: bool, click: Click| {
        let item = MenuItem::new(text, enabled, None);
        acts.push((item.id().clone(), click));
        item
    };
    for line in &shown.lines {
        menu.append(&MenuItem::new(label(line), false, None))?;
    }
    menu.append(&PredefinedMenuItem::separator())?;
    for (id, question) in &shown.questions {
        let answers = Submenu::new(label(&asks(question)), true);
        answers.append(&act("Approve", true, Click::Answer(*id, Answer::Yes)))?;
        answers.append(&act("Decline", true, Click::Answer(*id, Answer::No)))?;
        menu.append(&answers)?;
    }
    menu.append(&act(STOP_ALL, shown.shared, Click::StopAll))?;
    tray.set_menu(Some(Box::new(menu)));
    let colour = if shown.questions.is_empty() {
        calm(shown)
    } else {
        ASKING
    };
    tray.set_icon(Some(icon(colour)?))?;
    tray.set_tooltip(Some(shown.lines.join("\n")))?;
    Ok(acts)
}

/// Menus take `&` for the mark of a key.
fn label(text: &str) -> String {
    text.replace('&', "&&")
}

/// A disc of one colour: red, green, blue and alpha of each pixel.
fn icon([red, green, blue]: [u8; 3]) -> Result<Icon, tray_icon::BadIcon> {
    let pixel = |inside| if inside { [red, green, blue, 255] } else { [0; 4] };
    let size = SIZE.unsigned_abs();
    Icon::from_rgba(disc(SIZE).flat_map(pixel).collect(), size, size)
}
