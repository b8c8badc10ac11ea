//! The swap area: a part of a block device, in slots of a page.
//!
//! A slot is counted: entries of page tables that name it, and the frame whose copy it holds.

use alloc::vec;
use alloc::vec::Vec;

use abi::syscall::{Errno, IoMode};

use super::addr::{PAGE_BYTES, PhysAddr};
use crate::drivers::{self, Segment};
use crate::sync::{Once, SpinLock};

const SECTORS_PER_SLOT: u64 = PAGE_BYTES / 512;
/// Most slots that are used: 16 GiB.
const MOST_SLOTS: u64 = 1 << 22;

/// Where the swap area is, as the kernel parameter says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapArea {
    /// Number of the block device: 0 for `vda`.
    pub device: usize,
    /// Its first sector.
    pub first_sector: u64,
    /// Its length in slots.
    pub slots: u64,
}

impl SwapArea {
    /// Parses `vda:FIRST+COUNT`, in sectors.
    pub fn parse(parameter: &str) -> Option<Self> {
        let (device, part) = parameter.split_once(':')?;
        let (first, count) = part.split_once('+')?;
        let &[letter @ b'a'..=b'z'] = device.strip_prefix("vd")?.as_bytes() else {
            return None;
        };
        let slots = count.parse::<u64>().ok()? / SECTORS_PER_SLOT;
        let first_sector = first.parse().ok()?;
        Some(Self {
            device: usize::from(letter - b'a'),
            first_sector,
            slots: slots.min(MOST_SLOTS),
        })
    }

    fn sector(&self, slot: u32) -> u64 {
        self.first_sector + u64::from(slot) * SECTORS_PER_SLOT
    }
}

/// Counts of all slots, and where to look for a free one next. Empty until the first is used.
struct Slots {
    counts: Vec<u16>,
    next: usize,
}

static AREA: Once<SwapArea> = Once::new();
static SLOTS: SpinLock<Slots> = SpinLock::new(Slots {
    counts: Vec::new(),
    next: 0,
});

/// Uses `area` from now on.
pub fn init(area: SwapArea) {
    AREA.set(area);
}

/// Whether pages can be evicted.
pub fn is_there() -> bool {
    AREA.get().is_some()
}

/// A free slot, counted once.
pub fn allocate() -> Option<u32> {
    let area = AREA.get()?;
    let mut slots = SLOTS.lock();
    if slots.counts.is_empty() {
        slots.counts = vec![0; usize::try_from(area.slots).ok()?];
    }
    let next = slots.next;
    let (before, after) = slots.counts.split_at(next);
    let free = |counts: &[u16]| counts.iter().position(|count| *count == 0);
    let slot = free(after)
        .map(|slot| slot + next)
        .or_else(|| free(before))?;
    slots.counts[slot] = 1;
    slots.next = slot + 1;
    u32::try_from(slot).ok()
}

/// Counts one more user of `slot`; false if it has too many.
pub fn share(slot: u32) -> bool {
    let mut slots = SLOTS.lock();
    let count = &mut slots.counts[slot as usize];
    let more = count.checked_add(1);
    *count = more.unwrap_or(*count);
    more.is_some()
}

/// Counts one user of `slot` less; the last one frees it.
pub fn release(slot: u32) {
    SLOTS.lock().counts[slot as usize] -= 1;
}

/// Whether the caller is the slot's only user.
pub fn is_exclusive(slot: u32) -> bool {
    SLOTS.lock().counts[slot as usize] == 1
}

/// Writes the frame at `phys` to `slot`. Sleeps.
pub fn write(slot: u32, phys: PhysAddr) -> Result<(), Errno> {
    let area = AREA.get().ok_or(Errno::NoSpc)?;
    let device = drivers::disk(area.device).ok_or(Errno::NoEnt)?;
    device.write(area.sector(slot), &[page(phys)], IoMode::Interrupt)
}

/// Reads `slot` to the frame at `phys`. Sleeps.
pub fn read(slot: u32, phys: PhysAddr) -> Result<(), Errno> {
    let area = AREA.get().ok_or(Errno::NoSpc)?;
    let device = drivers::disk(area.device).ok_or(Errno::NoEnt)?;
    device.read(area.sector(slot), &[page(phys)], IoMode::Interrupt)
}

fn page(phys: PhysAddr) -> Segment {
    Segment {
        phys,
        len: PAGE_BYTES as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_names_device_and_sectors() {
        let area = SwapArea::parse("vdb:16384+16").unwrap();
        assert_eq!(
            area,
            SwapArea {
                device: 1,
                first_sector: 16384,
                slots: 2
            }
        );
        assert_eq!(area.sector(1), 16392);
        for bad in [
            "", "vda", "sda:0+8", "vda:0", "vda:x+8", "vd:0+8", "vdaa:0+8", "vda:0+-8",
        ] {
            assert_eq!(SwapArea::parse(bad), None, "{bad}");
        }
    }
}
