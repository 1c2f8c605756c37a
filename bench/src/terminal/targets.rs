//! What a shared terminal is to reach, and whether it did.

use super::report::Measured;

/// More than the bare terminal's, milliseconds.
const MOST_ECHO_ABOVE_MS: f64 = 5.0;
/// Times the program's own duration on a bare terminal.
const MOST_SLOWED: f64 = 1.2;
const MOST_FIRST_SCREEN_MS: f64 = 300.0;
const MOST_MIB_PER_VIEWER: f64 = 1.0;

/// One line for each target; the least favourable reading counts wherever there are several numbers of viewers.
pub(super) fn print(bare: &Measured, ours: &Measured, sshx: &Measured) {
    println!("\n| target | measured | met |\n|---|---|---|");
    let line = |target: &str, measured: String, met: bool| {
        println!("| {target} | {measured} | {} |", if met { "yes" } else { "NO" });
    };
    let (echo, above) = (ours.echo_p99(), ours.echo_p99() - bare.echo_p99());
    line(
        &format!("echo p99 at most {MOST_ECHO_ABOVE_MS} ms above the bare PTY's"),
        format!("{above:+.2} ms"),
        above <= MOST_ECHO_ABOVE_MS,
    );
    line(
        "echo p99 ahead of sshx's",
        format!("{echo:.2} ms, sshx {:.2} ms", sshx.echo_p99()),
        echo < sshx.echo_p99(),
    );
    let slowed = ours.program_most() / bare.program_most();
    line(
        &format!("bulk output takes the program at most {MOST_SLOWED}× its time on the bare PTY"),
        format!("{slowed:.2}×"),
        slowed <= MOST_SLOWED,
    );
    let screen = ours.first_screen_most();
    line(
        &format!("first screen after at most {MOST_FIRST_SCREEN_MS} ms"),
        format!("{screen:.0} ms at most"),
        screen <= MOST_FIRST_SCREEN_MS,
    );
    let memory = ours.memory_most();
    line(
        &format!("at most {MOST_MIB_PER_VIEWER} MiB for each viewer"),
        format!("{memory:.2} MiB"),
        memory <= MOST_MIB_PER_VIEWER,
    );
}
