//! Whatever bytes come over a channel: a frame or an error; and a frame is read again as it was written.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mesh_protocol::channel::Frame;

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::decode(&Bytes::copy_from_slice(bytes)) else {
        return;
    };
    // A list may grow by what JSON escapes, beyond what one message may hold; then it was never made by a frame.
    if let Ok(again) = Frame::decode(&frame.encode()) {
        assert_eq!(again, frame);
    } else {
        assert!(frame.encode().len() > mesh_protocol::limits::MAX_CHANNEL_FRAME);
    }
});
