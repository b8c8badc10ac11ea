//! CPU models: which features a guest's processor tells of.
//!
//! `host` passes on what KVM supports. `x86-64-v1` to `v3` are the levels of the x86-64 psABI
//! (table 3.1): exactly their features, and of the rest what a kernel cannot do without, so that
//! a guest sees the same processor wherever it runs. Vendor, family and brand stay the host's.
//!
//! All of it is in the table [`FEATURES`]; a feature that is not there is not told of.

use kvm_bindings::{CpuId, kvm_cpuid_entry2};

/// What the processors say that they can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CpuModel {
    /// All that KVM supports on this host.
    #[default]
    Host,
    /// One of the levels of the psABI.
    Level(Level),
}

/// A level of the psABI, each with all of those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The first processors with 64 bits.
    V1,
    /// Up to SSE 4.2.
    V2,
    /// Up to AVX2.
    V3,
}

impl Level {
    /// Its name in the psABI.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "x86-64-v1",
            Self::V2 => "x86-64-v2",
            Self::V3 => "x86-64-v3",
        }
    }
}

/// The host's processor is less than the model.
#[derive(Debug, thiserror::Error)]
#[error(
    "this host's processor or its KVM lacks {missing}, which --cpu {model} has: choose a lower \
     level or --cpu host"
)]
pub struct CpuModelError {
    model: &'static str,
    missing: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// A register of a leaf that holds features.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word {
    function: u32,
    index: u32,
    register: Register,
}

const fn word(function: u32, register: Register) -> Word {
    let index = 0;
    Word {
        function,
        index,
        register,
    }
}

const LEAF_1_ECX: Word = word(1, Register::Ecx);
const LEAF_1_EDX: Word = word(1, Register::Edx);
const LEAF_7_EBX: Word = word(7, Register::Ebx);
const EXTENDED_ECX: Word = word(0x8000_0001, Register::Ecx);
const EXTENDED_EDX: Word = word(0x8000_0001, Register::Edx);
const XSAVE_EAX: Word = word(0xd, Register::Eax);

/// Registers of which each bit is a feature: bits that are not in [`FEATURES`] are cleared.
const FEATURE_WORDS: &[Word] = &[
    LEAF_1_ECX,
    LEAF_1_EDX,
    word(7, Register::Eax),
    LEAF_7_EBX,
    word(7, Register::Ecx),
    word(7, Register::Edx),
    EXTENDED_ECX,
    EXTENDED_EDX,
    XSAVE_EAX,
    word(0xd, Register::Edx),
    word(0x8000_0007, Register::Edx),
    word(0x8000_0008, Register::Ebx),
];

/// Why a feature is told of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Because {
    /// A kernel or a VM needs it; told of where the host has it.
    Vm,
    /// The level has it, so the host must.
    Of(Level),
}

use Because::{Of, Vm};
use Level::{V1, V2, V3};

/// Name, place, reason (psABI table 3.1; Intel SDM 2A CPUID; AMD APM 3 appendix E).
const FEATURES: &[(&str, Word, u32, Because)] = &[
    ("fpu", LEAF_1_EDX, 0, Of(V1)),
    ("vme", LEAF_1_EDX, 1, Vm),
    ("de", LEAF_1_EDX, 2, Vm),
    ("pse", LEAF_1_EDX, 3, Vm),
    ("tsc", LEAF_1_EDX, 4, Vm),
    ("msr", LEAF_1_EDX, 5, Vm),
    ("pae", LEAF_1_EDX, 6, Vm),
    ("mce", LEAF_1_EDX, 7, Vm),
    ("cx8", LEAF_1_EDX, 8, Of(V1)),
    ("apic", LEAF_1_EDX, 9, Vm),
    ("sep", LEAF_1_EDX, 11, Vm),
    ("mtrr", LEAF_1_EDX, 12, Vm),
    ("pge", LEAF_1_EDX, 13, Vm),
    ("mca", LEAF_1_EDX, 14, Vm),
    ("cmov", LEAF_1_EDX, 15, Of(V1)),
    ("pat", LEAF_1_EDX, 16, Vm),
    ("pse36", LEAF_1_EDX, 17, Vm),
    ("clflush", LEAF_1_EDX, 19, Vm),
    ("mmx", LEAF_1_EDX, 23, Of(V1)),
    ("fxsr", LEAF_1_EDX, 24, Of(V1)),
    ("sse", LEAF_1_EDX, 25, Of(V1)),
    ("sse2", LEAF_1_EDX, 26, Of(V1)),
    ("htt", LEAF_1_EDX, 28, Vm),
    ("sse3", LEAF_1_ECX, 0, Of(V2)),
    ("ssse3", LEAF_1_ECX, 9, Of(V2)),
    ("fma", LEAF_1_ECX, 12, Of(V3)),
    ("cmpxchg16b", LEAF_1_ECX, 13, Of(V2)),
    ("sse4.1", LEAF_1_ECX, 19, Of(V2)),
    ("sse4.2", LEAF_1_ECX, 20, Of(V2)),
    ("x2apic", LEAF_1_ECX, 21, Vm),
    ("movbe", LEAF_1_ECX, 22, Of(V3)),
    ("popcnt", LEAF_1_ECX, 23, Of(V2)),
    ("tsc-deadline", LEAF_1_ECX, 24, Vm),
    ("xsave", LEAF_1_ECX, 26, Of(V3)),
    ("avx", LEAF_1_ECX, 28, Of(V3)),
    ("f16c", LEAF_1_ECX, 29, Of(V3)),
    ("hypervisor", LEAF_1_ECX, 31, Vm),
    ("bmi1", LEAF_7_EBX, 3, Of(V3)),
    ("avx2", LEAF_7_EBX, 5, Of(V3)),
    ("bmi2", LEAF_7_EBX, 8, Of(V3)),
    ("x87 state", XSAVE_EAX, 0, Of(V3)),
    ("sse state", XSAVE_EAX, 1, Of(V3)),
    ("avx state", XSAVE_EAX, 2, Of(V3)),
    ("lahf", EXTENDED_ECX, 0, Of(V2)),
    ("cmp-legacy", EXTENDED_ECX, 1, Vm),
    ("lzcnt", EXTENDED_ECX, 5, Of(V3)),
    ("syscall", EXTENDED_EDX, 11, Of(V1)),
    ("nx", EXTENDED_EDX, 20, Vm),
    ("lm", EXTENDED_EDX, 29, Of(V1)),
];

