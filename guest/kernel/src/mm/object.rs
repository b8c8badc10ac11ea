//! Memory that several programs have, under addresses of their own: each sees what the others have
//! written.
//!
//! Its frames are made at first use, by whoever that is, and counted: once for the memory itself and
//! once for each page table that maps them. The memory goes with the last that holds it, an open
//! file or an address space; each address space has the list of what is mapped in it. A child has it,
//! too. Rights to it cannot be changed, so that none of it is copied on write, and a program with a
//! budget of frames has none, so that none of it is evicted.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use abi::syscall::{Errno, Protection};

use super::addr::{PAGE_BYTES, PhysAddr};
use super::area::Backing;
use super::buddy::Want;
use super::frame;
use super::space::VmSpace;
use crate::sync::SpinLock;

/// Most bytes of one.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Most that an address space has.
const MOST_MAPPED: usize = 64;

static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);

/// Memory for several programs.
pub struct SharedMemory {
    /// No two have the same.
    number: u64,
    pages: SpinLock<Vec<Option<PhysAddr>>>,
    bytes: u64,
}

impl SharedMemory {
    /// So many bytes of zeroes, rounded up to whole pages.
    pub fn new(bytes: u64) -> Result<Arc<Self>, Errno> {
        if !(1..=MOST_BYTES).contains(&bytes) {
            return Err(Errno::Inval);
        }
        let bytes = Self::rounded(bytes);
        let count = (bytes / PAGE_BYTES) as usize;
        let mut pages = Vec::new();
        pages.try_reserve_exact(count).map_err(|_| Errno::NoMem)?;
        pages.resize(count, None);
        Ok(Arc::new(Self {
            number: LAST_NUMBER.fetch_add(1, Relaxed),
            pages: SpinLock::new(pages),
            bytes,
        }))
    }

    /// So many bytes in whole pages, if that is not too many.
    pub fn rounded(bytes: u64) -> u64 {
        bytes.min(MOST_BYTES + 1).next_multiple_of(PAGE_BYTES)
    }

    /// Its size, whole pages.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The frame `offset` bytes from its start, made if it is not there; `None` when there is no
    /// such place or memory has run out.
    fn frame(&self, offset: u64) -> Option<PhysAddr> {
        let index = usize::try_from(offset / PAGE_BYTES).ok()?;
        if let Some(there) = *self.pages.lock().get(index)? {
            return Some(there);
        }
        let new = frame::allocate_page(Want::Zeroes)?;
        let there = *self.pages.lock()[index].get_or_insert(new);
        if there != new {
            // Another program has made it meanwhile.
            frame::unshare(new);
        }
        Some(there)
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        let pages = core::mem::take(&mut *self.pages.lock());
        pages.into_iter().flatten().for_each(frame::unshare);
    }
}

/// What is mapped in an address space, each once.
#[derive(Clone, Default)]
pub(super) struct Objects(Vec<Arc<SharedMemory>>);

impl Objects {
    fn find(&self, number: u64) -> Option<&Arc<SharedMemory>> {
        self.0.iter().find(|memory| memory.number == number)
    }

    fn add(&mut self, memory: &Arc<SharedMemory>) -> Result<(), Errno> {
        if self.find(memory.number).is_some() {
            return Ok(());
        }
        if self.0.len() >= MOST_MAPPED {
            return Err(Errno::NoMem);
        }
        self.0.push(memory.clone());
        Ok(())
    }

    /// The frame `offset` bytes from the start of the one of that number.
    pub(super) fn frame(&self, number: u64, offset: u64) -> Result<PhysAddr, Errno> {
        let memory = self.find(number).ok_or(Errno::Fault)?;
        memory.frame(offset).ok_or(Errno::NoMem)
    }

    /// Lets go of those that `is_mapped` does not hold for.
    pub(super) fn keep(&mut self, is_mapped: impl Fn(u64) -> bool) {
        self.0.retain(|memory| is_mapped(memory.number));
    }
}

impl VmSpace {
    /// Maps all of `memory`; the address.
    pub fn map_memory(
        &mut self,
        memory: &Arc<SharedMemory>,
        protection: Protection,
    ) -> Result<u64, Errno> {
        if self.budgets.process.is_some() {
            return Err(Errno::Inval);
        }
        let backing = Backing::Memory {
            number: memory.number,
            offset: 0,
        };
        self.objects.add(memory)?;
        self.shared.has_common.store(true, Relaxed);
        self.map_anywhere(memory.bytes, protection, backing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked_and_rounded_up() {
        for bytes in [0, MOST_BYTES + 1, u64::MAX] {
            assert_eq!(SharedMemory::new(bytes).err(), Some(Errno::Inval));
        }
        assert_eq!(SharedMemory::new(1).map(|memory| memory.bytes()), Ok(4096));
        let most = SharedMemory::new(MOST_BYTES);
        assert_eq!(most.map(|memory| memory.bytes()), Ok(MOST_BYTES));
    }

    #[test]
    fn an_address_space_holds_each_once_and_not_too_many() {
        let mut objects = Objects::default();
        let made: Vec<_> = (0..=MOST_MAPPED)
            .filter_map(|_| SharedMemory::new(1).ok())
            .collect();
        for memory in &made[..MOST_MAPPED] {
            assert_eq!(objects.add(memory), Ok(()));
            assert_eq!(objects.add(memory), Ok(()));
            assert_eq!(Arc::strong_count(memory), 2);
        }
        assert_eq!(objects.add(&made[MOST_MAPPED]), Err(Errno::NoMem));
        objects.keep(|number| number == made[0].number);
        assert_eq!(Arc::strong_count(&made[0]), 2);
        assert_eq!(Arc::strong_count(&made[1]), 1);
    }
}
