//! The initrd: a cpio archive (newc), read member by member as far as somebody has looked.
//!
//! Members are used where they lie. A loader that aligns their contents to pages lets programs
//! be mapped without a copy.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::sync::{Once, SpinLock};

/// A file of the archive.
#[derive(Debug)]
pub struct Member {
    /// Its path.
    pub name: &'static str,
    /// Its contents.
    pub data: &'static [u8],
}

const HEADER_BYTES: usize = 110;
const MAGIC: &[u8] = b"070701";
const FILE_BYTES: usize = 54;
const NAME_BYTES: usize = 94;
const LAST_NAME: &[u8] = b"TRAILER!!!";

/// Splits the first member off `archive`: its name, contents, and the rest.
///
/// `None` at the end, and where the archive is not one.
fn split(archive: &'static [u8], position: usize) -> Option<(&'static [u8], &'static [u8], usize)> {
    let header = archive.get(position..)?.first_chunk::<HEADER_BYTES>()?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let name_start = position + HEADER_BYTES;
    let name_end = name_start.checked_add(hex(header, NAME_BYTES)?)?;
    let data_start = name_end.checked_next_multiple_of(4)?;
    let data_end = data_start.checked_add(hex(header, FILE_BYTES)?)?;
    let padded = archive.get(name_start..name_end)?;
    // Names end with a NUL; more of them are padding.
    let name = &padded[..crate::cmdline::find(padded, 0, 0)];
    if name == LAST_NAME {
        return None;
    }
    Some((
        name,
        archive.get(data_start..data_end)?,
        data_end.checked_next_multiple_of(4)?,
    ))
}

/// The eight hexadecimal digits at `offset`, all at once.
fn hex(header: &[u8; HEADER_BYTES], offset: usize) -> Option<usize> {
    const LETTERS: u64 = 0x4040_4040_4040_4040;
    const NIBBLES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
    let digits = u64::from_be_bytes(*header.get(offset..)?.first_chunk()?);
    // A letter's low bits count from 1, and mean 10.
    let nibbles = (digits & NIBBLES) + ((digits & LETTERS) >> 6) * 9;
    if nibbles & !NIBBLES != 0 {
        return None;
    }
    let bytes = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    let words = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    usize::try_from((words | words >> 16) & 0xffff_ffff).ok()
}

/// The archive, and the members seen so far.
struct Archive {
    bytes: &'static [u8],
    position: usize,
    members: Vec<&'static Member>,
}

static ARCHIVE: Once<SpinLock<Archive>> = Once::new();

/// Uses `bytes` as the archive.
pub fn init(bytes: &'static [u8]) {
    ARCHIVE.set(SpinLock::new(Archive {
        bytes,
        position: 0,
        members: Vec::new(),
    }));
}

/// The member of that name.
pub fn find(name: &[u8]) -> Option<&'static Member> {
    ARCHIVE.get()?.lock().find(name)
}

impl Archive {
    fn find(&mut self, name: &[u8]) -> Option<&'static Member> {
        let seen = self
            .members
            .iter()
            .find(|member| member.name.as_bytes() == name);
        if seen.is_some() {
            return seen.copied();
        }
        while let Some((found, data, position)) = split(self.bytes, self.position) {
            self.position = position;
            let Ok(text) = core::str::from_utf8(found) else {
                continue;
            };
            let member = &*Box::leak(Box::new(Member { name: text, data }));
            self.members.push(member);
            if found == name {
                return Some(member);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = format!("070701{:08x}{:08X}{}", 1, 2, "00000000".repeat(4)).into_bytes();
        bytes.extend(
            format!(
                "{:08x}{}{:08X}{:08x}",
                data.len(),
                "00000000".repeat(4),
                name.len() + 1,
                0
            )
            .bytes(),
        );
        assert_eq!(bytes.len(), HEADER_BYTES);
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn archive(bytes: Vec<u8>) -> Archive {
        Archive {
            bytes: bytes.leak(),
            position: 0,
            members: Vec::new(),
        }
    }

    #[test]
    fn members_are_found_in_any_order() {
        let bytes = [
            member("bin/init", b"one"),
            member("suite", &[7; 300]),
            member("TRAILER!!!", b""),
        ]
        .concat();
        let mut archive = archive(bytes);
        assert_eq!(archive.find(b"suite").unwrap().data, [7; 300]);
        assert_eq!(archive.find(b"bin/init").unwrap().data, b"one");
        assert!(archive.find(b"bin").is_none());
        assert!(archive.find(b"TRAILER!!!").is_none());
    }

    #[test]
    fn a_name_may_be_padded_with_nuls() {
        let mut archive = archive(member("bin/init\0\0\0\0\0", b"x"));
        assert_eq!(archive.find(b"bin/init").unwrap().data, b"x");
    }

    #[test]
    fn what_is_no_archive_has_no_members() {
        for end in 0..130 {
            let whole = member("name", b"0123456789");
            let mut archive = archive(whole[..end.min(whole.len() - 3)].to_vec());
            assert!(archive.find(b"name").is_none(), "{end} bytes");
        }
        let mut lies = member("name", b"data");
        lies[FILE_BYTES..FILE_BYTES + 8].copy_from_slice(b"ffffffff");
        assert!(archive(lies).find(b"name").is_none());
    }
}
