//! Guest memory: anonymous, mapped once, with a hole below 4 GiB for devices; and what of the
//! host's memory Hostel itself keeps.
//!
//! For guests that use much of it, [`expect_use`] asks for huge pages: one fault of 2 MiB instead of
//! 512, on the host's side and again in nested page tables. Others would pay for memory that they
//! never touch.
#![expect(unsafe_code, reason = "sysconf, madvise, mallopt, dl_iterate_phdr")]

use devices::legacy::test_device::AbsentPages;
use devices::virtio::balloon::Discard;
use std::fmt;
use std::io;
use std::ops::Range;
use std::str::FromStr;
use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap,
    MemoryRegionAddress, MmapRegion,
};

/// Memory of a guest.
pub type GuestMemory = GuestMemoryMmap;

/// Memory ends here and goes on at [`HOLE_END`].
pub const HOLE_START: u64 = 0xc000_0000;
/// 4 GiB.
pub const HOLE_END: u64 = 1 << 32;
/// The least that a guest can have.
pub const MIN: MemorySize = MemorySize(16 << 20);

/// Size of a huge page, to which mappings are aligned.
const HUGE_BYTES: usize = 2 << 20;
/// How often that is tried.
const ALIGN_TRIES: usize = 4;
const PAGE_BYTES: usize = 4096;

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
        match Self::parse(text)? {
            size if size < MIN => Err(SizeError::TooSmall(size)),
            size => size.of_whole_pages(),
        }
    }
}

impl MemorySize {
    /// Reads a size of whole pages, which may be less than a guest can do with, or nothing.
    pub fn parse_any(text: &str) -> Result<Self, SizeError> {
        Self::parse(text)?.of_whole_pages()
    }

    fn of_whole_pages(self) -> Result<Self, SizeError> {
        match self.0 % 4096 {
            0 => Ok(self),
            _ => Err(SizeError::Unaligned(self)),
        }
    }

    fn parse(text: &str) -> Result<Self, SizeError> {
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
        number.checked_mul(1 << shift).map(Self).ok_or_else(syntax)
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
    #[error("the guest's {asked} of memory are more than the {} this host has", crate::table::bytes(host.0))]
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
    [(0, low), (HOLE_END, size.0 - low)]
        .into_iter()
        .filter(|(_, len)| *len > 0)
}

/// Maps `size` bytes of zeroes.
pub fn create(size: MemorySize) -> Result<GuestMemory, MemoryError> {
    let host = host_memory();
    if size > host {
        return Err(MemoryError::MoreThanHost { asked: size, host });
    }
    let refused = |error| MemoryError::Refused(size, error);
    let mut regions = Vec::new();
    for (start, len) in ranges(size) {
        let len = usize::try_from(len).expect("a 64-bit host");
        let mapping = map_aligned(len).map_err(refused)?;
        advise(&mapping, libc::MADV_DONTDUMP);
        let region = GuestRegionMmap::new(mapping, GuestAddress(start));
        regions.push(region.expect("the ranges end below 2^64"));
    }
    Ok(GuestMemoryMmap::from_regions(regions).expect("the ranges are sorted and apart"))
}

fn map(len: usize) -> io::Result<MmapRegion> {
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    MmapRegion::build(None, len, prot, flags).map_err(io::Error::other)
}

/// A mapping that begins at a multiple of [`HUGE_BYTES`], if that can be had: newer kernels see to
/// it; others map downwards, so that a mapping of the excess moves the next one to where it should
/// be.
fn map_aligned(len: usize) -> io::Result<MmapRegion> {
    let mut excess = Vec::new();
    for _ in 0..ALIGN_TRIES {
        let mapping = map(len)?;
        match mapping.as_ptr().addr() % HUGE_BYTES {
            0 => return Ok(mapping),
            too_high => {
                drop(mapping);
                excess.push(map(too_high)?);
            }
        }
    }
    map(len)
}

/// Advice on a mapping. What the host does not follow costs time or memory only.
fn advise(mapping: &MmapRegion, advice: libc::c_int) {
    // SAFETY: the whole of a mapping that is there; neither advice given here changes its contents.
    unsafe { libc::madvise(mapping.as_ptr().cast(), mapping.size(), advice) };
}

/// The guest will use much of its memory.
pub fn expect_use(memory: &GuestMemory) {
    for region in memory.iter() {
        advise(region, libc::MADV_HUGEPAGE);
    }
}

/// Drops translations of a guest's pages.
pub struct PageDropper(GuestMemory);

impl PageDropper {
    /// For the pages of that memory.
    pub fn new(memory: GuestMemory) -> Self {
        Self(memory)
    }
}

impl AbsentPages for PageDropper {
    /// KVM drops a page whose protection changes; the guest's next access fetches it again, with
    /// what it held. It can be read and written throughout, as device threads may be doing. Where KVM
    /// interprets ring 0, accesses from there need no page of KVM's, and nothing is to be seen.
    fn make_absent(&self, gpa: u64) {
        let page = GuestAddress(gpa & !(PAGE_BYTES as u64 - 1));
        let Ok(hva) = self.0.get_host_address(page) else {
            return;
        };
        let usual = libc::PROT_READ | libc::PROT_WRITE;
        for prot in [usual | libc::PROT_EXEC, usual] {
            // SAFETY: a whole page of the guest's memory, which stays readable and writable.
            let done = unsafe { libc::mprotect(hva.cast(), PAGE_BYTES, prot) };
            if done < 0 {
                log::error!("dropping a page: {}", io::Error::last_os_error());
            }
        }
    }
}

/// Gives guest memory back to the host.
pub struct Discarder {
    memory: GuestMemory,
}

impl Discarder {
    /// For that memory, made by [`create`].
    pub fn new(memory: GuestMemory) -> Self {
        Self { memory }
    }
}

impl Discard for Discarder {
    fn discard(&self, gpa: GuestAddress, len: u64) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            let (region, MemoryRegionAddress(start)) = self
                .memory
                .to_region_addr(GuestAddress(gpa.0 + done))
                .ok_or_else(|| io::Error::from_raw_os_error(libc::EFAULT))?;
            let part = (len - done).min(region.len() - start);
            discard_part(region, start, part)?;
            done += part;
        }
        Ok(())
    }
}

