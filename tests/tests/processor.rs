//! What the processor says that it can do, and MSRs that it does not have.

use anyhow::{Context, Result, ensure};
use tests::{CPUID_RESULT, Kernel, Script, TestVm, host, machine_code, require_kvm};
use vmm::doctor::KvmKind;

/// Words that a guest reads by CPUID: (leaf, sub-leaf) each give eax, ebx, ecx, edx. Nothing if
/// the host has less than the model.
fn cpuid(model: &str, leaves: &[(u32, u32)]) -> Result<Option<Vec<[u32; 4]>>> {
    let mut script = Script::new();
    for (leaf, subleaf) in leaves {
        script = script.cpuid(*leaf, *subleaf).print(CPUID_RESULT, 16);
    }
    let vm = TestVm::builder().kernel(&script.pvh());
    let ended = vm.arg("--cpu").arg(model).run()?;
    if ended.stderr.contains("lacks") {
        let ended = ended.expect_line(2, &["--cpu host", model])?;
        host::skip(&ended.stderr);
        return Ok(None);
    }
    let bytes = ended.expect(0)?.stdout;
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let words: Vec<u32> = bytes.chunks_exact(4).map(word).collect();
    let (leaves, rest) = words.as_chunks();
    ensure!(rest.is_empty(), "{} words", words.len());
    Ok(Some(leaves.to_vec()))
}

const MOVBE: u32 = 1 << 22;
const XSAVE: u32 = 1 << 26;
const AVX: u32 = 1 << 28;
const SSE4_2: u32 = 1 << 20;
const HYPERVISOR: u32 = 1 << 31;
const X2APIC: u32 = 1 << 21;
const AVX2: u32 = 1 << 5;
const LZCNT: u32 = 1 << 5;

#[test]
fn a_guest_sees_the_level_that_was_asked_for_and_no_more() -> Result<()> {
    require_kvm!();
    let all = MOVBE | XSAVE | AVX | SSE4_2 | HYPERVISOR | X2APIC;
    for (model, features, leaf_7) in [
        ("x86-64-v1", HYPERVISOR | X2APIC, 0),
        ("x86-64-v2", HYPERVISOR | X2APIC | SSE4_2, 0),
        ("x86-64-v3", all, 1 << 3 | AVX2 | 1 << 8),
    ] {
        let asked = [(1, 0), (7, 0), (0xd, 0), (0x8000_0001, 0)];
        let Some(leaves) = cpuid(model, &asked)? else {
            continue;
        };
        let [one, seven, xsave, extended] = leaves[..] else {
            anyhow::bail!("{} leaves", leaves.len());
        };
        let long_mode = extended[3] & (1 << 29 | 1 << 20 | 1 << 11);
        ensure!(long_mode.count_ones() == 3, "{model}: {extended:x?}");
        let beyond_v2 = extended[2] & LZCNT != 0;
        ensure!(
            beyond_v2 == (model == "x86-64-v3"),
            "{model}: {extended:x?}"
        );
        if host::kvm_kind() == KvmKind::Software {
            // Whatever it was told, it tells of the processor in leaves 1, 7 and 0xd.
            continue;
        }
        let ecx = one[2];
        ensure!(ecx & all == features, "{model}: leaf 1 ecx {ecx:#x}");
        ensure!(seven[1] == leaf_7, "{model}: leaf 7 {seven:x?}");
        ensure!(seven[2..] == [0, 0], "{model}: leaf 7 {seven:x?}");
        let states = if model == "x86-64-v3" { 7 } else { 0 };
        ensure!(xsave[0] == states, "{model}: leaf 0xd {xsave:x?}");
    }
    Ok(())
}

#[test]
fn the_host_model_is_what_the_host_has() -> Result<()> {
    require_kvm!();
    let leaves = cpuid("host", &[(1, 0)])?;
    let one = leaves.context("the host has what it has")?[0];
    let avx = std::arch::is_x86_feature_detected!("avx");
    ensure!((one[2] & AVX != 0) == avx, "leaf 1 ecx {:#x}", one[2]);
    Ok(())
}

#[test]
fn a_model_that_does_not_exist_is_refused() -> Result<()> {
    let vm = TestVm::builder().kernel(&Script::new().pvh());
    vm.arg("--cpu=x86-64-v9")
        .run()?
        .expect_line(2, &["--cpu", "x86-64-v3"])?;
    Ok(())
}

machine_code!(
    /// Reads an MSR that nobody has, twice, and writes it; says `0` for each read of zero and `.`
    /// for the write, or `G` at a general protection fault, and ends.
    fn touch_an_unknown_msr {
        ".code32"
        "mov $0x120000, %esp"
        // Gate 13 of an IDT at 0x110000: selector 0x28 is 32-bit code, in a GDT at 0x111000.
        "movl $0x00280000, 0x110068"
        "movl $0x00108e00, 0x11006c"
        "call 1f"
        "1: pop %eax"
        "add $(3f - 1b), %eax"
        "mov %ax, 0x110068"
        "movl $0xffff, 0x111028"
        "movl $0x00cf9b00, 0x11102c"
        "movw $0x2f, 0x112000"
        "movl $0x111000, 0x112002"
        "lgdt 0x112000"
        "movw $0x7ff, 0x112000"
        "movl $0x110000, 0x112002"
        "lidt 0x112000"
        "mov $0x12345, %ecx"
        "call 2f"
        "call 2f"
        "wrmsr"
        "mov $0x2e, %al"
        "mov $0x3f8, %edx"
        "out %al, %dx"
        "jmp 4f"
        "2: rdmsr"
        "or %edx, %eax"
        "add $0x30, %al"
        "mov $0x3f8, %edx"
        "out %al, %dx"
        "ret"
        "3: mov $0x47, %al"
        "mov $0x3f8, %edx"
        "out %al, %dx"
        "4: xor %eax, %eax"
        "mov $0x501, %edx"
        "out %al, %dx"
        "5: hlt"
        "jmp 5b"
    }
);

/// What the guest says, what Hostel says, and (reads, writes) in the report.
fn touch(policy: &str) -> Result<(String, String, (u64, u64))> {
    let vm = TestVm::builder().kernel(&Kernel::pvh(touch_an_unknown_msr()));
    let ended = vm
        .arg("--unknown-msr")
        .arg(policy)
        .report()
        .run()?
        .expect(0)?;
    let rows = ended.report()?.json["unknown_msrs"].clone();
    let row = rows.get(0).context("no MSR in the report")?;
    ensure!(row["msr"] == 0x12345, "{rows}");
    let count = |name: &str| row[name].as_u64().context("no count");
    let counts = (count("reads")?, count("writes")?);
    Ok((ended.text(), ended.stderr, counts))
}

#[test]
fn an_unknown_msr_is_answered_by_the_policy_and_counted() -> Result<()> {
    require_kvm!();
    let (text, said, counts) = touch("gp")?;
    ensure!(
        (text.as_str(), said.as_str(), counts) == ("G", "", (1, 0)),
        "{text} {said}"
    );
    let (text, said, counts) = touch("zero")?;
    ensure!(
        (text.as_str(), said.as_str(), counts) == ("00.", "", (2, 1)),
        "{text} {said}"
    );
    let (text, said, counts) = touch("log")?;
    ensure!((text.as_str(), counts) == ("00.", (2, 1)), "{text}");
    ensure!(said.matches("MSR 0x12345").count() == 1, "{said}");
    Ok(())
}
