//! `--disk`: the device appears as it should and moves data to the file.

use anyhow::{Result, ensure};
use std::path::Path;
use tests::block::{Request, SECTOR_BYTES, request};
use tests::virtio::{DEVICES, reg};
use tests::{Scratch, Script, TestVm, require_kvm};

const SECTORS: u64 = 64;
/// Device id of a block device (virtio 1.3 5.2.1).
const BLOCK: u32 = 2;
/// VIRTIO_BLK_F_RO
const READ_ONLY: u32 = 1 << 5;

fn disk(scratch: &Scratch) -> Result<std::path::PathBuf> {
    let bytes: Vec<u8> = (0..SECTORS as usize * SECTOR_BYTES)
        .map(|i| (i / SECTOR_BYTES) as u8)
        .collect();
    Ok(scratch.write("disk", &bytes)?)
}

/// Prints magic, device id, feature word 0 and capacity of the first device.
fn identify() -> Script {
    let fields = [
        reg::MAGIC,
        reg::DEVICE_ID,
        reg::DEVICE_FEATURES,
        reg::CONFIG,
        reg::CONFIG + 4,
    ];
    let script = Script::new().write(4, DEVICES + reg::DEVICE_FEATURES_SEL, 0);
    fields.into_iter().fold(script, |script, field| {
        script.read(4, DEVICES + field).send(4)
    })
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks_exact(4);
    words
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect()
}

fn run(script: &Script, disk: &Path) -> Result<Vec<u8>> {
    let vm = TestVm::builder()
        .transport("mmio")
        .kernel(&script.pvh())
        .disk(disk);
    Ok(vm.run()?.expect(0)?.stdout)
}

fn run_read_only(script: &Script, disk: &Path) -> Result<Vec<u8>> {
    let vm = TestVm::builder()
        .transport("mmio")
        .kernel(&script.pvh())
        .read_only_disk(disk);
    Ok(vm.run()?.expect(0)?.stdout)
}

#[test]
fn a_disk_is_a_block_device_of_its_size() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let found = words(&run(&identify(), &disk(&scratch)?)?);
    ensure!(found[..2] == [0x7472_6976, BLOCK], "{found:x?}");
    ensure!(found[2] & READ_ONLY == 0, "features {:#x}", found[2]);
    ensure!(found[3..] == [SECTORS as u32, 0], "capacity {found:x?}");
    Ok(())
}

#[test]
fn a_read_only_disk_says_so() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let found = words(&run_read_only(&identify(), &disk(&scratch)?)?);
    ensure!(found[2] & READ_ONLY != 0, "features {:#x}", found[2]);
    Ok(())
}

#[test]
fn a_sector_is_read() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let output = run(
        &request(Script::new(), Request::Read, 9, &[0; SECTOR_BYTES]),
        &disk(&scratch)?,
    )?;
    ensure!(output[0] == 0, "status {}", output[0]);
    ensure!(output[1..] == [9; SECTOR_BYTES], "{output:?}");
    Ok(())
}

#[test]
fn a_sector_is_written_to_the_file() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = disk(&scratch)?;
    let before = std::fs::read(&path)?;
    let output = run(
        &request(Script::new(), Request::Write, 9, &[0xab; SECTOR_BYTES]),
        &path,
    )?;
    ensure!(output[0] == 0, "status {}", output[0]);
    let after = std::fs::read(&path)?;
    let sector = 9 * SECTOR_BYTES..10 * SECTOR_BYTES;
    ensure!(after[sector.clone()] == [0xab; SECTOR_BYTES], "the sector");
    ensure!(after[..sector.start] == before[..sector.start], "before it");
    ensure!(after[sector.end..] == before[sector.end..], "after it");
    Ok(())
}

#[test]
fn a_read_only_disk_refuses_writes() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = disk(&scratch)?;
    let before = std::fs::read(&path)?;
    let output = run_read_only(
        &request(Script::new(), Request::Write, 9, &[0xab; SECTOR_BYTES]),
        &path,
    )?;
    ensure!(output[0] != 0, "the write went well");
    ensure!(std::fs::read(&path)? == before, "the file has changed");
    Ok(())
}
