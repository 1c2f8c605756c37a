//! No sequence that a terminal must not obey passes, however the output is cut; and what passed once passes unchanged.

#![no_main]

#[path = "../../peer/tests/sim/forbidden.rs"]
mod forbidden;

use libfuzzer_sys::fuzz_target;
use mesh_peer::terminal::EscapeFilter;

fn filtered(output: &[u8], piece: usize) -> Vec<u8> {
    let mut filter = EscapeFilter::new();
    let pieces = output.chunks(piece.max(1));
    pieces.flat_map(|piece| filter.push(piece).bytes).collect()
}

fuzz_target!(|output: &[u8]| {
    let whole = filtered(output, output.len());
    assert_eq!(forbidden::forbidden(&whole), None);
    assert_eq!(filtered(output, 1), whole, "the same however it is cut");
    assert_eq!(filtered(&whole, 7), whole, "what passed once passes unchanged");
});