/// AMD repeats these bits of leaf 1 edx in leaf 0x80000001 edx.
const AMD_REPEATED: u32 = 0x0183_f3ff;

/// Leaves that are not about features and stay: range, model, caches, topology, brand, addresses,
/// and KVM's own.
const KEPT: &[u32] = &[
    0,
    1,
    2,
    4,
    7,
    0xb,
    0xd,
    0x4000_0000,
    0x4000_0001,
    0x8000_0000,
    0x8000_0001,
    0x8000_0002,
    0x8000_0003,
    0x8000_0004,
    0x8000_0005,
    0x8000_0006,
    0x8000_0007,
    0x8000_0008,
];
/// The last leaf of each kind.
const LAST: u32 = 0xd;
const LAST_EXTENDED: u32 = 0x8000_0008;

/// Sizes of the XSAVE area with x87, SSE and AVX state, and the last one's offset.
const XSAVE_BYTES: u32 = 0x340;
const AVX_BYTES: u32 = 0x100;
const AVX_OFFSET: u32 = 0x240;

impl CpuModel {
    /// Makes what KVM supports into the model.
    pub(super) fn apply(self, mut supported: CpuId) -> Result<CpuId, CpuModelError> {
        let Self::Level(level) = self else {
            return Ok(supported);
        };
        let missing: Vec<&str> = FEATURES
            .iter()
            .filter(|(_, word, bit, because)| {
                let needed = matches!(because, Of(of) if *of <= level);
                needed && value(&supported, *word) & (1 << bit) == 0
            })
            .map(|(name, ..)| *name)
            .collect();
        if !missing.is_empty() {
            let (model, missing) = (level.name(), missing.join(", "));
            return Err(CpuModelError { model, missing });
        }
        supported.retain(|entry| KEPT.contains(&entry.function) && keeps_subleaf(level, entry));
        for entry in supported.as_mut_slice() {
            mask(entry, level);
        }
        Ok(supported)
    }
}

/// What the host says in a word; TSC deadline and hypervisor are put in later.
fn value(cpuid: &CpuId, word: Word) -> u32 {
    let mut entries = cpuid.as_slice().iter();
    let entry = entries.find(|e| e.function == word.function && e.index == word.index);
    entry.map_or(0, |entry| *register(&mut entry.clone(), word.register))
}

fn register(entry: &mut kvm_cpuid_entry2, register: Register) -> &mut u32 {
    match register {
        Register::Eax => &mut entry.eax,
        Register::Ebx => &mut entry.ebx,
        Register::Ecx => &mut entry.ecx,
        Register::Edx => &mut entry.edx,
    }
}

/// Of features, sub-leaf 0; of XSAVE state, those of AVX.
fn keeps_subleaf(level: Level, entry: &kvm_cpuid_entry2) -> bool {
    match entry.function {
        7 => entry.index == 0,
        0xd => level >= V3 && entry.index <= 2,
        _ => true,
    }
}

/// The bits of a word that the level tells of.
fn told(level: Level, word: Word) -> u32 {
    let features = FEATURES.iter();
    let bits = features
        .filter(|(_, at, _, because)| *at == word && !matches!(because, Of(of) if *of > level));
    bits.fold(0, |bits, (_, _, bit, _)| bits | 1 << bit)
}

fn mask(entry: &mut kvm_cpuid_entry2, level: Level) {
    let place = (entry.function, entry.index);
    let words = FEATURE_WORDS.iter().copied();
    for word in words.filter(|word| (word.function, word.index) == place) {
        let mut bits = told(level, word);
        if word == EXTENDED_EDX {
            bits |= told(level, LEAF_1_EDX) & AMD_REPEATED;
        }
        *register(entry, word.register) &= bits;
    }
    match (entry.function, entry.index) {
        (0, _) => entry.eax = entry.eax.min(LAST),
        (0x8000_0000, _) => entry.eax = entry.eax.min(LAST_EXTENDED),
        // KVM keeps ebx: the size for what the guest has switched on.
        (0xd, 0) => (entry.ebx, entry.ecx) = (XSAVE_BYTES, XSAVE_BYTES),
        (0xd, 1) => (entry.eax, entry.ebx, entry.ecx, entry.edx) = (0, 0, 0, 0),
        (0xd, 2) => (entry.eax, entry.ebx, entry.ecx) = (AVX_BYTES, AVX_OFFSET, 0),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
