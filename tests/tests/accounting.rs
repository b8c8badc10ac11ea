//! Exits are counted exactly, by kind and device.

use anyhow::{Result, ensure};
use tests::{Script, TestVm, require_kvm, virtio};

const TIMES: u64 = 1000;
/// Scratch register of the serial port.
const SERIAL_SCRATCH: u16 = 0x3ff;
/// No device is there.
const NO_PORT: u16 = 0x1000;
const NO_DEVICE: u64 = 0xd00f_0000;

/// One access of each kind to devices that are there, and to none.
fn accesses() -> Script {
    let console = virtio::DEVICES;
    Script::new()
        .out8(SERIAL_SCRATCH, 0x55)
        .repeat(1, TIMES)
        .in8(SERIAL_SCRATCH)
        .repeat(1, TIMES + 1)
        .read(4, console + virtio::reg::MAGIC)
        .repeat(1, TIMES + 2)
        .write(4, console + virtio::reg::QUEUE_SEL, 0)
        .repeat(1, TIMES + 3)
        .in16(NO_PORT)
        .repeat(1, TIMES + 4)
        .out32(NO_PORT, 1)
        .repeat(1, TIMES + 5)
        .read(8, NO_DEVICE)
        .repeat(1, TIMES + 6)
        .write(1, NO_DEVICE, 1)
        .repeat(1, TIMES + 7)
}

#[test]
fn the_report_counts_each_access_once() -> Result<()> {
    require_kvm!();
    let kernel = accesses().pvh();
    let ended = TestVm::builder()
        .kernel(&kernel)
        .transport("mmio")
        .report()
        .run()?
        .expect(0)?;
    let report = ended.report()?;
    let expected = [
        ("pio_write", "serial", TIMES),
        ("pio_read", "serial", TIMES + 1),
        ("mmio_read", "virtio-console", TIMES + 2),
        ("mmio_write", "virtio-console", TIMES + 3),
        ("pio_read", "none", TIMES + 4),
        ("pio_write", "none", TIMES + 5),
        ("mmio_read", "none", TIMES + 6),
        ("mmio_write", "none", TIMES + 7),
        ("pio_write", "exit", 1),
        ("pio_read", "virtio-console", 0),
    ];
    for (kind, device, count) in expected {
        let counted = report.exits(kind, device);
        ensure!(
            counted == count,
            "{kind} at {device}: {counted}, not {count}"
        );
    }
    Ok(())
}

/// Two registers of the clock's memory.
const CMOS: [u8; 2] = [0x40, 0x41];
/// Writes that KVM keeps for one VM at a time: a page of 24 bytes each behind two indices, one
/// place always free.
const KEPT: u64 = (4096 - 8) / 24 - 1;

/// The index of the clock's registers needs no exit of its own, and is there when it is used.
#[test]
fn writes_of_an_index_wait_for_the_next_exit() -> Result<()> {
    require_kvm!();
    let kernel = Script::new()
        .out8(0x70, CMOS[0])
        .out8(0x71, b'A')
        .out8(0x70, CMOS[1])
        .out8(0x71, b'B')
        .out8(0x70, CMOS[0])
        .in8(0x71)
        .send(1)
        .out8(0x70, CMOS[0])
        .repeat(1, TIMES)
        .out8(0x70, CMOS[1])
        .in8(0x71)
        .send(1)
        .pvh();
    let ended = TestVm::builder().kernel(&kernel).report().run()?;
    let ended = ended.expect(0)?;
    ensure!(ended.stdout == b"AB", "{}", ended.text());
    let report = ended.report()?;
    let (exits, waited) = (report.exits("pio_write", "cmos"), report.coalesced("cmos"));
    ensure!(exits + waited == 6 + TIMES, "{exits} exits, {waited} kept");
    ensure!(exits <= 2 + TIMES.div_ceil(KEPT), "{exits} exits");
    Ok(())
}

#[test]
fn times_add_up_and_percentiles_are_in_order() -> Result<()> {
    require_kvm!();
    let kernel = accesses().pvh();
    let ended = TestVm::builder()
        .kernel(&kernel)
        .transport("mmio")
        .report()
        .run()?
        .expect(0)?;
    let rows = ended.report()?.json["exits"].as_array().cloned();
    for row in rows.unwrap_or_default() {
        let field = |name: &str| row[name].as_u64().unwrap_or(0);
        let (count, total) = (field("count"), field("total_ns"));
        let (p50, p99) = (field("p50_ns"), field("p99_ns"));
        ensure!(p50 > 0 && p50 <= p99, "{row}");
        ensure!(total >= p50 * count / 4, "{row}");
    }
    Ok(())
}

#[test]
fn stats_are_a_table_of_80_columns() -> Result<()> {
    require_kvm!();
    let kernel = accesses().pvh();
    let ended = TestVm::builder().kernel(&kernel).arg("--stats").run()?;
    let text = ended.expect(0)?.text();
    let widest = text.lines().map(|line| line.chars().count()).max();
    ensure!(widest.is_some_and(|widest| widest <= 80), "{text}");
    let row = |line: &str| line.starts_with("pio_write") && line.contains("serial");
    ensure!(text.lines().any(row), "{text}");
    ensure!(text.contains(&TIMES.to_string()), "{text}");
    Ok(())
}
