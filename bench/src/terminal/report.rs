//! The tables and what is kept.

use serde::Serialize;

/// What the tables do not say.
const NOTES: &str = "\
All viewers share the cores of this machine with the program that writes and with those that carry it: what slows it there is
both. sshx sends each byte through its server, which keeps 2 MiB: who is further behind misses some. Ours gives who is behind
the screen as it is. sshx's first screen begins with the link (and the derivation of its key), ours with the request (and
WebRTC's handshakes); neither has a page to load. Our server is not counted: no output passes through it.
Not measured: tmate 2.4, of which Debian has the client and neither Debian nor crates.io, npm or PyPI has the server that it
cannot do without; ttyd, which is not in Debian 12.";

/// Keystroke to echo in one run, milliseconds.
#[derive(Serialize)]
pub(super) struct Echo {
    p50_ms: f64,
    p99_ms: f64,
    most_ms: f64,
}

impl Echo {
    pub(super) fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let at = |per_cent: usize| {
            let index = (seconds.len() * per_cent / 100).min(seconds.len().saturating_sub(1));
            seconds.get(index).map_or(f64::NAN, |seconds| seconds * 1e3)
        };
        Self {
            p50_ms: at(50),
            p99_ms: at(99),
            most_ms: at(100),
        }
    }
}

/// Bulk output in one run, seconds.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Bulk {
    /// Until the last viewer had the last line.
    pub(super) seen: f64,
    /// Of the program that wrote it.
    pub(super) program: f64,
    /// What a viewer received of it on average, megabytes: one that is behind may be given the end only.
    pub(super) received_mb: f64,
}

#[derive(Serialize)]
struct BulkOf {
    viewers: usize,
    runs: Vec<Bulk>,
}

#[derive(Serialize)]
struct MemoryOf {
    process: &'static str,
    viewers: usize,
    /// MiB of the process for each viewer.
    each_mib: Vec<f64>,
}

/// Every reading of one program.
#[derive(Serialize)]
pub(super) struct Measured {
    program: &'static str,
    pub(super) echo: Vec<Echo>,
    bulk: Vec<BulkOf>,
    /// From opening a view, to which consent was given in advance, to the first output or screen.
    pub(super) first_screen_ms: Vec<f64>,
    memory: Vec<MemoryOf>,
}

impl Measured {
    pub(super) fn new(program: &'static str) -> Self {
        Self {
            program,
            echo: Vec::new(),
            bulk: Vec::new(),
            first_screen_ms: Vec::new(),
            memory: Vec::new(),
        }
    }

    pub(super) fn add_bulk(&mut self, viewers: usize, run: Bulk) {
        match self.bulk.iter_mut().find(|bulk| bulk.viewers == viewers) {
            Some(bulk) => bulk.runs.push(run),
            None => self.bulk.push(BulkOf {
                viewers,
                runs: vec![run],
            }),
        }
    }

    pub(super) fn add_memory(&mut self, process: &'static str, viewers: usize, each_mib: f64) {
        let known = |memory: &&mut MemoryOf| memory.process == process && memory.viewers == viewers;
        match self.memory.iter_mut().find(known) {
            Some(memory) => memory.each_mib.push(each_mib),
            None => self.memory.push(MemoryOf {
                process,
                viewers,
                each_mib: vec![each_mib],
            }),
        }
    }

    fn echo_p50(&self) -> f64 {
        median(self.echo.iter().map(|echo| echo.p50_ms))
    }

    pub(super) fn echo_p99(&self) -> f64 {
        median(self.echo.iter().map(|echo| echo.p99_ms))
    }

    /// With so many viewers.
    fn seen(&self, viewers: usize) -> f64 {
        let of = self.bulk.iter().filter(|bulk| bulk.viewers == viewers);
        median(of.flat_map(|bulk| &bulk.runs).map(|run| run.seen))
    }

    /// Seconds of the program, with the number of viewers that was worst for it.
    pub(super) fn program_most(&self) -> f64 {
        most(self.bulk.iter().map(BulkOf::program))
    }

    pub(super) fn first_screen_most(&self) -> f64 {
        most(self.first_screen_ms.iter().copied())
    }

    /// MiB of all its processes for each of so many viewers.
    fn memory(&self, viewers: usize) -> f64 {
        let of = self.memory.iter().filter(|memory| memory.viewers == viewers);
        of.map(|memory| median(memory.each_mib.iter().copied())).sum()
    }

    /// The same with the number of viewers that was worst.
    pub(super) fn memory_most(&self) -> f64 {
        most(self.memory.iter().map(|memory| self.memory(memory.viewers)))
    }
}

impl BulkOf {
    fn program(&self) -> f64 {
        median(self.runs.iter().map(|run| run.program))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn most(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NAN, f64::max)
}

/// Medians, each beside the bare terminal and beside ours.
pub(super) fn print(bare: &Measured, ours: &Measured, others: &[&Measured]) {
    let all = || [bare, ours].into_iter().chain(others.iter().copied());
    let (reference, own) = (bare.program, ours.program);
    println!("\n| program | echo p50 ms | p99 ms | p99 above {reference} | p99 of {own}'s |");
    println!("|---|---|---|---|---|");
    for one in all() {
        let (p50, p99) = (one.echo_p50(), one.echo_p99());
        let (above, ratio) = (p99 - bare.echo_p99(), p99 / ours.echo_p99());
        println!(
            "| {} | {p50:.2} | {p99:.2} | {above:+.2} ms | {ratio:.2}× |",
            one.program
        );
    }
    println!(
        "\n| bulk output | viewers | seen after, s | of {own}'s | program took, s | of {reference}'s | MB received by each |"
    );
    println!("|---|---|---|---|---|---|---|");
    for one in all() {
        for bulk in &one.bulk {
            let (seen, took) = (one.seen(bulk.viewers), bulk.program());
            let received = median(bulk.runs.iter().map(|run| run.received_mb));
            println!(
                "| {} | {} | {seen:.2} | {:.2}× | {took:.2} | {:.2}× | {received:.1} |",
                one.program,
                bulk.viewers,
                seen / ours.seen(bulk.viewers),
                took / bare.program_most(),
            );
        }
    }
    let screen = |one: &Measured| median(one.first_screen_ms.iter().copied());
    println!("\n| first screen | ms | at most | of {own}'s |\n|---|---|---|---|");
    for one in all().filter(|one| !one.first_screen_ms.is_empty()) {
        println!(
            "| {} | {:.0} | {:.0} | {:.2}× |",
            one.program,
            screen(one),
            one.first_screen_most(),
            screen(one) / screen(ours),
        );
    }
    println!(
        "\n| memory of process | viewers | MiB for each | all processes | of {own}'s |\n|---|---|---|---|---|"
    );
    for one in all() {
        for memory in &one.memory {
            let (each, sum) = (
                median(memory.each_mib.iter().copied()),
                one.memory(memory.viewers),
            );
            println!(
                "| {} | {} | {each:.2} | {sum:.2} | {:.2}× |",
                memory.process,
                memory.viewers,
                sum / ours.memory(memory.viewers),
            );
        }
    }
    println!("\n{NOTES}");
}
