//! Where a sender and a device without an account meet by a code: who waits under which number, the one guess at each, and
//! what the sender answered.
//!
//! In memory, since a number is of use only while its sender waits: after a restart the sender takes another. Sans-IO: the time is
//! passed in. Bound: 10 of one user, 1,000 in all; a further one is refused. Nothing here tells whether a guess was right: what
//! passes through is sealed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mesh_protocol::http::{CodeGuess, CodeReply, Nameplate};
use mesh_protocol::ids::UserId;
use mesh_protocol::limits::{CODE_GRACE, CODE_TTL};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::pairing::{TooMany, network};
use super::throttle::Throttle;

const PER_USER: usize = 10;
const IN_ALL: usize = 1_000;
/// What the throttle counts under, for each address.
const GUESSES: &str = "codes";

/// What is known at the moment of a question.
#[derive(Debug)]
pub enum Look<T> {
    /// This.
    Here(T),
    /// Nothing yet: something has changed when this says so.
    NotYet(watch::Receiver<()>),
    /// The number is nobody's, not the caller's, or used.
    Gone,
}

/// Why nobody is shown and nothing taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The number is nobody's, or used.
    Gone,
    /// Too much was guessed from this address.
    Wait(Duration),
}

struct Waiting {
    owner: UserId,
    pake: String,
    /// Unix milliseconds from which the number is free, unless its sender asks again.
    until: u64,
    /// Unix milliseconds past which asking does not help.
    expires_at: u64,
    guess: Option<CodeGuess>,
    reply: Option<CodeReply>,
    /// Told at each change; dropped with the number, which whoever waits notices too.
    changed: watch::Sender<()>,
}

/// The senders that wait on this node.
#[derive(Default)]
pub struct Codes {
    /// By number. Held for a lookup or a change.
    waiting: Mutex<BTreeMap<u32, Waiting>>,
    guesses: Throttle,
}

impl Codes {
    /// Gives a sender the smallest number that is free.
    pub fn offer(&self, owner: UserId, pake: String, now_ms: u64) -> Result<Nameplate, TooMany> {
        let mut waiting = self.waiting.lock();
        drop_lapsed(&mut waiting, now_ms);
        let own = waiting.values().filter(|waiting| waiting.owner == owner).count();
        if waiting.len() >= IN_ALL || own >= PER_USER {
            return Err(TooMany);
        }
        let nameplate = (1..)
            .find(|number| !waiting.contains_key(number))
            .ok_or(TooMany)?;
        let expires_at = now_ms + millis(CODE_TTL);
        let new = Waiting {
            owner,
            pake,
            until: now_ms + millis(CODE_GRACE),
            expires_at,
            guess: None,
            reply: None,
            changed: watch::Sender::new(()),
        };
        waiting.insert(nameplate, new);
        Ok(Nameplate {
            nameplate,
            expires_at: expires_at / 1000,
        })
    }

    /// The sender's message, while nobody has guessed. A number that is nobody's counts as a guess: no address asks through
    /// all of them.
    pub fn show(&self, nameplate: u32, address: IpAddr, now_ms: u64) -> Result<String, Refused> {
        self.may_guess(address)?;
        let waiting = self.waiting.lock();
        let found = waiting
            .get(&nameplate)
            .filter(|found| found.until > now_ms && found.guess.is_none());
        found.map(|found| found.pake.clone()).ok_or_else(|| {
            self.guesses.failed(GUESSES, network(address));
            Refused::Gone
        })
    }

