//! The Linux 64-bit boot protocol: the zero page (Documentation/arch/x86/boot.rst, zero-page.rst).

use super::memory_map::{MemoryMap, Region};
use super::{BootInfo, Reader, text, word, word32, word64};

const SIZE: u64 = 4096;
const EXT_INITRD: usize = 0x0c0;
const EXT_INITRD_BYTES: usize = 0x0c4;
const EXT_CMDLINE: usize = 0x0c8;
const E820_ENTRIES: usize = 0x1e8;
const INITRD: usize = 0x218;
const INITRD_BYTES: usize = 0x21c;
const CMDLINE: usize = 0x228;
const E820_TABLE: usize = 0x2d0;
const ENTRY_BYTES: usize = 20;
/// Type of an entry: memory.
const RAM: u64 = 1;

/// Reads the zero page at `address`.
pub fn read(address: u64, read: Reader<'_>) -> Option<BootInfo> {
    let page = read(address, SIZE)?;
    let [entries] = word(page, E820_ENTRIES)?;
    let mut memory = MemoryMap::default();
    for entry in page
        .get(E820_TABLE..)?
        .chunks_exact(ENTRY_BYTES)
        .take(usize::from(entries))
    {
        if word32(entry, 16)? == RAM {
            memory.push(word64(entry, 0)?, word64(entry, 8)?);
        }
    }
    let wide = |low, high| Some(word32(page, low)? | word32(page, high)? << 32);
    let initrd = Region::of(
        wide(INITRD, EXT_INITRD)?,
        wide(INITRD_BYTES, EXT_INITRD_BYTES)?,
    );
    Some(BootInfo {
        memory,
        initrd,
        cmdline: text(wide(CMDLINE, EXT_CMDLINE)?, read),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_initrd_and_command_line_are_found() {
        let mut page = vec![0_u8; 8192];
        let mut put =
            |at: usize, value: u64| page[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
        put(0x1000 + INITRD, 0x60_0000);
        put(0x1000 + INITRD_BYTES, 100);
        put(0x1000 + CMDLINE, 0x100);
        put(0x1000 + E820_TABLE + 8, 0x9_fc00);
        put(0x1000 + E820_TABLE + 16, 1);
        put(0x1000 + E820_TABLE + 20, 0x10_0000);
        put(0x1000 + E820_TABLE + 28, 0x700_0000);
        put(0x1000 + E820_TABLE + 36, 1);
        page[0x1000 + E820_ENTRIES] = 2;
        page[0x100..0x103].copy_from_slice(b"x y");
        let page: &'static [u8] = page.leak();
        let info = read(0x1000, &|at, len| {
            page.get(at as usize..(at + len) as usize)
        })
        .unwrap();
        assert_eq!(info.memory.end(), 0x710_0000);
        assert_eq!(
            info.initrd,
            Region {
                start: 0x60_0000,
                end: 0x60_0064
            }
        );
        assert_eq!(
            info.cmdline,
            Region {
                start: 0x100,
                end: 0x103
            }
        );
    }
}
