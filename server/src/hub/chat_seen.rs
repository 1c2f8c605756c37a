//! Which messages of a room's chat the peers of this node were sent, so that what another node could not tell is found, and nothing is
//! sent twice. Sans-IO.

use std::collections::BTreeSet;

/// Messages that came before one that is missing; past it the missing one is given up.
const BEYOND: usize = 1_024;

/// Which messages of a chat were sent to the peers here.
#[derive(Default)]
pub(super) struct ChatSeen {
    /// What was there when the first peer came in, and the last one with nothing missing before it.
    known: Option<(u64, u64)>,
    beyond: BTreeSet<u64>,
}

impl ChatSeen {
    /// The room's last message as somebody read it who came in.
    pub(super) fn begin(&mut self, last: u64) {
        self.known.get_or_insert((last, last));
    }

    /// Whether a message is to be sent: it was not before.
    pub(super) fn note(&mut self, seq: u64) -> bool {
        let Some((base, upto)) = &mut self.known else {
            return true;
        };
        if seq <= *base {
            return true;
        }
        if seq <= *upto || !self.beyond.insert(seq) {
            return false;
        }
        if self.beyond.len() > BEYOND {
            *upto = self.beyond.first().map_or(*upto, |first| first - 1);
        }
        while self.beyond.remove(&(*upto + 1)) {
            *upto += 1;
        }
        true
    }

    /// The last one with nothing missing before it.
    pub(super) fn upto(&self) -> Option<u64> {
        self.known.map(|(_, upto)| upto)
    }

    /// There is nothing more up to this one.
    pub(super) fn filled(&mut self, to: u64) {
        if let Some((_, upto)) = &mut self.known {
            *upto = to.max(*upto);
            let upto = *upto;
            self.beyond.retain(|seq| *seq > upto);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_sent_once_and_what_is_missing_is_known() {
        let mut chat = ChatSeen::default();
        assert!(chat.note(9) && chat.note(9), "nothing is known yet");
        chat.begin(10);
        chat.begin(12);
        assert!(chat.note(10), "the first who came in may have read it already");
        assert!(chat.note(11) && !chat.note(11));
        assert!(chat.note(13) && !chat.note(13));
        assert_eq!(chat.upto(), Some(11));
        assert!(chat.note(12));
        assert_eq!(chat.upto(), Some(13));
        assert!(chat.note(20));
        chat.filled(18);
        assert!(!chat.note(15), "it is gone");
        assert!(chat.note(19) && chat.upto() == Some(20));
    }

    #[test]
    fn what_is_beyond_a_gap_is_bounded() {
        let mut chat = ChatSeen::default();
        chat.begin(0);
        for seq in 2..BEYOND as u64 + 10 {
            assert!(chat.note(seq));
        }
        assert!(chat.beyond.len() <= BEYOND);
        assert_eq!(chat.upto(), Some(BEYOND as u64 + 9));
    }
}
