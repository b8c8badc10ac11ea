//! Virtio devices (virtio 1.3) behind virtio-mmio: finding them, and requests to them.
//!
//! ```text
//!  blk, console, rng --Request--> Device --> Channel: Queue + sleepers --> Transport --> device
//!                                   ^                                                     |
//!                                   +------------------ interrupt ------------------------+
//! ```
//!
//! The words `virtio_mmio.device=` are read at boot, but no register is touched before the first
//! use of a device: each costs an exit. A device that answers nonsense, or not in time, is reset
//! and never used again; requests to it fail with [`Errno::Io`].

pub(super) mod blk;
mod chain;
pub(super) mod console;
mod cut;
mod device;
mod layout;
mod mmio;
mod queue;
pub(super) mod rng;
mod shared;

use crate::cmdline::Cmdline;
use crate::drivers::lazy::Lazy;
use crate::irq;
use crate::mm::PhysAddr;
use crate::sync::Once;
use abi::image::param;
use abi::syscall::Errno;
use alloc::vec::Vec;
use device::Device;
use mmio::Transport;

/// The device does not keep to the specification, or has what the driver needs not.
#[derive(Debug)]
struct Broken;

impl From<Broken> for Errno {
    fn from(_: Broken) -> Self {
        Self::Io
    }
}

/// More devices than that on the command line are not looked at.
const MAX_DEVICES: usize = 32;

/// Device types (virtio 1.3 5).
#[derive(Clone, Copy, PartialEq, Eq)]
enum DeviceType {
    Block = 2,
    Console = 3,
    Rng = 4,
}

/// Where the command line says that a device may be.
#[derive(Clone, Copy)]
struct Place {
    address: u64,
    gsi: u32,
}

impl Place {
    /// `SIZE@ADDRESS:GSI`, and an identifier after another colon that is not needed.
    fn parse(word: &str) -> Option<Self> {
        let (_size, rest) = word.split_once('@')?;
        let mut rest = rest.split(':');
        let address = parse_number(rest.next()?)?;
        let gsi = u32::try_from(parse_number(rest.next()?)?).ok()?;
        Some(Self { address, gsi })
    }
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A device that was found.
struct Found {
    device_type: u32,
    gsi: u32,
    transport: Transport,
    started: Once<Device>,
}

static PLACES: Once<Vec<Place>> = Once::new();
static FOUND: Lazy<Vec<Found>> = Lazy::new();

/// Doorbells rung since boot, all devices.
pub(super) fn notifications() -> u64 {
    mmio::notifications()
}

/// Remembers where devices may be.
pub(super) fn init(cmdline: &Cmdline) {
    let words = cmdline.all(param::VIRTIO_MMIO);
    PLACES.set(words.filter_map(Place::parse).take(MAX_DEVICES).collect());
}

fn probe(place: Place) -> Option<Found> {
    let (transport, device_type) = Transport::probe(PhysAddr(place.address))?;
    Some(Found {
        device_type,
        gsi: place.gsi,
        transport,
        started: Once::new(),
    })
}

fn found() -> &'static [Found] {
    FOUND.get_or_make(|| {
        let places = PLACES.get().map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| probe(*place)).collect()
    })
}

/// Number `nth` of the devices of a type, in the order of the command line.
fn find(device_type: DeviceType, nth: usize) -> Option<Handle> {
    let of_type = |(_, found): &(usize, &Found)| found.device_type == device_type as u32;
    let (index, _) = found().iter().enumerate().filter(of_type).nth(nth)?;
    Some(Handle { index })
}

/// A device that was found and not yet started.
#[derive(Clone, Copy)]
struct Handle {
    index: usize,
}

impl Handle {
    /// Starts the device with its first `queues` queues and those of `features` that it has.
    fn start<const QUEUES: usize>(self, features: u64) -> Result<&'static Device, Broken> {
        let found = found().get(self.index).ok_or(Broken)?;
        let device = Device::start::<QUEUES>(&found.transport, features)?;
        let device = found.started.set(device);
        if !irq::register(found.gsi, interrupted, self.index) {
            return Err(found.transport.fail());
        }
        found.transport.start();
        Ok(device)
    }
}

/// Interrupt of the device with this index.
fn interrupted(index: usize) {
    let device = FOUND
        .get()
        .and_then(|found| found.get(index)?.started.get());
    if let Some(device) = device {
        device.interrupted();
    }
}
