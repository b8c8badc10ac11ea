//! Hostel's guest kernel: the whole of it but its entry code (`main.rs`), so that what does not
//! touch the machine is tested on the host.
//!
//! - [`boot`] and [`cmdline`] read what the loader left, [`initrd`] and [`elf`] what is to run.
//! - [`arch`] is the processor, [`mm`] memory, [`sched`] who runs, [`process`] what runs,
//!   [`syscall`] what it may ask for, [`drivers`] the devices.
//! - [`start()`] brings all of that up in order.
//!
//! On a software KVM host each instruction here costs up to a microsecond. Hence tables filled
//! in by the assembler and at compile time, work put off until somebody needs it, and no loops
//! over memory.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod arch;
pub mod boot;
pub mod cmdline;
mod console;
pub mod drivers;
pub mod elf;
pub mod initrd;
pub mod irq;
mod machine;
pub mod mm;
pub mod panic;
mod process;
pub mod sched;
mod start;
pub mod sync;
mod syscall;
pub mod time;

pub use start::start;
