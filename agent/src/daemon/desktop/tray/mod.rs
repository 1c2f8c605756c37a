//! The tray: how the daemon is, what it is asked, and one act that stops everything.
//!
//! Owns what there is to see and what a click does. What shows it differs: a [`Face`] for each family of systems.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

use std::time::Duration;

use mesh_protocol::capability::Capability;
use tokio::sync::{mpsc, watch};

#[cfg(not(target_os = "linux"))]
pub(super) use self::elsewhere::show;
#[cfg(target_os = "linux")]
pub(super) use self::linux::{is_there, show};
use crate::daemon::consent::{Answer, DeskEvent, Question, Source, plain};
use crate::daemon::{Core, Live, serve};

/// How often the status is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Clicks that wait; the next is lost, as one on a menu that does not react is.
const CLICKS: usize = 16;
/// The words of the one act.
const STOP_ALL: &str = "Stop sharing everything";

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

/// What shows it.
trait Face {
    /// Shows it from now on; false once there is nothing left that could.
    async fn show(&self, shown: &Shown) -> bool;
}

/// Keeps the face true until the daemon stops or the face is gone, and does what is clicked. While `online` it is also a place
/// where the owner is asked.
async fn keep(
    core: &Core,
    face: &impl Face,
    mut clicked: mpsc::Receiver<Click>,
    mut online: watch::Receiver<bool>,
) {
    let mut shown = Shown::default();
    let mut source: Option<(Source, Live)> = None;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    online.mark_changed();
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
            changed = online.changed() => {
                if changed.is_err() {
                    break;
                }
                let is_online = *online.borrow_and_update();
                if is_online != source.is_some() {
                    shown.questions.clear();
                    source = is_online.then(|| (core.desk.attach(), core.count_asker()));
                    core.tell_presence().await;
                }
            }
            _ = looks.tick() => {}
        }
        shown = look(core, shown.questions).await;
        if !face.show(&shown).await {
            break;
        }
    }
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

/// Red, green and blue of the icon while nothing is asked.
const fn calm(shown: &Shown) -> [u8; 3] {
    match (shown.connected, shown.shared) {
        (false, _) => [140, 140, 140],
        (true, false) => [34, 139, 230],
        (true, true) => [55, 178, 77],
    }
}

/// And while something is.
const ASKING: [u8; 3] = [247, 103, 7];

/// Which pixels of a square are of the disc, row by row.
fn disc(size: i32) -> impl Iterator<Item = bool> {
    let pixels = (0..size).flat_map(move |y| (0..size).map(move |x| (x, y)));
    pixels.map(move |(x, y)| {
        // From the middle, in half pixels.
        let (x, y) = (2 * x + 1 - size, 2 * y + 1 - size);
        x * x + y * y <= (size - 4) * (size - 4)
    })
}
