//! The table, the ratios and the file.

use serde::Serialize;

use super::Moved;
use super::case::Case;

/// Every reading of one program in one case.
#[derive(Serialize)]
pub(super) struct Measured {
    case: String,
    program: &'static str,
    readings: Vec<Reading>,
}

#[derive(Serialize)]
pub(super) struct Reading {
    seconds: f64,
    safe_seconds: f64,
    megabytes_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peaks_mib: Option<[f64; 2]>,
}

impl Reading {
    pub(super) fn of(case: Case, moved: &Moved) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
        let megabytes = case.bytes() as f64 / 1e6;
        Self {
            seconds: moved.seconds,
            safe_seconds: moved.safe_seconds,
            megabytes_per_s: megabytes / moved.seconds,
            peaks_mib: moved.peaks_mib,
        }
    }
}

pub(super) fn add(measured: &mut Vec<Measured>, case: Case, program: &'static str, reading: Reading) {
    match measured.iter_mut().find(|one| one.program == program) {
        Some(one) => one.readings.push(reading),
        None => measured.push(Measured {
            case: case.name(),
            program,
            readings: vec![reading],
        }),
    }
}

fn sorted(measured: &Measured, value: impl Fn(&Reading) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = measured.readings.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(measured: &Measured, value: impl Fn(&Reading) -> f64) -> f64 {
    let values = sorted(measured, value);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One case: medians with their range, and what the first program does against each other one.
pub(super) fn print_case(measured: &[Measured]) {
    let Some(first) = measured.first() else { return };
    println!("\n{}", first.case);
    println!(
        "| program | seconds, median (range) | MB/s | {0} is faster | safe on the disk, s | {0} is faster | peak MiB, sender / receiver |",
        first.program
    );
    println!("|---|---|---|---|---|---|---|");
    let ratio = |one, value: fn(&Reading) -> f64| median(one, value) / median(first, value);
    for one in measured {
        let seconds = sorted(one, |reading| reading.seconds);
        let (Some(least), Some(most)) = (seconds.first(), seconds.last()) else {
            continue;
        };
        let peak = |end: usize| {
            let peaks = one.readings.iter().filter_map(|reading| reading.peaks_mib);
            peaks.map(|peaks| peaks[end]).fold(0.0, f64::max)
        };
        let peaks = match (peak(0), peak(1)) {
            (0.0, _) => "–".to_owned(),
            (sender, receiver) => format!("{sender:.0} / {receiver:.0}"),
        };
        println!(
            "| {} | {:.2} ({least:.2}–{most:.2}) | {:.0} | {:.2}× | {:.2} | {:.2}× | {peaks} |",
            one.program,
            median(one, |reading| reading.seconds),
            median(one, |reading| reading.megabytes_per_s),
            ratio(one, |reading| reading.seconds),
            median(one, |reading| reading.safe_seconds),
            ratio(one, |reading| reading.safe_seconds),
        );
    }
}
