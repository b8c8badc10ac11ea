//! Debian's kernel for PCs as a guest: its drivers keep the models of a PC's devices honest.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::linux::network::{DOWN, HostTap, UP, serve_tcp};
use tests::linux::{KernelFile, LinuxGuest, dmesg, said};
use tests::{Ended, Scratch, pattern, require_linux};

/// Its kernel is large, and the machine slow.
const DEADLINE: Duration = Duration::from_secs(180);
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

/// A card: its name on the command line, its driver, the host's TAP, and how many bytes go each way.
struct CardTest {
    card: &'static str,
    driver: &'static str,
    tap: &'static str,
    bytes: u64,
    /// Commands of the guest before its network is up.
    before: &'static str,
}

impl CardTest {
    /// The guest asks the host for an answer, gives it bytes and takes as many, which are checked
    /// at both ends; the machine gave its kernel no reason to complain.
    fn run(&self) -> Result<Ended> {
        let Self { tap, bytes, .. } = *self;
        let (host, guest) = ("192.0.2.1", "192.0.2.2");
        let _tap = HostTap::new(tap, host)?;
        let (port, server) = serve_tcp(host, bytes)?;
        let script = format!(
            "echo driver: $(basename $(readlink /sys/class/net/eth0/device/driver))
             {before}
             ip addr add {guest}/24 dev eth0 && ip link set eth0 up
             ping -c 3 {host} && echo ping: answered
             agent give {UP} {bytes} tcp {host}:{port} &&
                 agent take {DOWN} {bytes} tcp {host}:{port} && echo tcp: right
             for counter in rx_errors tx_errors; do
                 echo $counter: $(cat /sys/class/net/eth0/statistics/$counter)
             done",
            before = self.before,
        );
        let vm = LinuxGuest::new(KernelFile::Full, &script).vm()?;
        let vm = vm.arg("--net").arg(format!("tap={tap},card={}", self.card));
        let vm = vm.memory("256M").deadline(2 * DEADLINE).report();
        let ended = vm.run()?.expect(0)?;
        let text = ended.text();
        for (word, expected) in [
            ("driver:", self.driver),
            ("ping:", "answered"),
            ("tcp:", "right"),
            ("rx_errors:", "0"),
            ("tx_errors:", "0"),
        ] {
            ensure!(said(&text, word)? == expected, "{word}\n{text}");
        }
        server.join().expect("it has not panicked")?;
        dmesg::is_clean(&text)?;
        Ok(ended)
    }
}

/// Each word of what the guest gives is an exit of its own: more would take minutes.
#[test]
fn one_mib_goes_both_ways_over_an_ne2000() -> Result<()> {
    require_linux!();
    let test = CardTest {
        card: "ne2000",
        driver: "ne2k-pci",
        tap: "hostel-ne",
        bytes: 1 << 20,
        before: "",
    };
    test.run().map(drop)
}

#[test]
fn sixteen_mib_go_both_ways_over_an_e1000() -> Result<()> {
    require_linux!();
    let test = CardTest {
        card: "e1000",
        driver: "e1000",
        tap: "hostel-e",
        bytes: 16 << 20,
        before: "agent offloads eth0",
    };
    let ended = test.run()?;
    let text = ended.text();
    // All but the first are on by themselves.
    ensure!(
        said(&text, "offloads:")? == "rx 1 tx 1 sg 1 tso 1",
        "{text}"
    );
    Ok(())
}
