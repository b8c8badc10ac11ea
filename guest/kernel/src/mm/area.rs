//! The areas of an address space: which addresses a program may use, how, and what is there at
//! first. [`super::space`] has one list of them for each program.

use alloc::vec::Vec;

use abi::syscall::{Errno, Protection};

use crate::arch::USER_END;
use crate::initrd::Member;

/// Where `mmap` begins to look for room; programs and their first stack are below.
const MMAP_BASE: u64 = 0x1000_0000;
/// First address that a program may have pages at.
const USER_START: u64 = 0x1000;

/// What the pages of an area are made of.
#[derive(Clone, Copy)]
pub enum Backing {
    /// Zeroes.
    Zero,
    /// A part of a file, then zeroes.
    File {
        /// The file.
        member: &'static Member,
        /// Where in it the area's first page begins.
        offset: u64,
        /// Where in it the zeroes begin.
        end: u64,
    },
}

/// Pages with the same rights and contents of the same kind.
#[derive(Clone, Copy)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Rights.
    pub protection: Protection,
    /// Contents at first use.
    pub backing: Backing,
}

impl Area {
    /// The part of it from `start` to `end`, which is inside.
    fn part(&self, start: u64, end: u64) -> Self {
        let mut part = Self {
            start,
            end,
            ..*self
        };
        if let Backing::File { offset, .. } = &mut part.backing {
            *offset += start - self.start;
        }
        part
    }
}

/// The areas of one program: sorted, without overlaps.
#[derive(Clone, Default)]
pub struct Areas(Vec<Area>);

impl Areas {
    /// The area that `address` is in.
    pub fn find(&self, address: u64) -> Option<&Area> {
        let index = self.0.partition_point(|area| area.end <= address);
        self.0.get(index).filter(|area| area.start <= address)
    }

    /// Adds an area, page-aligned.
    pub fn add(&mut self, area: Area) -> Result<(), Errno> {
        let allowed = USER_START <= area.start && area.start < area.end && area.end <= USER_END;
        let index = self.0.partition_point(|other| other.end <= area.start);
        let next = self.0.get(index);
        if !allowed || next.is_some_and(|next| next.start < area.end) {
            return Err(Errno::Inval);
        }
        self.0.insert(index, area);
        Ok(())
    }

    /// Where there is room for `bytes`, a multiple of pages.
    pub fn room_for(&self, bytes: u64) -> Option<u64> {
        let mut start = MMAP_BASE;
        for area in self.0.iter().filter(|area| area.end > MMAP_BASE) {
            if area.start >= start && area.start - start >= bytes {
                break;
            }
            start = area.end;
        }
        let end = start.checked_add(bytes)?;
        (end <= USER_END).then_some(start)
    }

    /// Whether all from `start` up to `end` is in areas.
    pub fn cover(&self, start: u64, end: u64) -> bool {
        let inside = |area: &Area| area.end.min(end).saturating_sub(area.start.max(start));
        self.0.iter().map(inside).sum::<u64>() == end - start
    }

    /// Replaces what areas have between `start` and `end` by what `change` makes of each part.
    pub fn cut(&mut self, start: u64, end: u64, change: impl Fn(Area) -> Option<Area>) {
        let first = self.0.partition_point(|area| area.end <= start);
        let last = self.0.partition_point(|area| area.start < end);
        let mut parts = Vec::new();
        for area in &self.0[first..last] {
            let (low, high) = (area.start.max(start), area.end.min(end));
            parts.extend((area.start < low).then(|| area.part(area.start, low)));
            parts.extend(change(area.part(low, high)));
            parts.extend((high < area.end).then(|| area.part(high, area.end)));
        }
        self.0.splice(first..last, parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(start: u64, end: u64) -> Area {
        Area {
            start,
            end,
            protection: Protection::Read,
            backing: Backing::Zero,
        }
    }

    fn bounds(areas: &Areas) -> Vec<(u64, u64)> {
        areas.0.iter().map(|area| (area.start, area.end)).collect()
    }

    #[test]
    fn areas_do_not_overlap() {
        let mut areas = Areas::default();
        assert_eq!(areas.add(area(0x4000, 0x6000)), Ok(()));
        assert_eq!(areas.add(area(0x2000, 0x4000)), Ok(()));
        for (start, end) in [(0x5000, 0x7000), (0x3000, 0x5000), (0, 0x2000), (8, 8)] {
            assert_eq!(areas.add(area(start, end)), Err(Errno::Inval));
        }
        assert!(areas.find(0x5fff).is_some() && areas.find(0x6000).is_none());
        assert!(areas.cover(0x3000, 0x6000) && !areas.cover(0x3000, 0x7000));
    }

    #[test]
    fn cutting_leaves_both_ends() {
        let mut areas = Areas::default();
        areas.add(area(0x1000, 0x9000)).unwrap();
        areas.cut(0x3000, 0x5000, |_| None);
        assert_eq!(bounds(&areas), [(0x1000, 0x3000), (0x5000, 0x9000)]);
    }

    #[test]
    fn room_is_found_between_areas() {
        let mut areas = Areas::default();
        areas.add(area(MMAP_BASE, MMAP_BASE + 0x1000)).unwrap();
        let next = MMAP_BASE + 0x3000;
        areas.add(area(next, next + 0x1000)).unwrap();
        assert_eq!(areas.room_for(0x2000), Some(MMAP_BASE + 0x1000));
        assert_eq!(areas.room_for(0x3000), Some(next + 0x1000));
        assert_eq!(areas.room_for(USER_END), None);
    }
}
