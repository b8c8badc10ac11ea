//! The areas of an address space: which addresses a program may use, how, and what is there at
//! first. [`super::space`] has one list of them for each program.

use alloc::vec::Vec;

use abi::syscall::{DiskWrites, Errno, Protection};

use super::addr::{HUGE_BYTES, LARGE_BYTES, PAGE_BYTES, PhysAddr};
use super::disk_file::DiskPart;
use crate::arch::USER_END;
use crate::initrd::Member;

/// Where `mmap` begins to look for room; programs and their first stack are below.
const MMAP_BASE: u64 = 0x1000_0000;
/// The same for large pages, far from the others, whose page tables are never given back.
pub const LARGE_BASE: u64 = 1 << 40;
/// And for pages of 1 GiB.
const HUGE_BASE: u64 = 1 << 42;
/// First address that a program may have pages at.
const USER_START: u64 = 0x1000;

/// What the pages of an area are made of.
#[derive(Clone, Copy)]
pub enum Backing {
    /// Zeroes.
    Zero,
    /// Zeroes in pages of [`LARGE_BYTES`].
    Large,
    /// Zeroes in pages of [`HUGE_BYTES`], all of them there from the beginning.
    Huge,
    /// A part of a file, then zeroes.
    File {
        /// The file.
        member: &'static Member,
        /// Where in it the area's first page begins.
        offset: u64,
        /// Where in it the zeroes begin.
        end: u64,
    },
    /// This one frame, which is somebody else's, too, and stays his.
    Frame(PhysAddr),
    /// A driver's memory from there on, which the program shares ([`super::shared`]).
    Shared(PhysAddr),
    /// Pages that a process and its children have in common ([`super::common`]).
    Common,
    /// A part of a disk ([`super::disk_file`]).
    Disk(DiskPart),
    /// Memory that other programs have, too ([`super::object`]).
    Memory {
        /// Which.
        number: u64,
        /// Where in it the area's first page begins.
        offset: u64,
    },
}

impl Backing {
    /// Whether a driver, another process or a disk has it, too, and sees what is written.
    fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_)) || self.is_common() || self.goes_back()
    }

    /// Whether what is written goes back to a disk.
    pub fn goes_back(&self) -> bool {
        matches!(self, Self::Disk(part) if part.writes == DiskWrites::Back)
    }

    /// Whether it is of large pages, of either size.
    pub fn is_large(&self) -> bool {
        matches!(self, Self::Large | Self::Huge)
    }

    /// Bytes of its pages.
    fn page_bytes(&self) -> u64 {
        match self {
            Self::Large => LARGE_BYTES,
            Self::Huge => HUGE_BYTES,
            _ => PAGE_BYTES,
        }
    }

    /// Whether another process may have it, too.
    pub fn is_common(&self) -> bool {
        matches!(self, Self::Common | Self::Memory { .. })
    }
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
        match &mut part.backing {
            Backing::File { offset, .. } | Backing::Memory { offset, .. } => {
                *offset += start - self.start;
            }
            Backing::Shared(phys) => *phys = phys.offset(start - self.start),
            Backing::Disk(disk) => *disk = disk.behind(start - self.start),
            Backing::Zero
            | Backing::Large
            | Backing::Huge
            | Backing::Frame(_)
            | Backing::Common => {}
        }
        part
    }
}

/// What of large pages lies in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Large {
    /// Nothing.
    None,
    /// Whole pages.
    Whole,
    /// A part of one.
    Cut,
}

