//! Flat 16-bit images: the file at an address that the user says, started there in real mode.
//!
//! There is no BIOS. Each interrupt vector points to an `iret`, so that a call for one comes back
//! with nothing done; drive number 0x80 is in dl, and the stack is below the image.

use super::kernel::{KernelError, Loaded, Protocol};
use super::layout;
use super::source::{Image, Source};
use crate::memory::GuestMemory;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

const IRET: u8 = 0xcf;
const VECTORS: usize = 256;
/// Real-mode address of the `iret`: segment above, offset below.
const IRET_FAR: u32 = ((layout::FLAT_IRET >> 4) << 16) as u32;

pub(super) fn load<F: Image>(
    memory: &GuestMemory,
    source: &mut Source<'_, F>,
    address: u64,
) -> Result<Loaded, KernelError> {
    let size = source.len();
    if size == 0 {
        return Err(KernelError::NoKernel("empty"));
    }
    let fits = address >= layout::FLAT.start
        && address
            .checked_add(size)
            .is_some_and(|end| end <= layout::FLAT.end);
    if !fits {
        return Err(KernelError::Flat { address, size });
    }
    source.load(memory, address, 0, size)?;
    Ok(Loaded::new(
        address,
        address..address + size,
        Protocol::Flat,
    ))
}

/// Writes the interrupt vectors.
pub(super) fn write(memory: &GuestMemory) -> Result<(), GuestMemoryError> {
    memory.write_obj(IRET, GuestAddress(layout::FLAT_IRET))?;
    memory.write_slice(&IRET_FAR.to_le_bytes().repeat(VECTORS), GuestAddress(0))
}
