//! The driver's side of a virtio-mmio device as steps of a [`Script`] (virtio 1.3 4.2).

use crate::script::Script;

/// Registers (virtio 1.3 4.2.2).
pub mod reg {
    /// "virt".
    pub const MAGIC: u64 = 0x000;
    /// 2.
    pub const VERSION: u64 = 0x004;
    /// Kind of device.
    pub const DEVICE_ID: u64 = 0x008;
    /// Feature bits of the selected word.
    pub const DEVICE_FEATURES: u64 = 0x010;
    /// Selects that word.
    pub const DEVICE_FEATURES_SEL: u64 = 0x014;
    /// Features that the driver takes.
    pub const DRIVER_FEATURES: u64 = 0x020;
    /// Selects the word of them.
    pub const DRIVER_FEATURES_SEL: u64 = 0x024;
    /// Selects a queue.
    pub const QUEUE_SEL: u64 = 0x030;
    /// Entries of the queue.
    pub const QUEUE_NUM: u64 = 0x038;
    /// Makes it live.
    pub const QUEUE_READY: u64 = 0x044;
    /// Doorbell.
    pub const QUEUE_NOTIFY: u64 = 0x050;
    /// Status of the handshake.
    pub const STATUS: u64 = 0x070;
    /// Addresses of the three rings, 64 bits each.
    pub const QUEUE_ADDRESSES: [u64; 3] = [0x080, 0x090, 0x0a0];
    /// Start of the configuration space.
    pub const CONFIG: u64 = 0x100;
}

/// First device; they are a page apart, disks first, then console and rng.
pub const DEVICES: u64 = 0xd000_0000;
/// Distance of devices.
pub const DEVICE_BYTES: u64 = 0x1000;

/// Status bits of a driver that goes on: ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK.
const HANDSHAKE: [u64; 3] = [1, 3, 11];
const DRIVER_OK: u64 = 15;
/// VIRTIO_F_VERSION_1 in the second word.
const VERSION_1: u64 = 1;

/// Where the rings of a queue are: descriptors, available, used.
#[derive(Clone, Copy, Debug)]
pub struct Rings(pub [u64; 3]);

impl Rings {
    /// A page each from `base` on.
    pub const fn at(base: u64) -> Self {
        Self([base, base + 0x1000, base + 0x2000])
    }

    /// Fills them: these descriptors, and chains that start with `heads` made available.
    pub fn fill(self, script: Script, descriptors: &[Descriptor], heads: &[u16]) -> Script {
        let table: Vec<u8> = descriptors.iter().flat_map(|d| d.bytes()).collect();
        let count = u16::try_from(heads.len()).expect("a handful");
        let available = [&[0, count], heads].concat();
        let available: Vec<u8> = available.into_iter().flat_map(u16::to_le_bytes).collect();
        script
            .memory(self.0[0], &table)
            .memory(self.0[1], &available)
            .memory(self.0[2], &[0; 64])
    }

    /// Waits until the device has used so many chains.
    pub fn wait(self, script: Script, chains: u16) -> Script {
        script.wait16(self.0[2] + 2, chains)
    }
}

/// A descriptor (virtio 1.3 2.7.5).
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// Guest-physical address.
    pub address: u64,
    /// Bytes.
    pub len: u32,
    /// [`Self::NEXT`], [`Self::WRITE`], [`Self::INDIRECT`].
    pub flags: u16,
    /// The next one.
    pub next: u16,
}

impl Descriptor {
    /// Another one follows.
    pub const NEXT: u16 = 1;
    /// The device writes.
    pub const WRITE: u16 = 2;
    /// It is a table of descriptors.
    pub const INDIRECT: u16 = 4;

    /// As it is in memory.
    pub fn bytes(self) -> Vec<u8> {
        let mut bytes = self.address.to_le_bytes().to_vec();
        bytes.extend(self.len.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.next.to_le_bytes());
        bytes
    }
}

/// [`negotiate_with`] no feature but that of the version.
pub fn negotiate(script: Script, base: u64) -> Script {
    negotiate_with(script, base, 0)
}

/// Resets the device at `base` and goes through the handshake up to FEATURES_OK, with these
/// features of the first word.
pub fn negotiate_with(script: Script, base: u64, features: u64) -> Script {
    let script = script.write(4, base + reg::STATUS, 0);
    let script = HANDSHAKE[..2]
        .iter()
        .fold(script, |s, status| s.write(4, base + reg::STATUS, *status));
    script
        .write(4, base + reg::DRIVER_FEATURES_SEL, 0)
        .write(4, base + reg::DRIVER_FEATURES, features)
        .write(4, base + reg::DRIVER_FEATURES_SEL, 1)
        .write(4, base + reg::DRIVER_FEATURES, VERSION_1)
        .write(4, base + reg::STATUS, HANDSHAKE[2])
}

/// Sets queue `index` up.
pub fn set_queue(script: Script, base: u64, index: u64, size: u64, rings: Rings) -> Script {
    let script =
        script
            .write(4, base + reg::QUEUE_SEL, index)
            .write(4, base + reg::QUEUE_NUM, size);
    let script = reg::QUEUE_ADDRESSES.into_iter().zip(rings.0).fold(
        script,
        |script, (register, address)| {
            script
                .write(4, base + register, address & 0xffff_ffff)
                .write(4, base + register + 4, address >> 32)
        },
    );
    script.write(4, base + reg::QUEUE_READY, 1)
}

/// The driver is ready.
pub fn driver_ok(script: Script, base: u64) -> Script {
    script.write(4, base + reg::STATUS, DRIVER_OK)
}
