//! What a kernel finds when it starts, by either protocol.

use anyhow::{Context, Result, ensure};
use tests::{ENTRY_REGISTER, Kernel, Script, TestVm, require_kvm};

const CMDLINE: &str = "one two=three";
const INITRD_BYTES: usize = 5000;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What the guest prints of the boot structures: a page, the command line, the entry register.
const PAGE: u64 = 0x1000;
const CMDLINE_PART: u64 = 256;

/// Little-endian fields of dumped memory.
struct Dump(Vec<u8>);

impl Dump {
    fn u64(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().expect("8 bytes"))
    }

    fn u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().expect("4 bytes"))
    }

    fn bytes(&self, at: u64, len: u64) -> &[u8] {
        &self.0[at as usize..][..len as usize]
    }
}

/// A guest that prints memory from its boot structures on.
fn dumper(structures: u64) -> Script {
    Script::new()
        .print(ENTRY_REGISTER, 8)
        .print(structures, PAGE)
        .print(0x2_0000, CMDLINE_PART)
}

/// What a guest has found.
struct Found {
    /// The register that the protocol fills.
    register: u64,
    /// Start info or zero page, with what follows in that page.
    structures: Dump,
    cmdline: String,
    /// What the guest printed after these.
    rest: Vec<u8>,
}

/// Boots a [`dumper`] and takes its dump apart.
fn found(kernel: &Kernel, memory: &str, initrd: &[u8]) -> Result<Found> {
    let vm = TestVm::builder()
        .kernel(kernel)
        .memory(memory)
        .append(CMDLINE);
    let vm = if initrd.is_empty() {
        vm
    } else {
        vm.initrd(initrd)
    };
    let dump = Dump(vm.run()?.expect(0)?.stdout);
    let text = dump.bytes(8 + PAGE, CMDLINE_PART);
    let end = text.iter().position(|byte| *byte == 0);
    let end = end.context("the command line has no end")?;
    Ok(Found {
        register: dump.u64(0),
        structures: Dump(dump.bytes(8, PAGE).to_vec()),
        cmdline: String::from_utf8(text[..end].to_vec())?,
        rest: dump.0[(8 + PAGE + CMDLINE_PART) as usize..].to_vec(),
    })
}

fn initrd() -> Vec<u8> {
    (0..INITRD_BYTES).map(|i| (i % 251) as u8).collect()
}

/// Where an initrd of a guest of 64 MiB is to be.
const INITRD_START: u64 = (64 * MIB - INITRD_BYTES as u64) & !0xfff;

const START_INFO: u64 = 0x6000;
const ZERO_PAGE: u64 = 0x7000;

#[test]
fn a_pvh_kernel_finds_start_info_command_line_and_initrd() -> Result<()> {
    require_kvm!();
    let kernel = dumper(START_INFO)
        .print(INITRD_START, INITRD_BYTES as u64)
        .pvh();
    let found = found(&kernel, "64M", &initrd())?;
    ensure!(found.register == START_INFO, "ebx: {:#x}", found.register);
    let info = &found.structures;
    ensure!(
        (info.u32(0), info.u32(4)) == (0x336e_c578, 1),
        "magic and version"
    );
    ensure!(info.u32(12) == 1, "one module");
    let module_entry = info.u64(16) - START_INFO;
    let range = (info.u64(module_entry), info.u64(module_entry + 8));
    ensure!(
        range == (INITRD_START, INITRD_BYTES as u64),
        "module {range:x?}"
    );
    ensure!(found.rest == initrd(), "the module's bytes");
    ensure!(found.cmdline.starts_with(CMDLINE), "{}", found.cmdline);
    Ok(())
}

