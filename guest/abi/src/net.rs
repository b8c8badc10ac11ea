//! Frames between a program and the driver of a network card.
//!
//! What is read from and written to `/dev/eth-*` is a batch of frames, each behind its length in
//! [`LENGTH_BYTES`], little-endian, and filled up to a multiple of as many. The buffer is aligned to
//! as many, too. A write sends the whole frames that are in its first [`BATCH_BYTES`], and says how
//! far it has come; a read waits for a frame and takes the others that have come, as far as there is
//! room for the longest.

use core::ops::RangeInclusive;

/// Lengths of frames, from the destination's address on, without the check sequence.
pub const FRAME_BYTES: RangeInclusive<usize> = 14..=1514;
/// Bytes of the length before a frame.
pub const LENGTH_BYTES: usize = 4;
/// Most that a read or a write moves.
pub const BATCH_BYTES: usize = 64 * 1024;

/// Bytes that a frame takes in a batch.
pub const fn batch_bytes(frame_bytes: usize) -> usize {
    (LENGTH_BYTES + frame_bytes).next_multiple_of(LENGTH_BYTES)
}
