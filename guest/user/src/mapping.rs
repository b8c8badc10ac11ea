//! [`Mapping`]: pages of one's own, looked at word by word.
//!
//! Accesses are volatile: each is one access of the processor, faults and all, which is what the
//! checks of the memory subsystem are about. None goes through a Rust reference, so pages may be
//! protected or evicted at will; a forbidden access ends the program.
#![expect(unsafe_code, reason = "accesses memory by address")]

use crate::file::File;
use crate::sys;
use abi::syscall::{Advice, DiskWrites, Errno, PageSize, Protection};
use core::ptr;

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// 64-bit words of a page.
pub const WORDS_PER_PAGE: usize = PAGE / 8;

/// Pages of 4 KiB in a large page.
pub const PAGES_PER_LARGE: usize = 512;

/// Zero pages, unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    address: usize,
    pages: usize,
}

impl Mapping {
    /// Maps `pages` pages.
    pub fn new(pages: usize, protection: Protection) -> Result<Self, Errno> {
        Self::of(PageSize::Small, pages, protection)
    }

    /// Maps `pages` of 4 KiB, rounded up to whole pages of that size.
    pub fn of(size: PageSize, pages: usize, protection: Protection) -> Result<Self, Errno> {
        let step = match size {
            PageSize::Small => 1,
            PageSize::Large => PAGES_PER_LARGE,
            PageSize::Huge => PAGES_PER_LARGE * PAGES_PER_LARGE,
        };
        let pages = pages.checked_next_multiple_of(step).ok_or(Errno::NoMem)?;
        let bytes = pages.checked_mul(PAGE).ok_or(Errno::NoMem)?;
        let address = sys::mmap(bytes, protection, size)?;
        Ok(Self { address, pages })
    }

    /// Maps pages that children will have in common with this process.
    pub fn common(pages: usize) -> Result<Self, Errno> {
        let bytes = pages.checked_mul(PAGE).ok_or(Errno::NoMem)?;
        let address = sys::mmap_shared(bytes)?;
        Ok(Self { address, pages })
    }

    /// Maps `pages` pages of a disk, from `offset` bytes on.
    pub fn of_disk(
        disk: &File,
        offset: u64,
        pages: usize,
        writes: DiskWrites,
    ) -> Result<Self, Errno> {
        let bytes = pages.checked_mul(PAGE).ok_or(Errno::NoMem)?;
        let rights = Protection::ReadWrite;
        let address = sys::map_disk(disk.fd(), offset, bytes, rights, writes)?;
        Ok(Self { address, pages })
    }

    /// Says something of `pages` pages from `first`; pages made, dropped or written.
    pub fn advise(
        &self,
        first: usize,
        pages: usize,
        advice: Advice,
        number: u64,
    ) -> Result<u64, Errno> {
        assert!(first + pages <= self.pages, "inside the mapping");
        let start = self.address + first * PAGE;
        // SAFETY: the range is this mapping's, which holds no Rust object.
        unsafe { sys::advise(start, pages * PAGE, advice, number) }
    }

    /// Its first address.
    pub fn address(&self) -> usize {
        self.address
    }

    /// The address after its last.
    pub fn end(&self) -> usize {
        self.address + self.pages * PAGE
    }

    fn word(&self, page: usize, word: usize) -> *mut u64 {
        assert!(
            page < self.pages && word < WORDS_PER_PAGE,
            "inside the mapping"
        );
        ptr::with_exposed_provenance_mut(self.address + page * PAGE + word * 8)
    }

    /// Reads a word of a page.
    pub fn read(&self, page: usize, word: usize) -> u64 {
        // SAFETY: inside this mapping, which holds no Rust object.
        unsafe { self.word(page, word).read_volatile() }
    }

    /// Writes a word of a page.
    pub fn write(&self, page: usize, word: usize, value: u64) {
        // SAFETY: as above.
        unsafe { self.word(page, word).write_volatile(value) };
    }

    /// Copies a page to another, with instructions that need both at once.
    pub fn copy(&self, from: usize, to: usize) {
        let (from, to) = (self.word(from, 0), self.word(to, 0));
        assert!(from != to, "two pages");
        // SAFETY: whole pages of this mapping, which holds no Rust object, and not the same one.
        unsafe { ptr::copy_nonoverlapping(from, to, WORDS_PER_PAGE) };
    }

    /// Changes the protection of `pages` pages from `first`.
    pub fn protect(&self, first: usize, pages: usize, protection: Protection) -> Result<(), Errno> {
        assert!(first + pages <= self.pages, "inside the mapping");
        // SAFETY: the range is this mapping's, which holds no Rust object.
        unsafe { sys::mprotect(self.address + first * PAGE, pages * PAGE, protection) }
    }

    /// Unmaps `pages` pages from `first`. They must not be used again.
    pub fn unmap(&self, first: usize, pages: usize) -> Result<(), Errno> {
        assert!(first + pages <= self.pages, "inside the mapping");
        // SAFETY: as above.
        unsafe { sys::munmap(self.address + first * PAGE, pages * PAGE) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nobody can use it any more. The kernel ignores pages that are unmapped already.
        let _ = unsafe { sys::munmap(self.address, self.pages * PAGE) };
    }
}
