//! What the owner is told of what happens on this machine, wherever they are: on its desktop, and by their own Gotify.
//!
//! Owns [`Event`], the sentences and the queues. A notice says who and where, never what: no name of a file, nothing that is
//! written. Nobody waits for a place: each has a task and a queue of its own, and what does not fit is left out.

mod gotify;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mesh_protocol::capability::Capability;
use mesh_protocol::gotify::Priority;
use mesh_protocol::limits::MAX_NAME_CHARS;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::gotify::Gotify;
use crate::daemon::consent::plain;

/// Notices that wait for one place; the next is left out, and the log says so.
pub const QUEUE: usize = 32;
/// When a notice that did not arrive is tried again: twice, and then it is old.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];
/// How long the last notices have when the daemon ends.
const LAST_WITHIN: Duration = Duration::from_secs(1);

/// What an owner may choose to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Somebody asks for something that the owner has to answer.
    Request,
    /// Somebody looks at what is shared.
    Watch,
    /// Somebody types into a terminal.
    Control,
    /// Files came.
    File,
    /// The daemon cannot go on by itself.
    Offline,
}

impl Event {
    pub const ALL: [Self; 5] = [
        Self::Request,
        Self::Watch,
        Self::Control,
        Self::File,
        Self::Offline,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Watch => "watch",
            Self::Control => "control",
            Self::File => "file",
            Self::Offline => "offline",
        }
    }

    /// How much it matters that it is seen now.
    pub const fn priority(self) -> Priority {
        match self {
            // Somebody waits, or holds the keyboard.
            Self::Request | Self::Control => Priority::High,
            Self::Watch | Self::Offline => Priority::Normal,
            Self::File => Priority::Low,
        }
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|event| event.as_str() == text);
        known.ok_or_else(|| "one of request, watch, control, file, offline".to_owned())
    }
}

/// What happened, with nothing in it that an owner would not want to read aloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Asks {
        capability: Capability,
        who: String,
        room: String,
    },
    Watches {
        who: String,
        room: String,
    },
    LooksIntoFolder {
        who: String,
        room: String,
    },
    Controls {
        who: String,
        room: String,
    },
    Sent {
        who: String,
        room: String,
    },
    SignedOut,
}

impl What {
    pub const fn event(&self) -> Event {
        match self {
            Self::Asks { .. } => Event::Request,
            Self::Watches { .. } | Self::LooksIntoFolder { .. } => Event::Watch,
            Self::Controls { .. } => Event::Control,
            Self::Sent { .. } => Event::File,
            Self::SignedOut => Event::Offline,
        }
    }

    /// For people. Names are those that others chose: plain, and not longer than a name may be.
    pub fn sentence(&self) -> String {
        let name = |name: &str| plain(name).chars().take(2 * MAX_NAME_CHARS).collect::<String>();
        match self {
            Self::Asks {
                capability,
                who,
                room,
            } => {
                let (who, room) = (name(who), name(room));
                match capability {
                    Capability::TerminalView => format!("{who} in {room} asks to watch a terminal."),
                    Capability::TerminalControl => {
                        format!("{who} in {room} asks to type into your terminal.")
                    }
                    Capability::ShareFile => format!("{who} in {room} wants to send you files."),
                    other => format!("{who} in {room} asks for {other}."),
                }
            }
            Self::Watches { who, room } => format!("{} watches your terminal in {}.", name(who), name(room)),
            Self::LooksIntoFolder { who, room } => {
                format!("{} looks into your folder in {}.", name(who), name(room))
            }
            Self::Controls { who, room } => {
                format!("{} types into your terminal in {}.", name(who), name(room))
            }
            Self::Sent { who, room } => format!("Files of {} came, in {}.", name(who), name(room)),
            Self::SignedOut => "This device is signed out: nothing is shared any more.".to_owned(),
        }
    }
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub event: Event,
    /// Which device tells.
    pub title: String,
    pub sentence: String,
    /// The page that it is about.
    pub click: String,
}

/// Why a notice did not arrive. The texts name no address and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untold {
    /// It may work later.
    Later(String),
    Never(String),
}

/// Where an owner is told.
pub trait Place: Send + 'static {
    /// For the log.
    fn name(&self) -> &'static str;
    /// Returns when it has been taken.
    fn tell<'a>(&'a mut self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Untold>>;
}

/// All places of an owner. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    title: String,
    click: String,
    places: Vec<(BTreeSet<Event>, mpsc::Sender<Notice>)>,
}

impl Notices {
    /// Without a place; `click` is the page that notices lead to.
    pub fn new(device: &str, click: &str) -> Self {
        Self {
            title: format!("Mesh: {}", plain(device)),
            click: click.to_owned(),
            places: Vec::new(),
        }
    }

