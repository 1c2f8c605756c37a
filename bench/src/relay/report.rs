//! The table, the ratios and the file.

use serde::Serialize;

use super::case::Reading;

/// Every reading of one server in one case.
#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) case: String,
    pub(super) server: &'static str,
    pub(super) readings: Vec<Reading>,
}

fn values(measured: &Measured, value: impl Fn(&Reading) -> Option<f64>) -> Vec<f64> {
    let mut values: Vec<f64> = measured.readings.iter().filter_map(value).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(measured: &Measured, value: impl Fn(&Reading) -> Option<f64>) -> Option<f64> {
    let values = values(measured, value);
    values.get(values.len() / 2).copied()
}

fn cell(measured: &Measured, value: impl Fn(&Reading) -> Option<f64>) -> String {
    let values = values(measured, value);
    let (Some(median), Some(least), Some(most)) =
        (values.get(values.len() / 2), values.first(), values.last())
    else {
        return "–".into();
    };
    let text = |value: &f64| {
        if *value >= 1_000.0 {
            format!("{value:.0}")
        } else {
            format!("{value:.1}")
        }
    };
    format!("{} ({}–{})", text(median), text(least), text(most))
}

/// `ours` against `theirs`, such that more is better for us.
fn ratio(ours: Option<f64>, theirs: Option<f64>) -> String {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs > 0.0 && ours > 0.0 => format!("{:.2}×", ours / theirs),
        _ => "–".into(),
    }
}

/// One case: medians with their range, and what the first server does against each other one.
pub(super) fn print_case(measured: &[Measured]) {
    let Some(first) = measured.first() else { return };
    let has = |value: fn(&Reading) -> Option<f64>| measured.iter().any(|one| median(one, value).is_some());
    println!("\n{}", first.case);
    if has(|r| r.bytes) {
        println!("| server | bytes, median (range) | {} needs |", first.server);
        println!("|---|---|---|");
        for one in measured {
            let share = ratio(median(first, |r| r.bytes), median(one, |r| r.bytes));
            println!("| {} | {} | {share} |", one.server, cell(one, |r| r.bytes));
        }
        return;
    }
    let latency = has(|r| r.p99_us);
    let more = if latency { " p50 µs | p99 µs |" } else { "" };
    println!(
        "| server | per second, median (range) | server CPU µs each |{more} {} is faster | {} needs of its CPU |",
        first.server, first.server
    );
    println!("|---|---|---|{}---|---|", if latency { "---|---|" } else { "" });
    for one in measured {
        let more = if latency {
            format!(" {} | {} |", cell(one, |r| r.p50_us), cell(one, |r| r.p99_us))
        } else {
            String::new()
        };
        println!(
            "| {} | {} | {} |{more} {} | {} |",
            one.server,
            cell(one, |r| r.per_s),
            cell(one, |r| r.server_cpu_us),
            ratio(median(first, |r| r.per_s), median(one, |r| r.per_s)),
            ratio(
                median(first, |r| r.server_cpu_us),
                median(one, |r| r.server_cpu_us)
            ),
        );
    }
}
