//! `--disk PATH,ide`: the controller and its disk as a kernel drives them by ports, and one that does
//! what no driver would.

use anyhow::{Result, ensure};
use std::path::PathBuf;
use tests::{BUFFER, Ended, Scratch, Script, TestVm, require_kvm};

const SECTOR: usize = 512;
const SECTORS: usize = 64;
/// Where firmware places the first BAR of ports.
const BUS_MASTER: u16 = 0x1000;
/// Lists of regions, above what scripts read and write.
const LIST: u64 = BUFFER + 0x1_0000;
const DATA: u64 = BUFFER + 0x2_0000;
const END_OF_LIST: u64 = 1 << 63;
const READ: u8 = 0x20;
const WRITE: u8 = 0x30;
const READ_DMA: u8 = 0xc8;
const WRITE_DMA: u8 = 0xca;
const LBA: u8 = 0x40;
const DEV: u8 = 0x10;
/// Directions of the bus master.
const INTO_MEMORY: u8 = 8;
const FROM_MEMORY: u8 = 0;

fn contents() -> Vec<u8> {
    (0..SECTORS * SECTOR)
        .map(|at| (at / SECTOR) as u8)
        .collect()
}

fn disk(scratch: &Scratch) -> Result<PathBuf> {
    Ok(scratch.write("disk", &contents())?)
}

fn command(script: Script, code: u8, device: u8, sector: u8, count: u8) -> Script {
    let script = script.out8(0x1f6, device).out8(0x1f2, count);
    let script = script.out8(0x1f3, sector).out16(0x1f4, 0);
    script.out8(0x1f7, code)
}

/// Status of the bus master: an error, or the drive's interrupt.
const OVER: u8 = 2 | 4;

/// A list of one region; starts the bus master.
fn start(script: Script, direction: u8, region: u64) -> Script {
    let script = script.write(8, LIST, END_OF_LIST | region);
    let script = script.out32(BUS_MASTER + 4, LIST as u32);
    let script = script.out8(BUS_MASTER, direction);
    script.out8(BUS_MASTER, direction | 1)
}

/// Waits for the end of what the bus master does, and reads its status.
fn await_end(script: Script) -> Script {
    script.in8_until(BUS_MASTER + 2, OVER)
}

/// The function's command register: ports and bus master.
fn function(script: Script, value: u16) -> Script {
    // After the bridge, the console and the generator of random numbers.
    let script = script.out32(0xcf8, 0x8000_0004 | 3 << 11);
    script.out16(0xcfc, value)
}

fn run(script: Script, disk: &std::path::Path) -> Result<Ended> {
    let vm = TestVm::builder().kernel(&script.pvh());
    vm.ide_disk(disk).report().run()?.expect(0)
}

#[test]
fn a_kernel_without_pci_reads_a_sector_and_is_interrupted() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = disk(&scratch)?;
    let script = command(Script::new(), READ, LBA, 5, 1);
    // The second PIC's requests: IRQ 14.
    let script = script.out8(0xa0, 0x0a).in8_until(0xa0, 1 << 6).send(1);
    let script = script
        .ins(0x1f0, SECTOR as u32)
        .print(BUFFER, SECTOR as u64);
    let ended = run(script.in8(0x1f7).send(1), &disk)?;
    let (bytes, sector) = (&ended.stdout, vec![5; SECTOR]);
    ensure!(bytes[0] & 1 << 6 != 0, "IRQ 14: {:#x}", bytes[0]);
    ensure!(bytes[1..=SECTOR] == sector, "what was read");
    ensure!(bytes[SECTOR + 1] == 0x50, "status {:#x}", bytes[SECTOR + 1]);
    ensure!(ended.report()?.refused("ide") == 0, "by the manual");
    Ok(())
}

