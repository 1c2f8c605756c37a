//! A viewer that answers for the host's owner: what it has been told of the questions, and what it still has to be told. Holds
//! the state and never a queue: a question that was settled before it left is not told at all.

use std::collections::{BTreeMap, BTreeSet};

use mesh_protocol::channel::{Frame, TermAsk, TermDecide, TermWithdrawn};
use mesh_protocol::ids::PeerId;

use super::Host;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Decider {
    decides: bool,
    decides_due: bool,
    /// Open ones, as many as the owner is asked at once.
    open: BTreeMap<u64, TermAsk>,
    /// Those that it knows of.
    told: BTreeSet<u64>,
}

impl Decider {
    /// Answers its wish, or takes back what it was given; then all of its questions are settled.
    pub(super) fn set(&mut self, decides: bool) {
        (self.decides, self.decides_due) = (decides, true);
        if !decides {
            self.open.clear();
        }
    }

    /// Puts a question, to a viewer that decides.
    pub(super) fn ask(&mut self, question: TermAsk) {
        if self.decides {
            self.open.insert(question.id, question);
        }
    }

    /// Somebody answered it, or nobody shall any more.
    pub(super) fn withdraw(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// Its answer counts only where it was told the question and the question still stands; it does once.
    pub(super) fn answer(&mut self, id: u64) -> bool {
        self.decides && self.told.contains(&id) && self.open.remove(&id).is_some()
    }

    /// Whether it decides, then what is settled, then what is asked.
    pub(super) fn next_frame(&mut self) -> Option<Frame> {
        if std::mem::take(&mut self.decides_due) {
            let decides = self.decides;
            return Some(Frame::TermDecide(TermDecide { decides }));
        }
        if let Some(id) = self.told.iter().copied().find(|id| !self.open.contains_key(id)) {
            self.told.remove(&id);
            return Some(Frame::TermWithdrawn(TermWithdrawn { id }));
        }
        let (id, question) = self.open.iter().find(|(id, _)| !self.told.contains(*id))?;
        self.told.insert(*id);
        Some(Frame::TermAsk(question.clone()))
    }
}

impl Host {
    /// This viewer is the owner's own and may ask to answer for them; it is told so. Who answers such a wish is the driver.
    pub fn may_decide(&mut self, viewer: &PeerId) {
        if let Some(watcher) = self.watchers.get_mut(viewer) {
            watcher.may_decide = true;
            watcher.lease_changed();
        }
    }

    /// From now on this viewer is put what the owner is asked, or not any more: it is told so either way.
    pub fn set_decides(&mut self, viewer: &PeerId, decides: bool) {
        if let Some(watcher) = self.watchers.get_mut(viewer).filter(|watcher| watcher.may_decide) {
            watcher.decider.set(decides);
        }
    }

    /// Puts a question to a viewer that decides. The caller bounds how many stand open.
    pub fn ask(&mut self, viewer: &PeerId, question: TermAsk) {
        if let Some(watcher) = self.watchers.get_mut(viewer) {
            watcher.decider.ask(question);
        }
    }

    /// The question is settled.
    pub fn withdraw(&mut self, viewer: &PeerId, id: u64) {
        if let Some(watcher) = self.watchers.get_mut(viewer) {
            watcher.decider.withdraw(id);
        }
    }

    /// Whether the answer of this viewer counts: once, and only while it decides and the question that it was put stands.
    pub fn takes_answer(&mut self, viewer: &PeerId, id: u64) -> bool {
        let watcher = self.watchers.get_mut(viewer).filter(|watcher| !watcher.is_cut());
        watcher.is_some_and(|watcher| watcher.decider.answer(id))
    }
}
