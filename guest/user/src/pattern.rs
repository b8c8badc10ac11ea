//! Bytes for streams that the host checks.

use abi::record::RS;

/// Fills a piece that begins at byte `start` of a stream: all bytes but RS, in an order that does
/// not repeat with a page or a piece.
pub fn fill(piece: &mut [u8], start: usize) {
    for (i, byte) in (start..).zip(piece) {
        let value = (i.wrapping_mul(0x9e37_79b1) >> 13).to_le_bytes()[0];
        *byte = if value == RS { 0 } else { value };
    }
}
