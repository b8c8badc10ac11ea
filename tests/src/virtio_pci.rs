//! The driver's side of a virtio device on PCI as steps of a [`Script`] (virtio 1.3 4.1).

use crate::block::{self, Request, SECTOR_BYTES};
use crate::script::Script;
use crate::virtio::Rings;

/// Configuration space of bus 0 in memory, 32 KiB a device.
pub const ECAM: u64 = 0xe000_0000;
/// Where BARs may be.
pub const WINDOW: u64 = 0xc000_0000;
/// Bytes of the BAR of a virtio device.
pub const BAR_BYTES: u64 = 0x4000;
/// Ports of a configuration register's address and data.
pub const ADDRESS_PORT: u16 = 0xcf8;
/// Ports of its data.
pub const DATA_PORT: u16 = 0xcfc;

/// Offsets in configuration space.
pub mod config {
    /// Command: ports, memory, bus master, and further bits.
    pub const COMMAND: u64 = 0x04;
    /// Status.
    pub const STATUS: u64 = 0x06;
    /// The BAR.
    pub const BAR0: u64 = 0x10;
    /// Message control of MSI-X, whose capability is the first.
    pub const MSIX_CONTROL: u64 = 0x42;
}

/// Offsets in the BAR, as Hostel's capabilities have them.
pub mod reg {
    /// Selects the word of the driver's features.
    pub const DRIVER_FEATURES_SEL: u64 = 0x08;
    /// Features that the driver takes.
    pub const DRIVER_FEATURES: u64 = 0x0c;
    /// Vector of configuration changes.
    pub const CONFIG_VECTOR: u64 = 0x10;
    /// Number of queues.
    pub const NUM_QUEUES: u64 = 0x12;
    /// Status of the handshake.
    pub const STATUS: u64 = 0x14;
    /// Selects a queue.
    pub const QUEUE_SEL: u64 = 0x16;
    /// Entries of the queue.
    pub const QUEUE_SIZE: u64 = 0x18;
    /// Its vector.
    pub const QUEUE_VECTOR: u64 = 0x1a;
    /// Makes it live.
    pub const QUEUE_ENABLE: u64 = 0x1c;
    /// Addresses of the three rings, 64 bits each.
    pub const QUEUE_ADDRESSES: [u64; 3] = [0x20, 0x28, 0x30];
    /// Reasons of INTx.
    pub const ISR: u64 = 0x100;
    /// Doorbells, 4 bytes a queue.
    pub const NOTIFY: u64 = 0x1000;
    /// Table of MSI-X, 16 bytes a vector.
    pub const MSIX_TABLE: u64 = 0x2000;
    /// Its pending bits.
    pub const MSIX_PENDING: u64 = 0x3000;
}

/// Memory, bus master.
const COMMAND_ON: u64 = 6;
const MSIX_ENABLE: u64 = 1 << 15;
const FEATURES_OK: u64 = 11;
const DRIVER_OK: u64 = 15;
/// VIRTIO_F_VERSION_1 in the second word.
const VERSION_1: u64 = 1;

/// A function, with its BAR where the driver puts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its number on the bus: disks come first, from 1 on, then console and rng.
    pub device: u8,
    /// Address of its BAR.
    pub bar: u64,
}

impl Function {
    /// The first disk, where firmware has put it.
    pub const DISK: Self = Self {
        device: 1,
        bar: WINDOW,
    };

    /// The same function with its BAR elsewhere.
    pub const fn at(self, bar: u64) -> Self {
        Self { bar, ..self }
    }

    /// Address of a register of configuration space.
    pub const fn config(self, register: u64) -> u64 {
        ECAM + ((self.device as u64) << 15) + register
    }

    /// The same for the address port.
    pub fn address(self, register: u8) -> u32 {
        1 << 31 | u32::from(self.device) << 11 | u32::from(register)
    }

    /// Puts the BAR where it is to be.
    pub fn place(self, script: Script) -> Script {
        script.write(4, self.config(config::BAR0), self.bar)
    }

    /// The same, and it decodes from then on.
    pub fn turn_on(self, script: Script) -> Script {
        let script = self.place(script);
        script.write(2, self.config(config::COMMAND), COMMAND_ON)
    }

    /// Resets the device and goes through the handshake up to FEATURES_OK.
    pub fn negotiate(self, script: Script) -> Script {
        let status = self.bar + reg::STATUS;
        let script = [0, 1, 3]
            .into_iter()
            .fold(script, |script, bits| script.write(1, status, bits));
        script
            .write(4, self.bar + reg::DRIVER_FEATURES_SEL, 0)
            .write(4, self.bar + reg::DRIVER_FEATURES, 0)
            .write(4, self.bar + reg::DRIVER_FEATURES_SEL, 1)
            .write(4, self.bar + reg::DRIVER_FEATURES, VERSION_1)
            .write(1, status, FEATURES_OK)
    }

    /// Sets queue `index` up.
    pub fn set_queue(self, script: Script, index: u64, size: u64, rings: Rings) -> Script {
        let script = script.write(2, self.bar + reg::QUEUE_SEL, index).write(
            2,
            self.bar + reg::QUEUE_SIZE,
            size,
        );
        let script = reg::QUEUE_ADDRESSES.into_iter().zip(rings.0).fold(
            script,
            |script, (register, address)| {
                script
                    .write(4, self.bar + register, address & 0xffff_ffff)
                    .write(4, self.bar + register + 4, address >> 32)
            },
        );
        script.write(2, self.bar + reg::QUEUE_ENABLE, 1)
    }

    /// The driver is ready.
    pub fn driver_ok(self, script: Script) -> Script {
        script.write(1, self.bar + reg::STATUS, DRIVER_OK)
    }

    /// Rings queue `index`.
    pub fn notify(self, script: Script, index: u64) -> Script {
        script.write(2, self.bar + reg::NOTIFY + 4 * index, index)
    }

    /// Turns MSI-X on.
    pub fn use_messages(self, script: Script) -> Script {
        script.write(2, self.config(config::MSIX_CONTROL), MSIX_ENABLE)
    }

    /// Sets table entry `vector` up; 1 as `masked` keeps it back.
    pub fn message(
        self,
        script: Script,
        vector: u64,
        (address, data): (u64, u32),
        masked: u64,
    ) -> Script {
        let entry = self.bar + reg::MSIX_TABLE + 16 * vector;
        script
            .write(8, entry, address)
            .write(4, entry + 8, data.into())
            .write(4, entry + 12, masked)
    }

    /// Turns the disk on, resets it, and sets it up for the request that [`block::place`] makes.
    pub fn start_disk(self, script: Script) -> Script {
        let script = self.negotiate(self.turn_on(script));
        self.driver_ok(self.set_queue(script, 0, 16, block::RINGS))
    }

    /// Does one request for a sector, from turning the disk on, and prints its status byte and the
    /// data.
    pub fn request(
        self,
        script: Script,
        kind: Request,
        sector: u64,
        data: &[u8; SECTOR_BYTES],
    ) -> Script {
        let script = block::place(self.start_disk(script), kind, sector, data);
        block::print(self.notify(script, 0))
    }
}
