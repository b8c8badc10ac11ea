//! [`Host`]: what some expectations need of the host to be judged.

use super::formula::Need;
use std::arch::x86_64::__cpuid;
use std::thread;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    cpus: usize,
    is_native: bool,
}

/// Leaf of CPUID where a hypervisor says its name, and QEMU's emulation says this one.
const HYPERVISOR: u32 = 0x4000_0000;
const EMULATION: [&[u8; 4]; 3] = [b"TCGT", b"CGTC", b"GTCG"];

impl Host {
    /// This one.
    pub(super) fn here() -> Self {
        let leaf = __cpuid(HYPERVISOR);
        let name = [leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes);
        Self {
            cpus: thread::available_parallelism().map_or(1, usize::from),
            is_native: name.each_ref() != EMULATION,
        }
    }

    /// Why it is not what an expectation of a VM with so many vCPUs needs, if it is not.
    pub(super) fn lacks(self, need: Option<Need>, vcpus: u8) -> Option<&'static str> {
        match need? {
            Need::Parallel if self.cpus < vcpus.into() => {
                Some("the host has not a processor for each vCPU")
            }
            Need::Native if !self.is_native => Some("the host's processor is emulated"),
            Need::Parallel | Need::Native => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_nothing_or_what_is_there_is_judged() {
        let host = |cpus, is_native| Host { cpus, is_native };
        assert_eq!(host(1, false).lacks(None, 2), None);
        assert_eq!(host(2, false).lacks(Some(Need::Parallel), 2), None);
        assert_eq!(host(1, true).lacks(Some(Need::Native), 2), None);
        assert!(host(1, true).lacks(Some(Need::Parallel), 2).is_some());
        assert!(host(9, false).lacks(Some(Need::Native), 1).is_some());
    }
}
