//! PCI: functions are found, a disk works with each kind of interrupt, firmware's tables name what is
//! there. What a guest should not do is in `hostile_pci`.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use tests::block::{self, Request, SECTOR_BYTES};
use tests::virtio::{DEVICE_BYTES, DEVICES, reg as mmio};
use tests::virtio_pci::{ADDRESS_PORT, DATA_PORT, ECAM, Function, config, reg};
use tests::{Builder, ENTRY_REGISTER, Scratch, Script, TestVm, require_kvm};

const DISK: Function = Function::DISK;
/// Bus 0, device 31.
const LAST: Function = Function { device: 31, bar: 0 };
/// Ids of bridge, disk, console, rng.
const IDS: [u32; 4] = [0x0008_1b36, 0x1042_1af4, 0x1043_1af4, 0x1044_1af4];
/// Slave PIC, and the bit of IRQ 11, device 1's.
const SLAVE: u16 = 0xa0;
const IRQ_11: u8 = 1 << 3;
const LAPIC: u64 = 0xfee0_0000;
const LAPIC_SPURIOUS: u64 = LAPIC + 0xf0;
/// Requested vectors 0x40 to 0x5f.
const LAPIC_REQUESTS: u64 = LAPIC + 0x220;
/// Where the boot protocol leaves its structures, and ACPI its tables.
const BOOT_INFORMATION: u64 = 0x6000;
const TABLES: u64 = 0xe_0000;
const TABLES_BYTES: u64 = 0x2000;

fn disk(scratch: &Scratch) -> Result<PathBuf> {
    Ok(scratch.write("disk", &[0x5a; 64 * SECTOR_BYTES])?)
}

fn vm(script: &Script, disk: &Path) -> Builder {
    TestVm::builder().kernel(&script.pvh()).disk(disk)
}

fn run(script: &Script, scratch: &Scratch) -> Result<Vec<u8>> {
    Ok(vm(script, &disk(scratch)?).run()?.expect(0)?.stdout)
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks_exact(4);
    words
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect()
}

/// The ids of the first devices, and of those where nothing is, by ports and by memory.
fn find() -> Script {
    let devices = [0, 1, 2, 3, 4, 31].map(|device| Function { device, bar: 0 });
    let by_ports = devices.iter().fold(Script::new(), |script, function| {
        script
            .out32(ADDRESS_PORT, function.address(0))
            .in32(DATA_PORT)
            .send(4)
    });
    devices.iter().fold(by_ports, |script, function| {
        script.read(4, function.config(0)).send(4)
    })
}

#[test]
fn functions_are_found_by_ports_and_by_memory() -> Result<()> {
    require_kvm!();
    let found = words(&run(&find(), &Scratch::new()?)?);
    let expected = [&IDS[..], &[u32::MAX; 2]].concat();
    ensure!(found[..6] == expected, "by ports: {found:x?}");
    ensure!(found[6..] == expected, "by memory: {found:x?}");
    Ok(())
}

#[test]
fn without_acpi_functions_are_found_all_the_same() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let ended = vm(&find(), &disk(&scratch)?).arg("--no-acpi").run()?;
    let found = words(&ended.expect(0)?.stdout);
    ensure!(found[..4] == IDS && found[6..10] == IDS, "{found:x?}");
    Ok(())
}

#[test]
fn with_the_mmio_transport_there_is_no_pci() -> Result<()> {
    require_kvm!();
    let address = Script::new().out32(ADDRESS_PORT, 1 << 31);
    let script = address.in32(ADDRESS_PORT).send(4).in32(DATA_PORT).send(4);
    let script = script.read(4, ECAM).send(4).read(8, DISK.config(0)).send(8);
    let script = script.print(TABLES, TABLES_BYTES);
    let scratch = Scratch::new()?;
    let ended = vm(&script, &disk(&scratch)?).transport("mmio").run()?;
    let ended = ended.expect(0)?;
    let (found, tables) = ended.stdout.split_at(20);
    ensure!(found == [0xff; 20], "{found:x?}");
    ensure!(tables.starts_with(b"RSD PTR "), "no ACPI either");
    ensure!(!tables.windows(4).any(|word| word == b"MCFG"), "MCFG");
    Ok(())
}

#[test]
fn a_bar_tells_its_size_by_ports() -> Result<()> {
    require_kvm!();
    let script = Script::new()
        .out32(ADDRESS_PORT, DISK.address(0x10))
        .in32(DATA_PORT)
        .send(4)
        .out32(DATA_PORT, u32::MAX)
        .in32(DATA_PORT)
        .send(4);
    let found = words(&run(&script, &Scratch::new()?)?);
    ensure!(found == [DISK.bar as u32, 0xffff_c000], "{found:x?}");
    Ok(())
}

