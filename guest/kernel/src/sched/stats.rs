//! What switching costs, by processor.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Thread;
use crate::arch::{MAX_CPUS, clock};
use crate::sync::CpuLocal;

/// Counts of one processor, which alone changes them. Times are in ticks.
#[derive(Debug)]
struct Counts {
    switches: AtomicU64,
    preemptions: AtomicU64,
    switch_ticks: AtomicU64,
    wait_ticks: AtomicU64,
    most_wait_ticks: AtomicU64,
    timer_interrupts: AtomicU64,
}

static COUNTS: CpuLocal<Counts> = CpuLocal::new(
    [const {
        Counts {
            switches: AtomicU64::new(0),
            preemptions: AtomicU64::new(0),
            switch_ticks: AtomicU64::new(0),
            wait_ticks: AtomicU64::new(0),
            most_wait_ticks: AtomicU64::new(0),
            timer_interrupts: AtomicU64::new(0),
        }
    }; MAX_CPUS],
);

/// Adds without a locked instruction, as nobody else writes.
fn add(count: &AtomicU64, value: u64) {
    count.store(count.load(Relaxed) + value, Relaxed);
}

/// A switch has ended that took so many ticks.
pub(super) fn switched(ticks: u64) {
    let counts = COUNTS.get();
    add(&counts.switches, 1);
    add(&counts.switch_ticks, ticks);
}

/// `thread` has waited for a processor, and has one now.
pub(super) fn waited(thread: &Thread) {
    let counts = COUNTS.get();
    let ticks = clock::tsc().saturating_sub(thread.ready_since.load(Relaxed));
    add(&counts.wait_ticks, ticks);
    if ticks > counts.most_wait_ticks.load(Relaxed) {
        counts.most_wait_ticks.store(ticks, Relaxed);
    }
}

/// The timer has taken a processor from its thread.
pub(super) fn preempted() {
    add(&COUNTS.get().preemptions, 1);
}

/// The timer has interrupted.
pub(super) fn ticked() {
    add(&COUNTS.get().timer_interrupts, 1);
}

/// Sums over all processors; the fields are those of [`abi::syscall::Stats`].
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "said at Stats")]
pub struct Totals {
    pub context_switches: u64,
    pub preemptions: u64,
    pub switch_ns: u64,
    pub wait_ns: u64,
    pub max_wait_ns: u64,
    pub timer_interrupts: u64,
}

/// The sums up to now.
pub fn totals() -> Totals {
    let mut totals = Totals::default();
    for counts in COUNTS.all() {
        totals.context_switches += counts.switches.load(Relaxed);
        totals.preemptions += counts.preemptions.load(Relaxed);
        totals.switch_ns += counts.switch_ticks.load(Relaxed);
        totals.wait_ns += counts.wait_ticks.load(Relaxed);
        totals.max_wait_ns = totals.max_wait_ns.max(counts.most_wait_ticks.load(Relaxed));
        totals.timer_interrupts += counts.timer_interrupts.load(Relaxed);
    }
    totals.switch_ns = clock::ticks_to_ns(totals.switch_ns);
    totals.wait_ns = clock::ticks_to_ns(totals.wait_ns);
    totals.max_wait_ns = clock::ticks_to_ns(totals.max_wait_ns);
    totals
}
