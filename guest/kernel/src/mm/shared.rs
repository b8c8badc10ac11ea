//! Memory of a driver in programs: both see what the other, and the device, has written.
//!
//! Its frames stay the driver's for ever: each is counted for the driver, too ([`Lent`]), so that it is
//! not freed when the last program lets go of it. A child has none of it, and rights to it cannot be
//! changed: it is never copied. A program with a budget of frames has none: it is never evicted.

use abi::syscall::{Errno, Protection};
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{PAGE_BYTES, PhysAddr};
use super::area::{Area, Backing};
use super::frame;
use super::space::VmSpace;

/// Flag of a page that is shared with a driver, one of those that are left to software (SDM 3A
/// 4.5).
pub(super) const SHARED: Flags = Flags::BIT_9;

/// Frames that follow each other, lent to programs.
#[derive(Clone, Copy)]
pub struct Lent {
    phys: PhysAddr,
    /// A multiple of pages.
    bytes: u64,
    /// What programs may do with them.
    protection: Protection,
}

impl Lent {
    /// The frames from `phys` on, which are a driver's and stay so for ever. Once for each.
    pub fn new(phys: PhysAddr, bytes: u64, protection: Protection) -> Self {
        let bytes = bytes.next_multiple_of(PAGE_BYTES);
        let offsets = (0..bytes).step_by(PAGE_BYTES as usize);
        offsets.for_each(|offset| frame::share(phys.offset(offset)));
        Self {
            phys,
            bytes,
            protection,
        }
    }
}

impl VmSpace {
    /// Maps what a driver lends, one behind the other; the address.
    pub fn map_shared(&mut self, parts: &[Lent]) -> Result<u64, Errno> {
        if self.budgets.process.is_some() {
            return Err(Errno::Inval);
        }
        let start = self.room_for(parts.iter().map(|part| part.bytes).sum())?;
        let mut end = start;
        for part in parts {
            let area = Area {
                start: end,
                end: end + part.bytes,
                protection: part.protection,
                backing: Backing::Shared(part.phys),
            };
            self.add(area)?;
            end = area.end;
        }
        Ok(start)
    }
}
