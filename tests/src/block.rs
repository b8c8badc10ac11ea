//! Requests of a virtio-blk driver as steps of a [`Script`] (virtio 1.3 5.2.6), on virtio-mmio;
//! [`crate::virtio_pci`] does the same on PCI.

use crate::script::{BUFFER, Script};
use crate::virtio::{self, DEVICES, Descriptor, Rings, reg};
use crate::{Builder, Ended, Scratch};
use anyhow::{Result, ensure};

/// Bytes of a sector.
pub const SECTOR_BYTES: usize = 512;

/// Apart from where a test has rings of its own.
pub const RINGS: Rings = Rings::at(BUFFER + 0x10_0000);
const HEADER: u64 = BUFFER + 0x11_0000;
const STATUS: u64 = BUFFER + 0x11_1000;
const DATA: u64 = BUFFER + 0x11_2000;

/// Kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Request {
    /// From the disk.
    Read = 0,
    /// To the disk.
    Write = 1,
}

/// Places a request for a sector in memory from the start, made available, and undone.
pub fn place(script: Script, kind: Request, sector: u64, data: &[u8; SECTOR_BYTES]) -> Script {
    let header = [(kind as u32).to_le_bytes(), [0; 4]].concat();
    let data_flags = match kind {
        Request::Read => Descriptor::WRITE | Descriptor::NEXT,
        Request::Write => Descriptor::NEXT,
    };
    let chain = [
        (HEADER, 16, Descriptor::NEXT),
        (DATA, SECTOR_BYTES as u32, data_flags),
        (STATUS, 1, Descriptor::WRITE),
    ];
    let chain: Vec<Descriptor> = (1..)
        .zip(chain)
        .map(|(next, (address, len, flags))| Descriptor {
            address,
            len,
            flags,
            next,
        })
        .collect();
    RINGS
        .fill(script, &chain, &[0])
        .memory(HEADER, &[header, sector.to_le_bytes().to_vec()].concat())
        .memory(STATUS, &[0xff])
        .memory(DATA, data)
}

/// Waits until the request is done, and prints its status byte and the data.
pub fn print(script: Script) -> Script {
    RINGS
        .wait(script, 1)
        .print(STATUS, 1)
        .print(DATA, SECTOR_BYTES as u64)
}

/// Resets the first virtio-mmio device, does one request for a sector, and prints its status byte
/// and the data.
pub fn request(script: Script, kind: Request, sector: u64, data: &[u8; SECTOR_BYTES]) -> Script {
    let script = virtio::negotiate(script, DEVICES);
    let script = virtio::set_queue(script, DEVICES, 0, 16, RINGS);
    let script = virtio::driver_ok(script, DEVICES);
    let script = place(script, kind, sector, data);
    print(script.write(4, DEVICES + reg::QUEUE_NOTIFY, 0))
}

/// Runs an attack on a machine with a disk, then `request`, which has the driver read a sector as
/// it should: it gets that, and the disk is unchanged.
pub fn survives(
    vm: Builder,
    attack: Script,
    request: impl FnOnce(Script) -> Script,
) -> Result<Ended> {
    const BYTES: usize = 64 * SECTOR_BYTES;
    let scratch = Scratch::new()?;
    let path = scratch.write("disk", &[0x5a; BYTES])?;
    let script = request(attack.say("\n<"));
    let vm = vm.kernel(&script.pvh()).disk(&path).report();
    let ended = vm.run()?.expect(0)?;
    let expected = [&b"\n<\0"[..], &[0x5a; SECTOR_BYTES]].concat();
    ensure!(
        ended.stdout.ends_with(&expected),
        "the disk does not answer: {:?}",
        ended.text()
    );
    let unchanged = std::fs::read(&path)? == [0x5a; BYTES];
    ensure!(unchanged, "the disk has changed");
    Ok(ended)
}
