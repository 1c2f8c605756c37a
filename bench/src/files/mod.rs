//! Files from one machine to another beside other programs, in one run: a large file, and very many small ones.
//!
//! Whole commands are timed over loopback, from the start of the one that sends until both ends have ended; what waits by its
//! nature (a daemon, `mesh receive`) is started before. The programs take turns (A B C, A B C), so that what the machine
//! does meanwhile meets all of them. All of it happens in a network of its own, so that nobody looks for a router or a name, and
//! which can be told to carry no more than a cable does. Only mesh hands over what is safe on the disk, and that is in its figures; so it is timed
//! of each how long that takes.

mod case;
mod mesh;
mod network;
mod programs;
mod report;
mod sendme;
mod wormhole;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use case::{CASES, Case, LARGE};
use clap::Args;
use report::{Measured, Reading};

use crate::process;

#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each program in each case; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only the programs whose name contains one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    programs: Vec<String>,
    /// Only the cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// What the network carries, Mbit/s; else loopback as fast as it is.
    #[arg(long)]
    mbit_s: Option<u32>,
    /// The host's name in the results; choose one that tells nobody anything.
    #[arg(long, default_value = "local")]
    host: String,
    /// Where the results go.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

impl Options {
    fn wants(&self, program: &str) -> bool {
        self.programs.is_empty() || self.programs.iter().any(|wanted| program.contains(wanted))
    }
}

/// A program that moves files, ready to do so.
trait Program {
    fn name(&self) -> &'static str;
    fn fits(&self, case: Case) -> bool;
    /// Moves `source` into the empty folder `target`.
    fn send(&mut self, source: &Path, target: &Path) -> anyhow::Result<Moved>;
}

/// What a run showed.
struct Moved {
    seconds: f64,
    /// Until what arrived would survive the loss of power.
    safe_seconds: f64,
    /// The most memory of the sending and of the receiving process, MiB; of ours only.
    peaks_mib: Option<[f64; 2]>,
}

impl Moved {
    fn since(begun: Instant) -> Self {
        let seconds = begun.elapsed().as_secs_f64();
        Self {
            seconds,
            safe_seconds: seconds,
            peaks_mib: None,
        }
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let stage = tempfile::tempdir()?;
    let wormhole = options
        .wants(wormhole::NAME)
        .then(wormhole::install)
        .transpose()?;
    let _network = network::Network::enter(options.mbit_s)?;
    let name = match options.mbit_s {
        None => "files".to_owned(),
        Some(rate) => format!("files-{rate}-mbit"),
    };
    let mut programs = start(stage.path(), options, wormhole)?;
    let mut results = Vec::new();
    for case in CASES {
        if options
            .only
            .as_ref()
            .is_some_and(|only| !case.name().contains(only))
        {
            continue;
        }
        let source = case.make(stage.path())?;
        let mut measured: Vec<Measured> = Vec::new();
        let kept = tempfile::tempdir_in(stage.path())?;
        // The largest is for the memory, which one run shows.
        let rounds = if case == LARGE { 1 } else { options.rounds };
        for _ in 0..rounds {
            for program in programs.iter_mut().filter(|program| program.fits(case)) {
                let moved = once(&mut **program, case, &source, stage.path(), kept.path());
                let moved = moved.with_context(|| format!("{} with {}", case.name(), program.name()))?;
                report::add(&mut measured, case, program.name(), Reading::of(case, &moved));
            }
        }
        report::print_case(&measured);
        results.append(&mut measured);
        // After each case: a run that is stopped has been of use.
        crate::results::write(&options.results, &options.host, &name, &results)?;
        process::remove(&source)?;
    }
    Ok(())
}

/// With the programs of magic-wormhole, where it is wanted.
fn start(
    stage: &Path,
    options: &Options,
    wormhole: Option<PathBuf>,
) -> anyhow::Result<Vec<Box<dyn Program>>> {
    let mut all: Vec<Box<dyn Program>> = Vec::new();
    if options.wants(mesh::NAME) {
        all.push(Box::new(mesh::Mesh::start(stage)?));
    }
    all.extend(
        programs::all(stage)?
            .into_iter()
            .filter(|program| options.wants(program.name())),
    );
    if let Some(programs) = wormhole {
        all.push(Box::new(wormhole::Wormhole::start(programs, stage)?));
    }
    if options.wants(sendme::NAME) {
        all.push(Box::new(sendme::Sendme::start(stage)?));
    }
    Ok(all)
}

/// One run; what arrived is compared and removed. Small files are only put away until the case is over: ext4 without a journal
/// looks at every number of a file that was deleted within minutes before it gives out another (fs/ext4/ialloc.c,
/// `recently_deleted`), and the next program would pay for that.
fn once(
    program: &mut dyn Program,
    case: Case,
    source: &Path,
    stage: &Path,
    kept: &Path,
) -> anyhow::Result<Moved> {
    let target = stage.join("target");
    std::fs::create_dir(&target)?;
    process::settle()?;
    let mut moved = program.send(source, &target)?;
    moved.safe_seconds = moved.seconds + process::make_safe(&target)?.as_secs_f64();
    if program.name() != programs::RAW {
        case.check(&target)?;
    }
    if case.is_folder() {
        let number = std::fs::read_dir(kept)?.count();
        std::fs::rename(&target, kept.join(number.to_string()))?;
    } else {
        process::remove(&target)?;
    }
    Ok(moved)
}
