//! IDE: disks for a guest without virtio drivers, by programmed IO or by bus-master DMA.
//!
//! ```text
//!  ports 0x1f0..0x1f7, 0x3f6 ----> Channel --PIO--> Drive ----> DiskFile
//!  BAR 4, ports -> BusMasterPorts -> |  ^                          ^
//!                                job v  | its end                  |
//!  configuration --> Piix           DmaWork (a thread) --PRDs------+--> guest memory
//! ```
//!
//! - [`ata`] is what drives do by their manual: registers, commands, IDENTIFY data.
//! - [`channel`] is the cable with at most two drives: ports, transfers by PIO, the interrupt.
//! - [`bus_master`] has the registers of DMA, [`prd`] reads lists of memory regions, and [`dma`] is
//!   the thread that moves the data while the guest runs on.
//! - [`piix`] is the PCI function.
//!
//! ATA is ATA/ATAPI-6 (INCITS 361-2002), with the commands of older ones that old kernels use; the
//! controller is Intel's 82371SB (PIIX3), order number 290550, chapters 2.3 and 2.6.
//!
//! Lock order: the channel, then [`dma`]'s gate; the thread never holds both.

pub mod ata;
pub mod bus_master;
pub mod channel;
mod dma;
pub mod piix;
mod prd;
#[cfg(any(test, feature = "fuzzing"))]
pub mod testing;
#[cfg(test)]
mod tests;
