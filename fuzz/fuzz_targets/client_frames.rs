//! Whatever bytes a client sends after the handshake: they are frames or a violation, the same however they are cut; and
//! whatever text they carry is a message or refused, the same by the short way as by the long.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_server::codec::{Decoder, Next, Received};
use mesh_server::fuzzing;

/// What the bytes are, read in pieces of one length.
fn decode(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = Decoder::default();
    let (mut held, mut got) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        held.extend_from_slice(piece);
        loop {
            let used = match decoder.next(&mut held) {
                Ok(Next::Incomplete) => break,
                Ok(Next::Part(used)) => used,
                Ok(Next::Message(message, used)) => {
                    if let Received::Text(text) = &message {
                        fuzzing::read(text);
                    }
                    got.push(format!("{message:?}"));
                    used
                }
                Err(violation) => {
                    got.push(format!("{violation:?}"));
                    return got;
                }
            };
            held.drain(..used);
        }
    }
    got
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        fuzzing::read(text);
    }
    assert_eq!(decode(bytes, bytes.len().max(1)), decode(bytes, 1));
});