#[test]
fn a_sector_is_read_with_a_level_triggered_interrupt_line() -> Result<()> {
    require_kvm!();
    // IRQ 11 by level, requests to be read.
    let script = Script::new().out8(0x4d1, IRQ_11).out8(SLAVE, 0x0a);
    let line = |script: Script| {
        let status = DISK.config(config::STATUS);
        script.in8(SLAVE).send(1).read(1, status).send(1)
    };
    let script = line(script);
    let script = DISK.request(script, Request::Read, 7, &[0; SECTOR_BYTES]);
    // A request is done before its interrupt is there.
    let script = line(script.in8_until(SLAVE, IRQ_11))
        .read(1, DISK.bar + reg::ISR)
        .send(1);
    let bytes = run(&line(script), &Scratch::new()?)?;
    let (before, rest) = bytes.split_at(2);
    let (answer, after) = rest.split_at(1 + SECTOR_BYTES);
    ensure!(before[0] & IRQ_11 == 0 && before[1] & 8 == 0, "{before:x?}");
    ensure!(answer[0] == 0, "status {}", answer[0]);
    ensure!(answer[1..] == [0x5a; SECTOR_BYTES], "the sector");
    ensure!(after[0] & IRQ_11 != 0, "no request at the PIC: {after:x?}");
    ensure!(after[1] & 8 != 0, "no interrupt in the status: {after:x?}");
    ensure!(after[2] == 1, "reasons: {after:x?}");
    ensure!(after[3] & IRQ_11 == 0 && after[4] & 8 == 0, "{after:x?}");
    Ok(())
}

#[test]
fn a_sector_is_written_to_the_file() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = disk(&scratch)?;
    let script = DISK.request(Script::new(), Request::Write, 9, &[0xab; SECTOR_BYTES]);
    let ended = vm(&script, &path).run()?.expect(0)?;
    ensure!(ended.stdout[0] == 0, "status {}", ended.stdout[0]);
    let after = std::fs::read(&path)?;
    for (sector, bytes) in after.chunks(SECTOR_BYTES).enumerate() {
        let expected = if sector == 9 { 0xab } else { 0x5a };
        ensure!(bytes == [expected; SECTOR_BYTES], "sector {sector}");
    }
    Ok(())
}

#[test]
fn a_message_reaches_the_local_apic_and_waits_while_it_is_masked() -> Result<()> {
    require_kvm!();
    let state = |script: Script| {
        script
            .read(4, LAPIC_REQUESTS)
            .send(4)
            .read(4, DISK.bar + reg::MSIX_PENDING)
            .send(4)
    };
    // The APIC is on; vector 1, masked, is the queue's.
    let script = Script::new().write(4, LAPIC_SPURIOUS, 0x1ff);
    let script = DISK.use_messages(DISK.turn_on(script));
    let script = DISK.message(script, 1, (LAPIC, 0x41), 1);
    let script = DISK.set_queue(DISK.negotiate(script), 0, 16, block::RINGS);
    let script = script.write(2, DISK.bar + reg::QUEUE_VECTOR, 1);
    let script = DISK.driver_ok(state(script));
    let script = block::place(script, Request::Read, 7, &[0; SECTOR_BYTES]);
    let script = block::print(DISK.notify(script, 0));
    let script = state(script.read_until(DISK.bar + reg::MSIX_PENDING, 1 << 1));
    // Another message, unmasked.
    let script = DISK.message(script, 1, (LAPIC, 0x43), 0);
    let script = state(script.read_until(LAPIC_REQUESTS, 1 << 3));
    let bytes = run(&script, &Scratch::new()?)?;
    let (before, rest) = bytes.split_at(8);
    let (answer, after) = rest.split_at(1 + SECTOR_BYTES);
    ensure!(answer[0] == 0, "status {}", answer[0]);
    ensure!(words(before) == [0, 0], "{before:x?}");
    ensure!(words(after) == [0, 2, 1 << 3, 0], "{after:x?}");
    Ok(())
}

#[test]
fn an_unmasked_message_interrupts_and_the_line_stays_low() -> Result<()> {
    require_kvm!();
    let script = Script::new()
        .write(4, LAPIC_SPURIOUS, 0x1ff)
        .out8(0x4d1, IRQ_11)
        .out8(SLAVE, 0x0a);
    let script = DISK.use_messages(DISK.turn_on(script));
    let script = DISK.message(script, 0, (LAPIC, 0x42), 0);
    let script = DISK.set_queue(DISK.negotiate(script), 0, 16, block::RINGS);
    let script = script.write(2, DISK.bar + reg::QUEUE_VECTOR, 0);
    let script = block::place(DISK.driver_ok(script), Request::Read, 7, &[0; SECTOR_BYTES]);
    let script = block::print(DISK.notify(script, 0));
    let script = script.read_until(LAPIC_REQUESTS, 1 << 2).send(4);
    let script = script.in8(SLAVE).send(1);
    let bytes = run(&script, &Scratch::new()?)?;
    let after = &bytes[1 + SECTOR_BYTES..];
    ensure!(words(&after[..4]) == [1 << 2], "{after:x?}");
    ensure!(after[4] & IRQ_11 == 0, "the line is high as well");
    Ok(())
}

