//! [`Information`]: what the guest is told by PVH or multiboot, put together piece by piece.

use super::{BootError, layout};
use crate::memory::GuestMemory;
use vm_memory::{Bytes, GuestAddress};

const ALIGN: usize = 8;

/// A structure at `layout::BOOT_INFORMATION`, with what it points to behind it.
pub(super) struct Information {
    bytes: Vec<u8>,
}

impl Information {
    /// Room for a structure of `len` bytes, which [`Self::fill`] gets last.
    pub(super) fn new(len: usize) -> Self {
        let bytes = vec![0; len];
        Self { bytes }
    }

    /// Adds a piece; returns its address.
    pub(super) fn push(&mut self, piece: &[u8]) -> u32 {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        let at = layout::BOOT_INFORMATION + self.bytes.len() as u64;
        self.bytes.extend(piece);
        // What does not fit is refused by `write`.
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Adds a text and its NUL; returns its address.
    pub(super) fn push_text(&mut self, text: &str) -> u32 {
        self.push(&[text.as_bytes(), &[0]].concat())
    }

    /// Fills the structure at the start in, from an offset on.
    pub(super) fn fill(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes it all.
    pub(super) fn write(self, memory: &GuestMemory) -> Result<(), BootError> {
        let room = layout::BOOT_INFORMATION_END - layout::BOOT_INFORMATION;
        if self.bytes.len() as u64 > room {
            let bytes = self.bytes.len();
            return Err(BootError::Information { bytes, room });
        }
        let start = GuestAddress(layout::BOOT_INFORMATION);
        Ok(memory.write_slice(&self.bytes, start)?)
    }
}
