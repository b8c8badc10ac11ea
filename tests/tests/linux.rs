//! Debian's kernel as a guest: boots by both protocols and transports, on machines of several
//! shapes, with its disks and consoles; and complains about nothing.

use anyhow::{Result, ensure};
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
    transport: &'static str,
    cpus: u8,
    mib: u64,
) -> Result<()> {
    let guest = LinuxGuest::new(kernel, LOOK).transport(transport).vm()?;
    let guest = guest.cpus(cpus).memory(&format!("{mib}M"));
    let ended = guest.run()?.expect(0)?;
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
fn root_disk(transport: &'static str, end: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let disk = scratch.path("root");
    std::fs::copy(file(files::ROOT)?, &disk)?;
    let change = "mount -t ext4 /dev/vda /new && exec switch_root /new /sbin/init";
    let guest = LinuxGuest::new(Vmlinux, change);
    let guest = guest
        .parameters(&format!("console=ttyS0 quiet end={end}"))
        .transport(transport)
        .vm()?;
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

/// Two processors check what the disk holds and write other bytes over it, each by a queue of its
/// own.
fn disk_both_ways(transport: &'static str) -> Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.path("disk");
    let disk = File::create_new(&path)?;
    let bytes = DISK_MIB * MIB;
    pattern::give(disk, 1, bytes)?;
    let script = format!(
        "echo queues: $(ls /sys/block/vda/mq)
         taskset 1 agent take 1 {bytes} disk /dev/vda && echo read: right
         taskset 2 agent give 2 {bytes} disk /dev/vda && echo wrote: all"
    );
    let guest = LinuxGuest::new(Vmlinux, &script)
        .transport(transport)
        .vm()?;
    let guest = guest
        .deadline(Duration::from_secs(120))
        .cpus(2)
        .memory("256M")
        .disk_with_queues(&path, 2);
    let ended = guest.run()?.expect(0)?;
    ensure!(said(&ended.text(), "queues:")? == "0 1", "queues");
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

/// Writes 1 MiB to a terminal between two marks; all of it comes out.
fn console_is_lossless(terminal: &str, console: &str) -> Result<()> {
    // The terminal stays open: the settings of one that nobody has open are lost.
    let script = format!(
        "exec <>/dev/{terminal} >&0 2>&0
         stty raw
         printf '@from\n'; agent give 3 {CONSOLE_BYTES} 2>/dev/null; printf '\n@to\n'
         stty cooked"
    );
    let guest = LinuxGuest::new(Vmlinux, &script);
    let guest = guest
        .parameters(&format!("console={terminal} quiet"))
        .vm()?;
    let guest = guest.arg("--console").arg(console).memory("256M");
    let ended = guest.deadline(Duration::from_secs(180)).run()?.expect(0)?;
    let mut expected = b"@from\n".to_vec();
    pattern::give(&mut expected, 3, CONSOLE_BYTES)?;
    expected.extend(b"\n@to\n");
    let came = ended
        .stdout
        .windows(expected.len())
        .any(|bytes| bytes == expected);
    let marks = |mark: &[u8]| {
        ended
            .stdout
            .windows(mark.len())
            .position(|bytes| bytes == mark)
    };
    ensure!(
        came,
        "of {CONSOLE_BYTES} bytes, {} came, not all between {:?} and {:?}",
        ended.stdout.len(),
        marks(b"@from\n"),
        marks(b"\n@to\n"),
    );
    dmesg::is_clean(&ended.text())
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
