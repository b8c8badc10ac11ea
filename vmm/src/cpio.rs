//! Archives of cpio's newc format (Linux initramfs buffer-format.rst): [`Archive`] makes one,
//! [`members`] reads one.

/// Regular file, rwxr-xr-x.
pub const MODE_PROGRAM: u32 = 0o100_755;
/// Regular file, rw-r--r--.
pub const MODE_DATA: u32 = 0o100_644;
/// The guest maps pages of a program from where they lie in the archive, if they lie on pages.
pub const PAGE: usize = 4096;

const MAGIC: &[u8] = b"070701";
/// Bytes before the name.
const HEADER: usize = 110;
/// Fields of eight hexadecimal digits behind the magic.
const FIELD: usize = 8;
const MODE: usize = 1;
const DATA_BYTES: usize = 6;
const NAME_BYTES: usize = 11;
/// Names the last member.
const TRAILER: &str = "TRAILER!!!";

/// An archive that grows.
#[derive(Default)]
pub struct Archive(Vec<u8>);

impl Archive {
    /// Adds a file, whose contents come to lie on a page.
    pub fn add(&mut self, name: &str, mode: u32, data: &[u8]) {
        let archive = &mut self.0;
        // NUL bytes after the name bring the data to a page; readers stop at the first.
        let name_at = archive.len() + HEADER;
        let data_at = match data {
            [] => (name_at + name.len() + 1).next_multiple_of(4),
            _ => (name_at + name.len() + 1).next_multiple_of(PAGE),
        };
        let fields = [
            archive.len(),
            mode as usize,
            0,
            0,
            1,
            0,
            data.len(),
            0,
            0,
            0,
            0,
            data_at - name_at,
            0,
        ];
        archive.extend(MAGIC);
        for field in fields {
            archive.extend(format!("{field:08x}").bytes());
        }
        archive.extend(name.bytes());
        archive.resize(data_at, 0);
        archive.extend(data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }

    /// The whole.
    pub fn end(mut self) -> Vec<u8> {
        self.add(TRAILER, 0, &[]);
        self.0
    }
}

/// A file of an archive.
#[derive(Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its path.
    pub name: &'a str,
    /// Its kind and permissions.
    pub mode: u32,
    /// Its contents.
    pub data: &'a [u8],
}

/// Why bytes are no archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpioError {
    /// Something else, or compressed.
    #[error("it is no cpio archive (newc, not compressed) at byte {0}")]
    Member(usize),
    /// The end is missing.
    #[error("the cpio archive ends in a member, at byte {0}")]
    Short(usize),
}

/// The members of an archive up to its trailer; after an error, none.
pub fn members(archive: &[u8]) -> impl Iterator<Item = Result<Member<'_>, CpioError>> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let member = split(archive, next.take()?).transpose()?;
        Some(member.map(|(member, end)| {
            next = Some(end);
            member
        }))
    })
}

/// The member at a place and where the next is; none at the trailer.
fn split(archive: &[u8], at: usize) -> Result<Option<(Member<'_>, usize)>, CpioError> {
    let bad = CpioError::Member(at);
    let short = CpioError::Short(at);
    let header = archive.get(at..).unwrap_or_default();
    if !header.starts_with(MAGIC) {
        return Err(bad);
    }
    let header = header.get(MAGIC.len()..HEADER).ok_or(short)?;
    let field = |index: usize| {
        let digits = header.get(index * FIELD..(index + 1) * FIELD)?;
        u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    let part = |start: usize, len: u32| {
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        Some((archive.get(start..end)?, end))
    };
    let (padded, name_end) = part(at + HEADER, field(NAME_BYTES).ok_or(bad)?).ok_or(short)?;
    let name = padded.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = str::from_utf8(name).map_err(|_| bad)?;
    if name == TRAILER {
        return Ok(None);
    }
    let data_at = name_end.next_multiple_of(4);
    let (data, end) = part(data_at, field(DATA_BYTES).ok_or(bad)?).ok_or(short)?;
    let mode = field(MODE).ok_or(bad)?;
    Ok(Some((Member { name, mode, data }, end.next_multiple_of(4))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut archive = Archive::default();
        archive.add("bin/a", MODE_PROGRAM, b"12345");
        archive.add("empty", MODE_DATA, b"");
        archive.end()
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let archive = archive();
        let members: Vec<_> = members(&archive).collect();
        let member = |name, mode, data| Ok(Member { name, mode, data });
        assert_eq!(
            members,
            [
                member("bin/a", MODE_PROGRAM, b"12345".as_slice()),
                member("empty", MODE_DATA, b""),
            ]
        );
    }

    #[test]
    fn an_archive_that_is_cut_off_or_damaged_anywhere_is_an_error_or_a_shorter_one() {
        let whole = archive();
        let last = whole.len() - (HEADER + TRAILER.len() + 1).next_multiple_of(4);
        for len in 0..=last {
            let error = members(&whole[..len]).last();
            assert!(matches!(error, Some(Err(_))), "{len}: {error:?}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] = 0xff;
            assert!(members(&damaged).count() <= 3, "{at}");
        }
    }

    #[test]
    fn sizes_beyond_the_archive_are_refused() {
        let mut archive = archive();
        let size = MAGIC.len() + DATA_BYTES * FIELD;
        archive[size..size + FIELD].copy_from_slice(b"ffffffff");
        let error = members(&archive).next();
        assert_eq!(error, Some(Err(CpioError::Short(0))));
    }
}
