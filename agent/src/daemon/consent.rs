//! Who may do what with this device: consent given in advance, asked for now, or absent.
//!
//! Owns [`Policy`] (what needs no question) and [`Desk`] (where questions are put and answered). Knows nothing of
//! terminals or sockets: a *source* is whoever can ask the owner, such as the terminal of `mesh up`, an attached
//! `mesh share terminal` or a page that the owner let decide. A question goes to every source that it is for; the first answer
//! counts; with none left it is a no.
//!
//! **Invariant**: who may decide in the owner's place is asked on this device alone, each time, whatever was said before.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesh_protocol::capability::Capability;
pub use mesh_protocol::channel::ConsentAnswer as Answer;
use mesh_protocol::ids::{RoomId, UserId};
use mesh_protocol::signal::Reason;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::rules::{Rule, Rules, Scope};
use crate::exit::Outcome;

/// How long the owner may take.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Questions that stand open at once; the next is declined as busy.
pub const MAX_OPEN: usize = 16;
/// Events that wait for one source: every open question and its withdrawal fit, so that nothing is dropped.
const SOURCE_QUEUE: usize = 4 * MAX_OPEN;

/// What the owner is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub capability: Capability,
    /// The person that asks, and the device in brackets.
    pub who: String,
    pub room: String,
    /// By which standing answers are found and made.
    pub room_id: Option<RoomId>,
    pub user_id: Option<UserId>,
    /// For files: names and sizes, one a line.
    #[serde(default)]
    pub details: Vec<String>,
    /// Whether it is asked to decide in the owner's place, for as long as this session lasts.
    #[serde(default)]
    pub decides: bool,
}

impl Question {
    /// One sentence for the owner. Names come from others: control characters are taken out.
    pub fn sentence(&self) -> String {
        let (who, room) = (plain(&self.who), plain(&self.room));
        if self.decides {
            return format!(
                "{who} in {room} wants to decide in your place who watches your terminals and who types into them, itself too; it is signed in as you."
            );
        }
        match self.capability {
            Capability::TerminalView => format!("{who} in {room} wants to watch a terminal of this device."),
            Capability::TerminalControl => format!("{who} in {room} wants to type into your terminal."),
            Capability::ShareFile => format!(
                "{who} in {room} wants to send you {}.",
                plain(&self.details.join(", "))
            ),
            other => format!("{who} in {room} asks for {other}."),
        }
    }
}

/// Text of others, made safe to print.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')).collect()
}

/// Whom an answer is about beyond its question.
fn scope_of(answer: Answer, question: &Question) -> Option<Scope> {
    if question.decides {
        return None;
    }
    match answer {
        Answer::Yes | Answer::No => None,
        Answer::AlwaysPerson | Answer::NeverPerson => Some(Scope::Person {
            user_id: question.user_id.clone()?,
            name: plain(&question.who),
        }),
        Answer::AlwaysRoom => Some(Scope::Room {
            room_id: question.room_id.clone()?,
            name: plain(&question.room),
        }),
    }
}

/// Consent in advance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub allow: BTreeSet<Capability>,
    /// Decline whatever is not allowed, without asking.
    pub deny: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Declined(Reason),
}

/// What a source is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskEvent {
    Ask {
        id: u64,
        question: Question,
    },
    /// Answered elsewhere, or out of time.
    Withdrawn {
        id: u64,
    },
}

/// Rung when a question is put, or would be if somebody could be asked. It must not wait.
#[derive(Clone)]
pub struct Bell(Arc<dyn Fn(&Question) + Send + Sync>);

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bell")
    }
}

/// Where questions are put. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    bell: Option<Bell>,
    policy: Arc<Policy>,
    /// Held for a look or a change, never across an await.
    rules: Arc<Mutex<Rules>>,
    /// Held for a few instructions at a time, never across an await.
    board: Arc<Mutex<Board>>,
}

#[derive(Debug, Default)]
struct Board {
    next: u64,
    sources: HashMap<u64, (Place, mpsc::Sender<DeskEvent>)>,
    open: HashMap<u64, (Question, oneshot::Sender<Answer>)>,
}

/// Where a source asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On this device.
    Here,
    /// In a page of the owner's that was let decide about terminals.
    Afar,
}

