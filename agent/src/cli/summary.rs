//! What a transfer came to: one line for people, one event for programs.

use std::path::Path;
use std::time::Duration;

use mesh_peer::transport::LinkStats;
use serde_json::json;

use super::output::{Output, size};
use super::progress;
use crate::daemon::consent::plain;
use crate::transfer::Shown;
use crate::transfer::incoming::Arrived;

/// Files that are told one by one with their hashes; of more there is one line.
pub(super) const LISTED: usize = 20;

/// The files that stand at the other end, `moved` of `total` bytes by this connection.
pub(super) fn sent(output: Output, moved: u64, total: u64, time: Duration, link: &LinkStats) {
    let rate = progress::rate(moved, time);
    let took = took("Sent", moved, total, time);
    output.note(
        &format!("{took} {}/s. {}.", size(rate), progress::path_and_rtt(link)),
        json!({"event": "sent", "bytes": moved, "total": total, "seconds": time.as_secs_f64(), "bytes_per_second": rate, "path": progress::path_name(link.path)}),
    );
}

/// The files of `offered` that were wanted are here.
pub(super) fn received(output: Output, shown: Shown, offered: u64, time: Duration) {
    let (files, total) = (shown.progress.files_total, shown.progress.bytes_total);
    let skipped = offered.saturating_sub(u64::from(files));
    if skipped > 0 {
        output.note(
            &format!("{skipped} of {offered} files were left out."),
            json!({"event": "left_out", "files": skipped}),
        );
    }
    let moved = shown.moved.min(total);
    let rate = progress::rate(moved, time);
    let took = took("Received", moved, total, time);
    output.note(
        &format!("{took} {}/s.", size(rate)),
        json!({"event": "done", "bytes": moved, "total": total, "files": files, "skipped": skipped, "seconds": time.as_secs_f64(), "bytes_per_second": rate}),
    );
}

/// `Sent 1.1 GB in 2.0 s,`, or how much of it where the rest was there already.
fn took(verb: &str, moved: u64, total: u64, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if moved == total {
        format!("{verb} {} in {seconds:.1} s,", size(total))
    } else {
        format!(
            "{verb} {} of {} in {seconds:.1} s (the rest was there already),",
            size(moved),
            size(total)
        )
    }
}

/// Tells what stands now: each file, or how many where they are many.
pub(super) fn arrived(output: Output, stands: &[Arrived], from: &str, folder: &Path) {
    for file in stands {
        let event = json!({"event": "received", "path": file.path, "size": file.size, "blake3": file.hash.to_string(), "from": from});
        if stands.len() <= LISTED {
            let path = plain(&file.path.display().to_string());
            output.result(&format!("BLAKE3 {} verified: {path}", file.hash), event);
        } else {
            output.event(event);
        }
    }
    if stands.len() > LISTED && !output.is_json() {
        let folder = plain(&folder.display().to_string());
        let human = format!("BLAKE3 of {} files verified, in {folder}", stands.len());
        output.result(&human, json!({}));
    }
}
