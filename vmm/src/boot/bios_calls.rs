//! The interrupt vectors of real mode.
//!
//! There is no BIOS. A kernel that calls one in real mode gets its call back with the carry flag
//! set, which is how a BIOS says that it has no such function; an interrupt of a device comes
//! back with nothing done. What a BIOS knows is in its data area (`bda`).

use super::layout;
use crate::memory::GuestMemory;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

/// `iret`
const NOTHING: &[u8] = &[0xcf];
/// `push %bp; mov %sp, %bp; orw $1, 6(%bp); pop %bp; iret`: carry in the caller's flags.
const NO_SUCH_FUNCTION: &[u8] = &[0x55, 0x89, 0xe5, 0x83, 0x4e, 0x06, 0x01, 0x5d, 0xcf];

const VECTORS: u32 = 256;
/// Vectors that are calls: video, equipment, disk, serial, system, keyboard, boot, clock.
const CALLS: std::ops::RangeInclusive<u32> = 0x10..=0x1a;

const _: () = assert!(
    layout::BIOS_STUBS + (NOTHING.len() + NO_SUCH_FUNCTION.len()) as u64 <= layout::FLAT.start
);

pub(super) fn write(memory: &GuestMemory) -> Result<(), GuestMemoryError> {
    let stubs = [NOTHING, NO_SUCH_FUNCTION].concat();
    memory.write_slice(&stubs, GuestAddress(layout::BIOS_STUBS))?;
    let vectors: Vec<u8> = (0..VECTORS)
        .flat_map(|vector| {
            let offset = if CALLS.contains(&vector) {
                NOTHING.len() as u16
            } else {
                0
            };
            let segment = (layout::BIOS_STUBS >> 4) as u16;
            [offset.to_le_bytes(), segment.to_le_bytes()].concat()
        })
        .collect();
    memory.write_slice(&vectors, GuestAddress(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::testing::memory;

    #[test]
    fn every_vector_leads_to_a_stub() {
        let memory = memory();
        write(&memory).unwrap();
        let word = |at| u64::from(memory.read_obj::<u16>(GuestAddress(at)).unwrap());
        for vector in 0..256 {
            let stub = word(4 * vector + 2) * 16 + word(4 * vector);
            let first = memory.read_obj::<u8>(GuestAddress(stub)).unwrap();
            let expected = if (0x10..0x1b).contains(&vector) {
                0x55
            } else {
                0xcf
            };
            assert_eq!(first, expected, "vector {vector:#x}");
        }
    }
}
