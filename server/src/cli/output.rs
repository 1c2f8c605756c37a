//! How commands print what they found: for people in columns, for programs as JSON.

use std::io::Write as _;

use serde::Serialize;

use crate::clock::rfc3339;

pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    Ok(writeln!(out)?)
}

/// Columns as wide as they need to be; the last one ends where it ends.
pub(super) fn table<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> anyhow::Result<()> {
    let rows: Vec<_> = rows.collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut out = std::io::stdout().lock();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Unix milliseconds as a date.
pub(super) fn day(at_ms: u64) -> String {
    rfc3339(at_ms / 1_000)
        .split('T')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Unix seconds as a moment.
pub(super) fn moment(at: u64) -> String {
    rfc3339(at)
}
