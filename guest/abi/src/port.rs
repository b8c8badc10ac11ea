//! IO ports of Hostel's own. Under another VMM nothing answers there and a write does nothing.

/// Ends the VM with the byte written: an [`Exit`], or any other value as a guest's own code.
pub const DEBUG_EXIT: u16 = 0x501;

/// Notes the time at which a value was written whose low byte is a [`Mark`]; those that measure have
/// the number of what is measured above it, in a write of 32 bits.
pub const MARK: u16 = 0x504;

const _: () = assert!(MARK.is_multiple_of(4), "a write of 32 bits is one");

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

numbered! {
    /// A point in time that the host notes.
    Mark: u8 {
        /// First instructions of the kernel.
        Kernel = 1,
        /// About to enter the first program.
        User = 2,
        /// What is measured begins.
        Begin = 3,
        /// It has ended.
        End = 4,
        /// Before or after it: the host looks how much of its memory the guest has.
        Look = 5,
    }
}

impl Mark {
    /// The mark and number that a value written stands for.
    pub fn from_value(value: u32) -> Option<(Self, u32)> {
        let [mark, ..] = value.to_le_bytes();
        Some((Self::from_number(mark)?, value >> 8))
    }

    /// The value for a mark of that number, of which 24 bits count.
    pub fn value(self, number: u32) -> u32 {
        number << 8 | self as u32
    }
}
