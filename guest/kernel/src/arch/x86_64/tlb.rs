//! Translations that processors remember, and making them forget.
//!
//! One request at a time is open. The one who asks waits until every processor named has
//! answered: by its interrupt, or from a spin loop through [`relax`], or on its own way to ask.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{apic, cpu_id};
use crate::sync::SpinLock;

/// Page number that stands for all of them.
const ALL: u64 = u64::MAX;

/// Orders those who ask. Last in the lock order: nothing else is locked under it.
static ASKING: SpinLock<()> = SpinLock::new(());
/// Address to forget, or [`ALL`].
static ADDRESS: AtomicU64 = AtomicU64::new(0);
/// Bit a processor that has not answered yet.
static PENDING: AtomicU64 = AtomicU64::new(0);

/// Makes this processor forget the page at `address`.
pub fn flush_local(address: u64) {
    // SAFETY: forgetting a translation is always sound.
    unsafe { core::arch::asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// Makes this processor forget all pages of programs.
pub fn flush_local_all() {
    super::cpu::set_page_table(super::cpu::page_table());
}

/// Makes the processors in `cpus` (a bit each) forget the page at `address`, or every page of
/// programs for `None`. The entry must have been changed before.
pub fn flush(cpus: &AtomicU64, address: Option<u64>) {
    // A processor sets its bit before it loads the table: past this fence, one whose bit is not
    // seen has not read the old entry.
    super::cpu::fence();
    let cpus = cpus.load(Ordering::Relaxed);
    let me = 1 << cpu_id();
    if cpus & me != 0 {
        match address {
            Some(address) => flush_local(address),
            None => flush_local_all(),
        }
    }
    if cpus & !me != 0 {
        ask(cpus & !me, address.unwrap_or(ALL));
    }
}

#[cold]
fn ask(cpus: u64, address: u64) {
    let _asking = ASKING.lock();
    ADDRESS.store(address, Ordering::Relaxed);
    PENDING.store(cpus, Ordering::Release);
    for cpu in (0..super::MAX_CPUS).filter(|cpu| cpus & (1 << cpu) != 0) {
        apic::send(cpu, apic::Ipi::FlushTlb);
    }
    while PENDING.load(Ordering::Acquire) != 0 {
        core::hint::spin_loop();
    }
}

/// Answers a request that waits for this processor, if one does. For spin loops.
#[inline]
pub fn relax() {
    if PENDING.load(Ordering::Acquire) != 0 {
        answer();
    }
}

/// Does what an open request asks of this processor.
pub fn answer() {
    let me = 1 << cpu_id();
    if PENDING.load(Ordering::Acquire) & me == 0 {
        return;
    }
    match ADDRESS.load(Ordering::Relaxed) {
        ALL => flush_local_all(),
        address => flush_local(address),
    }
    PENDING.fetch_and(!me, Ordering::Release);
}
