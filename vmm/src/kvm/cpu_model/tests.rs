use super::*;

/// A host that has every feature there is, and leaves that no level has.
fn all_features() -> CpuId {
    let leaf = |function, index| kvm_cpuid_entry2 {
        function,
        index,
        eax: u32::MAX,
        ebx: u32::MAX,
        ecx: u32::MAX,
        edx: u32::MAX,
        ..Default::default()
    };
    let leaves = [
        (0, 0),
        (1, 0),
        (6, 0),
        (7, 0),
        (7, 1),
        (0xa, 0),
        (0xd, 0),
        (0xd, 1),
        (0xd, 2),
        (0xd, 9),
        (0x14, 0),
        (0x4000_0001, 0),
        (0x8000_0000, 0),
        (0x8000_0001, 0),
        (0x8000_0008, 0),
        (0x8000_001f, 0),
    ];
    CpuId::from_entries(&leaves.map(|(function, index)| leaf(function, index))).unwrap()
}

fn applied(level: Level) -> CpuId {
    CpuModel::Level(level).apply(all_features()).unwrap()
}

#[test]
fn a_level_is_told_of_exactly() {
    // Bits from the psABI, the rest from `Vm` above.
    let words = |level| {
        let cpuid = applied(level);
        [LEAF_1_ECX, LEAF_7_EBX, EXTENDED_ECX].map(|word| value(&cpuid, word))
    };
    let vm = 1 << 21 | 1 << 24 | 1 << 31;
    let v2 = vm | 1 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 23;
    let v3 = v2 | 1 << 12 | 1 << 22 | 1 << 26 | 1 << 28 | 1 << 29;
    assert_eq!(words(V1), [vm, 0, 2]);
    assert_eq!(words(V2), [v2, 0, 3]);
    assert_eq!(words(V3), [v3, 1 << 3 | 1 << 5 | 1 << 8, 0x23]);
    for level in [V1, V2, V3] {
        let edx = value(&applied(level), LEAF_1_EDX);
        assert_eq!(edx, 0x178b_fbff, "{edx:#x}");
    }
}

#[test]
fn leaves_of_other_features_are_gone_and_none_beyond_the_last_is_named() {
    let cpuid = applied(V3);
    let functions: Vec<u32> = cpuid.as_slice().iter().map(|e| e.function).collect();
    assert!(
        !functions
            .iter()
            .any(|f| [6, 0xa, 0x14, 0x8000_001f].contains(f))
    );
    assert_eq!(value(&cpuid, word(0, Register::Eax)), 0xd);
    assert_eq!(value(&cpuid, word(0x8000_0000, Register::Eax)), 0x8000_0008);
    assert_eq!(value(&cpuid, word(0x8000_0008, Register::Ebx)), 0);
}

#[test]
fn xsave_state_is_that_of_the_level() {
    let has_leaf = |level| applied(level).as_slice().iter().any(|e| e.function == 0xd);
    assert!(!has_leaf(V1) && !has_leaf(V2));
    let cpuid = applied(V3);
    assert_eq!(value(&cpuid, XSAVE_EAX), 7);
    assert_eq!(value(&cpuid, word(0xd, Register::Ecx)), 0x340);
    assert!(
        cpuid
            .as_slice()
            .iter()
            .all(|e| e.function != 0xd || e.index <= 2)
    );
}

#[test]
fn a_host_that_lacks_something_is_told_what() {
    let mut cpuid = all_features();
    for entry in cpuid.as_mut_slice() {
        if entry.function == 7 {
            entry.ebx &= !(1 << 5 | 1 << 8);
        }
    }
    assert!(CpuModel::Level(V2).apply(cpuid.clone()).is_ok());
    let error = CpuModel::Level(V3).apply(cpuid).unwrap_err().to_string();
    assert!(
        error.contains("lacks avx2, bmi2, which --cpu x86-64-v3"),
        "{error}"
    );
}
