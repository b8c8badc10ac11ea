//! [`Cutter`]: a transfer cut in pieces that one request each can take.

use crate::drivers::Segment;
use crate::mm::PhysAddr;

/// Most segments of a piece: 64 KiB in pages.
pub(super) const MAX_SEGMENTS: usize = 16;
/// Pieces are of whole sectors.
pub(super) const SECTOR_BYTES: u32 = 512;

/// Cuts segments in pieces of whole sectors, each of at most `max_segments`.
pub(super) struct Cutter<'a> {
    segments: &'a [Segment],
    max_segments: usize,
    /// The segment to go on with, and how many bytes of it went into the piece before.
    at: usize,
    skip: u32,
}

/// What one request transfers.
pub(super) struct Piece {
    segments: [Segment; MAX_SEGMENTS],
    count: usize,
    bytes: u64,
}

impl Piece {
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments[..self.count]
    }

    /// A multiple of [`SECTOR_BYTES`].
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<'a> Cutter<'a> {
    pub(super) fn new(segments: &'a [Segment], max_segments: usize) -> Self {
        Self {
            segments,
            max_segments: max_segments.min(MAX_SEGMENTS),
            at: 0,
            skip: 0,
        }
    }

    /// Takes back what is over whole sectors, for the next piece.
    fn take_back_rest(&mut self, piece: &mut Piece) {
        let mut rest = (piece.bytes % u64::from(SECTOR_BYTES)) as u32;
        piece.bytes -= u64::from(rest);
        while rest > 0 {
            let last = &mut piece.segments[piece.count - 1];
            let taken = rest.min(last.len);
            last.len -= taken;
            rest -= taken;
            if last.len == 0 {
                piece.count -= 1;
            }
            self.at -= 1;
            self.skip = self.segments[self.at].len - taken;
        }
    }
}

impl Iterator for Cutter<'_> {
    type Item = Piece;

    /// `None` at the end, or when what is left has no sector in `max_segments`.
    fn next(&mut self) -> Option<Piece> {
        let empty = Segment {
            phys: PhysAddr(0),
            len: 0,
        };
        let mut piece = Piece {
            segments: [empty; MAX_SEGMENTS],
            count: 0,
            bytes: 0,
        };
        while piece.count < self.max_segments
            && let Some(segment) = self.segments.get(self.at)
        {
            let len = segment.len - self.skip;
            if len > 0 {
                let phys = segment.phys.offset(self.skip.into());
                piece.segments[piece.count] = Segment { phys, len };
                piece.count += 1;
                piece.bytes += u64::from(len);
            }
            (self.at, self.skip) = (self.at + 1, 0);
        }
        self.take_back_rest(&mut piece);
        (piece.bytes > 0).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(lens: &[u32]) -> Vec<Segment> {
        let place = |(i, len): (usize, &u32)| Segment {
            phys: PhysAddr(0x10_0000 * (i as u64 + 1)),
            len: *len,
        };
        lens.iter().enumerate().map(place).collect()
    }

    /// The bytes of the pieces, as (address, length) of each run, joined where they touch.
    fn runs(pieces: impl Iterator<Item = Piece>) -> Vec<(u64, u32)> {
        let mut runs: Vec<(u64, u32)> = Vec::new();
        for piece in pieces {
            assert_eq!(piece.bytes() % u64::from(SECTOR_BYTES), 0);
            for segment in piece.segments() {
                match runs.last_mut() {
                    Some((start, len)) if *start + u64::from(*len) == segment.phys.0 => {
                        *len += segment.len;
                    }
                    _ => runs.push((segment.phys.0, segment.len)),
                }
            }
        }
        runs
    }

    #[test]
    fn whole_pages_fill_requests() {
        let pages = segments(&[4096; 20]);
        let counts: Vec<usize> = Cutter::new(&pages, 16)
            .map(|p| p.segments().len())
            .collect();
        assert_eq!(counts, [16, 4]);
    }

    #[test]
    fn an_unaligned_buffer_is_cut_at_sectors_and_nothing_is_lost() {
        let mut lens = vec![4096; 40];
        (lens[0], lens[39]) = (100, 3996);
        let pages = segments(&lens);
        let expected: Vec<(u64, u32)> = pages.iter().map(|s| (s.phys.0, s.len)).collect();
        assert_eq!(runs(Cutter::new(&pages, 16)), expected);
        assert!(Cutter::new(&pages, 16).all(|p| p.segments().len() <= 16));
    }

    #[test]
    fn crumbs_that_hold_no_sector_end_it() {
        let crumbs = segments(&[8; 64]);
        assert!(Cutter::new(&crumbs, 16).next().is_none());
    }

    #[test]
    fn rests_of_several_segments_come_again() {
        let small = segments(&[300; 512]);
        let bytes: u64 = Cutter::new(&small, 16).map(|p| p.bytes()).sum();
        assert_eq!(bytes, 300 * 512);
    }
}
