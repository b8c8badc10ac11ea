//! [`Shared`]: memory that several processes have.
//!
//! Others may change it at any time, so it is looked at by volatile accesses, or as things that are
//! made for that: atomics, and locks of them.
#![expect(unsafe_code, reason = "accesses memory by address")]

use crate::file::File;
use crate::sync::{Mutex, Turn};
use crate::sys::{self, ipc};
use abi::syscall::{Errno, Protection};
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64};

/// What may stand in memory that several processes share.
///
/// # Safety
/// It is valid when it is all zeroes, has no pointers, and is changed by atomic operations only, or
/// under locks that are.
pub unsafe trait InShared: Sync {}

// SAFETY: an atomic number.
unsafe impl InShared for AtomicU32 {}
// SAFETY: an atomic number.
unsafe impl InShared for AtomicU64 {}
// SAFETY: an atomic number.
unsafe impl InShared for Turn {}
// SAFETY: atomic numbers, 0 being an open lock, and a number that the lock guards.
unsafe impl InShared for Mutex<u64> {}
// SAFETY: each of them is.
unsafe impl<T: InShared, const N: usize> InShared for [T; N] {}

/// Memory that several processes have; unmapped when dropped.
#[derive(Debug)]
pub struct Shared {
    address: usize,
    bytes: usize,
}

impl Shared {
    /// Zeroes without a name: for this process and the children that it forks.
    pub fn new(bytes: usize) -> Result<Self, Errno> {
        Self::named("", bytes)
    }

    /// That of that name, made of zeroes if there is none.
    pub fn named(name: &str, bytes: usize) -> Result<Self, Errno> {
        let file = File::shared_memory(name, bytes)?;
        Self::map(&file, Protection::ReadWrite)
    }

    /// All of the memory that the file is.
    pub fn map(file: &File, protection: Protection) -> Result<Self, Errno> {
        let bytes = usize::try_from(sys::size(file.fd())?).map_err(|_| Errno::NoMem)?;
        let address = ipc::shm_map(file.fd(), protection)?;
        Ok(Self { address, bytes })
    }

    /// Asks for the right to write, which shared memory has from the beginning or does not get.
    pub fn make_writable(&self) -> Result<(), Errno> {
        // SAFETY: this forbids no use of it.
        unsafe { sys::mprotect(self.address, self.bytes, Protection::ReadWrite) }
    }

    /// Its first address here.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Its size, whole pages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn word(&self, offset: usize) -> *mut u64 {
        let inside = offset.is_multiple_of(8) && offset < self.bytes;
        assert!(inside, "a word of the memory");
        ptr::with_exposed_provenance_mut(self.address + offset)
    }

    /// The word at `offset`, a multiple of 8.
    pub fn read(&self, offset: usize) -> u64 {
        // SAFETY: inside this memory, whole pages.
        unsafe { self.word(offset).read_volatile() }
    }

    /// Writes that word.
    pub fn write(&self, offset: usize, value: u64) {
        // SAFETY: as above.
        unsafe { self.word(offset).write_volatile(value) };
    }

    /// What stands at `offset`, a multiple of its alignment.
    pub fn at<T: InShared>(&self, offset: usize) -> &T {
        let inside = offset
            .checked_add(size_of::<T>())
            .is_some_and(|end| end <= self.bytes);
        assert!(
            inside && offset.is_multiple_of(align_of::<T>()),
            "inside the memory"
        );
        // SAFETY: inside this memory, aligned, as pages are; what is there was zeroes at first and
        // is changed as `InShared` says.
        unsafe { &*ptr::with_exposed_provenance(self.address + offset) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: nobody can use it here any more.
        let _ = unsafe { sys::munmap(self.address, self.bytes) };
    }
}
