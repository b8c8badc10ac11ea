//! A ring of bytes, which whoever has them puts in and takes out piece by piece.

use alloc::vec::Vec;

/// Bytes in their order, up to a capacity.
pub(super) struct Ring {
    /// Allocated when the first come.
    bytes: Vec<u8>,
    capacity: usize,
    /// Where the oldest byte is, and how many there are.
    start: usize,
    len: usize,
}

impl Ring {
    /// An empty one.
    pub(super) const fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            capacity,
            start: 0,
            len: 0,
        }
    }

    /// Takes up to `most` bytes out: `put` is given pieces, each with the number of bytes before
    /// it; how many in all.
    pub(super) fn take(&mut self, most: usize, mut put: impl FnMut(usize, &[u8])) -> usize {
        let count = self.len.min(most);
        let first = count.min(self.bytes.len() - self.start);
        if first > 0 {
            put(0, &self.bytes[self.start..self.start + first]);
        }
        if first < count {
            put(first, &self.bytes[..count - first]);
        }
        self.len -= count;
        self.start = if self.len == 0 {
            0
        } else {
            self.after_start(count)
        };
        count
    }

    /// Puts up to `most` bytes in: `fill` fills pieces, each given with the number of bytes
    /// before it; how many in all.
    pub(super) fn put(&mut self, most: usize, mut fill: impl FnMut(usize, &mut [u8])) -> usize {
        if self.bytes.is_empty() && !self.allocate() {
            return 0;
        }
        let count = (self.capacity - self.len).min(most);
        let end = self.after_start(self.len);
        let first = count.min(self.capacity - end);
        if first > 0 {
            fill(0, &mut self.bytes[end..end + first]);
        }
        if first < count {
            fill(first, &mut self.bytes[..count - first]);
        }
        self.len += count;
        count
    }

    /// The place `count` bytes, at most the capacity, after the oldest.
    fn after_start(&self, count: usize) -> usize {
        let place = self.start + count;
        if place < self.capacity {
            place
        } else {
            place - self.capacity
        }
    }

    /// False when memory has run out.
    fn allocate(&mut self) -> bool {
        let allocated = self.bytes.try_reserve_exact(self.capacity).is_ok();
        if allocated {
            self.bytes.resize(self.capacity, 0);
        }
        allocated
    }

    /// Whether memory for its bytes is there or can be had.
    pub(super) fn has_memory(&mut self) -> bool {
        !self.bytes.is_empty() || self.allocate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const CAPACITY: usize = 4096;

    fn put(ring: &mut Ring, from: &[u8]) -> usize {
        ring.put(from.len(), |at, to| {
            to.copy_from_slice(&from[at..at + to.len()]);
        })
    }

    fn take(ring: &mut Ring, to: &mut [u8]) -> usize {
        ring.take(to.len(), |at, from| {
            to[at..at + from.len()].copy_from_slice(from);
        })
    }

    #[test]
    fn bytes_come_out_in_order_across_the_end_of_the_ring() {
        let mut ring = Ring::new(CAPACITY);
        let (mut next_in, mut next_out) = (0_u8, 0_u8);
        for round in 1..200_usize {
            let input: Vec<u8> = (0..round * 37 % 1500)
                .map(|i| next_in.wrapping_add(i as u8))
                .collect();
            next_in = next_in.wrapping_add(put(&mut ring, &input) as u8);
            let mut output = vec![0; round * 53 % 1700];
            let count = take(&mut ring, &mut output);
            for byte in &output[..count] {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
        }
    }

    #[test]
    fn a_full_ring_takes_no_more() {
        let mut ring = Ring::new(CAPACITY);
        assert_eq!(put(&mut ring, &[1; CAPACITY + 5]), CAPACITY);
        assert_eq!(put(&mut ring, &[1]), 0);
        assert_eq!(take(&mut ring, &mut [0; 3]), 3);
        assert_eq!(put(&mut ring, &[1; 9]), 3);
    }

    #[test]
    fn an_empty_ring_gives_nothing() {
        let mut ring = Ring::new(CAPACITY);
        assert_eq!(take(&mut ring, &mut [0; 3]), 0);
        assert_eq!(put(&mut ring, &[]), 0);
        assert_eq!(take(&mut ring, &mut []), 0);
    }
}