impl Place {
    const fn is_for(self, question: &Question) -> bool {
        let terminal = matches!(
            question.capability,
            Capability::TerminalView | Capability::TerminalControl
        );
        match self {
            Self::Here => true,
            Self::Afar => terminal && !question.decides,
        }
    }
}

/// One way to ask the owner, for as long as it lives.
#[derive(Debug)]
pub struct Source {
    id: u64,
    desk: Desk,
    events: mpsc::Receiver<DeskEvent>,
}

impl Desk {
    pub fn new(policy: Policy, rules: Rules) -> Self {
        Self {
            bell: None,
            policy: Arc::new(policy),
            rules: Arc::new(Mutex::new(rules)),
            board: Arc::default(),
        }
    }

    /// The same desk with a bell.
    pub fn with_bell(mut self, bell: impl Fn(&Question) + Send + Sync + 'static) -> Self {
        self.bell = Some(Bell(Arc::new(bell)));
        self
    }

    /// Adds a source on this device; it is shown what stands open.
    pub fn attach(&self) -> Source {
        self.attach_at(Place::Here)
    }

    /// Adds a page of the owner's that was let decide: it is asked about terminals, and not who else decides.
    pub fn attach_afar(&self) -> Source {
        self.attach_at(Place::Afar)
    }

    fn attach_at(&self, place: Place) -> Source {
        let (sender, events) = mpsc::channel(SOURCE_QUEUE);
        let mut board = self.board();
        for (id, (question, _)) in board.open.iter().filter(|(_, (open, _))| place.is_for(open)) {
            let _ = sender.try_send(DeskEvent::Ask {
                id: *id,
                question: question.clone(),
            });
        }
        let id = board.number();
        board.sources.insert(id, (place, sender));
        drop(board);
        Source {
            id,
            desk: self.clone(),
            events,
        }
    }

    /// Whether somebody has this right without being asked about.
    pub fn allows(&self, capability: Capability) -> bool {
        self.policy.allow.contains(&capability) || self.rules().may_allow(capability)
    }

    /// Whether a standing answer refuses this.
    pub fn forbids(&self, question: &Question) -> bool {
        self.rules().decide(question) == Some(false)
    }

    /// The standing answers.
    pub fn standing(&self) -> Vec<Rule> {
        self.rules().all().to_vec()
    }

    /// Changes a standing answer; without one it is asked again.
    pub fn set(&self, capability: Capability, scope: Scope, allow: Option<bool>) -> Outcome {
        self.rules().set(capability, scope, allow)
    }

    /// What the owner says. Dropping the future withdraws the question.
    pub async fn ask(&self, question: Question) -> Verdict {
        self.ask_within(question, ANSWER_WITHIN).await
    }

    async fn ask_within(&self, question: Question, within: Duration) -> Verdict {
        if !question.decides {
            match self.rules().decide(&question) {
                Some(true) => return Verdict::Allowed,
                Some(false) => return Verdict::Declined(Reason::Declined),
                None => {}
            }
            if self.policy.allow.contains(&question.capability) {
                return Verdict::Allowed;
            }
        }
        if self.policy.deny {
            return Verdict::Declined(Reason::Declined);
        }
        if let Some(Bell(ring)) = &self.bell {
            ring(&question);
        }
        let (reply, answer) = oneshot::channel();
        let open = {
            let mut board = self.board();
            if !board.can_ask(&question) {
                return Verdict::Declined(Reason::Declined);
            }
            if board.open.len() >= MAX_OPEN {
                return Verdict::Declined(Reason::Busy);
            }
            let id = board.number();
            board.open.insert(id, (question.clone(), reply));
            board.tell(&DeskEvent::Ask { id, question });
            Open { id, desk: self }
        };
        let verdict = match tokio::time::timeout(within, answer).await {
            Ok(Ok(answer)) if answer.allows() => Verdict::Allowed,
            Ok(Ok(_) | Err(_)) => Verdict::Declined(Reason::Declined),
            Err(_) => Verdict::Declined(Reason::Timeout),
        };
        drop(open);
        verdict
    }

