//! PVH: `hvm_start_info` (Xen include/public/arch-x86/hvm/start_info.h).

use super::memory_map::{MemoryMap, Region};
use super::{BootInfo, Reader, text, word32, word64};

const MAGIC: u64 = 0x336e_c578;
const SIZE: u64 = 56;
const ENTRY_BYTES: u64 = 24;
const MODULE_BYTES: u64 = 16;
/// Type of an entry: memory.
const RAM: u64 = 1;

/// Reads the structure at `address`; `None` if it is none.
pub fn read(address: u64, read: Reader<'_>) -> Option<BootInfo> {
    let info = read(address, SIZE)?;
    if word32(info, 0)? != MAGIC {
        return None;
    }
    let (modules, module_list) = (word32(info, 12)?, word64(info, 16)?);
    let (entries, entry_list) = (word32(info, 48)?, word64(info, 40)?);
    let mut memory = MemoryMap::default();
    let entries = entries.min(memory_map_limit());
    for entry in read(entry_list, entries * ENTRY_BYTES)?.chunks_exact(ENTRY_BYTES as usize) {
        if word32(entry, 16)? == RAM {
            memory.push(word64(entry, 0)?, word64(entry, 8)?);
        }
    }
    let mut initrd = Region::default();
    if modules > 0 {
        let module = read(module_list, MODULE_BYTES)?;
        initrd = Region::of(word64(module, 0)?, word64(module, 8)?);
    }
    Some(BootInfo {
        memory,
        initrd,
        cmdline: text(word64(info, 24)?, read),
    })
}

/// Most entries that are looked at.
const fn memory_map_limit() -> u64 {
    128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let mut put = |at: usize, value: u64, len: usize| {
            bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len])
        };
        put(0x100, MAGIC, 4);
        put(0x10c, 1, 4);
        put(0x110, 0x200, 8);
        put(0x118, 0x300, 8);
        put(0x128, 0x400, 8);
        put(0x130, 2, 4);
        put(0x200, 0x50_0000, 8);
        put(0x208, 0x1800, 8);
        put(0x408, 0xa0000, 8);
        put(0x410, RAM, 4);
        put(0x418, 0x10_0000, 8);
        put(0x420, 0x80_0000, 8);
        put(0x428, RAM, 4);
        bytes[0x300..0x305].copy_from_slice(b"a=b c");
        bytes
    }

    fn parse(bytes: Vec<u8>) -> Option<BootInfo> {
        let bytes: &'static [u8] = bytes.leak();
        read(0x100, &|address, len| {
            let start = address as usize;
            let len = if address == 0x300 { 64 } else { len as usize };
            bytes.get(start..start.checked_add(len)?)
        })
    }

    #[test]
    fn memory_initrd_and_command_line_are_found() {
        let info = parse(memory()).unwrap();
        assert_eq!(info.memory.end(), 0x90_0000);
        assert_eq!(
            info.initrd,
            Region {
                start: 0x50_0000,
                end: 0x50_1800
            }
        );
        assert_eq!(
            info.cmdline,
            Region {
                start: 0x300,
                end: 0x305
            }
        );
    }

    #[test]
    fn a_wrong_magic_is_refused() {
        let mut bytes = memory();
        bytes[0x100] = 0;
        assert!(parse(bytes).is_none());
    }

    #[test]
    fn lists_beyond_memory_are_refused() {
        for at in [0x110, 0x128] {
            let mut bytes = memory();
            bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
            assert!(parse(bytes).is_none());
        }
    }
}