/// Gives back `len` bytes from `start` on, both inside the region.
fn discard_part(region: &GuestRegionMmap, start: u64, len: u64) -> io::Result<()> {
    let inside = |bytes: u64| usize::try_from(bytes).expect("a 64-bit host");
    // SAFETY: the part is inside the mapping, which is memory of the guest, whose contents nobody
    // here relies on: it reads as zero from now on.
    let result = unsafe {
        let start = region.as_ptr().add(inside(start));
        libc::madvise(start.cast(), inside(len), libc::MADV_DONTNEED)
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Memory of the host.
pub fn host_memory() -> MemorySize {
    // SAFETY: sysconf has no precondition.
    let (pages, page) = unsafe {
        (
            libc::sysconf(libc::_SC_PHYS_PAGES),
            libc::sysconf(libc::_SC_PAGESIZE),
        )
    };
    MemorySize(u64::try_from(pages).unwrap_or(0) * u64::try_from(page).unwrap_or(0))
}

/// Resident bytes of this process: (that guest's memory, everything else).
pub fn resident_bytes(memory: &GuestMemory) -> io::Result<(u64, u64)> {
    let guest_ranges: Vec<Range<u64>> = memory
        .iter()
        .map(|region| {
            let start = region.as_ptr().addr() as u64;
            start..start + region.len()
        })
        .collect();
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let (mut guest, mut other, mut in_guest) = (0, 0, false);
    for line in smaps.lines() {
        if let Some(kib) = line.strip_prefix("Rss:") {
            let kib = kib.trim().trim_end_matches(" kB").parse::<u64>();
            let bytes = kib.map_err(io::Error::other)? << 10;
            *(if in_guest { &mut guest } else { &mut other }) += bytes;
        } else if let Some(start) = mapping_start(line) {
            in_guest = guest_ranges.iter().any(|range| range.contains(&start));
        }
    }
    Ok((guest, other))
}

/// The address with which a mapping's own line in smaps begins; the others begin with a name.
fn mapping_start(line: &str) -> Option<u64> {
    let (start, _) = line.split_once('-')?;
    u64::from_str_radix(start, 16).ok()
}

/// Gives the pages of this program back that only its start needed; those that are needed again
/// come back from the page cache.
pub fn release_startup_pages() {
    // SAFETY: the callback keeps to the C interface and takes no data.
    unsafe { libc::dl_iterate_phdr(Some(release_program), std::ptr::null_mut()) };
}

/// Called for this program first; anything but 0 ends the iteration.
unsafe extern "C" fn release_program(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: dl_iterate_phdr passes a good pointer, with that many program headers behind it.
    let (base, headers) = unsafe {
        let info = &*info;
        (
            info.dlpi_addr,
            std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()),
        )
    };
    let unchanged = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0);
    for header in unchanged {
        // Whole pages inside: what shares a page with other segments stays.
        let start = (base + header.p_vaddr).next_multiple_of(4096);
        let end = (base + header.p_vaddr + header.p_memsz) & !0xfff;
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        // SAFETY: a read-only mapping of a file holds nothing that the file does not.
        unsafe { libc::madvise(start as *mut libc::c_void, len, libc::MADV_DONTNEED) };
    }
    1
}

