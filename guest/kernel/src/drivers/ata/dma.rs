//! [`BusMaster`]: data that the controller moves itself, by a list of pieces of memory (PCI IDE
//! Controller 1.0, bus master programming interface 1.0).

use crate::arch::port::{inb, outb, outl};
use crate::drivers::Segment;
use crate::drivers::pci::{self, MAX_DEVICES};
use crate::mm::DmaBuffer;
use abi::syscall::Errno;

/// Class and subclass of an IDE controller, and the bit of its interface of one that masters the bus.
const CLASS: u32 = 0x0101;
const INTERFACE_MASTER: u32 = 1 << 7;
/// Its BAR of the registers below.
const BAR: u8 = 4;

/// Offsets of the primary channel's registers.
const COMMAND: u16 = 0;
const STATUS: u16 = 2;
const TABLE: u16 = 4;
const COMMAND_START: u8 = 1 << 0;
const COMMAND_TO_MEMORY: u8 = 1 << 3;
/// Written as ones to clear them.
const STATUS_ERROR: u8 = 1 << 1;
const STATUS_INTERRUPT: u8 = 1 << 2;

/// A piece does not cross a multiple of this.
const PIECE_LIMIT: u64 = 1 << 16;
const ENTRY_BYTES: u64 = 8;
/// Entries that fit into the table's page.
const MAX_ENTRIES: u64 = 4096 / ENTRY_BYTES;
const LAST_ENTRY: u32 = 1 << 31;

/// Which way data goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToMemory,
    ToDrive,
}

/// The primary channel's part of the controller.
pub(super) struct BusMaster {
    base: u16,
    table: DmaBuffer,
}

impl BusMaster {
    /// That of the first IDE controller on the bus.
    pub(super) fn find() -> Option<Self> {
        let bus = pci::bus()?;
        let functions = (0..MAX_DEVICES).filter_map(|device| bus.function(device));
        let controller = functions.map(|(function, _)| function).find(|function| {
            let class = function.class();
            class >> 8 == CLASS && class & INTERFACE_MASTER != 0
        })?;
        let base = pci::io_bar(&controller, BAR)?;
        controller.enable_ports();
        let table = DmaBuffer::new(MAX_ENTRIES * ENTRY_BYTES)?;
        u32::try_from(table.phys().0).ok()?;
        Some(Self { base, table })
    }

    /// Lists `segments`; false if some are where the controller cannot reach them.
    pub(super) fn prepare(&self, direction: Direction, segments: &[Segment]) -> bool {
        let mut entries = 0;
        for (address, bytes) in segments.iter().flat_map(pieces) {
            let is_even = address.is_multiple_of(2) && bytes.is_multiple_of(2);
            let Ok(address) = u32::try_from(address) else {
                return false;
            };
            if !is_even || entries == MAX_ENTRIES {
                return false;
            }
            let offset = entries * ENTRY_BYTES;
            self.table.write32(offset, address);
            // 64 KiB are written as 0.
            self.table.write32(offset + 4, bytes as u32 & 0xffff);
            entries += 1;
        }
        if entries == 0 {
            return false;
        }
        let last = entries * ENTRY_BYTES - 4;
        let count = self.table.read32(last);
        self.table.write32(last, count | LAST_ENTRY);
        outl(self.base + TABLE, self.table.phys().0 as u32);
        outb(self.base + COMMAND, direction_bit(direction));
        outb(self.base + STATUS, STATUS_ERROR | STATUS_INTERRUPT);
        true
    }

    /// Lets it begin; the drive has its command.
    pub(super) fn start(&self, direction: Direction) {
        let command = direction_bit(direction) | COMMAND_START;
        outb(self.base + COMMAND, command);
    }

    /// Ends it; whether all went well.
    pub(super) fn stop(&self) -> Result<(), Errno> {
        let status = inb(self.base + STATUS);
        outb(self.base + COMMAND, 0);
        outb(self.base + STATUS, STATUS_ERROR | STATUS_INTERRUPT);
        match status & STATUS_ERROR {
            0 => Ok(()),
            _ => Err(Errno::Io),
        }
    }
}

fn direction_bit(direction: Direction) -> u8 {
    match direction {
        Direction::ToMemory => COMMAND_TO_MEMORY,
        Direction::ToDrive => 0,
    }
}

/// Address and length of the pieces of a segment that cross no limit.
fn pieces(segment: &Segment) -> impl Iterator<Item = (u64, u64)> + use<> {
    let (mut at, end) = (segment.phys.0, segment.phys.0 + u64::from(segment.len));
    core::iter::from_fn(move || {
        let next = ((at / PIECE_LIMIT + 1) * PIECE_LIMIT).min(end);
        let piece = (at, next - at);
        at = next;
        (piece.1 > 0).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::PhysAddr;

    #[test]
    fn pieces_cross_no_limit_and_miss_nothing() {
        let segment = |phys, len| Segment {
            phys: PhysAddr(phys),
            len,
        };
        let of = |phys, len| pieces(&segment(phys, len)).collect::<Vec<_>>();
        assert_eq!(of(0x1000, 0x1000), [(0x1000, 0x1000)]);
        assert_eq!(of(0x1_0000, 0x1_0000), [(0x1_0000, 0x1_0000)]);
        assert_eq!(of(0xf000, 0x1200), [(0xf000, 0x1000), (0x1_0000, 0x200)]);
        assert_eq!(of(0xf000, 0), []);
    }
}
