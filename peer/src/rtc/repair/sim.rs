//! Two ends in virtual time, with a path between them that delays, loses and reorders.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{FEEDBACK, MAX_RECORD_BYTES, MOST_PART_BYTES, MOST_RUNS, Part, Repair, WINDOW, header, widen};

const DATA: u8 = Part::Whole as u8;

const ONE_WAY: Duration = Duration::from_millis(10);

/// What is sent for `content`, and must arrive as it is.
fn record_of(content: u64, bytes: usize) -> Vec<u8> {
    let fill = (8..bytes).map(|at| (content as usize + at / 7) as u8);
    content.to_be_bytes().into_iter().chain(fill).collect()
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
    ends: [Repair; 2],
    /// What is on its way, by arrival; the number keeps equal times apart.
    flying: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
    random: Random,
    loss_percent: u64,
    jitter: Duration,
    record_bytes: usize,
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
            record_bytes: 8,
            delivered: Vec::new(),
            lost: 0,
            carried: 0,
            reports: 0,
        }
    }

    fn put(&mut self, to: usize, datagram: Vec<u8>) {
        match datagram[0] {
            FEEDBACK => self.reports += 1,
            _ => self.carried += 1,
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
        let mut out = Vec::new();
        let record = BytesMut::from(&record_of(content, self.record_bytes)[..]);
        self.ends[0].send(self.now, record, |header, part| out.push([header, part].concat()));
        for datagram in out {
            self.put(1, datagram);
        }
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
        while let Some(record) = self.ends[1].poll_read() {
            let content = u64::from_be_bytes(*record.first_chunk().unwrap());
            assert_eq!(record, record_of(content, self.record_bytes)[..], "{content}");
            self.delivered.push(content);
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
                assert!(self.ends[to].handle_read(self.now, &datagram));
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

/// Sends `count` records, one each `every`: all come in order, and of their datagrams little is sent twice.
fn all_come_and_little_is_sent_twice(mut world: World, seed: u64, count: u64, every: Duration) {
    world.stream(count, every);
    world.run(None);
    assert_eq!(world.delivered, (0..count).collect::<Vec<_>>(), "seed {seed}");
    let sent = count as usize * world.record_bytes.div_ceil(MOST_PART_BYTES);
    let again = world.carried - sent;
    assert!(
        again <= world.lost * 3 / 2 + 20,
        "seed {seed}: {again} again, {} lost",
        world.lost
    );
    assert_eq!(world.ends[0].held_there(), 0, "seed {seed}");
}

#[test]
fn what_is_lost_comes_in_its_turn_and_little_is_sent_twice() {
    for seed in 1..=50 {
        let world = World::new(seed, 1 + seed % 10, Duration::from_micros(40));
        all_come_and_little_is_sent_twice(world, seed, 4_000, Duration::from_micros(50));
    }
}

#[test]
fn long_records_come_whole_and_in_their_turn() {
    for seed in 1..=20 {
        let mut world = World::new(seed, seed % 10, Duration::ZERO);
        world.record_bytes = 1 + seed as usize * MOST_PART_BYTES / 2;
        all_come_and_little_is_sent_twice(world, seed, 1_000, Duration::from_micros(250));
    }
}

#[test]
fn a_record_whose_part_is_given_up_is_left_out_alone() {
    for missing in 0..6 {
        let mut end = Repair::new(1, 2);
        let start = Instant::now();
        let parts = [
            (Part::First, "a"),
            (Part::Between, "b"),
            (Part::Last, "c"),
            (Part::First, "d"),
            (Part::Last, "e"),
            (Part::Whole, "f"),
        ];
        for (number, (part, content)) in parts.into_iter().enumerate() {
            if number != missing {
                let header = header(part as u8, 1, number as u64);
                assert!(end.handle_read(start, &[&header, content.as_bytes()].concat()));
            }
        }
        end.handle_timeout(start + Duration::from_secs(1));
        let came: Vec<_> = std::iter::from_fn(|| end.poll_read()).collect();
        let expected: &[&str] = match missing {
            0..3 => &["de", "f"],
            3..5 => &["abc", "f"],
            _ => &["abc", "de"],
        };
        assert_eq!(came, expected, "without {missing}");
    }
}

#[test]
fn a_record_longer_than_any_is_not_put_together() {
    let mut end = Repair::new(1, 2);
    let now = Instant::now();
    let part = [7; MOST_PART_BYTES];
    let many = (MAX_RECORD_BYTES / MOST_PART_BYTES) as u64;
    for length in [many - 1, many] {
        let mut end_of = |number: u64, part_of| {
            let header = header(part_of as u8, 1, number);
            assert!(end.handle_read(now, &[&header[..], &part].concat()));
        };
        let first = if length == many { many } else { 0 };
        end_of(first, Part::First);
        for number in 1..length {
            end_of(first + number, Part::Between);
        }
        end_of(first + length, Part::Last);
    }
    let came: Vec<_> = std::iter::from_fn(|| end.poll_read()).collect();
    assert_eq!(came.len(), 1);
    assert_eq!(came[0].len(), many as usize * MOST_PART_BYTES);
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
    let mut end: Repair = Repair::new(1, 2);
    let mut now = Instant::now();
    for round in 0..200_000_u64 {
        let number = match random.below(4) {
            0 => random.below(u64::from(u32::MAX)),
            1 => random.below(100_000),
            _ => round / 2 + random.below(9_000),
        };
        let kind = match random.below(6) {
            0 | 1 => FEEDBACK,
            2 => Part::First as u8,
            3 => Part::Between as u8,
            4 => Part::Last as u8,
            _ => DATA,
        };
        let mut datagram = header(kind, 1, number).to_vec();
        datagram.extend((0..random.below(40)).map(|_| random.below(256) as u8));
        if random.below(2) == 0 {
            end.send(now, BytesMut::from(&datagram[..]), |_, _| ());
        }
        let _ = end.handle_read(now, &datagram);
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
    let mut end: Repair = Repair::new(1, 2);
    let now = Instant::now();
    for number in (1..2 * MOST_RUNS as u64 + 100).step_by(2) {
        assert!(end.handle_read(now, &header(DATA, 1, number)));
    }
    let mut length = 0;
    assert!(end.poll_write(now, |_, body| length = body.len()).is_some());
    assert_eq!(length, MOST_RUNS * 4);
}

#[test]
fn other_datagrams_pass_by() {
    let mut end: Repair = Repair::new(1, 2);
    let now = Instant::now();
    for datagram in [
        &header(DATA, 3, 0)[..],
        &header(0x17, 1, 0),
        &[DATA, 0, 0, 0, 1],
        &[],
    ] {
        assert!(!end.handle_read(now, datagram));
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
    let mut end: Repair = Repair::new(1, 2);
    let start = Instant::now();
    assert!(end.handle_read(start, &header(DATA, 1, 1)));
    while end
        .poll_write(start + Duration::from_millis(2), |_, _| ())
        .is_some()
    {}
    assert_eq!(end.poll_read(), None);
    assert_eq!(end.next_timeout(), Some(start + Duration::from_secs(1)));
    end.handle_timeout(start + Duration::from_secs(1));
    assert_eq!(end.poll_read(), Some(BytesMut::new()));
}

#[test]
fn a_number_that_nobody_could_have_reached_changes_nothing() {
    let mut end: Repair = Repair::new(1, 2);
    let now = Instant::now();
    for number in [1 << 16, 1 << 30, u64::from(u32::MAX), 0] {
        assert!(end.handle_read(now, &header(DATA, 1, number)));
    }
    assert_eq!(end.poll_read(), Some(BytesMut::new()), "number 0");
    assert_eq!(end.poll_read(), None);
    assert_eq!(end.receiver.held(), 0);
}