/// One arena for all threads: nothing here allocates often, and each arena costs start-up time.
pub fn share_heap() {
    // SAFETY: mallopt has no precondition; when it refuses, there are more arenas.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
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
            assert!(
                matches!(text.parse::<MemorySize>(), Err(SizeError::Syntax(_))),
                "{text}"
            );
        }
        for text in ["0", "1", "15M"] {
            assert!(
                matches!(text.parse::<MemorySize>(), Err(SizeError::TooSmall(_))),
                "{text}"
            );
        }
        assert!(matches!(
            "16777217".parse::<MemorySize>(),
            Err(SizeError::Unaligned(_))
        ));
    }

    #[test]
    fn a_size_that_is_not_a_guests_may_be_small() {
        let any = |text: &str| MemorySize::parse_any(text).map(|size| size.0);
        assert_eq!((any("0M"), any("4K")), (Ok(0), Ok(4096)));
        assert_eq!(any("1"), Err(SizeError::Unaligned(MemorySize(1))));
    }

    #[test]
    fn memory_beyond_3g_goes_on_at_4g() {
        let split: Vec<_> = ranges(MemorySize(5 << 30)).collect();
        assert_eq!(split, [(0, HOLE_START), (HOLE_END, 2 << 30)]);
        assert_eq!(
            ranges(MemorySize(128 << 20)).collect::<Vec<_>>(),
            [(0, 128 << 20)]
        );
    }

    #[test]
    fn too_much_memory_is_refused() {
        let too_much = MemorySize(host_memory().0 * 2);
        assert!(matches!(
            create(too_much),
            Err(MemoryError::MoreThanHost { .. })
        ));
    }

    #[test]
    fn a_page_made_absent_keeps_its_contents() {
        use vm_memory::Bytes;
        let memory = create(MemorySize(16 << 20)).unwrap();
        let at = GuestAddress(0x12_3000);
        memory.write_slice(&[0x5a; 4096], at).unwrap();
        let dropper = PageDropper::new(memory.clone());
        dropper.make_absent(0x12_3456);
        assert_eq!(memory.read_obj::<u8>(at).unwrap(), 0x5a);
        memory.write_obj(0xa5_u8, at).unwrap();
        dropper.make_absent(u64::MAX);
    }

    /// How far the resident memory of a guest's changes by what is done to it. Another test's memory
    /// that happens to lie beside it is one mapping with it, and then nothing can be told: so several
    /// are looked at.
    fn change(size: MemorySize, expected: i64, act: impl Fn(&GuestMemory)) -> GuestMemory {
        use vm_memory::Bytes;
        let start = GuestAddress(5 << 20);
        for _ in 0..20 {
            let memory = create(size).unwrap();
            memory.write_slice(&[1; 8 << 20], start).unwrap();
            let (before, _) = resident_bytes(&memory).unwrap();
            act(&memory);
            let (after, other) = resident_bytes(&memory).unwrap();
            assert!(other > 0);
            if after as i64 - before as i64 == expected {
                return memory;
            }
        }
        panic!("no change by {expected} bytes");
    }

    #[test]
    fn touched_guest_memory_is_told_from_the_rest() {
        use vm_memory::Bytes;
        change(MemorySize(64 << 20), 32 << 20, |memory| {
            let start = GuestAddress(16 << 20);
            memory.write_slice(&[1; 32 << 20], start).unwrap();
        });
    }

    #[test]
    fn discarded_memory_is_zero_and_costs_nothing() {
        use vm_memory::Bytes;
        let start = GuestAddress(5 << 20);
        let memory = change(MemorySize(32 << 20), -(4 << 20), |memory| {
            let discarder = Discarder::new(memory.clone());
            discarder.discard(GuestAddress(6 << 20), 4 << 20).unwrap();
        });
        let discarder = Discarder::new(memory.clone());
        let mut seen = vec![2; 8 << 20];
        memory.read_slice(&mut seen, start).unwrap();
        for (megabyte, bytes) in seen.chunks(1 << 20).enumerate() {
            let kept = u8::from(!(1..5).contains(&megabyte));
            assert!(bytes.iter().all(|byte| *byte == kept), "{megabyte}");
        }
        assert!(discarder.discard(GuestAddress(31 << 20), 2 << 20).is_err());
    }
}
