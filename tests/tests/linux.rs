//! Debian's kernel as a guest: boots by both protocols and transports, on machines of several
//! shapes, with its disks and consoles; and complains about nothing.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::time::Duration;
use tests::linux::KernelFile::{BzImage, Vmlinux};
use tests::linux::{LinuxGuest, dmesg, file, files, said};
use tests::{Scratch, pattern, require_linux};

const MIB: u64 = 1 << 20;
/// What goes to a disk and back.
const DISK_MIB: u64 = 200;
const CONSOLE_BYTES: u64 = MIB;

/// Says what the kernel has found.
const LOOK: &str = "
    echo processors: $(grep -c ^processor /proc/cpuinfo)
    echo memory-kib: $(sed -n 's/MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo)
    echo clock: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
";

/// The processors, most of the memory, and the clock are there.
fn has_found(output: &str, cpus: u8, memory_mib: u64) -> Result<()> {
    let found = said(output, "processors:")?;
    ensure!(found == cpus.to_string(), "{found} processors of {cpus}");
    let kib: u64 = said(output, "memory-kib:")?.parse()?;
    let expected = memory_mib * 1024;
    ensure!(
        kib < expected && kib > expected - expected / 20 - 64 * 1024,
        "{kib} KiB of {expected}"
    );
    let clock = said(output, "clock:")?;
    ensure!(clock == "kvm-clock", "clock {clock}");
    Ok(())
}

fn look_around(
    kernel: tests::linux::KernelFile,
    transport: &str,
    cpus: u8,
    mib: u64,
) -> Result<()> {
    let guest = LinuxGuest::new(kernel, LOOK).vm()?;
    let guest = guest.cpus(cpus).memory(&format!("{mib}M"));
    let ended = guest.arg("--transport").arg(transport).run()?.expect(0)?;
    has_found(&ended.text(), cpus, mib)?;
    dmesg::is_clean(&ended.text())
}

#[test]
fn a_bzimage_boots_on_one_processor_with_128_mib() -> Result<()> {
    require_linux!();
    look_around(BzImage, "pci", 1, 128)
}

#[test]
fn a_vmlinux_boots_on_four_processors_with_5_gib() -> Result<()> {
    require_linux!();
    look_around(Vmlinux, "mmio", 4, 5 << 10)
}

/// Boots to an ext4 root that it writes to, and ends by `reboot` or `poweroff`.
fn root_disk(transport: &str, end: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let disk = scratch.path("root");
    std::fs::copy(file(files::ROOT)?, &disk)?;
    let change = "mount -t ext4 /dev/vda /new && exec switch_root /new /sbin/init";
    let guest = LinuxGuest::new(Vmlinux, change);
    let guest = guest
        .parameters(&format!("console=ttyS0 quiet end={end}"))
        .vm()?;
    let guest = guest.arg("--transport").arg(transport);
    let ended = guest.cpus(2).memory("256M").disk(&disk).run()?.expect(0)?;
    let root = ended.text();
    let root = said(&root, "root:")?;
    ensure!(root.starts_with("/dev/vda / ext4 rw"), "{root}");
    ensure!(
        said(&ended.text(), "written:")? != "0",
        "what was written is there"
    );
    Ok(())
}

#[test]
fn it_boots_to_an_ext4_root_over_pci_and_powers_off() -> Result<()> {
    require_linux!();
    root_disk("pci", "poweroff")
}

#[test]
fn it_boots_to_an_ext4_root_over_mmio_and_reboots() -> Result<()> {
    require_linux!();
    root_disk("mmio", "reboot")
}

/// The guest checks what the disk holds and writes other bytes over it.
fn disk_both_ways(transport: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.path("disk");
    let disk = File::create_new(&path)?;
    let bytes = DISK_MIB * MIB;
    pattern::give(disk, 1, bytes)?;
    let script = format!(
        "dd if=/dev/vda bs=1M iflag=direct 2>/dev/null | agent take 1 {bytes} && echo read: right
         agent give 2 {bytes} | dd of=/dev/vda bs=1M iflag=fullblock oflag=direct conv=fsync \
             2>/dev/null && echo wrote: all"
    );
    let guest = LinuxGuest::new(Vmlinux, &script)
        .vm()?
        .arg("--transport")
        .arg(transport);
    let guest = guest
        .deadline(Duration::from_secs(60))
        .memory("256M")
        .disk(&path);
    let ended = guest.run()?.expect(0)?;
    ensure!(said(&ended.text(), "read:")? == "right", "what was read");
    ensure!(said(&ended.text(), "wrote:")? == "all", "what was written");
    dmesg::is_clean(&ended.text())?;
    pattern::take(File::open(&path)?, 2, bytes)
}

#[test]
fn two_hundred_mib_go_to_and_from_a_disk_over_pci() -> Result<()> {
    require_linux!();
    disk_both_ways("pci")
}

#[test]
fn two_hundred_mib_go_to_and_from_a_disk_over_mmio() -> Result<()> {
    require_linux!();
    disk_both_ways("mmio")
}

/// Writes 1 MiB of letters to a terminal between two marks; all of it comes out.
fn console_is_lossless(terminal: &str, console: &str) -> Result<()> {
    let script = format!(
        "stty -F /dev/{terminal} raw
         (echo; echo @from; agent give 3 {half} | hexdump -v -e '/1 \"%02x\"'; echo; echo @to) \
            >/dev/{terminal}
         stty -F /dev/{terminal} cooked",
        half = CONSOLE_BYTES / 2
    );
    let guest = LinuxGuest::new(Vmlinux, &script);
    let guest = guest
        .parameters(&format!("console={terminal} quiet"))
        .vm()?;
    let guest = guest.arg("--console").arg(console).memory("256M");
    let guest = guest.deadline(Duration::from_secs(90));
    let text = guest.run()?.expect(0)?.text();
    let (_, rest) = text.split_once("@from\n").context("no start")?;
    let (hex, _) = rest.split_once("\n@to").context("no end")?;
    ensure!(
        hex.len() as u64 == CONSOLE_BYTES,
        "{} bytes came",
        hex.len()
    );
    let mut expected = Vec::new();
    pattern::give(&mut expected, 3, CONSOLE_BYTES / 2)?;
    let expected: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(hex == expected, "other bytes came");
    Ok(())
}

#[test]
fn a_mib_reaches_the_serial_console_without_loss() -> Result<()> {
    require_linux!();
    console_is_lossless("ttyS0", "serial")
}

#[test]
fn a_mib_reaches_the_virtio_console_without_loss() -> Result<()> {
    require_linux!();
    console_is_lossless("hvc0", "virtio")
}
