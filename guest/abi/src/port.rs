//! IO ports of Hostel's own. Under another VMM nothing answers there and a write does nothing.

/// Ends the VM with the byte written: an [`Exit`], or any other value as a guest's own code.
pub const DEBUG_EXIT: u16 = 0x501;

/// Notes the time at which the byte written, a [`Mark`], arrived.
pub const MARK: u16 = 0x502;

/// Bytes written to [`DEBUG_EXIT`] that have a meaning of their own.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The guest has ended well.
    PowerOff = 0,
    /// The guest has done what it was asked and found a failure, which it has reported.
    Failed = 1,
    /// The guest's kernel has panicked. Its panic record is in the console stream.
    Panic = 0xee,
}

/// A point of the boot whose time the host notes.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// First instructions of the kernel.
    Kernel = 1,
    /// About to enter the first program.
    User = 2,
}

impl Mark {
    /// The mark that `byte` stands for.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Kernel, Self::User]
            .into_iter()
            .find(|mark| *mark as u8 == byte)
    }
}
