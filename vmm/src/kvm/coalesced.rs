//! [`Coalesced`]: writes to ports that KVM keeps until the next exit (KVM api.rst 4.116).
//!
//! A write that changes nothing but what the guest's next access means needs no exit of its own:
//! KVM puts it into a ring that all vCPUs of a VM share, and goes on with the guest. Whoever exits
//! next finds the ring filled and hands the writes on first. The place of a write in the ring is
//! given back after it has reached its device, so that a vCPU that finds the ring empty knows that
//! its own writes have.

use super::vm::VmFds;
use kvm_bindings::{KVM_COALESCED_MMIO_PAGE_OFFSET, kvm_coalesced_mmio, kvm_coalesced_mmio_ring};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

const PAGE: usize = 4096;
/// Entries that fit behind the ring's two indices.
const ENTRIES: u32 =
    ((PAGE - size_of::<kvm_coalesced_mmio_ring>()) / size_of::<kvm_coalesced_mmio>()) as u32;

/// A vCPU's view of the ring.
pub(super) struct Coalesced {
    ring: *mut kvm_coalesced_mmio_ring,
    vm: Arc<VmFds>,
}

impl Coalesced {
    /// # Safety
    /// `run` is the mapping of a vCPU of `vm`, of the size that KVM says, and outlives this.
    pub(super) unsafe fn new(run: *mut kvm_bindings::kvm_run, vm: Arc<VmFds>) -> Self {
        // SAFETY: the ring's page is part of the mapping (api.rst 4.5).
        let ring = unsafe {
            run.cast::<u8>()
                .add(KVM_COALESCED_MMIO_PAGE_OFFSET as usize * PAGE)
        };
        let ring = ring.cast();
        Self { ring, vm }
    }

    fn first(&self) -> &AtomicU32 {
        // SAFETY: it is mapped; the kernel reads it while others write.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.ring).first) }
    }

    fn last(&self) -> &AtomicU32 {
        // SAFETY: it is mapped; the kernel writes it.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.ring).last) }
    }

    /// Whether a write waits.
    #[inline(always)]
    pub(super) fn any(&self) -> bool {
        self.first().load(Ordering::Acquire) != self.last().load(Ordering::Acquire)
    }

    /// Hands on the port and bytes of each write that waits, oldest first; when this returns, all
    /// that waited before have been handed on, by this vCPU or another.
    #[cold]
    pub(super) fn take(&self, mut on_write: impl FnMut(u16, &[u8])) {
        let _alone = self
            .vm
            .taking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while self.any() {
            let first = self.first().load(Ordering::Relaxed) % ENTRIES;
            // SAFETY: the entry is inside the page, and the kernel leaves it alone until `first`
            // has passed it.
            let write = unsafe {
                let entries = (*self.ring).coalesced_mmio.as_ptr();
                entries.add(first as usize).read()
            };
            let len = write.data.len().min(write.len as usize);
            on_write(write.phys_addr as u16, &write.data[..len]);
            self.first().store((first + 1) % ENTRIES, Ordering::Release);
        }
    }
}
