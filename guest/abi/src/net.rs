//! Frames between a program and the driver of a network card.
//!
//! What is read from and written to `/dev/eth-*` is a batch of frames, each behind its length in
//! [`LENGTH_BYTES`], little-endian, and filled up to a multiple of as many. A write sends all of
//! them; a read waits for one and takes the others that have come, as far as there is room for the
//! longest.

use core::ops::RangeInclusive;

/// Lengths of frames, from the destination's address on, without the check sequence.
pub const FRAME_BYTES: RangeInclusive<usize> = 14..=1514;
/// Bytes of the length before a frame.
pub const LENGTH_BYTES: usize = 4;
