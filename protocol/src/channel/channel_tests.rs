use proptest::prelude::*;

use super::*;
use crate::limits::{MAX_BUNDLE_FRAMES, MAX_CHANNEL_DATA};

#[test]
fn a_frame_over_the_limit_is_refused_before_it_is_read() {
    let message = Bytes::from(vec![FrameType::TermOut as u8; MAX_CHANNEL_FRAME + 1]);
    assert_eq!(
        Frame::decode(&message),
        Err(FrameError::TooLarge(MAX_CHANNEL_FRAME + 1))
    );
    assert_eq!(Frame::decode(&Bytes::new()), Err(FrameError::Empty));
    assert_eq!(
        Frame::decode(&Bytes::from_static(&[0x7f])),
        Err(FrameError::UnknownType(0x7f))
    );
}

#[test]
fn content_over_the_limit_is_refused_even_where_the_frame_fits() {
    let mut message = vec![FrameType::TermIn as u8, 0, 0, 0, 0];
    message.resize(5 + MAX_CHANNEL_DATA + 1, 0);
    assert_eq!(
        Frame::decode(&message.into()),
        Err(FrameError::Long(FrameType::TermIn))
    );
}

#[test]
fn the_largest_content_fits_the_largest_frame() {
    let data = FileData {
        file: 1,
        offset: 2,
        bytes: vec![3; MAX_CHANNEL_DATA].into(),
    };
    let message = Frame::FileData(data.clone()).encode();
    assert!(message.len() <= MAX_CHANNEL_FRAME);
    assert_eq!(Frame::decode(&message), Ok(Frame::FileData(data)));
}

#[test]
fn a_bundle_has_frames_of_files_and_so_many() {
    let frame = Frame::FileAck(FileAck { bytes: 1 });
    let ack = || frame.encode();
    for count in [1, 2, MAX_BUNDLE_FRAMES] {
        let frames = vec![frame.clone(); count];
        let frame = Frame::FileBundle(FileBundle { frames });
        assert_eq!(frame.encode(), bundle(&vec![ack(); count]));
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }
    let refused = |frames: Vec<Bytes>| Frame::decode(&bundle(&frames)).unwrap_err();
    assert_eq!(refused(vec![]), FrameError::Short(FrameType::FileBundle));
    assert_eq!(
        refused(vec![ack(); MAX_BUNDLE_FRAMES + 1]),
        FrameError::Long(FrameType::FileBundle)
    );
    assert_eq!(refused(vec![ack(), Bytes::new()]), FrameError::Empty);
    let inner = bundle(&[ack()]);
    assert_eq!(
        refused(vec![ack(), inner]),
        FrameError::Bundled(FrameType::FileBundle)
    );
    let pause = Frame::FilePause(FilePause { paused: true }).encode();
    assert_eq!(refused(vec![pause]), FrameError::Bundled(FrameType::FilePause));
    assert_eq!(
        refused(vec![Bytes::from_static(&[0x7f])]),
        FrameError::UnknownType(0x7f)
    );
    let cut = ack().slice(..5);
    assert_eq!(refused(vec![cut]), FrameError::Short(FrameType::FileAck));
    let whole = bundle(&[ack(), ack()]);
    // After the first of the two frames it is a bundle of one.
    for end in (1..whole.len()).filter(|end| *end != 14) {
        assert_eq!(
            Frame::decode(&whole.slice(..end)),
            Err(FrameError::Short(FrameType::FileBundle)),
            "{end}"
        );
    }
}

#[test]
fn what_is_typed_and_what_is_secret_is_not_printed() {
    let typed = Frame::TermIn(TermIn {
        epoch: 1,
        bytes: Bytes::from_static(b"hunter2"),
    });
    let hello = Frame::Hello(Hello {
        protocol: 1,
        session_id: "s".parse().unwrap(),
        cap_token: "hunter2".into(),
    });
    for frame in [typed, hello] {
        assert!(!format!("{frame:?}").contains("hunter2"));
    }
}

fn data() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn binary_frame() -> impl Strategy<Value = Frame> {
    let size = || (any::<u16>(), any::<u16>()).prop_map(|(cols, rows)| TermSize { cols, rows });
    prop_oneof![
        (any::<bool>(), any::<bool>(), size(), any::<u64>(), data()).prop_map(
            |(first, last, size, seq, bytes)| Frame::TermSnapshot(TermSnapshot {
                first,
                last,
                size,
                seq,
                bytes
            })
        ),
        (any::<u64>(), data()).prop_map(|(seq, bytes)| Frame::TermOut(TermOut { seq, bytes })),
        (any::<u32>(), data()).prop_map(|(epoch, bytes)| Frame::TermIn(TermIn { epoch, bytes })),
        (any::<u32>(), size()).prop_map(|(epoch, size)| Frame::TermResize(TermResize { epoch, size })),
        any::<u64>().prop_map(|seq| Frame::TermAck(TermAck { seq })),
        (any::<u32>(), any::<u32>(), any::<u32>(), any::<[u8; 32]>()).prop_map(
            |(file, chunk, len, digest)| Frame::FileChunk(FileChunk {
                file,
                chunk,
                len,
                digest
            })
        ),
        (any::<u32>(), any::<u64>(), data()).prop_map(|(file, offset, bytes)| Frame::FileData(FileData {
            file,
            offset,
            bytes
        })),
        any::<u64>().prop_map(|bytes| Frame::FileAck(FileAck { bytes })),
        (any::<u32>(), data()).prop_map(|(id, bytes)| Frame::FolderData(FolderData { id, bytes })),
    ]
}

proptest! {
    #[test]
    fn every_frame_comes_back_as_it_was(frame in binary_frame()) {
        prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }

    #[test]
    fn a_frame_cut_short_in_its_fixed_part_is_an_error(frame in binary_frame()) {
        let fixed = match frame.frame_type() {
            FrameType::TermSnapshot => 14,
            FrameType::TermIn | FrameType::FolderData => 5,
            FrameType::FileData => 13,
            FrameType::FileChunk => 45,
            _ => 9,
        };
        for end in 1..fixed {
            prop_assert!(Frame::decode(&frame.encode().slice(..end)).is_err());
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(message in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Frame::decode(&message.into());
    }
}