    /// Tells these events at this place, too. Its task ends with `stop`, after a moment for what waits.
    pub fn add(
        &mut self,
        events: BTreeSet<Event>,
        place: impl Place,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) {
        if events.is_empty() {
            return;
        }
        let (sender, queue) = mpsc::channel(QUEUE);
        tasks.spawn(serve(place, queue, stop));
        self.places.push((events, sender));
    }

    /// Tells it wherever it is wanted. Never waits.
    pub fn tell(&self, what: &What) {
        let event = what.event();
        let wanted = self.places.iter().filter(|(events, _)| events.contains(&event));
        for (_, queue) in wanted {
            let notice = Notice {
                event,
                title: self.title.clone(),
                sentence: what.sentence(),
                click: self.click.clone(),
            };
            if let Err(mpsc::error::TrySendError::Full(_)) = queue.try_send(notice) {
                tracing::warn!(event = event.as_str(), "a notice was left out: too many wait");
            }
        }
    }
}

async fn serve(mut place: impl Place, mut queue: mpsc::Receiver<Notice>, stop: CancellationToken) {
    loop {
        let notice = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            notice = queue.recv() => notice,
        };
        let Some(notice) = notice else { return };
        tokio::select! {
            biased;
            () = deliver(&mut place, &notice) => {}
            () = stop.cancelled() => break,
        }
    }
    let rest = async {
        while let Ok(notice) = queue.try_recv() {
            let _ = place.tell(&notice).await;
        }
    };
    let _ = tokio::time::timeout(LAST_WITHIN, rest).await;
}

async fn deliver(place: &mut impl Place, notice: &Notice) {
    for wait in AGAIN_AFTER.into_iter().map(Some).chain([None]) {
        let reason = match (place.tell(notice).await, wait) {
            (Ok(()), _) => return,
            (Err(Untold::Later(_)), Some(wait)) => {
                tokio::time::sleep(wait).await;
                continue;
            }
            (Err(Untold::Later(reason) | Untold::Never(reason)), _) => reason,
        };
        tracing::warn!(place = place.name(), reason, "a notice did not arrive");
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place whose answers are given in advance.
    struct Told {
        answers: Vec<Result<(), Untold>>,
        told: mpsc::UnboundedSender<String>,
    }

    impl Place for Told {
        fn name(&self) -> &'static str {
            "a test"
        }
        fn tell<'a>(&'a mut self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Untold>> {
            let _ = self.told.send(notice.sentence.clone());
            let answer = self.answers.pop().unwrap_or(Ok(()));
            Box::pin(std::future::ready(answer))
        }
    }

    /// One that never takes anything.
    struct Deaf;

    impl Place for Deaf {
        fn name(&self) -> &'static str {
            "nowhere"
        }
        fn tell<'a>(&'a mut self, _: &'a Notice) -> BoxFuture<'a, Result<(), Untold>> {
            Box::pin(std::future::pending())
        }
    }

    fn watches(who: &str) -> What {
        What::Watches {
            who: who.into(),
            room: "Home".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_arrive_later_is_tried_twice_more_and_the_rest_once() {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (told, mut heard) = mpsc::unbounded_channel();
        let mut notices = Notices::new("desk", "https://m");
        let later = || Err(Untold::Later("busy".into()));
        let never = Err(Untold::Never("wrong token".into()));
        let answers = vec![Ok(()), never, later(), later(), later(), later()];
        let place = Told { answers, told };
        notices.add(BTreeSet::from([Event::Watch]), place, &tasks, stop.clone());
        notices.tell(&What::SignedOut);
        for who in ["a", "b", "c"] {
            notices.tell(&watches(who));
        }
        let mut all = Vec::new();
        for _ in 0..6 {
            all.push(heard.recv().await.unwrap().chars().next().unwrap());
        }
        assert_eq!(
            all,
            ['a', 'a', 'a', 'b', 'b', 'c'],
            "and what was not chosen is not told"
        );
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_takes_nothing_holds_up_nobody_and_its_queue_is_bounded() {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (told, mut heard) = mpsc::unbounded_channel();
        let mut notices = Notices::new("desk", "https://m");
        notices.add(Event::ALL.into(), Deaf, &tasks, stop.clone());
        notices.add(
            Event::ALL.into(),
            Told {
                answers: vec![],
                told,
            },
            &tasks,
            stop.clone(),
        );
        for number in 0..3 * QUEUE {
            notices.tell(&watches(&number.to_string()));
            assert!(heard.recv().await.is_some());
        }
        assert_eq!(notices.places[0].1.capacity(), 0);
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }

    #[test]
    fn sentences_say_who_and_where_and_carry_no_control_characters() {
        let asks = What::Asks {
            capability: Capability::ShareFile,
            who: "\u{1b}[2JBob\u{202e}".into(),
            room: "x".repeat(1000),
        };
        let sentence = asks.sentence();
        assert!(
            sentence.starts_with("[2JBob in xx") && sentence.len() < 300,
            "{sentence}"
        );
        assert_eq!("watch".parse(), Ok(Event::Watch));
        assert!("chat".parse::<Event>().is_err());
    }
}
