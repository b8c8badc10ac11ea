//! Hostel's virtual machine monitor.
//!
//! # Shape
//! ```text
//!  main.rs, cli.rs ---> run/ ------------------> machine.rs -------> vcpu_thread.rs, run_loop.rs
//!  (binary)             what the user asked for  one VM, put            |   ^
//!       |                 |                      together               v   |
//!       +-> compare/      +-> suite.rs             |  |  |            kvm/ (exits, registers)
//!       |                 |   stream.rs            |  |  +-> boot/     devices (other crate)
//!       +-> lab/          |   table.rs             |  +-> device_manager.rs
//!       +-> doctor/       +-> report.rs            +-> memory.rs, accounting.rs
//! ```
//! - [`kvm`] alone names KVM; [`memory`] maps the guest's memory; [`boot`] fills it with [`images`].
//! - [`device_manager`] alone wires devices; what they do is in crate `devices`.
//! - [`msr`] answers what KVM does not know of the processor.
//! - [`machine`] is a VM from configuration to [`halt::HaltReason`]; [`vcpu_thread`] starts and
//!   stops its vCPUs, [`run_loop`] runs them, [`accounting`] counts their exits; [`supervisor`] is
//!   the main thread's event loop: [`input`], [`screen`], deadline, signals, devices' timers, the
//!   guest's end.
//! - [`run`] is `hostel run`; [`suite`] listens to the built-in guest's results, which
//!   [`stream`] takes out of its console, [`table`] shows them and [`report`] writes them.
//! - [`compare`] is `hostel compare`: the built-in guest does the same work over each way to a
//!   device, and marks where what is measured begins and ends; tables, files and a page show it.
//! - [`lab`] is `hostel lab`: experiments, a file each, that the built-in guest does in VMs of their
//!   own; `output` is what its tables, charts and pages and those of [`compare`] are made with.
//! - [`guest`] holds the built-in guest, whose programs [`cpio`] packs; [`doctor`] is `hostel doctor`.
//!
//! # The way of a port write
//! `kvm::Vcpu::run` returns `VmExit::PioWrite`; `run_loop::handle` gives it to the `PioBus`, which
//! finds the device without a lock, locks that device and calls its `pio_write`; the time from
//! exit to the next entry is counted under (kind, device). A write that only says what the next
//! access is to (the clock's index) waits in KVM for the next exit and comes before it.

pub mod accounting;
pub mod boot;
pub mod compare;
pub mod cpio;
pub mod device_manager;
pub mod doctor;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod guest;
pub mod halt;
pub mod images;
pub mod input;
pub mod kvm;
pub mod lab;
pub mod machine;
pub mod memory;
pub mod msr;
mod output;
mod progress;
pub mod report;
pub mod run;
pub mod run_loop;
pub mod screen;
pub mod signals;
pub mod stream;
pub mod suite;
pub mod supervisor;
mod symbols;
pub mod table;
pub mod terminal;
pub mod vcpu_thread;

use std::error::Error;

/// An error and its sources in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        line = format!("{line}: {source}");
        next = source.source();
    }
    line
}
