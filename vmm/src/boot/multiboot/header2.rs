//! The header of multiboot 2: a list of tags (specification 3.1).

use super::image::{Addresses, Header, Preference, Relocation};
use crate::boot::source::{u16_at, u32_at};

pub(super) const MAGIC: u32 = 0xe852_50d6;
pub(super) const SEARCHED: usize = 32768;
const ALIGN: usize = 8;
const HEADER_BYTES: usize = 16;
const TAG_BYTES: usize = 8;
const ARCHITECTURE_I386: u32 = 0;

const TAG_END: u16 = 0;
const TAG_INFORMATION_REQUEST: u16 = 1;
const TAG_ADDRESS: u16 = 2;
const TAG_ENTRY: u16 = 3;
const TAG_CONSOLE: u16 = 4;
const TAG_FRAMEBUFFER: u16 = 5;
const TAG_MODULE_ALIGN: u16 = 6;
const TAG_EFI_BOOT_SERVICES: u16 = 7;
const TAG_EFI_ENTRY_I386: u16 = 8;
const TAG_EFI_ENTRY_AMD64: u16 = 9;
const TAG_RELOCATABLE: u16 = 10;
/// Flag of a tag that need not be understood.
const OPTIONAL: u16 = 1;
/// The last type of information that there is; what the machine has not, may be left out.
const LAST_INFORMATION: u32 = 21;
/// load_addr that says: from the start of the file.
const WHOLE_FILE: u32 = u32::MAX;

/// Offset of the header.
pub(super) fn find(head: &[u8]) -> Option<usize> {
    magics(head).find(|at| {
        let fields = head.get(*at..at + HEADER_BYTES);
        fields.is_some_and(|fields| {
            let words = fields.chunks_exact(4).map(|word| u32_at(word, 0));
            words.fold(0_u32, u32::wrapping_add) == 0
        })
    })
}

/// Whether there is something that would be a header with another checksum.
pub(super) fn has_magic(head: &[u8]) -> bool {
    magics(head).next().is_some()
}

fn magics(head: &[u8]) -> impl Iterator<Item = usize> {
    let words = (0..).step_by(ALIGN).zip(head.chunks_exact(ALIGN));
    words
        .filter(|(_, word)| u32_at(word, 0) == MAGIC)
        .map(|(at, _)| at)
}

/// What the header that [`find`] found asks for.
pub(super) fn parse(head: &[u8], at: usize) -> Result<Header, &'static str> {
    if u32_at(head, at + 4) != ARCHITECTURE_I386 {
        return Err("is for another architecture");
    }
    let len = u32_at(head, at + 8) as usize;
    let tags = at
        .checked_add(len)
        .and_then(|end| head.get(at + HEADER_BYTES..end));
    let mut tags = tags.ok_or("reaches beyond the first 32 KiB of the file")?;
    let mut header = Header::at(at);
    loop {
        let size = tags.get(4..TAG_BYTES).map(|size| u32_at(size, 0) as usize);
        let size = size.ok_or("has no end tag")?;
        let tag = (size >= TAG_BYTES).then(|| tags.get(..size)).flatten();
        let tag = tag.ok_or("has a tag of an impossible size")?;
        let kind = u16_at(tag, 0);
        if kind == TAG_END {
            return Ok(header);
        }
        let known = take(&mut header, kind, &tag[TAG_BYTES..])?;
        if !known && u16_at(tag, 2) & OPTIONAL == 0 {
            return Err("asks for something that Hostel has not");
        }
        tags = tags.get(size.next_multiple_of(ALIGN)..).unwrap_or_default();
    }
}

/// Takes one tag's fields in; returns whether what it asks for is there.
fn take(header: &mut Header, kind: u16, fields: &[u8]) -> Result<bool, &'static str> {
    let field = |index: usize| {
        let bytes = fields.get(index * 4..index * 4 + 4);
        bytes
            .map(|bytes| u32_at(bytes, 0))
            .ok_or("has a tag that is too small")
    };
    match kind {
        TAG_INFORMATION_REQUEST => {
            let mut wanted = fields.chunks_exact(4).map(|word| u32_at(word, 0));
            return Ok(wanted.all(|kind| kind <= LAST_INFORMATION));
        }
        TAG_ADDRESS => {
            let load = Some(field(1)?).filter(|load| *load != WHOLE_FILE);
            header.addresses = Some(Addresses {
                header: field(0)?.into(),
                load: load.map(u64::from),
                load_end: field(2)?.into(),
                bss_end: field(3)?.into(),
            });
        }
        TAG_ENTRY => header.entry = Some(field(0)?.into()),
        TAG_RELOCATABLE => {
            header.relocation = Some(Relocation {
                limits: u64::from(field(0)?)..u64::from(field(1)?) + 1,
                align: u64::from(field(2)?).max(1),
                preference: match field(3)? {
                    0 => Preference::None,
                    1 => Preference::Lowest,
                    2 => Preference::Highest,
                    _ => return Err("has a preference that does not exist"),
                },
            });
        }
        // There is a text console; modules are on pages of their own; firmware is not EFI's.
        TAG_CONSOLE | TAG_FRAMEBUFFER | TAG_MODULE_ALIGN => {}
        TAG_EFI_BOOT_SERVICES | TAG_EFI_ENTRY_I386 | TAG_EFI_ENTRY_AMD64 => {}
        _ => return Ok(false),
    }
    Ok(true)
}
