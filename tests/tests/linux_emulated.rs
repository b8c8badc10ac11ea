//! Debian's kernel for PCs as a guest: its drivers keep the models of a PC's devices honest.

use anyhow::{Context, Result, ensure};
use std::fs::File;
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

fn disk(scratch: &Scratch, seed: u64) -> Result<PathBuf> {
    let path = scratch.path(&format!("disk{seed}"));
    pattern::give(File::create_new(&path)?, seed, DISK_BYTES)?;
    Ok(path)
}

/// The guest reads both drives of the cable and writes so many bytes to the first.
fn ide(parameters: &str, written: u64) -> Result<Ended> {
    let scratch = Scratch::new()?;
    let disks = [disk(&scratch, SEEDS[0])?, disk(&scratch, SEEDS[1])?];
    let script = format!(
        "agent take {} {DISK_BYTES} disk /dev/sda && echo first: right
         agent take {} {DISK_BYTES} disk /dev/sdb && echo second: right
         agent give {WRITTEN} {written} disk /dev/sda && echo wrote: all
         echo 3 >/proc/sys/vm/drop_caches
         agent take {WRITTEN} {written} disk /dev/sda && echo again: right
         echo modes: $(dmesg | sed -n 's/.*ata1.0[01]: configured for //p')",
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
    pattern::take(File::open(&disks[0])?, WRITTEN, written)?;
    pattern::take(File::open(&disks[1])?, SEEDS[1], DISK_BYTES)?;
    ensure!(ended.report()?.refused("ide") == 0, "by the manual");
    dmesg::is_clean(&text)?;
    Ok(ended)
}

#[test]
fn ata_piix_reads_and_writes_by_dma() -> Result<()> {
    require_linux!();
    let ended = ide("", DISK_BYTES)?;
    let text = ended.text();
    ensure!(said(&text, "modes:")? == "MWDMA2 MWDMA2", "{text}");
    Ok(())
}

/// Each word written is an exit, of which the host here does few a second.
#[test]
fn ata_piix_reads_and_writes_by_programmed_io() -> Result<()> {
    require_linux!();
    let ended = ide("libata.dma=0", MIB)?;
    let text = ended.text();
    ensure!(said(&text, "modes:")? == "PIO4 PIO4", "{text}");
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
