//! What a queue needs of the memory that it shares with its device; tests have another than
//! [`DmaBuffer`].

use crate::mm::{DmaBuffer, PhysAddr};

/// Memory that the driver shares with the device, zero at first.
pub(super) trait SharedMemory: Sized {
    fn allocate(bytes: u64) -> Option<Self>;
    fn phys(&self) -> PhysAddr;
    fn read8(&self, offset: u64) -> u8;
    fn write8(&self, offset: u64, value: u8);
    fn read16(&self, offset: u64) -> u16;
    fn write16(&self, offset: u64, value: u16);
    fn read64(&self, offset: u64) -> u64;
    fn write64(&self, offset: u64, value: u64);
}

macro_rules! shared_memory {
    ($owner:ty: $($name:ident($($arg:ident: $arg_type:ty),*) $(-> $result:ty)?;)*) => {
        impl SharedMemory for $owner {
            fn allocate(bytes: u64) -> Option<Self> {
                Self::new(bytes)
            }
            $(
                #[inline]
                fn $name(&self, $($arg: $arg_type),*) $(-> $result)? {
                    self.$name($($arg),*)
                }
            )*
        }
    };
}

// Inherent methods of the same names win inside the macro.
shared_memory! { DmaBuffer:
    phys() -> PhysAddr;
    read8(offset: u64) -> u8;
    write8(offset: u64, value: u8);
    read16(offset: u64) -> u16;
    write16(offset: u64, value: u16);
    read64(offset: u64) -> u64;
    write64(offset: u64, value: u64);
}
