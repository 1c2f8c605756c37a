//! How far a transfer is: a bar, lines, events or nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle as BarStyle};
use mesh_peer::transport::{LinkStats, Path};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::output::{Output, ProgressStyle, size};
use crate::transfer::Shown;
use mesh_peer::transfer::Paused;

/// Between two readings.
const EVERY: Duration = Duration::from_millis(250);
/// Between two lines in a pipe.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Shows progress until the future is dropped: run it beside the transfer.
pub(crate) async fn show(
    output: Output,
    shown: watch::Receiver<Shown>,
    mut links: watch::Receiver<LinkStats>,
) {
    let style = output.progress();
    if style == ProgressStyle::None {
        return std::future::pending().await;
    }
    let bar = (style == ProgressStyle::Bar).then(bar);
    let begun = Instant::now();
    let mut next_line = begun;
    let mut told_path = Path::Unknown;
    let mut told_pause = Paused::default();
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // A small transfer is over before the next reading.
            Ok(()) = links.changed(), if told_path == Path::Unknown => {}
        }
        let (Shown { progress: now, moved }, link) = (*shown.borrow(), links.borrow_and_update().clone());
        if link.path != Path::Unknown && link.path != told_path {
            told_path = link.path;
            if !output.is_json() {
                let line = format!("{}.", path_and_rtt(&link));
                match &bar {
                    Some(bar) => bar.println(line),
                    None => output.note(&line, json!({})),
                }
            }
            let rtt = link.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0);
            output.event(json!({"event": "path", "path": path_name(link.path), "rtt_ms": rtt}));
        }
        if now.paused != told_pause {
            told_pause = now.paused;
            let event = json!({"event": "paused", "here": told_pause.here, "there": told_pause.there});
            match &bar {
                Some(_) => output.event(event),
                None => output.note(&format!("{}.", pause_text(told_pause)), event),
            }
        }
        if now.bytes_total == 0 {
            continue;
        }
        let rate = rate(moved, begun.elapsed());
        match (&bar, style) {
            (Some(bar), _) => {
                bar.set_length(now.bytes_total);
                bar.set_position(now.bytes_done);
                let (done, total) = (size(now.bytes_done), size(now.bytes_total));
                let left = now.bytes_total.saturating_sub(now.bytes_done) / rate.max(1);
                bar.set_message(if now.paused.holds() {
                    format!("{done} of {total}. {}.", pause_text(now.paused))
                } else {
                    let (rate, left) = (size(rate), duration(left));
                    format!(
                        "{done} of {total}, {rate}/s, {left} left, {}",
                        path_and_rtt(&link)
                    )
                });
            }
            (None, ProgressStyle::Events) => {
                let (done, total) = (now.bytes_done, now.bytes_total);
                output.event(
                    json!({"event": "progress", "bytes": done, "total": total, "bytes_per_second": rate}),
                );
            }
            (None, _) if now.bytes_done > 0 && Instant::now() >= next_line => {
                next_line = Instant::now() + LINE_EVERY;
                let (done, total) = (size(now.bytes_done), size(now.bytes_total));
                output.note(
                    &format!("{done} of {total}, {}/s, {}", size(rate), path_and_rtt(&link)),
                    json!({}),
                );
            }
            (None, _) => {}
        }
    }
}

/// Bytes per second.
pub(super) fn rate(bytes: u64, time: Duration) -> u64 {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "for people"
    )]
    let rate = (bytes as f64 / time.as_secs_f64().max(0.001)) as u64;
    rate
}

/// `45 s`, `3 min 5 s`, `10 min`, `2 h 10 min`.
pub(super) fn duration(seconds: u64) -> String {
    let (large, small, (large_unit, small_unit)) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => (seconds / 60, seconds % 60, ("min", "s")),
        _ => (seconds / 3600, seconds % 3600 / 60, ("h", "min")),
    };
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

fn pause_text(paused: Paused) -> &'static str {
    match (paused.here, paused.there) {
        (false, false) => "Going on",
        (true, false) => "Paused: p and Enter goes on",
        (false, true) => "Paused by the other end",
        (true, true) => "Paused by both ends",
    }
}

pub(super) fn path_name(path: Path) -> &'static str {
    match path {
        Path::Unknown => "unknown",
        Path::Direct => "direct",
        Path::Relayed => "relayed",
        Path::Server => "server",
    }
}

/// `direct, RTT 0.4 ms`.
pub(super) fn path_and_rtt(link: &LinkStats) -> String {
    let path = match link.path {
        Path::Unknown => "Connecting",
        Path::Direct => "Direct connection",
        Path::Relayed => "Connection through a relay (no direct path was found)",
        Path::Server => "Connection through the server, which can read along (no direct path was found)",
    };
    match link.rtt {
        Some(rtt) => format!("{path}, RTT {:.1} ms", rtt.as_secs_f64() * 1000.0),
        None => path.to_owned(),
    }
}

fn bar() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(8);
    let template = "{bar:30} {percent:>3} %  {wide_msg}";
    let style = BarStyle::with_template(template).unwrap_or_else(|_| BarStyle::default_bar());
    ProgressBar::with_draw_target(Some(1), target).with_style(style)
}
