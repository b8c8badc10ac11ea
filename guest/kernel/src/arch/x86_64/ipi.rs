//! Interrupts from one processor to all others, to be measured; a processor that is alone
//! interrupts itself.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::clock::tsc;
use super::{apic, cpu, cpu_id, kvm, relax, trap};
use crate::sync::SpinLock;
use crate::time::{deadline, now_ns};

/// Who passes them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The local APIC: a write of its command register for each.
    Apic,
    /// KVM: a call for all.
    Kvm,
}

/// When they are sent, and when the last processor was in its handler, as the time-stamp counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Before the first is sent.
    pub sent: u64,
    /// In the first instruction of the last handler.
    pub handled: u64,
}

/// Longer than a busy host keeps a processor waiting.
const TIMEOUT_NS: u64 = 10_000_000_000;

/// One round at a time.
static ROUND: SpinLock<()> = SpinLock::new(());
/// Handlers that have not begun.
static MISSING: AtomicU32 = AtomicU32::new(0);
static HANDLED: AtomicU64 = AtomicU64::new(0);

/// Whether there is that sender.
pub fn is_there(sender: Sender) -> bool {
    sender == Sender::Apic || kvm::has_calls() && kvm::has(kvm::Feature::SendIpi)
}

/// Interrupts all `cpus` (a bit each) but this one; `None` if not all have come in time.
pub fn round(sender: Sender, cpus: u64) -> Option<Round> {
    let _round = ROUND.lock();
    let me = 1 << cpu_id();
    let targets = match cpus & !me {
        0 => me,
        others => others,
    };
    HANDLED.store(0, Ordering::Relaxed);
    MISSING.store(targets.count_ones(), Ordering::SeqCst);
    let end = deadline(TIMEOUT_NS);
    let sent = tsc();
    match sender {
        Sender::Apic => {
            let targets = (0..super::MAX_CPUS).filter(|cpu| targets & 1 << cpu != 0);
            targets.for_each(|cpu| apic::send(cpu, apic::Ipi::Measured));
        }
        Sender::Kvm if !kvm::send_ipi(targets, trap::MEASURED) => return None,
        Sender::Kvm => {}
    }
    let mut is_late = false;
    while MISSING.load(Ordering::SeqCst) != 0 {
        if is_late {
            return None;
        }
        if targets == me {
            // Which is pending already.
            cpu::wait_for_interrupt();
        }
        relax();
        is_late = now_ns() >= end;
    }
    let handled = HANDLED.load(Ordering::Relaxed);
    Some(Round { sent, handled })
}

/// This processor has been interrupted.
pub(super) fn answer() {
    HANDLED.fetch_max(tsc(), Ordering::Relaxed);
    MISSING.fetch_sub(1, Ordering::SeqCst);
}
