//! CPUID of each vCPU: KVM's supported set with topology and hypervisor leaves made right.
//!
//! The VM is one package of `count` cores with one thread each; APIC ids are vCPU indices.
//! Sources: Intel SDM 2A CPUID, AMD APM 3 appendix E, KVM cpuid.rst.

use super::cpu_model::{CpuModel, CpuModelError};
use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES, kvm_cpuid_entry2};
use kvm_ioctls::{Cap, Error, Kvm};
use std::sync::{Arc, OnceLock};

/// Leaf 1 ecx: x2APIC.
const X2APIC: u32 = 1 << 21;
/// Leaf 1 ecx: TSC-deadline timer. KVM leaves it to userspace, as it needs an in-kernel LAPIC.
const TSC_DEADLINE: u32 = 1 << 24;
/// Leaf 1 ecx: a hypervisor is present.
const HYPERVISOR: u32 = 1 << 31;
/// Leaf 1 edx: the number of logical processors in ebx is valid.
const HTT: u32 = 1 << 28;

/// Leaf 0xB ecx bits 15:8: the level is one of threads, of cores.
const LEVEL_THREAD: u32 = 1 << 8;
const LEVEL_CORE: u32 = 2 << 8;

/// Where vCPUs get their leaves. KVM takes a quarter of a millisecond to list what it supports, so
/// that is done while something else is.
pub struct Leaves {
    kvm: Arc<Kvm>,
    /// What KVM supports, made into the model.
    supported: OnceLock<Result<CpuId, Error>>,
}

impl Leaves {
    /// Leaves from this KVM.
    pub(super) fn new(kvm: Arc<Kvm>) -> Self {
        let supported = OnceLock::new();
        Self { kvm, supported }
    }

    /// Leaves of a model. All but that of the host are listed at once, as the host may lack them.
    pub(super) fn of_model(kvm: Arc<Kvm>, model: CpuModel) -> Result<Self, CpuModelError> {
        let this = Self::new(kvm);
        if model != CpuModel::Host {
            let supported = match this.kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES) {
                Ok(supported) => Ok(model.apply(supported)?),
                Err(error) => Err(error),
            };
            // It is empty: nobody else has it yet.
            let _ = this.supported.set(supported);
        }
        Ok(this)
    }

    /// Has KVM list what it supports, if nobody has yet.
    pub fn list(&self) {
        let list = || self.kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES);
        self.supported.get_or_init(list);
    }

    /// The leaves of vCPU `index` of `count`.
    pub(super) fn of(&self, index: u8, count: u8) -> Result<CpuId, Error> {
        self.list();
        let tsc_deadline = self.kvm.check_extension(Cap::TscDeadlineTimer);
        match self.supported.wait() {
            Ok(supported) => Ok(for_vcpu(supported, index, count, tsc_deadline)),
            Err(error) => Err(*error),
        }
    }
}

/// `supported`, made right for vCPU `index` of `count`.
fn for_vcpu(supported: &CpuId, index: u8, count: u8, tsc_deadline: bool) -> CpuId {
    let mut cpuid = supported.clone();
    // Extended topology comes in fresh sub-leaves below; 0x1F would say the same once more.
    cpuid.retain(|entry| !matches!(entry.function, 0xb | 0x1f));
    let entries = cpuid.as_mut_slice();
    let has_xtopology = entries.iter().any(|e| e.function == 0 && e.eax >= 0xb);
    for entry in entries {
        topology(entry, index, count);
        if entry.function == 1 && tsc_deadline {
            entry.ecx |= TSC_DEADLINE;
        }
    }
    if has_xtopology {
        for entry in extended_topology(index, count) {
            cpuid
                .push(entry)
                .expect("KVM's list is shorter than its largest by far");
        }
    }
    cpuid
}

/// Bits of an APIC id that number the cores of a package of `count`.
fn core_bits(count: u8) -> u32 {
    u32::from(count).next_power_of_two().trailing_zeros()
}