#[test]
fn lines_stay_connected_when_there_are_messages() -> Result<()> {
    require_kvm!();
    let script = Script::new().out8(0x4d1, IRQ_11).out8(SLAVE, 0x0a);
    let script = DISK.use_messages(DISK.turn_on(script));
    let script = DISK.message(script, 0, (LAPIC, 0x42), 0);
    let script = script.write(2, DISK.config(config::MSIX_CONTROL), 0);
    let script = DISK.request(script, Request::Read, 7, &[0; SECTOR_BYTES]);
    let script = script.in8_until(SLAVE, IRQ_11).send(1);
    let bytes = run(&script, &Scratch::new()?)?;
    let after = bytes[1 + SECTOR_BYTES];
    ensure!(after & IRQ_11 != 0, "no request at the PIC: {after:x?}");
    Ok(())
}

#[test]
fn as_many_devices_as_fit_are_there_and_one_more_is_refused() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    // With console and rng, all of PCI but the bridge; all of the interrupts for virtio-mmio.
    for (transport, fit) in [("pci", 29), ("mmio", 11)] {
        let (id, rng) = match transport {
            "pci" => (LAST.config(0), IDS[3]),
            _ => (DEVICES + 12 * DEVICE_BYTES + mmio::DEVICE_ID, 4),
        };
        let script = Script::new().read(4, id).send(4);
        let with = |disks: usize| -> Result<Builder> {
            let vm = TestVm::builder().kernel(&script.pvh()).transport(transport);
            (0..disks).try_fold(vm, |vm, index| {
                let path = scratch.write(&format!("disk{index}"), &[0; SECTOR_BYTES])?;
                Ok(vm.disk(&path))
            })
        };
        let ended = with(fit)?.run()?.expect(0)?;
        ensure!(ended.stdout == rng.to_le_bytes(), "{:x?}", ended.stdout);
        let refused = with(fit + 1)?.run()?;
        let (asked, most) = (format!("{} devices", fit + 3), format!("most {}", fit + 2));
        refused.expect_line(2, &["too many", &asked, &most])?;
    }
    Ok(())
}

fn number(bytes: &[u8], at: usize, width: usize) -> Result<u64> {
    let field = bytes.get(at..at + width).context("past the end")?;
    let number = field.iter().rev();
    Ok(number.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn adds_to_zero(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
        == 0
}

/// The table at `address` of what was printed, its checksum right.
fn table(tables: &[u8], address: u64) -> Result<&[u8]> {
    let at = address.checked_sub(TABLES).context("below the tables")?;
    let start = tables.get(at as usize..).context("past the tables")?;
    let whole = start.get(..number(start, 4, 4)? as usize);
    let whole = whole.context("longer than the tables")?;
    ensure!(adds_to_zero(whole), "checksum of the table at {address:#x}");
    Ok(whole)
}

#[test]
fn acpi_names_configuration_space_and_the_boot_protocol_names_acpi() -> Result<()> {
    require_kvm!();
    let script = Script::new()
        .print(ENTRY_REGISTER, 8)
        .print(BOOT_INFORMATION, 0x1000)
        .print(TABLES, TABLES_BYTES);
    let scratch = Scratch::new()?;
    let bytes = run(&script, &scratch)?;
    let (start_info, rest) = bytes.split_at(8);
    let (information, tables) = rest.split_at(0x1000);
    let start_info = (number(start_info, 0, 8)? - BOOT_INFORMATION) as usize;
    // PVH's start info: RSDP, memory map, its entries.
    let field = |at| number(information, start_info + at, 8);
    ensure!(field(32)? == TABLES, "RSDP at {:#x}", field(32)?);
    let map = (field(40)? - BOOT_INFORMATION) as usize;
    let entries = number(information, start_info + 48, 4)? as usize;
    for entry in (0..entries).map(|index| map + 24 * index) {
        let field = |at, width| number(information, entry + at, width);
        let (base, end) = (field(0, 8)?, field(0, 8)? + field(8, 8)?);
        let usable = field(16, 4)? == 1;
        let covers = base < TABLES + TABLES_BYTES && TABLES < end;
        ensure!(!(usable && covers), "the tables are in usable memory");
    }
    ensure!(tables.starts_with(b"RSD PTR "));
    ensure!(adds_to_zero(&tables[..20]) && adds_to_zero(&tables[..36]));
    let xsdt = table(tables, number(tables, 24, 8)?)?;
    ensure!(xsdt.starts_with(b"XSDT"));
    let mut names = Vec::new();
    for at in (36..xsdt.len()).step_by(8) {
        let found = table(tables, number(xsdt, at, 8)?)?;
        names.push(String::from_utf8_lossy(&found[..4]).into_owned());
        match &found[..4] {
            b"MCFG" => ensure!(number(found, 44, 8)? == ECAM),
            b"FACP" => {
                let dsdt = table(tables, number(found, 140, 8)?)?;
                ensure!(dsdt.starts_with(b"DSDT"));
                ensure!(dsdt.windows(4).any(|name| name == b"PCI0"));
            }
            _ => {}
        }
    }
    ensure!(names == ["FACP", "APIC", "MCFG"], "{names:?}");
    Ok(())
}
