//! Disks that break while the guest runs: its driver is told, the rest stays, and the report says so.

use anyhow::{Context, Result, ensure};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::block::{self, Request, SECTOR_BYTES};
use tests::host::skip;
use tests::{Builder, Ended, Scratch, Script, TestVm, require_kvm};

const SECTORS: usize = 64;
/// What is left of the disk, in sectors.
const LEFT: usize = 32;
/// One that is gone, and one that is not.
const GONE: u64 = 40;
const THERE: u64 = 9;
/// Where a script's own code is.
const CODE: u64 = 0x60_0000;
/// Waits for a byte from the serial port and takes it.
const AWAIT_BYTE: &[u8] = &[
    0x66, 0xba, 0xfd, 0x03, // mov $0x3fd, %dx
    0xec, // 1: in %dx, %al
    0xa8, 0x01, // test $1, %al
    0x74, 0xfb, // jz 1b
    0x66, 0xba, 0xf8, 0x03, // mov $0x3f8, %dx
    0xec, // in %dx, %al
    0xc3, // ret
];
const READY: &str = "ready\n";

fn contents() -> Vec<u8> {
    (0..SECTORS * SECTOR_BYTES)
        .map(|at| (at / SECTOR_BYTES) as u8)
        .collect()
}

/// Says that it is ready, and goes on when told to.
fn await_test(script: Script) -> Script {
    script.say(READY).call(CODE, AWAIT_BYTE)
}

fn cut_off(path: &Path) -> Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    Ok(file.set_len((LEFT * SECTOR_BYTES) as u64)?)
}

/// Runs the script on a disk that is cut off when the script is ready.
fn run(vm: Builder, script: &Script, disk: &Path) -> Result<Ended> {
    let mut vm = vm.kernel(&script.pvh()).report().typing().boot()?;
    vm.wait_for(READY)?;
    cut_off(disk)?;
    vm.type_in(b"g")?;
    vm.wait()?.expect(0)
}

/// What the guest's driver saw, behind [`READY`].
fn seen(ended: &Ended) -> &[u8] {
    &ended.stdout[READY.len()..]
}

/// The report names so many failures of that operation, and the error.
fn reported(ended: &Ended, device: &str, operation: &str, error: &str) -> Result<()> {
    let failures = &ended.report()?.json["disk_failures"];
    let rows = failures.as_array().context("disk_failures")?;
    let row = rows.iter().find(|row| row["operation"] == operation);
    let row = row.with_context(|| format!("no failed {operation} in {failures}"))?;
    ensure!(row["device"] == device && row["count"] == 1, "{row}");
    let text = row["error"].as_str().context("error")?;
    ensure!(text.contains(error), "{row}");
    ensure!(
        ended.stderr.contains(&format!("a {operation} has failed")),
        "{}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn a_file_that_is_cut_off_fails_requests_and_does_not_grow_again() -> Result<()> {
    require_kvm!();
    for (kind, operation) in [(Request::Read, "read"), (Request::Write, "write")] {
        let scratch = Scratch::new()?;
        let disk = scratch.write("disk", &contents())?;
        let script = await_test(Script::new());
        let script = block::request(script, kind, GONE, &[1; SECTOR_BYTES]);
        let vm = TestVm::builder().transport("mmio").disk(&disk);
        let ended = run(vm, &script, &disk)?;
        ensure!(seen(&ended)[0] == 1, "status {}", seen(&ended)[0]);
        reported(&ended, "virtio-blk0", operation, "")?;
        let left = std::fs::read(&disk)?;
        ensure!(left == contents()[..LEFT * SECTOR_BYTES], "what was left");
    }
    Ok(())
}

#[test]
fn an_ide_disk_that_is_cut_off_names_the_sector_and_does_not_grow_again() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = scratch.write("disk", &contents())?;
    let script = await_test(Script::new()).out8(0x1f6, 0x40).out8(0x1f2, 1);
    let script = script.out8(0x1f3, GONE as u8).out16(0x1f4, 0);
    // WRITE SECTOR(S); its data; status and error; READ SECTOR(S).
    let script = script.out8(0x1f7, 0x30).outs(0x1f0, SECTOR_BYTES as u32);
    let script = script.in8(0x1f7).send(1).in8(0x1f1).send(1);
    let script = script.out8(0x1f2, 1).out8(0x1f7, 0x20);
    let script = script.in8(0x1f7).send(1).in8(0x1f1).send(1);
    let ended = run(TestVm::builder().ide_disk(&disk), &script, &disk)?;
    let [wrote, aborted, read, uncorrectable] = seen(&ended)[..] else {
        anyhow::bail!("{:x?}", seen(&ended));
    };
    // ERR; ABRT for the write, UNC for the read (ATA/ATAPI-6 8.27.6, 8.62.6).
    ensure!(wrote & 1 == 1 && aborted == 0x04, "{:x?}", seen(&ended));
    ensure!(
        read & 1 == 1 && uncorrectable == 0x40,
        "{:x?}",
        seen(&ended)
    );
    reported(&ended, "ide", "write", "shorter")?;
    reported(&ended, "ide", "read", "")?;
    let left = std::fs::read(&disk)?;
    ensure!(left == contents()[..LEFT * SECTOR_BYTES], "what was left");
    Ok(())
}

