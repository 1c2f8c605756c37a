//! The desktop's notifications (the Desktop Notifications Specification 1.2): notices, and questions with buttons.
//!
//! By zbus itself: the two calls and the two signals that are needed are fewer than what a library around them would be told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use mesh_protocol::gotify::Priority;
use tokio::time::timeout;
use zbus::Connection;
use zbus::zvariant::Value;

use crate::daemon::Core;
use crate::daemon::consent::{Answer, DeskEvent, Question};
use crate::notice::{Notice, Place, Untold, What};
use crate::session_bus::WITHIN;

/// For the desktop's list of programs.
const PROGRAM: &str = "Mesh";
const ALLOW: &str = "allow";
const DECLINE: &str = "decline";
/// Until the owner closes it: a question ends by itself.
const NEVER_EXPIRES: i32 = 0;
/// As the desktop likes.
const EXPIRES: i32 = -1;

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Notifications {
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;
    fn close_notification(&self, id: u32) -> zbus::Result<()>;
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;
    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: String) -> zbus::Result<()>;
}

/// What the desktop's notifications can do; `None` where nobody shows any.
async fn capabilities(proxy: &NotificationsProxy<'_>) -> Option<Vec<String>> {
    timeout(WITHIN, proxy.get_capabilities()).await.ok()?.ok()
}

/// Names are those that others chose: where a body may have markup, theirs is text.
fn body(sentence: &str, markup: bool) -> String {
    if markup {
        sentence
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    } else {
        sentence.to_owned()
    }
}

async fn show(
    proxy: &NotificationsProxy<'_>,
    (title, sentence): (&str, &str),
    priority: Priority,
    actions: &[&str],
    expires: i32,
) -> Option<u32> {
    let capabilities = capabilities(proxy).await?;
    let markup = capabilities.iter().any(|capability| capability == "body-markup");
    let body = body(sentence, markup);
    let urgency = match priority {
        Priority::Low => 0u8,
        Priority::Normal => 1,
        Priority::High => 2,
    };
    let hints = HashMap::from([("urgency", Value::U8(urgency))]);
    let shown = proxy.notify(
        PROGRAM,
        0,
        "network-workgroup",
        title,
        &body,
        actions,
        hints,
        expires,
    );
    match timeout(WITHIN, shown).await {
        Ok(Ok(id)) => Some(id),
        Ok(Err(error)) => {
            tracing::info!(%error, "the desktop did not show a notice");
            None
        }
        Err(_) => None,
    }
}

/// The desktop as a place where the owner is told.
pub(super) struct OnDesktop {
    bus: Connection,
    buttons: Arc<AtomicBool>,
}

impl OnDesktop {
    pub(super) fn new(bus: Connection, buttons: Arc<AtomicBool>) -> Self {
        Self { bus, buttons }
    }
}

impl Place for OnDesktop {
    fn name(&self) -> &'static str {
        "the desktop"
    }

    fn tell<'a>(&'a mut self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Untold>> {
        Box::pin(async move {
            let asked = notice.event == crate::notice::Event::Request && self.buttons.load(Ordering::Relaxed);
            if asked {
                return Ok(());
            }
            let proxy = NotificationsProxy::new(&self.bus)
                .await
                .map_err(|error| Untold::Never(error.to_string()))?;
            // That nobody shows it is no fault: this may be a machine without a screen.
            let what = (notice.title.as_str(), notice.sentence.as_str());
            let _ = show(&proxy, what, notice.event.priority(), &[], EXPIRES).await;
            Ok(())
        })
    }
}

/// Puts the desk's questions on the desktop, for as long as there is one that has buttons. Ends with the daemon.
pub(super) async fn ask(core: &Core, bus: &Connection, buttons: &AtomicBool) -> zbus::Result<()> {
    let proxy = NotificationsProxy::new(bus).await?;
    let mut owners = proxy.inner().receive_owner_changed().await?;
    let mut actions = proxy.receive_action_invoked().await?;
    loop {
        let can = capabilities(&proxy).await.unwrap_or_default();
        if can.iter().any(|capability| capability == "actions") {
            let asker = core.count_asker();
            buttons.store(true, Ordering::Relaxed);
            core.tell_presence().await;
            let ends = tokio::select! {
                () = core.stop.cancelled() => true,
                () = serve(core, &proxy, &mut actions) => false,
                _ = owners.next() => false,
            };
            buttons.store(false, Ordering::Relaxed);
            drop(asker);
            if ends {
                return Ok(());
            }
            core.tell_presence().await;
            continue;
        }
        tokio::select! {
            () = core.stop.cancelled() => return Ok(()),
            changed = owners.next() => if changed.is_none() {
                return Ok(());
            },
        }
    }
}

/// Takes from the screen what it shows when it goes.
struct OnScreen<'a> {
    proxy: &'a NotificationsProxy<'a>,
    /// By the question's number.
    shown: HashMap<u64, u32>,
}

impl OnScreen<'_> {
    async fn withdraw(&mut self, question: u64) {
        if let Some(id) = self.shown.remove(&question) {
            // One that the owner closed is gone already.
            let _ = timeout(WITHIN, self.proxy.close_notification(id)).await;
        }
    }
}

impl Drop for OnScreen<'_> {
    fn drop(&mut self) {
        let (proxy, ids) = (self.proxy.clone(), std::mem::take(&mut self.shown));
        if ids.is_empty() {
            return;
        }
        let bus = proxy.inner().connection().clone();
        tokio::spawn(async move {
            let Ok(proxy) = NotificationsProxy::new(&bus).await else {
                return;
            };
            for id in ids.into_values() {
                let _ = timeout(WITHIN, proxy.close_notification(id)).await;
            }
        });
    }
}

async fn serve(core: &Core, proxy: &NotificationsProxy<'_>, actions: &mut ActionInvokedStream) {
    let mut source = core.desk.attach();
    let title = format!(
        "Mesh: {}",
        crate::daemon::consent::plain(&core.session.device_name)
    );
    let mut screen = OnScreen {
        proxy,
        shown: HashMap::new(),
    };
    loop {
        tokio::select! {
            event = source.next() => match event {
                Some(DeskEvent::Ask { id, question }) => {
                    let sentence = sentence(&question);
                    let buttons = [ALLOW, "Allow", DECLINE, "Decline"];
                    let shown = show(proxy, (&title, &sentence), Priority::High, &buttons, NEVER_EXPIRES);
                    if let Some(shown) = shown.await {
                        screen.shown.insert(id, shown);
                    }
                }
                Some(DeskEvent::Withdrawn { id }) => screen.withdraw(id).await,
                None => return,
            },
            action = actions.next() => {
                let Some(action) = action else { return };
                let Ok(said) = action.args() else { continue };
                let question = screen.shown.iter().find(|(_, id)| **id == said.id).map(|(question, _)| *question);
                let answer = match said.action_key.as_str() {
                    ALLOW => Answer::Yes,
                    DECLINE => Answer::No,
                    _ => continue,
                };
                if let Some(question) = question {
                    core.desk.answer(question, answer);
                }
            }
        }
    }
}

/// What is on the screen may be seen by others: who and where, and no name of a file.
fn sentence(question: &Question) -> String {
    let asks = What::Asks {
        capability: question.capability,
        who: question.who.clone(),
        room: question.room.clone(),
    };
    asks.sentence()
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn markup_in_names_is_text() {
        assert_eq!(body("<b>&amp;", true), "&lt;b&gt;&amp;amp;");
        assert_eq!(body("<b>&amp;", false), "<b>&amp;");
    }
}
