//! Debian's kernel for PCs as a guest: its drivers keep the models of a PC's devices honest.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::linux::{KernelFile, LinuxGuest, dmesg, said};
use tests::{Ended, Scratch, pattern, require_linux};

/// Its kernel is large, and the machine slow.
const DEADLINE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;
/// Size of an IDE disk.
const DISK_BYTES: u64 = 16 * MIB;
/// What the disks hold first, and what the guest writes.
const SEEDS: [u64; 2] = [1, 2];
const WRITTEN: u64 = 3;

/// The kernel names disks in the order in which it has looked at them, which varies.
const DRIVE: &str =
    "drive() { ls -d /sys/bus/scsi/devices/0:0:$1:0/block/* | sed 's,.*/,/dev/,'; }";

fn disk(scratch: &Scratch, seed: u64) -> Result<PathBuf> {
    let path = scratch.path(&format!("disk{seed}"));
    pattern::give(File::create_new(&path)?, seed, DISK_BYTES)?;
    Ok(path)
}

/// The guest reads so many bytes of both drives of the cable, and writes some to the first.
fn ide(parameters: &str, read: u64, written: u64) -> Result<Ended> {
    let scratch = Scratch::new()?;
    let disks = [disk(&scratch, SEEDS[0])?, disk(&scratch, SEEDS[1])?];
    let script = format!(
        "{DRIVE}
         agent take {} {read} disk $(drive 0) && echo first: right
         agent take {} {read} disk $(drive 1) && echo second: right
         agent give {WRITTEN} {written} disk $(drive 0) && echo wrote: all
         agent take {WRITTEN} {written} disk $(drive 0) && echo again: right
         echo modes: $(cat /sys/class/ata_device/dev1.*/xfer_mode)",
        SEEDS[0], SEEDS[1],
    );
    let guest = LinuxGuest::new(KernelFile::Full, &script);
    let guest = guest.parameters(&format!("console=ttyS0 quiet {parameters}"));
    let guest = guest.vm()?.memory("256M").deadline(DEADLINE).report();
    let guest = guest.ide_disk(&disks[0]).ide_disk(&disks[1]);
    let ended = guest.run()?.expect(0)?;
    let text = ended.text();
    for word in ["first:", "second:", "again:"] {
        ensure!(said(&text, word)? == "right", "{text}");
    }
    ensure!(said(&text, "wrote:")? == "all", "{text}");
    let mut file = File::open(&disks[0])?;
    pattern::take(&mut file, WRITTEN, written)?;
    let (mut rest, mut before) = (Vec::new(), Vec::new());
    file.read_to_end(&mut rest)?;
    pattern::give(&mut before, SEEDS[0], DISK_BYTES)?;
    ensure!(
        rest == before[written as usize..],
        "what was not written to"
    );
    pattern::take(File::open(&disks[1])?, SEEDS[1], DISK_BYTES)?;
    ensure!(ended.report()?.refused("ide") == 0, "by the manual");
    dmesg::is_clean(&text)?;
    Ok(ended)
}

#[test]
fn ata_piix_reads_and_writes_by_dma() -> Result<()> {
    require_linux!();
    let ended = ide("", DISK_BYTES, DISK_BYTES)?;
    let text = ended.text();
    ensure!(
        said(&text, "modes:")? == "XFER_MW_DMA_2 XFER_MW_DMA_2",
        "{text}"
    );
    Ok(())
}

/// Each word written is an exit, and each word read an instruction that KVM emulates, of which the host
/// here does 6,000 and 60,000 a second: the guest's watchdog, too, would find that slow.
#[test]
fn ata_piix_reads_and_writes_by_programmed_io() -> Result<()> {
    require_linux!();
    let ended = ide("libata.dma=0 nowatchdog", 2 * MIB, MIB / 8)?;
    let text = ended.text();
    ensure!(said(&text, "modes:")? == "XFER_PIO_4 XFER_PIO_4", "{text}");
    Ok(())
}

/// A file system of the host of 8 MiB, which goes when this is dropped.
struct SmallHost(PathBuf);

impl SmallHost {
    fn new(at: &Path) -> Result<Self> {
        std::fs::create_dir(at)?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8M", "small"])
            .arg(at))?;
        Ok(Self(at.to_owned()))
    }
}

impl Drop for SmallHost {
    fn drop(&mut self) {
        // The nested host ends soon, and this with it.
        let _ = run(Command::new("umount").arg(&self.0));
    }
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

#[test]
fn an_ide_disk_on_a_full_host_fails_writes_and_keeps_the_rest() -> Result<()> {
    require_linux!();
    let scratch = Scratch::new()?;
    let host = SmallHost::new(&scratch.path("small"))?;
    let path = host.0.join("disk");
    let disk = File::create_new(&path)?;
    disk.set_len(DISK_BYTES)?;
    pattern::give(&disk, SEEDS[0], 4 * MIB)?;
    let script = format!(
        "dd if=/dev/zero of=/dev/sda bs=1M seek=4 count=12 oflag=direct && echo wrote: all
         agent take {} {} disk /dev/sda && echo first: right",
        SEEDS[0],
        4 * MIB
    );
    let guest = LinuxGuest::new(KernelFile::Full, &script).vm()?;
    let guest = guest.memory("256M").deadline(DEADLINE).ide_disk(&path);
    let ended = guest.run()?.expect(0)?;
    let text = ended.text();
    ensure!(said(&text, "wrote:").is_err(), "{text}");
    ensure!(said(&text, "first:")? == "right", "{text}");
    ensure!(
        dmesg::complaints(&text)?
            .iter()
            .any(|line| line.contains("I/O error")),
        "{text}"
    );
    pattern::take(File::open(&path)?, SEEDS[0], 4 * MIB)
}
