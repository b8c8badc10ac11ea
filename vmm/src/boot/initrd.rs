//! Where the initrd goes: the end of low memory, on a page of its own.

use crate::memory::{GuestMemory, HOLE_START};
use std::io;
use std::ops::Range;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, ReadVolatile};

/// Why an initrd could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum InitrdError {
    /// Kernel and initrd do not fit together.
    #[error(
        "the initrd of {size} bytes does not fit into the guest's memory beside the kernel: \
         give the guest more with --memory"
    )]
    TooLarge {
        /// Its size.
        size: u64,
    },
    /// It cannot be read.
    #[error("the initrd cannot be read")]
    Read(#[source] io::Error),
}

/// Loads `size` bytes from `source` above `kernel_end`, and says where.
pub fn load(
    memory: &GuestMemory,
    source: &mut impl ReadVolatile,
    size: u64,
    kernel_end: u64,
) -> Result<Range<u64>, InitrdError> {
    let low_end = (memory.last_addr().0 + 1).min(HOLE_START);
    let start = low_end.checked_sub(size).map(|start| start & !0xfff);
    let Some(start) = start.filter(|start| *start >= kernel_end) else {
        return Err(InitrdError::TooLarge { size });
    };
    let len = usize::try_from(size).expect("smaller than the guest's memory");
    memory
        .read_exact_volatile_from(GuestAddress(start), source, len)
        .map_err(|error| InitrdError::Read(io::Error::other(error)))?;
    Ok(start..start + size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MIN, create};

    #[test]
    fn it_ends_low_memory_on_a_page_of_its_own() {
        let memory = create(MIN).unwrap();
        let range = load(&memory, &mut &[7_u8; 5000][..], 5000, 1 << 20).unwrap();
        assert_eq!(range, (MIN.0 - 8192)..(MIN.0 - 8192 + 5000));
        assert_eq!(memory.read_obj::<u8>(GuestAddress(range.end - 1)).unwrap(), 7);
    }

    #[test]
    fn one_that_reaches_the_kernel_or_is_cut_short_is_refused() {
        let memory = create(MIN).unwrap();
        let too_large = load(&memory, &mut &[][..], MIN.0, 1 << 20);
        assert!(matches!(too_large, Err(InitrdError::TooLarge { .. })));
        let too_large = load(&memory, &mut &[][..], u64::MAX, 1 << 20);
        assert!(matches!(too_large, Err(InitrdError::TooLarge { .. })));
        let short = load(&memory, &mut &[0_u8; 10][..], 100, 1 << 20);
        assert!(matches!(short, Err(InitrdError::Read(_))));
    }
}