/// A block device over a file, for as long as it lives.
struct Loop(PathBuf);

impl Loop {
    /// None where the host has no loop devices for us.
    fn over(file: &Path) -> Result<Option<Self>> {
        let free = Command::new("losetup").arg("-f").output();
        let free = free.ok().filter(|free| free.status.success());
        let Some(free) = free else {
            skip("this host has no loop devices for it");
            return Ok(None);
        };
        let device = PathBuf::from(String::from_utf8(free.stdout)?.trim());
        let made = Command::new("losetup").arg(&device).arg(file).status()?;
        if !made.success() {
            skip("this host does not let it make a loop device");
            return Ok(None);
        }
        Ok(Some(Self(device)))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // It is the host's to clean up otherwise.
        let _ = Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

#[test]
fn an_io_error_of_the_host_is_the_guests_and_in_the_report() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let file = scratch.write("disk", &contents())?;
    let Some(device) = Loop::over(&file)? else {
        return Ok(());
    };
    // Linux 6.1 reads zeroes behind the end of the file.
    let other = scratch.write("other", &contents())?;
    let Some(probe) = Loop::over(&other)? else {
        return Ok(());
    };
    cut_off(&other)?;
    let mut sector = [0; SECTOR_BYTES];
    let at = GONE * SECTOR_BYTES as u64;
    if File::open(&probe.0)?.read_exact_at(&mut sector, at).is_ok() {
        skip("loop devices of this host do not fail");
        return Ok(());
    }
    let script = block::request(
        await_test(Script::new()),
        Request::Read,
        GONE,
        &[1; SECTOR_BYTES],
    );
    let vm = TestVm::builder().transport("mmio").disk(&device.0);
    let ended = run(vm, &script, &file)?;
    ensure!(seen(&ended)[0] == 1, "status {}", seen(&ended)[0]);
    reported(&ended, "virtio-blk0", "read", "os error 5")?;
    // What is still there is read.
    let script = block::request(Script::new(), Request::Read, THERE, &[1; SECTOR_BYTES]);
    let vm = TestVm::builder().transport("mmio").disk(&device.0);
    let ended = vm.kernel(&script.pvh()).report().run()?.expect(0)?;
    ensure!(ended.stdout[1..] == [THERE as u8; SECTOR_BYTES]);
    let failures = &ended.report()?.json["disk_failures"];
    ensure!(failures.as_array().is_some_and(Vec::is_empty), "{failures}");
    Ok(())
}
