//! Register layout of virtio over MMIO, version 2 (virtio 1.3 4.2.2).

/// Bytes of a device's register block, configuration space included.
pub const BLOCK_BYTES: u64 = 0x1000;
/// Where the device's configuration starts.
pub const CONFIG_OFFSET: u64 = 0x100;

/// "virt".
pub const MAGIC: u32 = 0x7472_6976;
/// Not the legacy interface.
pub const VERSION: u32 = 2;
/// Free for the implementer to choose: "host".
pub const VENDOR: u32 = 0x7473_6f68;

/// Declares the registers, from one table, as an enum and the lookup by offset.
macro_rules! registers {
    ($($(#[$doc:meta])* $name:ident = $offset:literal,)*) => {
        /// A 32-bit register.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Register {
            $($(#[$doc])* $name = $offset,)*
        }

        impl Register {
            /// All of them, in the order of their offsets.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The register at `offset`.
            pub fn at(offset: u64) -> Option<Self> {
                match offset {
                    $($offset => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

registers! {
    /// R: [`MAGIC`].
    Magic = 0x000,
    /// R: [`VERSION`].
    Version = 0x004,
    /// R: device type.
    DeviceId = 0x008,
    /// R: [`VENDOR`].
    VendorId = 0x00c,
    /// R: the 32 features that `DeviceFeaturesSel` selects.
    DeviceFeatures = 0x010,
    /// W: which 32 features.
    DeviceFeaturesSel = 0x014,
    /// W: those of the selected 32 features that the driver accepts.
    DriverFeatures = 0x020,
    /// W: which 32 features.
    DriverFeaturesSel = 0x024,
    /// W: which queue the registers below stand for.
    QueueSel = 0x030,
    /// R: largest size of the queue, 0 for a queue that is not there.
    QueueSizeMax = 0x034,
    /// W: size of the queue.
    QueueSize = 0x038,
    /// RW: 1 when the queue may be used.
    QueueReady = 0x044,
    /// W: index of a queue with new buffers.
    QueueNotify = 0x050,
    /// R: why the device has interrupted.
    InterruptStatus = 0x060,
    /// W: reasons that the driver has handled.
    InterruptAck = 0x064,
    /// RW: device status; 0 resets.
    Status = 0x070,
    /// W: descriptor table.
    QueueDescLow = 0x080,
    /// W: its upper half.
    QueueDescHigh = 0x084,
    /// W: available ring.
    QueueDriverLow = 0x090,
    /// W: its upper half.
    QueueDriverHigh = 0x094,
    /// W: used ring.
    QueueDeviceLow = 0x0a0,
    /// W: its upper half.
    QueueDeviceHigh = 0x0a4,
    /// W: which shared memory region.
    ShmSel = 0x0ac,
    /// R: its length.
    ShmLenLow = 0x0b0,
    /// R: upper half.
    ShmLenHigh = 0x0b4,
    /// R: its address.
    ShmBaseLow = 0x0b8,
    /// R: upper half.
    ShmBaseHigh = 0x0bc,
    /// RW: reset of one queue (not offered).
    QueueReset = 0x0c0,
    /// R: changes with the configuration.
    ConfigGeneration = 0x0fc,
}
