//! A transfer that is paused from the keyboard: `p` and Enter, and again to go on.

use tokio::sync::{mpsc, watch};

use super::output::{Output, ProgressStyle};
use super::prompt;

/// Whether somebody looks at the bar and can type; tells them how.
pub(crate) fn can_steer(output: Output) -> bool {
    let can = output.progress() == ProgressStyle::Bar && prompt::can_ask();
    if can {
        output.say("p and Enter pauses, and goes on.");
    }
    can
}

/// Does the work; meanwhile a typed `p` pauses it.
pub(crate) async fn pausing<T>(
    mut lines: Option<&mut mpsc::Receiver<String>>,
    pause: &watch::Sender<bool>,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    loop {
        let line = async {
            match lines.as_mut() {
                Some(lines) => lines.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = &mut work => return done,
            line = line => match line {
                Some(line) if line.trim().eq_ignore_ascii_case("p") => pause.send_modify(|paused| *paused = !*paused),
                Some(_) => {}
                None => lines = None,
            },
        }
    }
}
