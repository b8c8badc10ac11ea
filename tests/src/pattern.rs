//! Bytes that follow from a seed: what one side writes, the other can check without a copy.
//!
//! Cheap even in a debug build on a host that is slow: a piece is noise, the same in all pieces,
//! and each sector begins with its place, so that a sector that goes elsewhere is found.

use anyhow::{Result, bail};
use std::io::{Read, Write};

/// Size of a write and of a read.
const PIECE: usize = 1 << 20;
const SECTOR: usize = 512;
/// Buffers begin at a multiple of this, as `O_DIRECT` wants it.
const PAGE: usize = 4096;

/// Memory for a piece.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    fn new() -> Self {
        let bytes = vec![0; PIECE + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        Self { bytes, start }
    }

    fn piece(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + PIECE]
    }
}

/// The bytes of a seed, piece by piece.
struct Pattern {
    seed: u64,
    buffer: Buffer,
}

impl Pattern {
    fn of(seed: u64) -> Self {
        let mut buffer = Buffer::new();
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        for word in buffer.piece().chunks_exact_mut(8) {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        Self { seed, buffer }
    }

    /// The piece that begins there.
    fn at(&mut self, at: u64) -> &[u8] {
        let piece = self.buffer.piece();
        for (index, sector) in piece.chunks_exact_mut(SECTOR).enumerate() {
            let place = at + (index * SECTOR) as u64;
            sector[..8].copy_from_slice(&(place ^ self.seed << 48).to_le_bytes());
        }
        piece
    }
}

/// Writes so many bytes of a seed.
pub fn give(mut to: impl Write, seed: u64, bytes: u64) -> Result<()> {
    let mut pattern = Pattern::of(seed);
    let mut at = 0;
    while at < bytes {
        let len = (bytes - at).min(PIECE as u64) as usize;
        to.write_all(&pattern.at(at)[..len])?;
        at += len as u64;
    }
    Ok(to.flush()?)
}

/// Reads so many bytes, which must be those of a seed.
pub fn take(mut from: impl Read, seed: u64, bytes: u64) -> Result<()> {
    let (mut pattern, mut buffer) = (Pattern::of(seed), Buffer::new());
    let mut at = 0;
    while at < bytes {
        let len = (bytes - at).min(PIECE as u64) as usize;
        let piece = &mut buffer.piece()[..len];
        from.read_exact(piece)?;
        let expected = &pattern.at(at)[..len];
        if piece != expected {
            let wrong = piece.iter().zip(expected).position(|(is, was)| is != was);
            bail!(
                "byte {} of {bytes} is wrong",
                at + wrong.unwrap_or(0) as u64
            );
        }
        at += len as u64;
    }
    Ok(())
}
