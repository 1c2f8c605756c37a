//! Two ends in virtual time, with a path between them that delays, loses and reorders.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{DATA, FEEDBACK, MOST_RUNS, Repair, WINDOW, header, widen};

const ONE_WAY: Duration = Duration::from_millis(10);

/// Hands a datagram in; gives it back where it is not of this layer.
fn read(end: &mut Repair<Vec<u8>>, now: Instant, datagram: &[u8]) -> Option<BytesMut> {
    end.handle_read(now, BytesMut::from(datagram), |content| content.to_vec())
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}

/// `ends[0]` sends, `ends[1]` receives.
struct World {
    now: Instant,
    ends: [Repair<Vec<u8>>; 2],
    /// What is on its way, by arrival; the number keeps equal times apart.
    flying: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
    random: Random,
    loss_percent: u64,
    jitter: Duration,
    delivered: Vec<u64>,
    lost: usize,
    /// Datagrams with content that entered the path.
    carried: usize,
    reports: usize,
}

impl World {
    fn new(seed: u64, loss_percent: u64, jitter: Duration) -> Self {
        Self {
            now: Instant::now(),
            ends: [Repair::new(1, 2), Repair::new(2, 1)],
            flying: BTreeMap::new(),
            count: 0,
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            loss_percent,
            jitter,
            delivered: Vec::new(),
            lost: 0,
            carried: 0,
            reports: 0,
        }
    }

    fn put(&mut self, to: usize, datagram: Vec<u8>) {
        match datagram[0] {
            DATA => self.carried += 1,
            _ => self.reports += 1,
        }
        if self.random.below(100) < self.loss_percent {
            self.lost += 1;
            return;
        }
        self.count += 1;
        let jitter = match self.jitter.as_micros() as u64 {
            0 => Duration::ZERO,
            most => Duration::from_micros(self.random.below(most)),
        };
        self.flying
            .insert((self.now + ONE_WAY + jitter, self.count), (to, datagram));
    }

    fn send(&mut self, content: u64) {
        let mut datagram = self.ends[0].number().to_vec();
        let content = content.to_be_bytes();
        datagram.extend(content);
        self.ends[0].on_sent(self.now, BytesMut::from(&content[..]));
        self.put(1, datagram);
    }

    fn drain(&mut self) {
        for from in 0..2 {
            let mut out = Vec::new();
            while self.ends[from]
                .poll_write(self.now, |header, body| out.push([header, body].concat()))
                .is_some()
            {}
            for datagram in out {
                self.put(1 - from, datagram);
            }
        }
        while let Some(content) = self.ends[1].poll_read() {
            self.delivered
                .push(u64::from_be_bytes(content.try_into().unwrap()));
        }
    }

    /// Goes on until `until`, or for as long as anything happens.
    fn run(&mut self, until: Option<Instant>) {
        loop {
            self.drain();
            let arrival = self.flying.keys().next().map(|(at, _)| *at);
            let timers = self.ends.iter().filter_map(Repair::next_timeout);
            let Some(next) = arrival.into_iter().chain(timers).min() else {
                break;
            };
            if until.is_some_and(|until| next > until) {
                break;
            }
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.first_entry()
                && entry.key().0 <= self.now
            {
                let (to, datagram) = entry.remove();
                let other = read(&mut self.ends[to], self.now, &datagram);
                assert_eq!(other, None);
            }
            for end in &mut self.ends {
                end.handle_timeout(self.now);
            }
        }
        self.now = until.unwrap_or(self.now);
    }

    /// Sends `count` datagrams, one each `every`.
    fn stream(&mut self, count: u64, every: Duration) {
        for content in 0..count {
            self.send(content);
            self.run(Some(self.now + every));
        }
    }
}

#[test]
fn without_loss_everything_goes_once_and_in_order() {
    let mut world = World::new(1, 0, Duration::ZERO);
    world.stream(10_000, Duration::from_micros(50));
    world.run(None);
    assert_eq!(world.delivered, (0..10_000).collect::<Vec<_>>());
    assert_eq!(world.carried, 10_000);
    assert!(world.reports <= 10_000 / 8 + 1, "{} reports", world.reports);
    assert_eq!(world.ends[0].unreported(), 0);
}

#[test]
fn what_is_lost_comes_in_its_turn_and_little_is_sent_twice() {
    for seed in 1..=50 {
        let loss = 1 + seed % 10;
        let mut world = World::new(seed, loss, Duration::from_micros(40));
        world.stream(4_000, Duration::from_micros(50));
        world.run(None);
        assert_eq!(world.delivered, (0..4_000).collect::<Vec<_>>(), "seed {seed}");
        let again = world.carried - 4_000;
        assert!(
            again <= world.lost * 3 / 2 + 20,
            "seed {seed}: {again} again, {} lost",
            world.lost
        );
        assert_eq!(world.ends[0].held_there(), 0, "seed {seed}");
    }
}

#[test]
fn two_that_change_places_are_no_loss() {
    // Two neighbours 20 µs apart change places often, those 80 µs apart never.
    let mut world = World::new(7, 0, Duration::from_micros(50));
    world.stream(2_000, Duration::from_micros(20));
    world.run(None);
    assert_eq!(world.delivered, (0..2_000).collect::<Vec<_>>());
    assert_eq!(world.carried, 2_000);
}

