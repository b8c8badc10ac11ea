//! A host with hardware KVM, out of QEMU's software emulation and Debian's kernel.
//!
//! QEMU's emulated AMD processor has SVM and nested paging, so Debian's kernel in it has a
//! `/dev/kvm` of the kind that most users have, on any x86-64 Linux. That kernel is the *nested
//! host*; what `hostel` boots inside is the guest.
//!
//! - [`Needs`] finds what Debian's packages give, or says which to install.
//! - [`Image`] is the nested host's disk: busybox, the modules, `hostel`, test binaries, jobs.
//! - [`Boot`] starts it and runs a job: a shell script in the image. What the job writes comes
//!   out at once, the files it leaves in `/results` and its exit status at the end ([`Ended`]).
//! - [`console`] knows what a nested host in trouble says.
//! - [`measured`] runs benchmarks there.
//! - [`suite`] runs the whole-VM test binaries as jobs; `src/bin/nested.rs` is the command.
//!
//! ```text
//!  this process --- QEMU --------------------------------------------------+
//!     ^   ^  ^        | nvme0n1: root, ext4           nested host: init.sh |
//!     |   |  +--------- ttyS0: output of the job      |                    |
//!     |   +------------ ttyS1: kernel's console       +-> hostel -> guest  |
//!     +---------------- nvme1n1: /results, as tar                          |
//!                     +----------------------------------------------------+
//! ```

mod boot;
mod cargo;
pub mod console;
mod image;
pub mod measured;
mod needs;
mod qemu;
pub mod suite;

pub use boot::{Boot, Clock, Ended};
pub use cargo::Profile;
pub use image::Image;
pub use needs::Needs;
