//! What the server says of itself at `/metrics`, and the line through many such readings.

use anyhow::Context as _;
use serde::Serialize;

const FLOOR_SECONDS: f64 = 30.0;

/// One reading.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Reading {
    /// Since the start of the run.
    pub(super) seconds: f64,
    pub(super) mib: f64,
    pub(super) descriptors: u64,
    pub(super) tasks: u64,
    pub(super) sockets: u64,
    pub(super) peers: u64,
}

impl Reading {
    pub(super) fn parse(text: &str, seconds: f64) -> anyhow::Result<Self> {
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value: f64 = line.with_context(|| format!("no {name}"))?.trim().parse()?;
            anyhow::Ok(value)
        };
        let count = |name| anyhow::Ok(value(name)? as u64);
        Ok(Self {
            seconds,
            mib: value("process_resident_memory_bytes")? / 1_048_576.0,
            descriptors: count("process_open_fds")?,
            tasks: count("mesh_tasks")?,
            sockets: count("mesh_sockets")?,
            peers: count("mesh_peers")?,
        })
    }
}

/// The least memory of each half minute. A password that is hashed takes 19 MiB for a moment, and two may be at once: what grows is what is
/// left when none is.
pub(super) fn floor(readings: &[Reading]) -> Vec<Reading> {
    let halves =
        readings.chunk_by(|a, b| (a.seconds / FLOOR_SECONDS) as u64 == (b.seconds / FLOOR_SECONDS) as u64);
    halves
        .filter_map(|half| half.iter().min_by(|a, b| a.mib.total_cmp(&b.mib)).copied())
        .collect()
}

/// MiB an hour, by least squares.
pub(super) fn slope(readings: &[Reading]) -> f64 {
    let n = readings.len() as f64;
    let mean = |value: fn(&Reading) -> f64| readings.iter().map(value).sum::<f64>() / n;
    let (time, memory) = (mean(|r| r.seconds), mean(|r| r.mib));
    let of = |r: &Reading| (r.seconds - time, r.mib - memory);
    let both: f64 = readings.iter().map(|r| of(r).0 * of(r).1).sum();
    let squares: f64 = readings.iter().map(|r| of(r).0.powi(2)).sum();
    if squares == 0.0 {
        0.0
    } else {
        both / squares * 3_600.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE mesh_sockets gauge\nmesh_sockets 3\nmesh_peers 5\nmesh_tasks 17\nmesh_tasks_other 1\n\
                        process_resident_memory_bytes 10485760\nprocess_open_fds 40\n# EOF\n";

    #[test]
    fn a_reading_has_what_the_server_said() -> anyhow::Result<()> {
        let reading = Reading::parse(TEXT, 1.0)?;
        assert_eq!((reading.sockets, reading.peers, reading.tasks), (3, 5, 17));
        assert_eq!((reading.mib, reading.descriptors), (10.0, 40));
        assert!(Reading::parse("mesh_sockets 3\n", 1.0).is_err());
        Ok(())
    }

    #[test]
    fn the_slope_is_that_of_a_line_and_noise_around_it_counts_for_nothing() -> anyhow::Result<()> {
        let first = Reading::parse(TEXT, 0.0)?;
        let line: Vec<_> = (0..100_u32)
            .map(|n| Reading {
                seconds: f64::from(n) * 36.0,
                mib: 20.0 + f64::from(n) * 0.02 + if n % 2 == 0 { 0.1 } else { -0.1 },
                ..first
            })
            .collect();
        assert!((slope(&line) - 2.0).abs() < 0.02, "{}", slope(&line));
        assert_eq!(slope(&line[..1]), 0.0);
        // One reading in 36 s: each is the least of its half minute, or with the one after it.
        let hashing: Vec<_> = line
            .iter()
            .flat_map(|r| {
                [
                    Reading {
                        mib: r.mib + 38.0,
                        ..*r
                    },
                    *r,
                ]
            })
            .collect();
        assert!(
            (slope(&floor(&hashing)) - 2.0).abs() < 0.02,
            "{}",
            slope(&floor(&hashing))
        );
        Ok(())
    }
}
