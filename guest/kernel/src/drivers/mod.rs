//! Devices, as the rest of the kernel sees them.
//!
//! - [`BlockDevice`] and [`CharDevice`] are what they can do; payload lies in [`Segment`]s of
//!   pinned memory and is not copied.
//! - [`net`] is what network cards can do.
//! - `clocks` are the sources of time that can be compared.
//! - `alarm` and `ipi` measure interrupts.
//! - `hypercall` is a page of requests that takes one exit.
//! - `uart` is the 16550 of a PC, `ata` its IDE disks; `virtio` finds and drives virtio devices, in memory and on the
//!   bus of `pci`, where the network cards `e1000` and `ne2000` are, too.
//!
//! [`init`] remembers the command line and sets up the console alone. Everything else is brought
//! up when it is first asked for, as each register costs an exit.

mod alarm;
mod ata;
mod clocks;
mod e1000;
mod hypercall;
mod ipi;
mod lazy;
mod ne2000;
pub mod net;
mod pci;
mod pinned;
mod uart;
mod virtio;

pub use net::NetDevice;
pub use pinned::Segment;

use crate::cmdline::Cmdline;
use crate::sync::Once;
use crate::{arch, time};
use abi::image::{HYPERCALLS_KVM, param};
use abi::syscall::{Errno, IoMode};
use uart::COM1;

/// A disk.
pub trait BlockDevice: Sync {
    /// Its size in sectors of 512 bytes.
    fn sectors(&self) -> u64;

    /// Reads from `sector` on, as much as `to` holds.
    ///
    /// [`Errno::Inval`] unless that is whole sectors, [`Errno::NoSpc`] beyond the end,
    /// [`Errno::Io`] when the device fails.
    fn read(&self, sector: u64, to: &[Segment], mode: IoMode) -> Result<(), Errno>;

    /// Writes `from` to `sector` and on. Errors as for reading, and [`Errno::Perm`] for a disk
    /// that is read-only.
    fn write(&self, sector: u64, from: &[Segment], mode: IoMode) -> Result<(), Errno>;

    /// Returns when all that was written before is on stable storage.
    fn flush(&self, mode: IoMode) -> Result<(), Errno>;
}

/// A stream of bytes, which can be read or written or both.
pub trait CharDevice: Sync {
    /// Writes `from`; number of bytes. The bytes of one call stay together.
    fn write(&self, _from: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        Err(Errno::BadF)
    }

    /// Waits for bytes and reads at most what `to` holds; their number. With
    /// [`IoMode::Poll`] a terminal that has none answers [`Errno::Again`].
    fn read(&self, _to: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        Err(Errno::BadF)
    }
}

/// Where the kernel's own text goes.
pub trait ConsoleDevice: CharDevice {
    /// Writes it without sleeping, also in a panic, as well as can be.
    fn write_now(&self, bytes: &[u8]);
}

/// Counts since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests completed by disks.
    pub block_requests: u64,
    /// Doorbells rung.
    pub notifications: u64,
}

/// Size of a sector of every disk here.
const SECTOR_BYTES: u64 = 512;
/// Between two looks at the clock while polling.
const POLLS_PER_LOOK: u32 = 256;

/// Name of the console on the virtio device.
const VIRTIO_CONSOLE: &str = "hvc0";

static CONSOLE: Once<&'static dyn ConsoleDevice> = Once::new();

/// Sets up the serial port and the console that the command line names. The serial port is the
/// console when it names none, or one that is not there.
pub fn init(cmdline: &Cmdline) {
    let burst_bytes = cmdline
        .get(param::UART_FIFO)
        .and_then(|text| text.parse().ok());
    COM1.init(burst_bytes);
    if cmdline.get(param::HYPERCALLS) == Some(HYPERCALLS_KVM) {
        arch::kvm::allow_calls();
    }
    clocks::init(cmdline.get(param::ACPI_TIMER).and_then(parse_number));
    pci::init(cmdline.get(param::PCI_ECAM).and_then(parse_number));
    virtio::init(cmdline);
    let virtio = match cmdline.get(param::CONSOLE) {
        Some(VIRTIO_CONSOLE) => virtio::console::first(),
        _ => None,
    };
    CONSOLE.set(virtio.unwrap_or(&COM1));
}

/// Where the console stream goes; the serial port before [`init`].
pub fn console() -> &'static dyn ConsoleDevice {
    CONSOLE.get().copied().unwrap_or(&COM1)
}

/// The device of a name, in one family of names.
type Family = fn(&str) -> Option<&'static dyn CharDevice>;

const FAMILIES: [Family; 8] = [
    uart::device,
    virtio::console::device,
    virtio::rng::device,
    virtio::balloon::device,
    clocks::device,
    hypercall::device,
    alarm::device,
    ipi::device,
];

/// The stream device of this name: `console`; `ttyS0`; `ttyS1`, which `ttyS1-byte` opens without
/// its FIFO; `hvc1`, the second virtio console; `rng`; a source of time; or one of the hypercall
/// page, the alarm, interrupts between processors, or the balloon.
pub fn char_device(name: &str) -> Option<&'static dyn CharDevice> {
    if name == "console" {
        return Some(console());
    }
    FAMILIES.iter().find_map(|family| family(name))
}

/// The disk of this name: `vda` and on, in the order of the command line, then of PCI; `hda` and
/// the others of `ata`.
pub fn block_device(name: &str) -> Option<&'static dyn BlockDevice> {
    match name.strip_prefix("vd").map(str::as_bytes) {
        Some(&[letter @ b'a'..=b'z']) => disk(usize::from(letter - b'a')),
        _ => ata::disk(name),
    }
}

/// Disk number `index` of virtio.
pub fn disk(index: usize) -> Option<&'static dyn BlockDevice> {
    virtio::blk::disk(index)
}

/// The number of bytes of `segments`, if they are whole sectors, from `sector` on, of a disk of
/// `sectors`.
fn check_range(sectors: u64, sector: u64, segments: &[Segment]) -> Result<u64, Errno> {
    let bytes: u64 = segments.iter().map(|segment| u64::from(segment.len)).sum();
    if bytes == 0 || !bytes.is_multiple_of(SECTOR_BYTES) {
        return Err(Errno::Inval);
    }
    let end = sector.checked_add(bytes / SECTOR_BYTES);
    end.filter(|end| *end <= sectors)
        .map(|_| bytes)
        .ok_or(Errno::NoSpc)
}

/// Looks until `done`; false if that is not so at the deadline, or later: the host may have kept
/// this processor from looking in time.
fn poll_until(mut done: impl FnMut() -> bool, deadline_ns: u64) -> bool {
    loop {
        for _ in 0..POLLS_PER_LOOK {
            if done() {
                return true;
            }
            arch::relax();
        }
        if time::now_ns() >= deadline_ns {
            return done();
        }
    }
}

/// The same, for so long.
fn poll_for(timeout_ns: u64, done: impl FnMut() -> bool) -> bool {
    poll_until(done, time::deadline(timeout_ns))
}

/// A number of the command line, in decimal or, with 0x, in hexadecimal.
fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Counts of all drivers.
pub fn counters() -> Counters {
    Counters {
        block_requests: virtio::blk::requests() + ata::requests(),
        notifications: virtio::notifications(),
    }
}
