//! Bytes that follow from a seed: what one side writes, the other can check without a copy.

use anyhow::{Result, ensure};
use std::io::{Read, Write};

const PIECE: usize = 64 << 10;

/// The bytes of a seed, one after another (Marsaglia's xorshift).
struct Pattern(u64);

impl Pattern {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    fn fill(&mut self, piece: &mut [u8]) {
        for word in piece.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            word.copy_from_slice(&self.0.to_le_bytes()[..word.len()]);
        }
    }
}

/// Writes so many bytes of a seed.
pub fn give(mut to: impl Write, seed: u64, bytes: u64) -> Result<()> {
    let mut pattern = Pattern::of(seed);
    let mut piece = vec![0; PIECE];
    let mut left = bytes;
    while left > 0 {
        let len = left.min(PIECE as u64) as usize;
        pattern.fill(&mut piece[..len]);
        to.write_all(&piece[..len])?;
        left -= len as u64;
    }
    Ok(to.flush()?)
}

/// Reads so many bytes, which must be those of a seed.
pub fn take(mut from: impl Read, seed: u64, bytes: u64) -> Result<()> {
    let mut pattern = Pattern::of(seed);
    let (mut piece, mut expected) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < bytes {
        let len = (bytes - at).min(PIECE as u64) as usize;
        from.read_exact(&mut piece[..len])?;
        pattern.fill(&mut expected[..len]);
        let wrong = (0..len).find(|i| piece[*i] != expected[*i]);
        ensure!(
            wrong.is_none(),
            "byte {} of {bytes} is wrong",
            at + wrong.unwrap_or(0) as u64
        );
        at += len as u64;
    }
    Ok(())
}
