//! Words through the data port, from and to pinned memory that lies in pieces of any length.

use crate::arch::port::{inw, outw, rep_insw, rep_outsw};
use crate::drivers::Segment;

/// Bytes of a word.
const WORD: usize = 2;

/// A byte of the segments: number of the segment, offset in it.
type Place = (usize, usize);

/// A step on the way through segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Words that lie together; the number of their bytes.
    Run(Place, usize),
    /// A word of the last byte of a segment, and the first of the next if there is another.
    Split(Place, Option<Place>),
}

/// The steps of a number of bytes.
struct Steps<'a> {
    segments: &'a [Segment],
    place: Place,
    left: usize,
}

impl<'a> Steps<'a> {
    /// Those of the first `bytes`, or of as many as there are.
    fn new(segments: &'a [Segment], bytes: usize) -> Self {
        Self {
            segments,
            place: (0, 0),
            left: bytes,
        }
    }

    /// Bytes from the place on that lie together; goes to the next segment when there is none.
    fn together(&mut self) -> usize {
        while let Some(segment) = self.segments.get(self.place.0) {
            let bytes = segment.len() - self.place.1;
            if bytes > 0 {
                return bytes.min(self.left);
            }
            self.place = (self.place.0 + 1, 0);
        }
        0
    }

    fn advance(&mut self, bytes: usize) -> Place {
        let place = self.place;
        self.place.1 += bytes;
        self.left -= bytes;
        place
    }
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        match self.together() {
            0 => None,
            1 => {
                let low = self.advance(1);
                let high = (self.together() > 0).then(|| self.advance(1));
                Some(Step::Split(low, high))
            }
            bytes => {
                let bytes = bytes / WORD * WORD;
                Some(Step::Run(self.advance(bytes), bytes))
            }
        }
    }
}

/// Writes all bytes to `port`; behind an odd last one comes a zero.
pub(super) fn write(port: u16, from: &[Segment]) {
    let byte = |(segment, offset): Place| {
        let mut byte = [0];
        from[segment].fetch(offset, &mut byte);
        byte[0]
    };
    for step in Steps::new(from, usize::MAX) {
        match step {
            Step::Run((segment, offset), bytes) => {
                let run = from[segment].part(offset, bytes);
                run.lend(|bytes| rep_outsw(port, bytes));
            }
            Step::Split(low, high) => {
                let pair = [byte(low), high.map_or(0, byte)];
                outw(port, u16::from_le_bytes(pair));
            }
        }
    }
}

/// Reads `bytes` from `port`, as far as there is room for them.
pub(super) fn read(port: u16, to: &[Segment], bytes: usize) {
    for step in Steps::new(to, bytes) {
        match step {
            Step::Run((segment, offset), bytes) => {
                let run = to[segment].part(offset, bytes);
                run.receive(|bytes| rep_insw(port, bytes));
            }
            Step::Split(low, high) => {
                let pair = inw(port).to_le_bytes();
                let places = [Some(low), high].into_iter().flatten();
                for ((segment, offset), byte) in places.zip(pair) {
                    to[segment].fill(offset, &[byte]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::PhysAddr;

    fn steps(lens: &[u32], bytes: usize) -> Vec<Step> {
        let segment = |len: &u32| Segment {
            phys: PhysAddr(0x1000),
            len: *len,
        };
        let segments: Vec<Segment> = lens.iter().map(segment).collect();
        Steps::new(&segments, bytes).collect()
    }

    #[test]
    fn what_lies_together_goes_by_one_instruction() {
        assert_eq!(steps(&[1514], 1514), [Step::Run((0, 0), 1514)]);
        let two = [Step::Run((0, 0), 100), Step::Run((1, 0), 1414)];
        assert_eq!(steps(&[100, 1414], usize::MAX), two);
    }

    #[test]
    fn a_word_may_lie_in_two_segments() {
        let expected = [
            Step::Run((0, 0), 2),
            Step::Split((0, 2), Some((1, 0))),
            Step::Run((1, 1), 4),
        ];
        assert_eq!(steps(&[3, 5], 8), expected);
        let crumbs = [Step::Split((0, 0), Some((2, 0))), Step::Split((3, 0), None)];
        assert_eq!(steps(&[1, 0, 1, 1, 0], usize::MAX), crumbs);
    }

    #[test]
    fn an_odd_byte_is_the_last() {
        let expected = [Step::Run((0, 0), 60), Step::Split((0, 60), None)];
        assert_eq!(steps(&[61], 61), expected);
        assert_eq!(steps(&[64], 61), expected, "there is more room");
        assert_eq!(steps(&[61], 64), expected, "there is less room");
    }

    #[test]
    fn nothing_takes_no_step() {
        assert_eq!(steps(&[], 10), []);
        assert_eq!(steps(&[0, 0], 10), []);
        assert_eq!(steps(&[10], 0), []);
    }
}
