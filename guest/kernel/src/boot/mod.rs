//! What a loader tells: memory, initrd, command line. By PVH ([`pvh`]) or by the Linux 64-bit
//! protocol ([`linux`]).

pub mod linux;
pub mod memory_map;
pub mod pvh;

use memory_map::{MemoryMap, Region};

/// Which structure the loader has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `hvm_start_info`.
    Pvh,
    /// The zero page.
    Linux,
}

/// What the loader has told.
#[derive(Clone, Debug, Default)]
pub struct BootInfo {
    /// Usable memory.
    pub memory: MemoryMap,
    /// Where the initrd is; empty if there is none.
    pub initrd: Region,
    /// Where the command line is, without its NUL; empty if there is none.
    pub cmdline: Region,
}

/// Reads `len` bytes of physical memory at an address, if they can be read.
pub type Reader<'a> = &'a dyn Fn(u64, u64) -> Option<&'static [u8]>;

/// Most bytes of a command line that are looked at.
const MAX_CMDLINE: u64 = 2048;

impl BootInfo {
    /// Reads what the loader has left at `address`.
    pub fn read(protocol: Protocol, address: u64, read: Reader<'_>) -> Option<Self> {
        match protocol {
            Protocol::Pvh => pvh::read(address, read),
            Protocol::Linux => linux::read(address, read),
        }
    }
}

/// The little-endian word at `offset`.
fn word<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

fn word32(bytes: &[u8], offset: usize) -> Option<u64> {
    word(bytes, offset).map(|word| u64::from(u32::from_le_bytes(word)))
}

fn word64(bytes: &[u8], offset: usize) -> Option<u64> {
    word(bytes, offset).map(u64::from_le_bytes)
}

/// The NUL-terminated text at `address`.
fn text(address: u64, read: Reader<'_>) -> Region {
    let bytes = read(address, MAX_CMDLINE).unwrap_or_default();
    let len = crate::cmdline::find(bytes, 0, 0) as u64;
    Region {
        start: address,
        end: address + len,
    }
}
