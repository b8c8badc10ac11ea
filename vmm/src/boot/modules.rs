//! Where initrd and modules go, each on pages of its own.
//!
//! For Linux and PVH that is the end of low memory, the first module highest; multiboot kernels
//! have theirs behind themselves, in order, as other boot loaders do.

use super::kernel::{Loaded, Protocol};
use super::layout::HIGH_MEMORY;
use crate::memory::{GuestMemory, HOLE_START};
use std::io;
use std::ops::Range;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, ReadVolatile};

const PAGE: u64 = 4096;

/// Why a module could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The kernel and it do not fit together.
    #[error(
        "the {what} of {size} bytes does not fit into the guest's memory beside the kernel: \
         give the guest more with --memory"
    )]
    TooLarge {
        /// Initrd or module.
        what: &'static str,
        /// Its size.
        size: u64,
    },
    /// The kernel's protocol has no place for it.
    #[error("a {protocol} kernel takes no {what}: {instead}")]
    TakesNone {
        /// The kernel's protocol.
        protocol: &'static str,
        /// Initrd or modules.
        what: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// It cannot be read.
    #[error("the {0} cannot be read")]
    Read(&'static str, #[source] io::Error),
}

/// A module in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Guest-physical addresses.
    pub range: Range<u64>,
    /// Words that come with it.
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Upwards,
    Downwards,
}

/// Free memory, of which each module takes some.
pub struct Free {
    range: Range<u64>,
    order: Order,
}

impl Free {
    /// What `kernel` leaves of low memory: above it, or below if there is more.
    pub fn beside(memory: &GuestMemory, kernel: &Loaded) -> Self {
        let low_end = (memory.last_addr().0 + 1).min(HOLE_START);
        let (order, limit) = match &kernel.protocol {
            Protocol::Multiboot1(_) | Protocol::Multiboot2(_) => (Order::Upwards, u64::MAX),
            Protocol::Linux64(Some(header)) => {
                (Order::Downwards, u64::from(header.initrd_addr_max) + 1)
            }
            Protocol::Linux64(None) | Protocol::Pvh | Protocol::Flat => {
                (Order::Downwards, u64::MAX)
            }
        };
        let above = kernel.span.end..low_end.min(limit);
        let below = HIGH_MEMORY..kernel.span.start;
        let size = |range: &Range<u64>| range.end.saturating_sub(range.start);
        let range = if size(&above) >= size(&below) {
            above
        } else {
            below
        };
        Self { range, order }
    }

    /// Loads `size` bytes of `what` from `source`, and says where.
    pub fn load(
        &mut self,
        memory: &GuestMemory,
        what: &'static str,
        source: &mut impl ReadVolatile,
        size: u64,
    ) -> Result<Range<u64>, ModuleError> {
        let start = self.take(size);
        let start = start.ok_or(ModuleError::TooLarge { what, size })?;
        let len = usize::try_from(size).expect("smaller than the guest's memory");
        memory
            .read_exact_volatile_from(GuestAddress(start), source, len)
            .map_err(|error| ModuleError::Read(what, io::Error::other(error)))?;
        Ok(start..start + size)
    }

    /// Takes whole pages for `size` bytes.
    fn take(&mut self, size: u64) -> Option<u64> {
        match self.order {
            Order::Upwards => {
                let start = self.range.start.checked_next_multiple_of(PAGE)?;
                let end = start.checked_add(size)?;
                let fits = end <= self.range.end;
                fits.then(|| self.range.start = end)?;
                Some(start)
            }
            Order::Downwards => {
                let start = self.range.end.checked_sub(size)? & !(PAGE - 1);
                let fits = start >= self.range.start;
                fits.then(|| self.range.end = start)?;
                Some(start)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MIN, create};

    fn kernel(protocol: Protocol) -> Loaded {
        Loaded {
            entry: HIGH_MEMORY,
            span: HIGH_MEMORY..HIGH_MEMORY + 1,
            protocol,
        }
    }

    #[test]
    fn an_initrd_ends_low_memory_on_a_page_of_its_own() {
        let memory = create(MIN).unwrap();
        let mut free = Free::beside(&memory, &kernel(Protocol::Pvh));
        let range = free.load(&memory, "initrd", &mut &[7_u8; 5000][..], 5000);
        let range = range.unwrap();
        assert_eq!(range, (MIN.0 - 8192)..(MIN.0 - 8192 + 5000));
        let last = GuestAddress(range.end - 1);
        assert_eq!(memory.read_obj::<u8>(last).unwrap(), 7);
        let second = free.load(&memory, "module", &mut &[8_u8; 1][..], 1);
        assert_eq!(second.unwrap().start, MIN.0 - 3 * 4096);
    }

    #[test]
    fn modules_of_a_multiboot_kernel_follow_it_in_order() {
        let memory = create(MIN).unwrap();
        let kernel = kernel(Protocol::Multiboot1(Default::default()));
        let mut free = Free::beside(&memory, &kernel);
        let mut load = |size: u64| {
            let bytes = vec![1; usize::try_from(size).unwrap()];
            free.load(&memory, "module", &mut &bytes[..], size).unwrap()
        };
        assert_eq!(load(4096), HIGH_MEMORY + 4096..HIGH_MEMORY + 8192);
        assert_eq!(load(0), HIGH_MEMORY + 8192..HIGH_MEMORY + 8192);
        assert_eq!(load(1), HIGH_MEMORY + 8192..HIGH_MEMORY + 8193);
    }

    #[test]
    fn one_that_reaches_the_kernel_or_is_cut_short_is_refused() {
        let memory = create(MIN).unwrap();
        for protocol in [Protocol::Pvh, Protocol::Multiboot2(Default::default())] {
            for size in [MIN.0, u64::MAX] {
                let mut free = Free::beside(&memory, &kernel(protocol.clone()));
                let loaded = free.load(&memory, "initrd", &mut &[][..], size);
                assert!(matches!(loaded, Err(ModuleError::TooLarge { .. })));
            }
        }
        let mut free = Free::beside(&memory, &kernel(Protocol::Pvh));
        let short = free.load(&memory, "initrd", &mut &[0_u8; 10][..], 100);
        assert!(matches!(short, Err(ModuleError::Read(..))));
    }

    #[test]
    fn an_initrd_stays_below_what_the_kernel_reaches() {
        let memory = create(MIN).unwrap();
        let header = super::super::bzimage::SetupHeader {
            initrd_addr_max: 0x20_0fff,
            ..Default::default()
        };
        let kernel = kernel(Protocol::Linux64(Some(Box::new(header))));
        let mut free = Free::beside(&memory, &kernel);
        let range = free.load(&memory, "initrd", &mut &[7_u8; 4096][..], 4096);
        assert_eq!(range.unwrap(), 0x20_0000..0x20_1000);
    }
}