    /// The owner's answer; later answers to the same question mean nothing.
    pub fn answer(&self, id: u64, answer: Answer) {
        let Some((question, reply)) = self.board().open.remove(&id) else {
            return;
        };
        let _ = reply.send(answer);
        if let Some(scope) = scope_of(answer, &question)
            && let Err(failure) = self.set(question.capability, scope, Some(answer.allows()))
        {
            tracing::warn!(%failure, "an answer was not kept");
        }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn can_ask(&self, question: &Question) -> bool {
        self.sources.values().any(|(place, _)| place.is_for(question))
    }

    /// A source that does not read any more is gone.
    fn tell(&mut self, event: &DeskEvent) {
        self.sources.retain(|_, (place, source)| match event {
            DeskEvent::Ask { question, .. } if !place.is_for(question) => true,
            _ => source.try_send(event.clone()).is_ok(),
        });
    }
}

/// A question that stands open; its end is told to every source.
struct Open<'a> {
    id: u64,
    desk: &'a Desk,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut board = self.desk.board();
        board.open.remove(&self.id);
        board.tell(&DeskEvent::Withdrawn { id: self.id });
    }
}

impl Source {
    /// The next event. Cancel-safe.
    pub async fn next(&mut self) -> Option<DeskEvent> {
        self.events.recv().await
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let mut board = self.desk.board();
        board.sources.remove(&self.id);
        // Where nobody is left to answer, dropping the reply is a no.
        let mut open = std::mem::take(&mut board.open);
        open.retain(|_, (question, _)| board.can_ask(question));
        board.open = open;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(capability: Capability) -> Question {
        Question {
            capability,
            who: "Bob (laptop)".into(),
            room: "Home".into(),
            room_id: "r1".parse().ok(),
            user_id: "u1".parse().ok(),
            details: vec!["a.txt (1 byte)".into()],
            decides: false,
        }
    }

    fn view() -> Question {
        question(Capability::TerminalView)
    }

    #[tokio::test]
    async fn consent_in_advance_is_for_that_right_only_and_deny_asks_nobody() {
        let allow = BTreeSet::from([Capability::TerminalView]);
        let desk = Desk::new(Policy { allow, deny: true }, Rules::default());
        let _source = desk.attach();
        assert_eq!(desk.ask(view()).await, Verdict::Allowed);
        let control = desk.ask(question(Capability::TerminalControl)).await;
        assert_eq!(control, Verdict::Declined(Reason::Declined));
    }

    #[tokio::test]
    async fn without_anyone_to_ask_it_is_a_no() {
        let desk = Desk::new(Policy::default(), Rules::default());
        assert_eq!(desk.ask(view()).await, Verdict::Declined(Reason::Declined));
        let source = desk.attach();
        let asked = tokio::spawn({
            let desk = desk.clone();
            async move { desk.ask(view()).await }
        });
        while desk.board().open.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(source);
        assert_eq!(
            asked.await.unwrap(),
            Verdict::Declined(Reason::Declined),
            "the last source went"
        );
    }

    #[tokio::test]
    async fn every_source_is_asked_and_the_first_answer_counts() {
        let desk = Desk::new(Policy::default(), Rules::default());
        let (mut one, mut two) = (desk.attach(), desk.attach());
        let asked = tokio::spawn({
            let desk = desk.clone();
            async move { desk.ask(view()).await }
        });
        let Some(DeskEvent::Ask { id, question }) = one.next().await else {
            panic!("not asked")
        };
        assert_eq!(question, view());
        assert_eq!(two.next().await, Some(DeskEvent::Ask { id, question }));
        desk.answer(id, Answer::Yes);
        desk.answer(id, Answer::No);
        assert_eq!(asked.await.unwrap(), Verdict::Allowed);
        assert_eq!(two.next().await, Some(DeskEvent::Withdrawn { id }));
    }

    #[tokio::test]
    async fn silence_is_a_no_and_is_told_as_such() {
        let desk = Desk::new(Policy::default(), Rules::default());
        let mut source = desk.attach();
        let verdict = desk.ask_within(view(), Duration::from_millis(5)).await;
        assert_eq!(verdict, Verdict::Declined(Reason::Timeout));
        assert!(matches!(source.next().await, Some(DeskEvent::Ask { .. })));
        assert!(matches!(source.next().await, Some(DeskEvent::Withdrawn { .. })));
    }

    #[tokio::test]
    async fn questions_are_bounded_and_one_that_is_given_up_makes_room() {
        let desk = Desk::new(Policy::default(), Rules::default());
        let _source = desk.attach();
        let ask = || {
            let desk = desk.clone();
            tokio::spawn(async move { desk.ask(view()).await })
        };
        let asked: Vec<_> = (0..MAX_OPEN).map(|_| ask()).collect();
        while desk.board().open.len() < MAX_OPEN {
            tokio::task::yield_now().await;
        }
        assert_eq!(desk.ask(view()).await, Verdict::Declined(Reason::Busy));
        for task in asked {
            task.abort();
            let _ = task.await;
        }
        assert!(desk.board().open.is_empty());
    }

    #[tokio::test]
    async fn an_answer_that_stands_is_not_asked_for_again() {
        for (answer, verdict) in [
            (Answer::AlwaysPerson, Verdict::Allowed),
            (Answer::AlwaysRoom, Verdict::Allowed),
            (Answer::NeverPerson, Verdict::Declined(Reason::Declined)),
        ] {
            let desk = Desk::new(Policy::default(), Rules::default());
            let mut source = desk.attach();
            let (asked, ()) = tokio::join!(desk.ask(view()), async {
                let Some(DeskEvent::Ask { id, .. }) = source.next().await else {
                    panic!("not asked")
                };
                desk.answer(id, answer);
            });
            assert_eq!(asked, verdict);
            // Nobody is there any more who could answer.
            drop(source);
            assert_eq!(desk.ask(view()).await, verdict, "{answer:?}");
            assert_eq!(desk.forbids(&view()), verdict != Verdict::Allowed);
        }
    }

    #[tokio::test]
    async fn who_decides_is_asked_here_alone_each_time_and_a_page_is_asked_about_terminals() {
        let deciding = Question {
            decides: true,
            ..question(Capability::TerminalControl)
        };
        let allow = BTreeSet::from([Capability::TerminalControl]);
        let desk = Desk::new(Policy { allow, deny: false }, Rules::default());
        let always = Scope::Person {
            user_id: "u1".parse().unwrap(),
            name: "Bob".into(),
        };
        desk.set(Capability::TerminalControl, always, Some(true)).unwrap();
        let mut page = desk.attach_afar();
        let no = Verdict::Declined(Reason::Declined);
        assert_eq!(
            desk.ask(deciding.clone()).await,
            no,
            "a page cannot be asked that"
        );
        assert_eq!(desk.ask(question(Capability::ShareFile)).await, no);

        let mut here = desk.attach();
        let (verdict, ()) = tokio::join!(desk.ask(deciding.clone()), async {
            let Some(DeskEvent::Ask { id, question }) = here.next().await else {
                panic!("not asked")
            };
            assert!(question.decides && question.sentence().contains("in your place"));
            desk.answer(id, Answer::AlwaysPerson);
        });
        assert_eq!(verdict, Verdict::Allowed);
        assert_eq!(desk.standing().len(), 1, "nothing stands for the next time");

        let (verdict, ()) = tokio::join!(desk.ask(view()), async {
            let asked = loop {
                match page.next().await {
                    Some(DeskEvent::Ask { id, question }) => break (id, question),
                    other => assert!(matches!(other, Some(DeskEvent::Withdrawn { .. }))),
                }
            };
            assert_eq!(asked.1, view());
            desk.answer(asked.0, Answer::Yes);
        });
        assert_eq!(verdict, Verdict::Allowed);

        // The window on the device goes while that is asked there: the page that stays does not answer it.
        let (verdict, ()) = tokio::join!(desk.ask(deciding), async {
            while !matches!(here.next().await, Some(DeskEvent::Ask { .. })) {}
            drop(here);
        });
        assert_eq!(verdict, no);
    }

    #[test]
    fn names_of_others_cannot_steer_the_terminal() {
        let question = Question {
            who: "\u{1b}[2JBob\u{202e}".into(),
            ..question(Capability::ShareFile)
        };
        assert_eq!(
            question.sentence(),
            "[2JBob in Home wants to send you a.txt (1 byte)."
        );
    }
}