    /// Takes the only guess that there is. The same again is the same guess, and who made it is not held up for it.
    pub fn guess(
        &self,
        nameplate: u32,
        guess: &CodeGuess,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<(), Refused> {
        let mut waiting = self.waiting.lock();
        let found = waiting.get_mut(&nameplate).filter(|found| found.until > now_ms);
        if found
            .as_ref()
            .is_some_and(|found| found.guess.as_ref() == Some(guess))
        {
            return Ok(());
        }
        self.may_guess(address)?;
        self.guesses.failed(GUESSES, network(address));
        let found = found.filter(|found| found.guess.is_none()).ok_or(Refused::Gone)?;
        found.guess = Some(guess.clone());
        found.changed.send_replace(());
        Ok(())
    }

    /// The sender's answer, for who made this guess.
    pub fn replied(&self, nameplate: u32, guess: &CodeGuess, now_ms: u64) -> Look<CodeReply> {
        let waiting = self.waiting.lock();
        let of_guess = |found: &&Waiting| found.until > now_ms && found.guess.as_ref() == Some(guess);
        match waiting.get(&nameplate).filter(of_guess) {
            Some(Waiting {
                reply: Some(reply), ..
            }) => Look::Here(reply.clone()),
            Some(found) => Look::NotYet(found.changed.subscribe()),
            None => Look::Gone,
        }
    }

    /// The guess, for the sender; to ask keeps the number.
    pub fn guessed(&self, nameplate: u32, owner: &UserId, now_ms: u64) -> Look<CodeGuess> {
        let mut waiting = self.waiting.lock();
        let Some(found) = own(&mut waiting, nameplate, owner, now_ms) else {
            return Look::Gone;
        };
        found.until = found.expires_at.min(now_ms + millis(CODE_GRACE));
        match &found.guess {
            Some(guess) => Look::Here(guess.clone()),
            None => Look::NotYet(found.changed.subscribe()),
        }
    }

    /// The sender's answer to the guess, once; whether there was one to be answered.
    pub fn reply(&self, nameplate: u32, owner: &UserId, reply: CodeReply, now_ms: u64) -> bool {
        let mut waiting = self.waiting.lock();
        let Some(found) = own(&mut waiting, nameplate, owner, now_ms) else {
            return false;
        };
        if found.guess.is_none() || found.reply.is_some() {
            return false;
        }
        found.reply = Some(reply);
        found.until = now_ms + millis(CODE_GRACE);
        found.changed.send_replace(());
        true
    }

    /// The sender gives the number back; whether it had it.
    pub fn withdraw(&self, nameplate: u32, owner: &UserId, now_ms: u64) -> bool {
        let mut waiting = self.waiting.lock();
        own(&mut waiting, nameplate, owner, now_ms).is_some() && waiting.remove(&nameplate).is_some()
    }

    fn may_guess(&self, address: IpAddr) -> Result<(), Refused> {
        let wait = self.guesses.wait(GUESSES, network(address));
        wait.map_or(Ok(()), |wait| Err(Refused::Wait(wait)))
    }

    /// Drops what has lapsed.
    pub fn sweep(&self, now_ms: u64) {
        drop_lapsed(&mut self.waiting.lock(), now_ms);
        self.guesses.sweep();
    }
}

fn own<'a>(
    waiting: &'a mut BTreeMap<u32, Waiting>,
    nameplate: u32,
    owner: &UserId,
    now_ms: u64,
) -> Option<&'a mut Waiting> {
    waiting
        .get_mut(&nameplate)
        .filter(|found| found.owner == *owner && found.until > now_ms)
}

