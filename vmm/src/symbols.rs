//! Names of the addresses in a backtrace, from the kernel's own symbol table (ELF64, little-endian).

use std::collections::BTreeMap;

const SHDR_BYTES: u64 = 64;
const SYM_BYTES: usize = 24;
const SHT_SYMTAB: u64 = 2;
/// Low bits of a symbol's info: its type.
const STT_FUNC: u64 = 2;

/// Functions of an ELF file by address.
pub(crate) struct Symbols {
    functions: BTreeMap<u64, (u64, String)>,
}

impl Symbols {
    /// The functions of `elf`; none if it has no symbol table.
    pub(crate) fn of(elf: &[u8]) -> Self {
        Self {
            functions: functions(elf).unwrap_or_default(),
        }
    }

    /// `function+offset` of an address.
    pub(crate) fn name(&self, address: u64) -> Option<String> {
        let (start, (size, name)) = self.functions.range(..=address).next_back()?;
        let offset = address - start;
        (offset <= *size).then(|| format!("{:#}+{offset:#x}", rustc_demangle::demangle(name)))
    }
}

fn functions(elf: &[u8]) -> Option<BTreeMap<u64, (u64, String)>> {
    let (shoff, count) = (field(elf, 0x28, 8)?, field(elf, 0x3c, 2)?);
    let header = |index: u64| slice(elf, shoff.checked_add(index * SHDR_BYTES)?, SHDR_BYTES);
    let symtab = (0..count)
        .filter_map(header)
        .find(|header| field(header, 4, 4) == Some(SHT_SYMTAB))?;
    let strtab = section(elf, header(field(symtab, 0x28, 4)?)?)?;
    let symbols = section(elf, symtab)?.chunks_exact(SYM_BYTES);
    let functions =
        symbols.filter(|symbol| field(symbol, 4, 1).is_some_and(|i| i & 15 == STT_FUNC));
    let named = functions.filter_map(|symbol| {
        let name = strtab.get(usize::try_from(field(symbol, 0, 4)?).ok()?..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        let name = String::from_utf8_lossy(name).into_owned();
        Some((field(symbol, 8, 8)?, (field(symbol, 16, 8)?, name)))
    });
    Some(named.collect())
}

/// Contents of the section with that header.
fn section<'a>(elf: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    slice(elf, field(header, 0x18, 8)?, field(header, 0x20, 8)?)
}

/// `len` bytes at `start`, if they are all there.
fn slice(elf: &[u8], start: u64, len: u64) -> Option<&[u8]> {
    let end = usize::try_from(start.checked_add(len)?).ok()?;
    elf.get(usize::try_from(start).ok()?..end)
}

/// A little-endian number of `size` bytes.
fn field(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_names_its_own_functions() {
        let symbols = Symbols::of(crate::guest::kernel());
        let (start, _) = symbols
            .functions
            .iter()
            .find(|(_, (size, _))| *size > 4)
            .unwrap();
        assert!(symbols.name(start + 4).unwrap().ends_with("+0x4"));
        assert_eq!(symbols.name(0), None);
    }

    #[test]
    fn damaged_files_name_nothing() {
        let elf = crate::guest::kernel();
        for len in [0, 10, 0x30, 0x40, elf.len() / 2] {
            let _ = Symbols::of(&elf[..len]).name(u64::MAX);
        }
        assert_eq!(Symbols::of(&[0xff; 0x100]).name(1), None);
    }
}
