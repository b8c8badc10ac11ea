//! MSRs that KVM does not know: a policy answers them, and each is counted.
//!
//! KVM hands such an access to userspace (KVM api.rst, KVM_CAP_X86_USER_SPACE_MSR); where it
//! cannot, it answers by itself, and nothing is counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// MSRs that are counted by number; the guest chooses the numbers.
const MOST: usize = 64;

/// How an access is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MsrPolicy {
    /// By a general protection fault, as a processor without that MSR does.
    #[default]
    Gp,
    /// Reads are zero, writes go nowhere.
    Zero,
    /// The same, with a line for the first access to each.
    Log,
}

/// Accesses to one MSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnknownMsr {
    /// Its number; null for all those that came after the first 64 together.
    pub msr: Option<u32>,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    reads: u64,
    writes: u64,
}

/// Answers and counts.
pub struct UnknownMsrs {
    policy: MsrPolicy,
    seen: Mutex<BTreeMap<Option<u32>, Counts>>,
}

impl UnknownMsrs {
    /// None seen yet.
    pub fn new(policy: MsrPolicy) -> Self {
        let seen = Mutex::default();
        Self { policy, seen }
    }

    /// KVM keeps them for itself: says so, if the user wished something else.
    pub fn nobody_tells(&self) {
        if self.policy != MsrPolicy::Gp {
            log::warn!("this KVM answers unknown MSRs by itself: --unknown-msr has no effect");
        }
    }

    /// What a read gives; nothing is a general protection fault.
    pub fn read(&self, msr: u32) -> Option<u64> {
        let first = self.count(msr, |counts| &mut counts.reads);
        if first && self.policy == MsrPolicy::Log {
            log::warn!("the guest reads MSR {msr:#x}, which KVM does not know: zero");
        }
        (self.policy != MsrPolicy::Gp).then_some(0)
    }

    /// Whether a write is swallowed; if not, it is a general protection fault.
    pub fn write(&self, msr: u32, value: u64) -> bool {
        let first = self.count(msr, |counts| &mut counts.writes);
        if first && self.policy == MsrPolicy::Log {
            log::warn!("the guest writes {value:#x} to MSR {msr:#x}, which KVM does not know");
        }
        self.policy != MsrPolicy::Gp
    }

    /// Counts an access; returns whether it is the first to that MSR.
    fn count(&self, msr: u32, which: fn(&mut Counts) -> &mut u64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.contains_key(&Some(msr));
        let key = (known || seen.len() < MOST).then_some(msr);
        let count = which(seen.entry(key).or_default());
        *count = count.saturating_add(1);
        !known && key.is_some()
    }

    /// What was seen so far, by number.
    pub fn seen(&self) -> Vec<UnknownMsr> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = seen.iter().map(|(msr, counts)| UnknownMsr {
            msr: *msr,
            reads: counts.reads,
            writes: counts.writes,
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_answers_and_each_msr_is_counted() {
        let fault = UnknownMsrs::new(MsrPolicy::Gp);
        assert_eq!((fault.read(1), fault.write(1, 5)), (None, false));
        for policy in [MsrPolicy::Zero, MsrPolicy::Log] {
            let msrs = UnknownMsrs::new(policy);
            assert!(msrs.write(7, 5));
            assert_eq!(
                (msrs.read(7), msrs.read(7), msrs.read(3)),
                (Some(0), Some(0), Some(0))
            );
            let row = |msr, reads, writes| UnknownMsr {
                msr: Some(msr),
                reads,
                writes,
            };
            assert_eq!(msrs.seen(), [row(3, 1, 0), row(7, 2, 1)]);
        }
    }

    #[test]
    fn a_guest_that_tries_all_numbers_does_not_fill_the_memory() {
        let msrs = UnknownMsrs::new(MsrPolicy::Gp);
        for msr in 0..1000 {
            msrs.read(msr);
        }
        let seen = msrs.seen();
        assert_eq!(seen.len(), MOST + 1);
        let others = seen.iter().find(|row| row.msr.is_none());
        assert_eq!(others.map(|row| row.reads), Some(1000 - MOST as u64));
    }
}
