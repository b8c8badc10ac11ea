//! What the whole-VM tests and the benchmarks are made of.
//!
//! - [`TestVm`] is a `hostel run` as a child process, on pipes or on a terminal of its own; each
//!   wait has a deadline, and a child that is left over is killed.
//! - [`Kernel`] wraps machine code ([`machine_code!`]) into an ELF file; [`Script`] makes one that
//!   does a list of port, memory and register accesses.
//! - [`binary`] finds `hostel`, [`host`] says whether and on what kind of KVM a test can run.
//! - [`multiboot`] is a kernel that checks the machine as it finds it.
//! - [`virtio`], [`virtio_pci`], [`block`] and [`net`] are the driver's side of a device, as steps of a [`Script`].
//! - [`disassembly`] looks for instructions that a kernel image must not have.
//! - [`within_tries`] is for counts that depend on who of host and guest comes first.
//! - [`mod@bench`] times things and prints them.
//! - [`linux`] is Debian's kernel as a guest, [`pattern`] makes bytes that can be checked.
//! - [`nested`] is a host with hardware KVM inside QEMU, for all of these: `cargo nested`.
//!
//! A test reads like a script:
//! `TestVm::builder().kernel(&kernel).memory("64M").boot()?.wait_for("ready")?`.

pub mod bench;
pub mod binary;
pub mod block;
pub mod disassembly;
pub mod host;
mod kernel;
pub mod library;
pub mod linux;
pub mod multiboot;
pub mod nested;
pub mod net;
pub mod pattern;
pub mod report;
mod scratch;
mod script;
mod stream;
pub mod terminal;
mod tries;
pub mod virtio;
pub mod virtio_pci;
mod vm;

pub use kernel::Kernel;
pub use scratch::Scratch;
pub use script::{BUFFER, CPUID_RESULT, ENTRY_REGISTER, Script};
pub use tries::within_tries;
pub use vm::{Builder, Ended, TestVm};
