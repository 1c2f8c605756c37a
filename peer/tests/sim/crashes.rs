//! A tree is sent over and over through cuts, crashes and a path that keeps no promise, until it is there.

use mesh_peer::transfer::{Entry, Outcome, PartRecord, ReceiverTask};

use crate::sim::rng::Rng;
use crate::sim::transfer_world::{Disk, End, Fate, Files, MIB, accepted, session};

/// Sessions that something happens to, before one to which nothing does.
const TROUBLED: usize = 6;

/// What happened in all runs.
#[derive(Default)]
struct Seen {
    sessions: usize,
    cuts: usize,
    crashes: usize,
    torn: usize,
    disturbed: usize,
    full: usize,
}

fn tree(rng: &mut Rng) -> Files {
    let mut files = Files::new();
    for number in 0..1 + rng.below(9) {
        let len = match rng.below(20) {
            0 => 0,
            1 => MIB + 1 + rng.below(2 * MIB),
            2 => MIB,
            _ => rng.below(40_000),
        };
        files.push((format!("d{}/{number}", rng.below(3)), rng.bytes(len)));
    }
    files
}

fn fate(crash: bool, rng: &mut Rng) -> Fate {
    Fate {
        cut_after: (crash || rng.chance(40)).then(|| 1 + rng.below(25)),
        // Not in the manifest, which comes first: names have no hash, DTLS alone guards them.
        flip: rng
            .chance(10)
            .then(|| (1 + rng.below(40), rng.next() as usize >> 1)),
        pauses: rng.below(3),
        disturbed: rng.chance(40).then(|| 5 + rng.below(60)),
        older: *rng.pick(&[None, None, Some(End::Sender), Some(End::Receiver)]),
    }
}

/// What a crash leaves of a task that was under way: any part of it, in an order that a disk may choose.
fn torn(disk: &mut Disk, entry: &Entry, task: ReceiverTask, rng: &mut Rng) {
    let path = entry.path.as_str().to_owned();
    match task {
        ReceiverTask::Inspect(_) => {}
        ReceiverTask::Discard(_) => {
            if rng.chance(50) {
                disk.parts.remove(&path);
            }
        }
        ReceiverTask::Commit(_) => {
            if rng.chance(50) {
                let content = disk.parts.remove(&path).map(|(part, _)| part);
                disk.files.insert(path, content.unwrap_or_default());
            }
        }
        ReceiverTask::Write(chunk) => {
            let Ok(verified) = chunk.verify() else {
                return;
            };
            let fresh = || (Vec::new(), PartRecord::header(entry));
            let (part, side) = disk.parts.entry(path).or_insert_with(fresh);
            if PartRecord::parse(side, entry).is_none() {
                (*part, *side) = fresh();
            }
            let reaches = if rng.chance(50) { MIB } else { rng.below(MIB) };
            // The note may be on the disk before the content is.
            let lost = rng.chance(30);
            let mut left = reaches;
            let written = verified.write(|at, bytes| {
                let (at, taken) = (at as usize, bytes.len().min(left));
                part.resize(part.len().max(at + taken), 0);
                if !lost {
                    part[at..at + taken].copy_from_slice(&bytes[..taken]);
                }
                left -= taken;
                if taken == bytes.len() { Ok(()) } else { Err(()) }
            });
            if let Ok(written) = written {
                let note = PartRecord::note(&written);
                let kept = if rng.chance(60) {
                    note.len()
                } else {
                    rng.below(note.len())
                };
                side.extend_from_slice(&note[..kept]);
            }
        }
    }
}

/// What had been written to parts, and not been synchronised, was not yet on the disk.
fn lose_power(disk: &mut Disk, rng: &mut Rng) {
    for (part, _) in disk.parts.values_mut().filter(|(part, _)| !part.is_empty()) {
        let begin = rng.below(part.len());
        part[begin..].fill(0);
    }
}

fn only_originals(files: &Files, disk: &Disk) -> bool {
    let original = |path: &str| files.iter().find(|(other, _)| other == path);
    disk.files
        .iter()
        .all(|(path, content)| original(path).is_some_and(|(_, original)| original == content))
}

/// One tree from nothing to whole.
fn arrives(seed: u64, seen: &mut Seen) {
    let mut rng = Rng::new(seed);
    let files = tree(&mut rng);
    let mut disk = Disk::default();
    for _ in 0..rng.below(TROUBLED + 1) {
        let crash = rng.chance(40);
        let fate = fate(crash, &mut rng);
        disk.full_after = rng.chance(10).then(|| disk.writes + rng.below(8));
        let run = session(&files, accepted(&files), &mut disk, &fate, &mut rng);
        seen.sessions += 1;
        seen.cuts += usize::from(fate.cut_after == Some(run.frames));
        seen.disturbed += usize::from(fate.disturbed.is_some());
        seen.full += usize::from(disk.full_after.is_some_and(|full| disk.writes > full));
        if crash {
            seen.crashes += 1;
            for (entry, task) in run.unfinished {
                seen.torn += 1;
                torn(&mut disk, &entry, task, &mut rng);
            }
            if rng.chance(50) {
                lose_power(&mut disk, &mut rng);
            }
        }
        assert!(
            only_originals(&files, &disk),
            "seed {seed}: wrong content under a final name"
        );
        if run.receiver == Some(Outcome::Finished) {
            assert_eq!(
                disk.files.len(),
                files.len(),
                "seed {seed}: finished without a file"
            );
        }
    }
    disk.full_after = None;
    let run = session(&files, accepted(&files), &mut disk, &Fate::default(), &mut rng);
    seen.sessions += 1;
    assert_eq!(run.receiver, Some(Outcome::Finished), "seed {seed}");
    assert_eq!(run.sender, Some(Outcome::Finished), "seed {seed}");
    assert!(only_originals(&files, &disk), "seed {seed}: wrong content");
    assert_eq!(disk.files.len(), files.len(), "seed {seed}: a file is missing");
    assert!(disk.parts.is_empty(), "seed {seed}: a part was left behind");
}

fn all_arrive(seeds: u64) {
    let mut seen = Seen::default();
    for seed in 0..seeds {
        arrives(seed, &mut seen);
    }
    let Seen {
        sessions,
        cuts,
        crashes,
        torn,
        disturbed,
        full,
    } = seen;
    println!(
        "{seeds} trees in {sessions} sessions: {cuts} cut, {crashes} of them by a crash with {torn} tasks under way, {disturbed} over a path that loses, repeats or swaps frames, {full} with a full disk; all equal"
    );
}

#[test]
fn trees_are_equal_after_loss_disorder_cuts_and_crashes() {
    all_arrive(1_000);
}

/// As many as are told of: `cargo xtask transfers`.
#[test]
#[ignore = "takes a minute"]
fn trees_are_equal_after_10_000_seeds() {
    all_arrive(10_000);
}
