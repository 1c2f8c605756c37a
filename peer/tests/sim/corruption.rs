//! Flipped bits: each is found before a write, and no run ends with wrong content.

use mesh_peer::transfer::{Outcome, Receiver, ReceiverTask, Sender};
use mesh_protocol::channel::Frame;

use crate::sim::rng::Rng;
use crate::sim::transfer_world::{Disk, Fate, Files, MIB, accepted, frames_of, read, session, sources, work};

#[test]
fn t45_a_bit_flipped_in_1_000_chunks_is_found_before_each_write() {
    let mut rng = Rng::new(11);
    let mut found = 0;
    for _ in 0..1_000 {
        let len = 1 + rng.below(70_000);
        let content = rng.bytes(len);
        let files: Files = vec![("a".into(), content)];
        let mut sender = Sender::new(sources(&files)).unwrap();
        let mut receiver = Receiver::new(accepted(&files));
        let mut disk = Disk::default();
        receiver.handle(Frame::decode(&sender.poll_frame().unwrap()).unwrap());
        let inspection = receiver.poll_task().unwrap();
        work(&mut disk, &mut receiver, inspection);
        sender.handle(Frame::decode(&receiver.poll_frame().unwrap()).unwrap());
        let request = sender.poll_read().expect("one chunk was asked for");
        sender.chunk_read(read(&files, request));
        let victim = rng.below(files[0].1.len());
        let messages: Vec<_> = std::iter::from_fn(|| sender.poll_frame()).collect();
        for mut frame in messages.iter().flat_map(frames_of) {
            if let Frame::FileData(data) = &mut frame {
                let at = data.offset as usize;
                if (at..at + data.bytes.len()).contains(&victim) {
                    let mut bytes = data.bytes.to_vec();
                    bytes[victim - at] ^= 1 << rng.below(8);
                    data.bytes = bytes.into();
                }
            }
            receiver.handle(frame);
        }
        while let Some(task) = receiver.poll_task() {
            assert!(matches!(task, ReceiverTask::Write(_)));
            work(&mut disk, &mut receiver, task);
        }
        found += usize::from(matches!(receiver.outcome(), Some(Outcome::Failed(_))));
        assert_eq!(disk.written, 0);
    }
    println!("t45: 1,000 chunks with one bit flipped: {found} found, 0 bytes written");
    assert_eq!(found, 1_000);
}

#[test]
fn any_flipped_bit_anywhere_never_ends_in_wrong_content() {
    let mut rng = Rng::new(12);
    let files: Files = vec![
        ("a".into(), rng.bytes(2 * MIB + 9)),
        ("b".into(), rng.bytes(900)),
        ("c".into(), vec![]),
    ];
    let whole = session(
        &files,
        accepted(&files),
        &mut Disk::default(),
        &Fate::default(),
        &mut Rng::new(0),
    );
    for _ in 0..300 {
        let fate = Fate {
            flip: Some((rng.below(whole.frames), rng.next() as usize >> 1)),
            ..Fate::default()
        };
        let mut disk = Disk::default();
        let run = session(&files, accepted(&files), &mut disk, &fate, &mut rng);
        for content in disk.files.values() {
            assert!(
                files.iter().any(|(_, original)| original == content),
                "{:?}",
                fate.flip
            );
        }
        if run.receiver == Some(Outcome::Finished) {
            assert!(run.complete);
            assert_eq!(disk.files.len(), files.len());
        }
    }
}
