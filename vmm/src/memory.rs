//! Guest memory: one memfd, mapped once, with a hole below 4 GiB for devices.
#![expect(unsafe_code, reason = "memfd_create, and residency counts by mincore")]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;
use std::str::FromStr;
use vm_memory::{
    FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion,
    GuestRegionMmap, MmapRegion,
};

/// Memory of a guest.
pub type GuestMemory = GuestMemoryMmap;

/// Memory ends here and goes on at [`HOLE_END`].
pub const HOLE_START: u64 = 0xc000_0000;
/// 4 GiB.
pub const HOLE_END: u64 = 1 << 32;
/// The least that a guest can have.
pub const MIN: MemorySize = MemorySize(16 << 20);

/// A size in bytes, written as `512M`, `2G` or plain bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize(pub u64);

/// Why a text is no memory size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SizeError {
    /// Not a number with a unit.
    #[error("{0:?} is no size: write bytes, or a number with K, M or G, such as 128M")]
    Syntax(String),
    /// Below [`MIN`].
    #[error("{0} is too small for a guest: give it at least {MIN}")]
    TooSmall(MemorySize),
    /// Not whole pages.
    #[error("{0} is not a multiple of 4K, the size of a page")]
    Unaligned(MemorySize),
}

impl FromStr for MemorySize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let syntax = || SizeError::Syntax(text.to_owned());
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "K" | "KB" | "KIB" => 10,
            "M" | "MB" | "MIB" => 20,
            "G" | "GB" | "GIB" => 30,
            _ => return Err(syntax()),
        };
        let number: u64 = digits.parse().map_err(|_| syntax())?;
        let size = Self(number.checked_mul(1 << shift).ok_or_else(syntax)?);
        match size {
            size if size < MIN => Err(SizeError::TooSmall(size)),
            size if size.0 % 4096 != 0 => Err(SizeError::Unaligned(size)),
            size => Ok(size),
        }
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "G"), (20, "M"), (10, "K")];
        let fits = |shift: &u32| self.0 > 0 && self.0.is_multiple_of(1 << shift);
        match units.into_iter().find(|(shift, _)| fits(shift)) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// Why the memory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// More than the machine has.
    #[error("the guest's {asked} of memory are more than the {host} this host has")]
    MoreThanHost {
        /// For the guest.
        asked: MemorySize,
        /// In the host.
        host: MemorySize,
    },
    /// The host refuses.
    #[error("{0} of memory for the guest could not be had")]
    Refused(MemorySize, #[source] io::Error),
}

/// Address ranges of `size` bytes of memory: (start, length) below and above the hole.
pub fn ranges(size: MemorySize) -> impl Iterator<Item = (u64, u64)> {
    let low = size.0.min(HOLE_START);
    [(0, low), (HOLE_END, size.0 - low)].into_iter().filter(|(_, len)| *len > 0)
}

/// Maps `size` bytes of zeroes.
pub fn create(size: MemorySize) -> Result<GuestMemory, MemoryError> {
    let host = host_memory();
    if size > host {
        return Err(MemoryError::MoreThanHost { asked: size, host });
    }
    let refused = |error| MemoryError::Refused(size, error);
    let file = memfd(size.0).map_err(refused)?;
    let mut offset = 0;
    let mut regions = Vec::new();
    for (start, len) in ranges(size) {
        let file = FileOffset::new(file.try_clone().map_err(refused)?, offset);
        let len_bytes = usize::try_from(len).expect("a 64-bit host");
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
        let mapping = MmapRegion::build(Some(file), len_bytes, prot, flags);
        let mapping = mapping.map_err(|error| refused(io::Error::other(error)))?;
        let region = GuestRegionMmap::new(mapping, GuestAddress(start));
        regions.push(region.expect("the ranges end below 2^64"));
        offset += len;
    }
    Ok(GuestMemoryMmap::from_regions(regions).expect("the ranges are sorted and apart"))
}

fn memfd(len: u64) -> io::Result<File> {
    // SAFETY: the name is a C string; the result is checked below.
    let fd = unsafe { libc::memfd_create(c"hostel-guest".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is fresh and nobody else's.
    let file = unsafe { File::from_raw_fd(fd) };
    file.set_len(len)?;
    Ok(file)
}

/// Memory of the host.
pub fn host_memory() -> MemorySize {
    // SAFETY: sysconf has no precondition.
    let (pages, page) =
        unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    MemorySize(u64::try_from(pages).unwrap_or(0) * u64::try_from(page).unwrap_or(0))
}

/// Bytes of guest memory that have been touched, by host or guest.
pub fn resident_bytes(memory: &GuestMemory) -> u64 {
    memory.iter().map(|region| 4096 * resident_pages(region)).sum()
}

fn resident_pages(region: &GuestRegionMmap) -> u64 {
    let len = usize::try_from(region.len()).expect("mapped");
    let mut pages = vec![0_u8; len.div_ceil(4096)];
    // SAFETY: the region is mapped for `len` bytes; the vector has a byte for each page.
    let result = unsafe { libc::mincore(region.as_ptr().cast(), len, pages.as_mut_ptr()) };
    if result < 0 {
        return 0;
    }
    pages.iter().map(|page| u64::from(page & 1)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let bytes = |text: &str| text.parse::<MemorySize>().map(|size| size.0);
        assert_eq!(bytes("16M"), Ok(16 << 20));
        assert_eq!(bytes("2g"), Ok(2 << 30));
        assert_eq!(bytes("16777216"), Ok(16 << 20));
        assert_eq!(bytes("131072KiB"), Ok(128 << 20));
    }

    #[test]
    fn sizes_that_no_guest_can_have_are_refused() {
        for text in ["", "M", "-1", "1.5G", "99999999999G", "12Q"] {
            assert!(matches!(text.parse::<MemorySize>(), Err(SizeError::Syntax(_))), "{text}");
        }
        for text in ["0", "1", "15M"] {
            assert!(matches!(text.parse::<MemorySize>(), Err(SizeError::TooSmall(_))), "{text}");
        }
        assert!(matches!("16777217".parse::<MemorySize>(), Err(SizeError::Unaligned(_))));
    }

    #[test]
    fn memory_beyond_3g_goes_on_at_4g() {
        let split: Vec<_> = ranges(MemorySize(5 << 30)).collect();
        assert_eq!(split, [(0, HOLE_START), (HOLE_END, 2 << 30)]);
        assert_eq!(ranges(MemorySize(128 << 20)).collect::<Vec<_>>(), [(0, 128 << 20)]);
    }

    #[test]
    fn untouched_memory_is_not_resident_and_too_much_is_refused() {
        use vm_memory::Bytes;
        let memory = create(MemorySize(32 << 20)).unwrap();
        assert_eq!(resident_bytes(&memory), 0);
        memory.write_obj(1_u8, GuestAddress(5 << 20)).unwrap();
        assert_eq!(resident_bytes(&memory), 4096);
        let too_much = MemorySize(host_memory().0 * 2);
        assert!(matches!(create(too_much), Err(MemoryError::MoreThanHost { .. })));
    }
}