fn drop_lapsed(waiting: &mut BTreeMap<u32, Waiting>, now_ms: u64) {
    waiting.retain(|_, waiting| waiting.until > now_ms);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: u64 = 30_000;
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn id(text: &str) -> UserId {
        text.parse().unwrap()
    }

    fn guess(text: &str) -> CodeGuess {
        CodeGuess {
            pake: "b".into(),
            sealed: text.into(),
        }
    }

    fn reply() -> CodeReply {
        CodeReply {
            sealed: "reply".into(),
        }
    }

    fn offer(codes: &Codes, owner: &str, now: u64) -> Option<u32> {
        let offered = codes.offer(id(owner), "a".into(), now);
        offered.ok().map(|offered| offered.nameplate)
    }

    #[test]
    fn the_first_guess_is_the_only_one_and_only_who_made_it_is_answered() {
        let codes = Codes::default();
        let (alice, bob) = (id("alice"), id("bob"));
        assert_eq!(offer(&codes, "alice", 0), Some(1));
        assert_eq!(codes.show(1, HERE, 1), Ok("a".into()));
        assert!(matches!(codes.guessed(1, &alice, 1), Look::NotYet(_)));
        assert!(!codes.reply(1, &alice, reply(), 1), "to nobody");
        assert!(matches!(codes.replied(1, &guess("one"), 1), Look::Gone));
        assert_eq!(codes.guess(1, &guess("one"), HERE, 2), Ok(()));
        assert_eq!(codes.show(1, HERE, 2), Err(Refused::Gone));
        assert_eq!(codes.guess(1, &guess("two"), HERE, 3), Err(Refused::Gone));
        assert_eq!(codes.guess(1, &guess("one"), HERE, 3), Ok(()), "the same again");
        assert!(matches!(codes.replied(1, &guess("one"), 3), Look::NotYet(_)));
        assert!(matches!(codes.guessed(1, &bob, 3), Look::Gone));
        assert!(matches!(codes.guessed(1, &alice, 3), Look::Here(told) if told == guess("one")));
        assert!(!codes.reply(1, &bob, reply(), 4));
        assert!(codes.reply(1, &alice, reply(), 4));
        assert!(!codes.reply(1, &alice, reply(), 4), "once");
        assert!(matches!(codes.replied(1, &guess("one"), 5), Look::Here(told) if told == reply()));
        assert!(matches!(codes.replied(1, &guess("two"), 5), Look::Gone));
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_the_guess_of_the_reply_and_of_the_end() {
        let codes = Codes::default();
        let alice = id("alice");
        offer(&codes, "alice", 0);
        let Look::NotYet(mut sender) = codes.guessed(1, &alice, 0) else {
            panic!("nobody came")
        };
        codes.guess(1, &guess("one"), HERE, 0).unwrap();
        sender.changed().await.unwrap();
        let Look::NotYet(mut other) = codes.replied(1, &guess("one"), 0) else {
            panic!("nothing was said")
        };
        codes.reply(1, &alice, reply(), 0);
        other.changed().await.unwrap();
        assert!(!codes.withdraw(1, &id("bob"), 0) && codes.withdraw(1, &alice, 0));
        assert!(other.changed().await.is_err());
        assert!(!codes.withdraw(1, &alice, 0));
    }

    #[test]
    fn a_number_lasts_as_long_as_its_sender_asks_and_an_hour_at_most() {
        let codes = Codes::default();
        offer(&codes, "alice", 0);
        assert_eq!(codes.show(1, HERE, GRACE), Err(Refused::Gone));
        assert!(matches!(codes.guessed(1, &id("alice"), GRACE), Look::Gone));
        offer(&codes, "alice", GRACE);
        let mut now = GRACE;
        while matches!(codes.guessed(1, &id("alice"), now), Look::NotYet(_)) {
            now += GRACE - 1;
        }
        assert!((3_600_000..=3_600_000 + 2 * GRACE).contains(&now), "{now} ms");
        // An answer is there a while, to be fetched.
        offer(&codes, "alice", now);
        codes.guess(1, &guess("one"), HERE, now + GRACE - 1).unwrap();
        codes.reply(1, &id("alice"), reply(), now + GRACE - 1);
        let fetched = |at| matches!(codes.replied(1, &guess("one"), at), Look::Here(_));
        assert!(fetched(now + 2 * GRACE - 2) && !fetched(now + 2 * GRACE - 1));
    }

    #[test]
    fn numbers_are_small_and_bounded_by_user_and_in_all() {
        let codes = Codes::default();
        for number in 1..=10 {
            assert_eq!(offer(&codes, "alice", 0), Some(number));
        }
        assert_eq!(offer(&codes, "alice", 0), None);
        codes.withdraw(4, &id("alice"), 0);
        assert_eq!(offer(&codes, "bob", 0), Some(4), "the smallest that is free");
        let taken = (0..2_000).filter(|n| offer(&codes, &format!("user-{}", n / 10), 0).is_some());
        assert_eq!(taken.count(), IN_ALL - 10);
        assert_eq!(
            offer(&codes, "alice", GRACE),
            Some(1),
            "those that lapsed give theirs back"
        );
        codes.sweep(2 * GRACE);
        assert!(codes.waiting.lock().is_empty());
    }

    #[test]
    fn who_guesses_too_much_waits_by_network() {
        let codes = Codes::default();
        offer(&codes, "alice", 0);
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        let same: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        let looked = (2..100).take_while(|number| codes.show(*number, here, 0) == Err(Refused::Gone));
        let looked = looked.count();
        println!("{looked} numbers were looked for before the first wait");
        assert!((10..=12).contains(&looked));
        assert!(matches!(codes.show(1, same, 0), Err(Refused::Wait(_))));
        assert!(matches!(
            codes.guess(1, &guess("one"), same, 0),
            Err(Refused::Wait(_))
        ));
        assert_eq!(codes.guess(1, &guess("one"), other, 0), Ok(()));
        assert_eq!(codes.guess(1, &guess("one"), same, 0), Ok(()), "it is known");
    }
}