#[test]
fn the_bus_master_writes_to_the_file_what_is_in_memory() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = disk(&scratch)?;
    let script = Script::new().memory(DATA, &[0xd5; 2 * SECTOR]);
    let script = command(script, WRITE_DMA, LBA, 7, 2);
    let script = start(script, FROM_MEMORY, DATA | 0x400 << 32);
    let script = await_end(script).send(1).in8(0x1f7).send(1);
    let ended = run(script, &disk)?;
    ensure!(ended.stdout == [0x24, 0x50], "{:x?}", ended.stdout);
    let mut expected = contents();
    expected[7 * SECTOR..9 * SECTOR].fill(0xd5);
    ensure!(std::fs::read(&disk)? == expected, "the file");
    Ok(())
}

#[test]
fn dma_to_where_no_memory_is_ends_with_an_error_of_the_bus_master() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = disk(&scratch)?;
    // The end of memory, a window of PCI, its configuration space, IOAPIC, LAPIC, the end of all.
    let places: [u64; 6] = [
        0x07ff_ff00,
        0xc000_0000,
        0xe000_0000,
        0xfec0_0000,
        0xfee0_0000,
        0xffff_fffe,
    ];
    let script = places.iter().fold(Script::new(), |script, place| {
        let script = command(script, READ_DMA, LBA, 0, 1);
        let script = start(script, INTO_MEMORY, place | 0x200 << 32);
        let script = await_end(script).send(1);
        let script = script.out8(BUS_MASTER, 0).out8(BUS_MASTER + 2, 0x26);
        // The drive waits until it is reset.
        script.out8(0x3f6, 4).out8(0x3f6, 0).in8(0x1f7).send(1)
    });
    let ended = run(script, &disk)?;
    let expected = [0x22, 0x50].repeat(places.len());
    ensure!(ended.stdout == expected, "{:x?}", ended.stdout);
    ensure!(ended.report()?.refused("ide") == 6, "each is counted");
    ensure!(std::fs::read(&disk)? == contents(), "the file");
    Ok(())
}

#[test]
fn the_bus_master_rests_while_the_function_may_not() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = disk(&scratch)?;
    let script = function(Script::new().memory(DATA, &[0; SECTOR]), 1);
    let script = command(script, READ_DMA, LBA, 3, 1);
    let script = start(script, INTO_MEMORY, DATA | 0x200 << 32);
    // Some milliseconds, in which it may not: a port that nobody has takes 8 us or more.
    let script = script.in8(0x80).repeat(1, 2000);
    let script = await_end(function(script.read(1, DATA).send(1), 5));
    let script = function(script.read(1, DATA).send(1), 0);
    // With its ports off, nobody answers.
    let ended = run(script.in8(0x1f7).send(1), &disk)?;
    ensure!(ended.stdout == [0, 3, 0xff], "{:x?}", ended.stdout);
    Ok(())
}

#[test]
fn a_storm_on_all_ports_leaves_the_file_and_the_disk_intact() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let disk = disk(&scratch)?;
    let mut script = Script::new();
    for value in [0x00, 0xff, 0x55, READ_DMA, 0xec] {
        for port in (0x1f1..0x1f8)
            .chain([0x3f6])
            .chain(BUS_MASTER..BUS_MASTER + 16)
        {
            script = script.out8(port, value).in8(port).in16(port);
        }
        script = script
            .out32(0x1f0, u32::MAX)
            .in32(0x1f0)
            .in32(0x1f4)
            .in16(0x1f7);
    }
    // Writes that stop in their middle, of both drives, and one that is cut by a reset.
    script = command(script.out8(0x3f6, 4).out8(0x3f6, 0), WRITE, LBA, 1, 2);
    script = script.outs(0x1f0, 511);
    script = command(script, WRITE, LBA | DEV, 1, 2).outs(0x1f0, 600);
    script = command(script, WRITE, LBA, 1, 2).outs(0x1f0, 100);
    script = script.out8(0x3f6, 4).out8(0x3f6, 0).outs(0x1f0, 2000);
    let script = command(script, READ, LBA, 9, 1);
    let script = script
        .ins(0x1f0, SECTOR as u32)
        .print(BUFFER, SECTOR as u64);
    let ended = run(script, &disk)?;
    ensure!(ended.stdout == [9; SECTOR], "what was read at the end");
    ensure!(ended.report()?.refused("ide") > 2000, "counted");
    ensure!(std::fs::read(&disk)? == contents(), "the file");
    Ok(())
}
