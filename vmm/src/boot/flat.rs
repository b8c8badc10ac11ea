//! Flat 16-bit images: the file at an address that the user says, started there in real mode.
//!
//! Drive number 0x80 is in dl, and the stack is below the image. What of a BIOS there is, `bios`
//! has written.

use super::kernel::{KernelError, Loaded, Protocol};
use super::layout;
use super::source::{KernelFile, Source};
use crate::memory::GuestMemory;

pub(super) fn load<F: KernelFile>(
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
