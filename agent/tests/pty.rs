//! A real shell on a real pseudo-terminal.

use std::time::{Duration, Instant};

use mesh_agent::pty::{Shell, ShellEvent, ShellEvents, ShellSpec};
use mesh_protocol::channel::TermSize;

const SIZE: TermSize = TermSize { cols: 80, rows: 24 };
const PATIENCE: Duration = Duration::from_secs(20);

fn spec(command: &str) -> ShellSpec {
    ShellSpec::new("", &["/bin/sh", "-c", command].map(str::to_owned))
}

fn run(command: &str) -> (Shell, ShellEvents) {
    Shell::spawn(&spec(command), SIZE).unwrap()
}

/// Output until it contains `text`, or until the end.
async fn until(events: &mut ShellEvents, text: &str) -> (String, Option<Option<i32>>) {
    let mut seen = String::new();
    let reading = async {
        while let Some(event) = events.next().await {
            match event {
                ShellEvent::Output(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                ShellEvent::Exited(code) => return Some(code),
            }
            if !text.is_empty() && seen.contains(text) {
                return None;
            }
        }
        None
    };
    let ended = tokio::time::timeout(PATIENCE, reading).await;
    (
        seen.clone(),
        ended.unwrap_or_else(|_| panic!("{text:?} did not come; seen: {seen:?}")),
    )
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

async fn gone(pid: &str) -> bool {
    let until = Instant::now() + PATIENCE;
    while is_alive(pid) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    !is_alive(pid)
}

/// What stands between `<` and `>`.
fn marked(text: &str) -> String {
    text.split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(inner, _)| inner.to_owned())
        .unwrap()
}

#[tokio::test]
async fn output_and_status_arrive_whole_and_in_order() {
    let (_shell, mut events) = run("i=0; while [ $i -lt 3000 ]; do echo line$i; i=$((i+1)); done; exit 7");
    let (seen, ended) = until(&mut events, "").await;
    assert_eq!(ended, Some(Some(7)));
    let expected: String = (0..3000).map(|i| format!("line{i}\r\n")).collect();
    assert_eq!(seen, expected);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn the_shell_knows_that_it_is_shared_and_where_it_runs() {
    let mut spec = spec("echo \"<$TERM $MESH_SHARED $(tty | cut -c1-5)>\"");
    spec.variables = vec![("MESH_SHARED", "1".to_owned())];
    let (_shell, mut events) = Shell::spawn(&spec, SIZE).unwrap();
    let (seen, _) = until(&mut events, ">").await;
    assert_eq!(marked(&seen), "xterm-256color 1 /dev/");
}

#[tokio::test]
async fn input_and_size_reach_the_program() {
    let (shell, mut events) = run("read a; stty size; read b; echo \"<$a$b>\"");
    shell.resize(TermSize { cols: 101, rows: 33 }).unwrap();
    assert!(shell.write("one\r".into()));
    until(&mut events, "33 101").await;
    assert!(shell.write("two\r".into()));
    let (seen, ended) = until(&mut events, "").await;
    assert_eq!((marked(&seen).as_str(), ended), ("onetwo", Some(Some(0))));
}

#[tokio::test]
async fn stopping_leaves_no_process_behind_not_even_jobs_of_their_own_group() {
    let (shell, mut events) =
        run("set -m; sleep 1000 & trap '' HUP; (trap '' HUP; sleep 1001) & echo \"<$! $$>\"; wait");
    let (seen, _) = until(&mut events, ">").await;
    let pids = marked(&seen);
    let begun = Instant::now();
    shell.stop(Duration::from_millis(80)).await;
    assert!(
        begun.elapsed() < Duration::from_millis(200),
        "{:?}",
        begun.elapsed()
    );
    for pid in pids.split(' ') {
        assert!(gone(pid).await, "{pid} is still there");
    }
}

#[tokio::test]
async fn dropping_kills_and_does_not_complete_a_half_typed_line() {
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("executed");
    let (shell, mut events) = run("echo \"<$$>\"; exec /bin/sh");
    let (seen, _) = until(&mut events, ">").await;
    assert!(shell.write(format!("echo ready; touch {}", proof.display()).into()));
    until(&mut events, "touch").await;
    drop(shell);
    assert!(gone(&marked(&seen)).await);
    assert!(!proof.exists(), "the half typed line was executed");
}

#[tokio::test]
async fn a_program_that_outlives_its_shell_does_not_hold_up_the_end() {
    let (shell, mut events) = run("(trap '' HUP; sleep 1000) & echo \"<$!>\"; exit 3");
    let begun = Instant::now();
    let (seen, ended) = until(&mut events, "").await;
    assert_eq!(ended, Some(Some(3)));
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(shell);
    assert!(gone(&marked(&seen)).await);
}

#[tokio::test]
async fn a_program_that_reads_nothing_costs_bounded_memory() {
    let (shell, _events) = run("stty raw -echo; sleep 1000");
    let piece = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
    let taken = (0..1000).filter(|_| shell.write(piece.clone())).count();
    assert!(taken < 100, "{taken} pieces were taken");
}

#[tokio::test]
async fn a_shell_that_is_not_there_is_an_error() {
    assert!(Shell::spawn(&ShellSpec::new("/nonexistent/shell", &[]), SIZE).is_err());
}