fn topology(entry: &mut kvm_cpuid_entry2, index: u8, count: u8) {
    let (index, count) = (u32::from(index), u32::from(count));
    match entry.function {
        1 => {
            entry.ebx = (entry.ebx & 0xffff) | (count << 16) | (index << 24);
            entry.ecx |= HYPERVISOR | X2APIC;
            entry.edx = if count > 1 {
                entry.edx | HTT
            } else {
                entry.edx & !HTT
            };
        }
        // Deterministic caches: level 3 is shared by all cores, the others belong to one.
        4 if entry.eax & 0x1f != 0 => {
            let shared_by = if (entry.eax >> 5) & 7 == 3 { count } else { 1 };
            entry.eax = (entry.eax & 0x3fff) | ((shared_by - 1) << 14) | ((count - 1) << 26);
        }
        0x8000_0008 => {
            entry.ecx = (entry.ecx & !0xf0ff) | (count - 1) | (core_bits(count as u8) << 12);
        }
        0x8000_001d if entry.eax & 0x1f != 0 => {
            let shared_by = if (entry.eax >> 5) & 7 == 3 { count } else { 1 };
            entry.eax = (entry.eax & 0x3fff) | ((shared_by - 1) << 14);
        }
        0x8000_001e => {
            (entry.eax, entry.ebx, entry.ecx) = (index, index, 0);
        }
        _ => {}
    }
}

/// Leaf 0xB: threads, then cores.
fn extended_topology(index: u8, count: u8) -> [kvm_cpuid_entry2; 2] {
    let leaf = |subleaf: u32, shift, processors, level| kvm_cpuid_entry2 {
        function: 0xb,
        index: subleaf,
        flags: kvm_bindings::KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        eax: shift,
        ebx: processors,
        ecx: subleaf | level,
        edx: index.into(),
        ..Default::default()
    };
    [
        leaf(0, 0, 1, LEVEL_THREAD),
        leaf(1, core_bits(count), count.into(), LEVEL_CORE),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_like() -> CpuId {
        let leaf = |function, eax| kvm_cpuid_entry2 {
            function,
            eax,
            ..Default::default()
        };
        let leaves = [
            leaf(0, 0xd),
            leaf(1, 0),
            leaf(4, 0x3 << 5 | 3),
            leaf(0xb, 0),
            leaf(0x1f, 0),
        ];
        CpuId::from_entries(&leaves).unwrap()
    }

    fn leaf(cpuid: &CpuId, function: u32, index: u32) -> kvm_cpuid_entry2 {
        let found = cpuid
            .as_slice()
            .iter()
            .find(|e| e.function == function && e.index == index);
        *found.expect("the leaf is there")
    }

    #[test]
    fn every_vcpu_of_every_size_names_itself_and_its_siblings() {
        for count in 1..=16 {
            for index in 0..count {
                let cpuid = for_vcpu(&host_like(), index, count, true);
                assert_eq!(leaf(&cpuid, 1, 0).ebx >> 24, u32::from(index));
                assert_eq!((leaf(&cpuid, 1, 0).ebx >> 16) & 0xff, u32::from(count));
                let cores = leaf(&cpuid, 0xb, 1);
                assert_eq!((cores.ebx, cores.edx), (count.into(), index.into()));
                assert!(
                    1 << cores.eax >= u32::from(count),
                    "{count} cores need more bits"
                );
                assert_eq!(leaf(&cpuid, 4, 0).eax >> 14 & 0xfff, u32::from(count) - 1);
                assert!(cpuid.as_slice().iter().all(|e| e.function != 0x1f));
            }
        }
    }

    #[test]
    fn the_hypervisor_bit_is_set_and_the_deadline_timer_follows_the_host() {
        let ecx = |tsc_deadline| leaf(&for_vcpu(&host_like(), 0, 1, tsc_deadline), 1, 0).ecx;
        assert_ne!(ecx(true) & HYPERVISOR, 0);
        assert_ne!(ecx(true) & TSC_DEADLINE, 0);
        assert_eq!(ecx(false) & TSC_DEADLINE, 0);
    }
}
