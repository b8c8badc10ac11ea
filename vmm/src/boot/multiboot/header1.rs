//! The header of multiboot 1 (specification 3.1).

use super::image::{Addresses, Header};
use crate::boot::source::u32_at;

pub(super) const MAGIC: u32 = 0x1bad_b002;
const SEARCHED: usize = 8192;
const ALIGN: usize = 4;
/// Bits that a boot loader has to know: pages, memory information, video mode. The first two are
/// always done; any mode may be answered with text.
const KNOWN: u32 = 0b111;
const MUST_BE_KNOWN: u32 = 0xffff;
const HAS_ADDRESSES: u32 = 1 << 16;

/// Offset of the header.
pub(super) fn find(head: &[u8]) -> Option<usize> {
    magics(head).find(|at| {
        let fields = [0, 4, 8].map(|field| head.get(at + field..at + field + 4));
        let values = fields.map(|bytes| bytes.map(|bytes| u32_at(bytes, 0)));
        let sum = values
            .into_iter()
            .try_fold(0_u32, |sum, value| Some(sum.wrapping_add(value?)));
        sum == Some(0)
    })
}

/// Whether there is something that would be a header with another checksum.
pub(super) fn has_magic(head: &[u8]) -> bool {
    magics(head).next().is_some()
}

fn magics(head: &[u8]) -> impl Iterator<Item = usize> {
    let words = head[..head.len().min(SEARCHED)].chunks_exact(ALIGN);
    let words = (0..).step_by(ALIGN).zip(words);
    words
        .filter(|(_, word)| u32_at(word, 0) == MAGIC)
        .map(|(at, _)| at)
}

/// What the header that [`find`] found asks for.
pub(super) fn parse(head: &[u8], at: usize) -> Result<Header, &'static str> {
    let flags = u32_at(head, at + 4);
    if flags & MUST_BE_KNOWN & !KNOWN != 0 {
        return Err("asks for a feature that does not exist (flags 3 to 15)");
    }
    let mut header = Header::at(at);
    if flags & HAS_ADDRESSES == 0 {
        return Ok(header);
    }
    let fields = head.get(at + 12..at + 32).ok_or("is cut short")?;
    let field = |index: usize| u64::from(u32_at(fields, index * 4));
    header.addresses = Some(Addresses {
        header: field(0),
        load: Some(field(1)),
        load_end: field(2),
        bss_end: field(3),
    });
    header.entry = Some(field(4));
    Ok(header)
}