#[test]
fn a_linux_kernel_finds_its_zero_page() -> Result<()> {
    require_kvm!();
    let kernel = dumper(ZERO_PAGE)
        .print(INITRD_START, INITRD_BYTES as u64)
        .linux64();
    let found = found(&kernel, "64M", &initrd())?;
    ensure!(found.register == ZERO_PAGE, "rsi: {:#x}", found.register);
    let page = &found.structures;
    ensure!(page.bytes(0x202, 4) == b"HdrS", "header magic");
    ensure!(page.u32(0x228) == 0x2_0000, "cmd_line_ptr");
    let range = (page.u32(0x218), page.u32(0x21c));
    ensure!(
        range == (INITRD_START as u32, INITRD_BYTES as u32),
        "ramdisk {range:x?}"
    );
    ensure!(found.rest == initrd(), "the initrd's bytes");
    ensure!(found.cmdline.starts_with(CMDLINE), "{}", found.cmdline);
    Ok(())
}

/// Ranges of RAM: e820 of the zero page, or the memory map of PVH; (start, length).
fn ram(entries: impl Iterator<Item = (u64, u64, u32)>) -> Vec<(u64, u64)> {
    entries
        .filter(|(_, _, kind)| *kind == 1)
        .map(|(start, len, _)| (start, len))
        .collect()
}

fn pvh_ram(memory: &str) -> Result<Vec<(u64, u64)>> {
    let info = found(&dumper(START_INFO).pvh(), memory, &[])?.structures;
    let (table, count) = (info.u64(40) - START_INFO, info.u32(48));
    let entry = |i: u64| table + i * 24;
    let entries = (0..u64::from(count)).map(entry);
    Ok(ram(entries.map(|at| {
        (info.u64(at), info.u64(at + 8), info.u32(at + 16))
    })))
}

fn linux_ram(memory: &str) -> Result<Vec<(u64, u64)>> {
    let page = found(&dumper(ZERO_PAGE).linux64(), memory, &[])?.structures;
    let count = page.bytes(0x1e8, 1)[0];
    let entries = (0..u64::from(count)).map(|i| 0x2d0 + i * 20);
    Ok(ram(entries.map(|at| {
        (page.u64(at), page.u64(at + 8), page.u32(at + 16))
    })))
}

#[test]
fn memory_of_every_size_is_in_the_map() -> Result<()> {
    require_kvm!();
    let low = |size: u64| vec![(0, 0x9_fc00), (MIB, size - MIB)];
    for (memory, size) in [("16M", 16 * MIB), ("128M", 128 * MIB), ("3G", 3 * GIB)] {
        ensure!(pvh_ram(memory)? == low(size), "PVH, {memory}");
        ensure!(linux_ram(memory)? == low(size), "Linux, {memory}");
    }
    let high = [low(3 * GIB), vec![(4 * GIB, 2 * GIB)]].concat();
    ensure!(pvh_ram("5G")? == high, "PVH, 5G");
    ensure!(linux_ram("5G")? == high, "Linux, 5G");
    Ok(())
}

#[test]
fn memory_beyond_4g_holds_what_is_written() -> Result<()> {
    require_kvm!();
    let last = 6 * GIB - 8;
    let script = Script::new()
        .write(8, last, 0x1122_3344_5566_7788)
        .read(8, last)
        .send(8);
    let ended = TestVm::builder()
        .kernel(&script.pvh())
        .memory("5G")
        .run()?
        .expect(0)?;
    ensure!(
        ended.stdout == 0x1122_3344_5566_7788_u64.to_le_bytes(),
        "{:x?}",
        ended.stdout
    );
    Ok(())
}

#[test]
fn without_acpi_the_command_line_names_each_virtio_device() -> Result<()> {
    require_kvm!();
    let scratch = tests::Scratch::new()?;
    let disk = scratch.write("disk", &[0; 4096])?;
    let kernel = dumper(START_INFO).pvh();
    let vm = TestVm::builder()
        .kernel(&kernel)
        .transport("mmio")
        .arg("--no-acpi")
        .append(CMDLINE)
        .disk(&disk);
    let text = vm.run()?.expect(0)?.text();
    for (base, gsi) in [("0xd0000000", 5), ("0xd0001000", 6), ("0xd0002000", 7)] {
        let word = format!("virtio_mmio.device=0x1000@{base}:{gsi}");
        ensure!(text.contains(&word), "no {word} in {text:?}");
    }
    ensure!(!text.contains("0xd0003000"), "a device too many: {text:?}");
    Ok(())
}
