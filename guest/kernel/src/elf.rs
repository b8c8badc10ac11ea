//! ELF64 programs: what to map where. Static ones for x86-64 (System V gABI, chapters 4 and 5).

use abi::syscall::Protection;

use crate::arch::USER_END;
use crate::mm::PAGE_BYTES;

const IDENT: &[u8] = &[0x7f, b'E', b'L', b'F', 2, 1, 1];
const HEADER_BYTES: usize = 64;
const EXECUTABLE: u16 = 2;
const X86_64: u16 = 62;
const SEGMENT_BYTES: usize = 56;
const LOAD: u32 = 1;
const FLAG_EXECUTE: u32 = 1;
const FLAG_WRITE: u32 = 2;

/// A segment to map: page-aligned addresses from `start` to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Rights.
    pub protection: Protection,
    /// Where in the file the bytes for `start` are.
    pub offset: u64,
    /// Where in the file the segment's bytes end; zeroes follow.
    pub file_end: u64,
}

/// A program, its headers checked.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Where it begins.
    pub entry: u64,
    headers: &'a [u8],
    file_bytes: u64,
}

fn word16(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|word| u16::from_le_bytes(*word))
}

fn word32(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|word| u32::from_le_bytes(*word))
}

fn word64(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|word| u64::from_le_bytes(*word))
}

impl<'a> Program<'a> {
    /// Checks the headers of `file`; `None` if it is no program for this machine.
    pub fn parse(file: &'a [u8]) -> Option<Self> {
        let header = file.get(..HEADER_BYTES)?;
        let is_ours = header.starts_with(IDENT)
            && word16(header, 16)? == EXECUTABLE
            && word16(header, 18)? == X86_64
            && usize::from(word16(header, 54)?) == SEGMENT_BYTES;
        let entry = word64(header, 24)?;
        if !is_ours || entry >= USER_END {
            return None;
        }
        let table = usize::try_from(word64(header, 32)?).ok()?;
        let bytes = usize::from(word16(header, 56)?) * SEGMENT_BYTES;
        let headers = file.get(table..)?.get(..bytes)?;
        Some(Self {
            entry,
            headers,
            file_bytes: file.len() as u64,
        })
    }

    /// The segments to map; `None` among them for one that lies.
    pub fn segments(&self) -> impl Iterator<Item = Option<Segment>> {
        let headers = self.headers.chunks_exact(SEGMENT_BYTES);
        headers
            .filter(|header| word32(header, 0) == Some(LOAD))
            .map(|header| self.segment(header))
    }

    fn segment(&self, header: &[u8]) -> Option<Segment> {
        let flags = word32(header, 4)?;
        let (offset, address) = (word64(header, 8)?, word64(header, 16)?);
        let (file_bytes, memory_bytes) = (word64(header, 32)?, word64(header, 40)?);
        let inside = address % PAGE_BYTES;
        let file_end = offset.checked_add(file_bytes)?;
        let end = address
            .checked_add(memory_bytes)?
            .checked_next_multiple_of(PAGE_BYTES)?;
        let is_sound = file_bytes <= memory_bytes
            && file_end <= self.file_bytes
            && offset % PAGE_BYTES == inside
            && end <= USER_END
            && flags & (FLAG_WRITE | FLAG_EXECUTE) != FLAG_WRITE | FLAG_EXECUTE;
        let protection = match flags & (FLAG_WRITE | FLAG_EXECUTE) {
            FLAG_WRITE => Protection::ReadWrite,
            FLAG_EXECUTE => Protection::ReadExecute,
            _ => Protection::Read,
        };
        let segment = Segment {
            start: address - inside,
            end,
            protection,
            offset: offset - inside,
            file_end,
        };
        is_sound.then_some(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with one segment.
    fn file() -> Vec<u8> {
        let mut file = vec![0; 0x3000];
        let mut put = |at: usize, value: u64, len: usize| {
            file[at..at + len].copy_from_slice(&value.to_le_bytes()[..len])
        };
        put(16, 2, 2);
        put(18, 62, 2);
        put(24, 0x20_1010, 8);
        put(32, 64, 8);
        put(54, 56, 2);
        put(56, 1, 2);
        put(64, 1, 4);
        put(68, 6, 4);
        put(72, 0x1010, 8);
        put(80, 0x20_1010, 8);
        put(96, 0x100, 8);
        put(104, 0x2000, 8);
        file[..7].copy_from_slice(IDENT);
        file
    }

    fn first(file: &[u8]) -> Option<Segment> {
        Program::parse(file)?.segments().next()?
    }

    #[test]
    fn a_segment_is_mapped_by_whole_pages() {
        let file = file();
        assert_eq!(Program::parse(&file).unwrap().entry, 0x20_1010);
        assert_eq!(
            first(&file).unwrap(),
            Segment {
                start: 0x20_1000,
                end: 0x20_4000,
                protection: Protection::ReadWrite,
                offset: 0x1000,
                file_end: 0x1110,
            }
        );
    }

    #[test]
    fn lies_are_refused() {
        // Offset and value of eight bytes that are wrong.
        let lies = [
            (24, u64::MAX),
            (32, u64::MAX),
            (32, 0x2ff0),
            (72, u64::MAX),
            (72, 0x1011),
            (80, u64::MAX - 0xfef),
            (96, 0x2001),
            (96, u64::MAX),
            (104, u64::MAX),
            (104, USER_END),
        ];
        for (at, value) in lies {
            let mut file = file();
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
            assert_eq!(first(&file), None, "{value:#x} at {at}");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let file = file();
        for len in 0..0x1110 {
            assert_eq!(first(&file[..len]), None);
        }
    }

    #[test]
    fn writable_code_is_refused() {
        let mut file = file();
        file[68] = 7;
        assert_eq!(first(&file), None);
    }
}
