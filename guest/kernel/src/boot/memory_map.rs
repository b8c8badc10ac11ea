//! Ranges of memory.

use crate::mm::PAGE_BYTES;

/// Most regions that are kept; more are ignored.
const MOST: usize = 16;
/// What the direct map has from the start: structures of the kernel are put below.
const FIRST_GIB: u64 = 1 << 30;
/// Memory beyond cannot be described.
const LAST: u64 = 1 << 39;

/// Addresses from `start` up to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

impl Region {
    /// `len` bytes from `start`; empty if there is no such range.
    pub fn of(start: u64, len: u64) -> Self {
        let end = start.checked_add(len).filter(|end| *end <= LAST);
        end.map(|end| Self { start, end }).unwrap_or_default()
    }

    /// Whether `address` is in it.
    pub fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// Regions of usable memory, of whole pages.
#[derive(Clone, Debug, Default)]
pub struct MemoryMap {
    regions: [Region; MOST],
    count: usize,
}

impl MemoryMap {
    /// Adds `len` bytes from `start`, less what is not whole pages.
    pub fn push(&mut self, start: u64, len: u64) {
        let Region { start, end } = Region::of(start, len);
        let inner = Region {
            start: start.next_multiple_of(PAGE_BYTES),
            end: end & !(PAGE_BYTES - 1),
        };
        if !inner.is_empty() && self.count < MOST {
            self.regions[self.count] = inner;
            self.count += 1;
        }
    }

    /// The regions.
    pub fn regions(&self) -> &[Region] {
        &self.regions[..self.count]
    }

    /// First address after the last region.
    pub fn end(&self) -> u64 {
        self.regions()
            .iter()
            .map(|region| region.end)
            .max()
            .unwrap_or(0)
    }

    /// Bytes in all regions.
    pub fn bytes(&self) -> u64 {
        self.regions()
            .iter()
            .map(|region| region.end - region.start)
            .sum()
    }

    /// A copy without `hole`.
    #[must_use]
    pub fn without(&self, hole: Region) -> Self {
        let mut map = self.clone();
        map.remove(hole);
        map
    }

    /// Takes every page of which `hole` has a part away.
    pub fn remove(&mut self, hole: Region) {
        if hole.is_empty() {
            return;
        }
        let (low, high) = (
            hole.start & !(PAGE_BYTES - 1),
            hole.end.next_multiple_of(PAGE_BYTES),
        );
        for index in 0..self.count {
            let Region { start, end } = self.regions[index];
            if high <= start || end <= low {
                continue;
            }
            let below = Region {
                start,
                end: low.max(start),
            };
            let above = Region {
                start: high.min(end),
                end,
            };
            self.regions[index] = if below.is_empty() { above } else { below };
            if !below.is_empty() && !above.is_empty() && self.count < MOST {
                self.regions[self.count] = above;
                self.count += 1;
            }
        }
    }

    /// Cuts `bytes`, of whole pages, off a region below 1 GiB; their address.
    pub fn cut(&mut self, bytes: u64) -> Option<u64> {
        let count = self.count;
        let fits = |region: &&mut Region| {
            region
                .start
                .checked_add(bytes)
                .is_some_and(|end| end <= region.end.min(FIRST_GIB))
        };
        let region = self.regions[..count].iter_mut().find(fits)?;
        let start = region.start;
        region.start += bytes;
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(regions: &[(u64, u64)]) -> MemoryMap {
        let mut map = MemoryMap::default();
        regions
            .iter()
            .for_each(|(start, end)| map.push(*start, end - start));
        map
    }

    fn list(map: &MemoryMap) -> Vec<(u64, u64)> {
        map.regions()
            .iter()
            .filter(|r| !r.is_empty())
            .map(|r| (r.start, r.end))
            .collect()
    }

    #[test]
    fn only_whole_pages_count() {
        let map = map(&[(0x10, 0x2ff0), (0x4010, 0x4ff0)]);
        assert_eq!(list(&map), [(0x1000, 0x2000)]);
        assert_eq!(map.bytes(), 0x1000);
    }

    #[test]
    fn a_hole_takes_whole_pages() {
        let map = map(&[(0x1000, 0x9000), (0x10000, 0x20000)]);
        assert_eq!(
            list(&map.without(Region {
                start: 0x2010,
                end: 0x2020
            })),
            [(0x1000, 0x2000), (0x10000, 0x20000), (0x3000, 0x9000)]
        );
        assert_eq!(
            list(&map.without(Region {
                start: 0,
                end: 0x11001
            })),
            [(0x12000, 0x20000)]
        );
        assert_eq!(list(&map.without(Region::default())), list(&map));
    }

    #[test]
    fn a_piece_is_cut_from_below_one_gib() {
        let mut map = map(&[(0x1000, 0x3000), (0x3fff_f000, 0x8000_0000)]);
        assert_eq!(map.cut(0x2000), Some(0x1000));
        assert_eq!(map.cut(0x1000), Some(0x3fff_f000));
        assert_eq!(map.cut(0x1000), None);
    }

    #[test]
    fn absurd_regions_are_empty() {
        assert_eq!(Region::of(u64::MAX, 2), Region::default());
        assert_eq!(Region::of(0, u64::MAX), Region::default());
    }
}
