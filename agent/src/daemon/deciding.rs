//! A viewer that decides in the owner's place: asked about on this device alone, for one session, then put what the owner is asked.
//!
//! The person behind a viewer is who the server says. So neither a policy nor a standing answer lets anybody decide, only the owner's
//! yes to this very wish; and nobody does on the way through the server, which could write the answers.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mesh_protocol::capability::Capability;
use mesh_protocol::channel::{TermAnswer, TermAsk};
use mesh_protocol::ids::PeerId;
use mesh_protocol::signal::Reason;
use tokio::sync::{mpsc, oneshot};

use super::Core;
use super::consent::{DeskEvent, Question, Source, Verdict, plain};
use super::shares::Command;
use super::terminals::Asking;

/// One viewer's part in it; its end takes the questions back.
pub(super) struct Deciding<'a> {
    core: &'a Core,
    asking: &'a Asking,
    commands: mpsc::Sender<Command>,
    peer: PeerId,
    number: u64,
    /// Asked whether it may.
    wish: Option<BoxFuture<'a, Verdict>>,
    /// The owner said no: it is not asked again in this session.
    refused: bool,
    /// While it decides.
    source: Option<Source>,
}

/// What there is to do.
pub(super) enum News {
    Settled(Verdict),
    Asked(DeskEvent),
}

impl<'a> Deciding<'a> {
    pub(super) fn new(
        core: &'a Core,
        asking: &'a Asking,
        commands: mpsc::Sender<Command>,
        (peer, number): (PeerId, u64),
    ) -> Self {
        Self {
            core,
            asking,
            commands,
            peer,
            number,
            wish: None,
            refused: false,
            source: None,
        }
    }

    pub(super) const fn decides(&self) -> bool {
        self.source.is_some()
    }

    /// Resolves when there is something for [`Self::take`]. Cancel-safe.
    pub(super) async fn next(&mut self) -> News {
        match (&mut self.wish, &mut self.source) {
            (Some(wish), _) => News::Settled(wish.await),
            (None, Some(source)) => match source.next().await {
                Some(event) => News::Asked(event),
                // It did not keep up with the questions.
                None => News::Settled(Verdict::Declined(Reason::Busy)),
            },
            (None, None) => std::future::pending().await,
        }
    }

    pub(super) async fn take(&mut self, news: News) {
        let peer = self.peer.clone();
        let command = match news {
            News::Settled(verdict) => {
                self.wish = None;
                self.refused |= verdict == Verdict::Declined(Reason::Declined);
                return self.set(verdict == Verdict::Allowed).await;
            }
            News::Asked(DeskEvent::Ask { id, question }) => Command::Ask {
                peer,
                question: to_wire(id, &question),
            },
            News::Asked(DeskEvent::Withdrawn { id }) => Command::Withdraw { peer, id },
        };
        let _ = self.commands.send(command).await;
    }

    /// The viewer wants to decide, or not any more.
    pub(super) async fn wished(&mut self, decides: bool) {
        if !decides || self.refused {
            self.wish = None;
            return self.set(false).await;
        }
        if self.wish.is_none() && self.source.is_none() {
            let question = Question {
                decides: true,
                ..self.asking.question(Capability::TerminalControl, Vec::new())
            };
            let desk = self.core.desk.clone();
            self.wish = Some(async move { desk.ask(question).await }.boxed());
        }
    }

    /// An answer of the viewer; it counts where it decides, and for what it was asked.
    pub(super) async fn answered(&mut self, TermAnswer { id, answer }: TermAnswer) {
        let (reply, counts) = oneshot::channel();
        let peer = self.peer.clone();
        let _ = self.commands.send(Command::TakeAnswer { peer, id, reply }).await;
        if self.decides() && counts.await.unwrap_or(false) {
            self.core.desk.answer(id, answer);
        }
    }

    async fn set(&mut self, decides: bool) {
        let Asking { who, room, .. } = self.asking;
        if decides != self.decides() {
            self.core.tell(if decides {
                format!(
                    "{who} in {room} decides in your place who watches and who types, until it leaves; `mesh eject` ends that, too."
                )
            } else {
                format!("{who} in {room} does not decide in your place any more.")
            });
        }
        let command = Command::Decides {
            peer: self.peer.clone(),
            number: self.number,
            decides,
        };
        let _ = self.commands.send(command).await;
        self.source = decides.then(|| self.core.desk.attach_afar());
    }
}

fn to_wire(id: u64, question: &Question) -> TermAsk {
    TermAsk {
        id,
        capability: question.capability,
        who: plain(&question.who),
        room: plain(&question.room),
    }
}
