//! Memory.
//!
//! - [`frame`] hands out physical frames, by `free` and [`buddy`] (of the crate `memory`); [`heap`] makes the kernel's heap of them.
//! - [`kernel_map`] is the kernel's half of every address space.
//! - [`space`] is a program's half: [`area`]s, and pages made on demand ([`fault`]; `large` those
//!   of 2 MiB), evicted (`evict`) as a policy of [`replacement`] says to [`swap`]; `confined` are
//!   areas with a budget of frames of their own, or a part of a [`pool`] that several processes share
//!   as a policy of [`allocation`] says.
//! - `advise` is what programs say of their pages; [`disk_file`] are pages of a disk, [`zeroes`] frames
//!   that were cleared before.
//! - [`shared`] is memory that programs share with a driver, [`common`] with their children, [`object`]
//!   with whoever knows its name.
//! - [`user`] is how the kernel reads and writes a program's memory: through the direct map, page
//!   by page, never by the program's own addresses.
//! - [`DmaBuffer`] and [`MmioRegion`] are for drivers.

#![expect(unsafe_code, reason = "page tables, the direct map and the heap")]

pub mod addr;
mod advise;
pub mod allocation;
pub mod area;
mod budgets;
pub mod common;
mod confined;
pub mod disk_file;
mod dma;
mod evict;
pub mod fault;
pub mod frame;
mod free;
pub mod heap;
pub mod kernel_map;
mod large;
mod mmio;
pub mod object;
pub mod page_table;
pub mod pool;
pub mod replacement;
pub mod shared;
pub mod space;
pub mod stacks;
pub mod swap;
mod transfer;
pub mod user;
pub mod zeroes;

pub use addr::{PAGE_BYTES, PhysAddr, phys_to_virt};
pub use dma::DmaBuffer;
pub use memory::buddy;
pub use mmio::MmioRegion;
