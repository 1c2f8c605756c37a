//! What the task does that no viewer of a real machine can be made to meet at will.

use futures_util::FutureExt as _;
use mesh_protocol::channel::TermAck;

use super::*;
use crate::pty::ShellSpec;

const SIZE: TermSize = TermSize { cols: 80, rows: 24 };

/// The viewer shows all that there is for it.
async fn show(task: &mut ShareTask, peer: &PeerId, frames: &mut mpsc::Receiver<Bytes>) {
    let mut seq = 0;
    loop {
        task.pump();
        let mut idle = true;
        while let Ok(frame) = frames.try_recv() {
            idle = false;
            seq = match Frame::decode(&frame).unwrap() {
                Frame::TermSnapshot(snapshot) => snapshot.seq,
                Frame::TermOut(output) => output.seq + output.bytes.len() as u64,
                _ => seq,
            };
        }
        if let Some(Some((peer, number, permit))) = task.waiting.next().now_or_never() {
            task.room_for(peer, number, permit);
        } else if idle {
            break;
        }
    }
    task.host
        .handle(peer, Frame::TermAck(TermAck { seq }), task.clock.now());
}

#[tokio::test]
async fn who_waits_for_a_screen_when_the_shell_ends_gets_it_and_the_exit() {
    let ended: &[&str] = if cfg!(windows) {
        &["cmd.exe", "/c", "exit"]
    } else {
        &["true"]
    };
    let ended: Vec<_> = ended.iter().map(|&word| word.to_owned()).collect();
    let (shell, _output) = Shell::spawn(&ShellSpec::new("", &ended), SIZE).unwrap();
    let (to_task, mut commands) = mpsc::channel(1);
    let mut task = ShareTask::new(
        "shell".into(),
        "room".into(),
        true,
        shell,
        SIZE,
        to_task.downgrade(),
    );
    let (peer, (frames, mut viewer)) = ("viewer".parse::<PeerId>().unwrap(), mpsc::channel(16));
    task.command(Command::Attach {
        peer: peer.clone(),
        number: 1,
        name: "viewer".into(),
        device: None,
        may_decide: false,
        frames,
    });
    show(&mut task, &peer, &mut viewer).await;
    // More than is kept of the output, and quickly read.
    let flood = vec![b'\r'; 600_000];
    // The first flood brings it a screen, the second comes too soon after that for another one.
    for _ in 0..2 {
        task.host.output(&flood);
        show(&mut task, &peer, &mut viewer).await;
    }
    assert!(
        task.host
            .poll_timeout()
            .is_some_and(|due| due < task.clock.now() + Duration::from_secs(1))
    );

    let reader = async {
        let mut last = None;
        while let Some(frame) = viewer.recv().await {
            if let Frame::TermExit(exit) = Frame::decode(&frame).unwrap() {
                last = Some(exit.code);
            }
        }
        last
    };
    let ((), last) = tokio::join!(task.finish(ShareEnd::Exited(Some(3)), &mut commands), reader);
    assert_eq!(last, Some(Some(3)));
}