#[test]
fn a_lost_last_one_comes_within_three_round_trips() {
    let mut world = World::new(3, 0, Duration::ZERO);
    world.stream(20, Duration::from_millis(30));
    world.loss_percent = 100;
    world.send(20);
    world.loss_percent = 0;
    world.run(Some(world.now + ONE_WAY * 6));
    assert_eq!(world.delivered.last(), Some(&20));
}

#[test]
fn a_cut_is_given_up_after_a_second_and_what_follows_is_delivered() {
    let mut world = World::new(5, 0, Duration::ZERO);
    world.stream(100, Duration::from_millis(1));
    world.loss_percent = 100;
    for content in 100..100 + WINDOW as u64 * 2 {
        world.send(content);
    }
    world.run(Some(world.now + Duration::from_secs(30)));
    world.loss_percent = 0;
    assert_eq!(world.ends[0].unreported(), WINDOW, "the copies have their bound");
    let again = 100 + WINDOW as u64 * 2;
    for content in again..again + 100 {
        world.send(content);
    }
    world.run(None);
    let tail = &world.delivered[world.delivered.len() - 100..];
    assert_eq!(tail, (again..again + 100).collect::<Vec<_>>());
    assert!(world.delivered.is_sorted());
    assert_eq!(world.ends[0].unreported(), 0);
}

#[test]
fn nonsense_with_the_right_tag_holds_no_more_than_the_window() {
    let mut random = Random(11);
    let mut end: Repair<Vec<u8>> = Repair::new(1, 2);
    let mut now = Instant::now();
    for round in 0..200_000_u64 {
        let number = match random.below(4) {
            0 => random.below(u64::from(u32::MAX)),
            1 => random.below(100_000),
            _ => round / 2 + random.below(9_000),
        };
        let kind = if random.below(3) == 0 { FEEDBACK } else { DATA };
        let mut datagram = header(kind, 1, number).to_vec();
        datagram.extend((0..random.below(40)).map(|_| random.below(256) as u8));
        if random.below(2) == 0 {
            end.number();
            end.on_sent(now, BytesMut::from(&datagram[..]));
        }
        let _ = read(&mut end, now, &datagram);
        now += Duration::from_micros(random.below(200));
        end.handle_timeout(now);
        let mut written = 0;
        while end
            .poll_write(now, |_, body| assert!(body.len() <= 1200))
            .is_some()
        {
            written += 1;
            assert!(written <= WINDOW + 1);
        }
        assert!(end.receiver.held() <= WINDOW && end.unreported() <= WINDOW);
        while end.poll_read().is_some() {}
    }
}

#[test]
fn a_report_has_its_bound() {
    let mut end: Repair<Vec<u8>> = Repair::new(1, 2);
    let now = Instant::now();
    for number in (1..2 * MOST_RUNS as u64 + 100).step_by(2) {
        let _ = read(&mut end, now, &header(DATA, 1, number));
    }
    let mut length = 0;
    assert!(end.poll_write(now, |_, body| length = body.len()).is_some());
    assert_eq!(length, MOST_RUNS * 4);
}

#[test]
fn other_datagrams_pass_by() {
    let mut end: Repair<Vec<u8>> = Repair::new(1, 2);
    let now = Instant::now();
    for datagram in [
        &header(DATA, 3, 0)[..],
        &header(0x17, 1, 0),
        &[DATA, 0, 0, 0, 1],
        &[],
    ] {
        assert_eq!(read(&mut end, now, datagram).as_deref(), Some(datagram));
    }
    assert_eq!(end.poll_read(), None);
}

#[test]
fn numbers_go_on_after_32_bits() {
    assert_eq!(widen(0xFFFF_FFFF, 2), Some(0x1_0000_0002));
    assert_eq!(widen(0x1_0000_0002, 0xFFFF_FFFE), Some(0xFFFF_FFFE));
    assert_eq!(widen(2, 0xFFFF_FFFE), None);
}

#[test]
fn a_missing_one_is_waited_for_a_second_and_no_longer() {
    let mut end: Repair<Vec<u8>> = Repair::new(1, 2);
    let start = Instant::now();
    let _ = read(&mut end, start, &header(DATA, 1, 1));
    while end
        .poll_write(start + Duration::from_millis(2), |_, _| ())
        .is_some()
    {}
    assert_eq!(end.poll_read(), None);
    assert_eq!(end.next_timeout(), Some(start + Duration::from_secs(1)));
    end.handle_timeout(start + Duration::from_secs(1));
    assert_eq!(end.poll_read(), Some(Vec::new()));
}

#[test]
fn a_number_that_nobody_could_have_reached_changes_nothing() {
    let mut end: Repair<Vec<u8>> = Repair::new(1, 2);
    let now = Instant::now();
    for number in [1 << 16, 1 << 30, u64::from(u32::MAX), 0] {
        let _ = read(&mut end, now, &header(DATA, 1, number));
    }
    assert_eq!(end.poll_read(), Some(Vec::new()), "number 0");
    assert_eq!(end.poll_read(), None);
    assert_eq!(end.receiver.held(), 0);
}