/// The areas of one program: sorted, without overlaps.
#[derive(Default)]
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

    /// Where there is room for `bytes`, a multiple of its pages, of such backing.
    pub fn room_for(&self, bytes: u64, backing: Backing) -> Option<u64> {
        let (base, align) = match backing {
            Backing::Large => (LARGE_BASE, LARGE_BYTES),
            Backing::Huge => (HUGE_BASE, HUGE_BYTES),
            Backing::Zero
            | Backing::File { .. }
            | Backing::Frame(_)
            | Backing::Shared(_)
            | Backing::Common
            | Backing::Disk(_)
            | Backing::Memory { .. } => (MMAP_BASE, PAGE_BYTES),
        };
        let mut start = base;
        for area in self.0.iter().filter(|area| area.end > base) {
            if area.start >= start && area.start - start >= bytes {
                break;
            }
            start = area.end.next_multiple_of(align);
        }
        let end = start.checked_add(bytes)?;
        (end <= USER_END).then_some(start)
    }

    /// Whether one of large pages has something between `start` and `end`, or has just what lies
    /// there in whole pages.
    pub fn large(&self, start: u64, end: u64) -> Large {
        if end <= LARGE_BASE {
            return Large::None;
        }
        let inside = self.inside(start, end);
        let mut found = Large::None;
        for area in inside.filter(|area| area.backing.is_large()) {
            let bounds = [area.start.max(start), area.end.min(end)];
            if bounds
                .iter()
                .any(|bound| !bound.is_multiple_of(area.backing.page_bytes()))
            {
                return Large::Cut;
            }
            found = Large::Whole;
        }
        found
    }

    /// Whether something between `start` and `end` is shared with a driver or another process.
    pub fn has_shared(&self, start: u64, end: u64) -> bool {
        let mut inside = self.inside(start, end);
        inside.any(|area| area.backing.is_shared())
    }

    /// Whether some of the memory of that number is in it.
    pub fn has_memory(&self, wanted: u64) -> bool {
        let mut all = self.0.iter();
        all.any(|area| matches!(area.backing, Backing::Memory { number, .. } if number == wanted))
    }

    /// Whether what is written to some page between `start` and `end` goes back to a disk.
    pub fn goes_back(&self, start: u64, end: u64) -> bool {
        self.inside(start, end).any(|area| area.backing.goes_back())
    }

    /// Those that have something between `start` and `end`.
    pub fn inside(&self, start: u64, end: u64) -> impl Iterator<Item = &Area> {
        let first = self.0.partition_point(|area| area.end <= start);
        let behind = self.0[first..].iter();
        behind.take_while(move |area| area.start < end)
    }

    /// Those that a child has, too.
    pub fn inherited(&self) -> Self {
        let is_own = |area: &&Area| match area.backing {
            Backing::Large | Backing::Huge | Backing::Shared(_) => true,
            backing => backing.goes_back(),
        };
        let inherited = self.0.iter().filter(|area| !is_own(area));
        Self(inherited.copied().collect())
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
        let room_for = |bytes| areas.room_for(bytes, Backing::Zero);
        assert_eq!(room_for(0x2000), Some(MMAP_BASE + 0x1000));
        assert_eq!(room_for(0x3000), Some(next + 0x1000));
        assert_eq!(room_for(USER_END), None);
    }

    #[test]
    fn large_pages_lie_apart_and_are_whole() {
        let mut areas = Areas::default();
        let start = LARGE_BASE + LARGE_BYTES;
        let end = start + 2 * LARGE_BYTES;
        let backing = Backing::Large;
        areas.add(area(0x1000, 0x2000)).unwrap();
        areas.add(area(LARGE_BASE, LARGE_BASE + 0x1000)).unwrap();
        assert_eq!(areas.room_for(LARGE_BYTES, backing), Some(start));
        areas
            .add(Area {
                backing,
                ..area(start, end)
            })
            .unwrap();
        assert_eq!(areas.room_for(LARGE_BYTES, backing), Some(end));

        assert_eq!(areas.large(0x1000, start), Large::None);
        assert_eq!(areas.large(0x1000, end + 0x1000), Large::Whole);
        assert_eq!(areas.large(start + LARGE_BYTES, end), Large::Whole);
        for (from, to) in [(start + 0x1000, end), (0, end - 0x1000), (start, start + 1)] {
            assert_eq!(areas.large(from, to), Large::Cut, "{from:#x} {to:#x}");
        }
        assert_eq!(areas.large(end, USER_END), Large::None);
        assert_eq!(bounds(&areas.inherited()).len(), 2);
    }

    #[test]
    fn what_is_common_is_inherited() {
        let mut areas = Areas::default();
        let backing = Backing::Common;
        areas
            .add(Area {
                backing,
                ..area(0x4000, 0x8000)
            })
            .unwrap();
        assert!(areas.has_shared(0x7000, 0x9000) && !areas.has_shared(0x8000, 0x9000));
        assert_eq!(bounds(&areas.inherited()), [(0x4000, 0x8000)]);
    }

    #[test]
    fn what_is_shared_is_not_inherited_and_its_parts_stay_where_they_are() {
        let mut areas = Areas::default();
        areas.add(area(0x1000, 0x2000)).unwrap();
        let backing = Backing::Shared(PhysAddr(0x70_0000));
        areas
            .add(Area {
                backing,
                ..area(0x4000, 0x8000)
            })
            .unwrap();
        assert!(areas.has_shared(0, 0x4001) && areas.has_shared(0x7fff, 0x9000));
        assert!(!areas.has_shared(0, 0x4000) && !areas.has_shared(0x8000, USER_END));
        assert_eq!(bounds(&areas.inherited()), [(0x1000, 0x2000)]);
        areas.cut(0x5000, 0x6000, |_| None);
        let behind = areas.find(0x7000).map(|area| area.backing);
        assert!(matches!(behind, Some(Backing::Shared(PhysAddr(0x70_2000)))));
    }
}
