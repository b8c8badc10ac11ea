//! Virtio devices (virtio 1.3) in memory and on PCI: finding them, and requests to them.
//!
//! ```text
//!  blk, console, --Request--> Device --> Channel: Queue + sleepers ------+--> Transport --> device
//!  rng, balloon                     ^                                    |                     |
//!  net: batches of frames ----------|-------> Ring, to and from ---------+                     |
//!                                   +------------------ interrupt -----------------------------+
//! ```
//!
//! The words `virtio_mmio.device=` and `pci.ecam=` are read at boot, but no register is touched
//! before the first use of a device, nor are those of places behind it: each costs an exit.
//! `transport` brings devices up, by the registers of `mmio` or `pci`; `ring` is what a queue is to
//! all of them. A device that answers nonsense, or not in time, is reset and never used again;
//! requests to it fail with [`Errno::Io`].

pub(super) mod balloon;
pub(super) mod blk;
mod chain;
pub(super) mod console;
mod cut;
mod device;
mod layout;
mod mmio;
pub(super) mod net;
mod pci;
mod queue;
mod ring;
pub(super) mod rng;
mod shared;
mod structures;
#[cfg(test)]
mod testing;
mod transport;

use crate::cmdline::Cmdline;
use crate::drivers::lazy::Lazy;
use crate::drivers::pci::{Bus, Function, MAX_DEVICES};
use crate::sync::Once;
use abi::image::param;
use abi::syscall::Errno;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use device::Device;
use mmio::{MmioRegisters, Place};
use pci::PciRegisters;
use transport::Transport;

/// The device does not keep to the specification, or has what the driver needs not.
#[derive(Debug)]
struct Broken;

impl From<Broken> for Errno {
    fn from(_: Broken) -> Self {
        Self::Io
    }
}

/// More devices than that on the command line are not looked at.
const MAX_PLACES: usize = 32;

/// Device types (virtio 1.3 5).
#[derive(Clone, Copy, PartialEq, Eq)]
enum DeviceType {
    Net = 1,
    Block = 2,
    Console = 3,
    Rng = 4,
    Balloon = 5,
}

/// What may be a device.
struct Slot {
    found: Lazy<Option<Found>>,
    started: Once<&'static dyn Interrupted>,
}

/// `VIRTIO_F_VERSION_1` (virtio 1.3 6).
const FEATURE_VERSION_1: u64 = 1 << 32;

/// A started device, as interrupts see it.
trait Interrupted: Sync {
    /// An interrupt of whatever queue.
    fn interrupted(&self);
    /// One that is that queue's alone.
    fn queue_interrupted(&self, queue: usize);
}

/// A device that was found.
struct Found {
    device_type: u32,
    kind: Kind,
}

/// How it is reached.
enum Kind {
    Mmio(MmioRegisters),
    Pci(Function),
}

/// Where devices may be: slots 0 and on are places of the command line, those from [`MAX_PLACES`]
/// on the devices of PCI's bus 0.
struct Places {
    mmio: Vec<Place>,
    pci: Option<Bus>,
}

impl Places {
    /// The slots that there are.
    fn slots(&self) -> impl Iterator<Item = usize> + use<> {
        let on_bus = self.pci.map_or(0, |_| MAX_DEVICES);
        (0..self.mmio.len()).chain(MAX_PLACES..MAX_PLACES + on_bus)
    }

    fn probe(&self, slot: usize) -> Option<Found> {
        let (kind, device_type) = match slot.checked_sub(MAX_PLACES) {
            Some(device) => {
                let (function, id) = self.pci?.function(device)?;
                (Kind::Pci(function), structures::device_type(id)?)
            }
            None => {
                let (registers, device_type) = MmioRegisters::probe(*self.mmio.get(slot)?)?;
                (Kind::Mmio(registers), device_type)
            }
        };
        Some(Found { device_type, kind })
    }
}

static PLACES: Once<Places> = Once::new();
/// What is in each slot is found out when a device is looked for that none before it is.
static SLOTS: [Slot; MAX_PLACES + MAX_DEVICES] = [const {
    Slot {
        found: Lazy::new(),
        started: Once::new(),
    }
}; MAX_PLACES + MAX_DEVICES];

/// Doorbells rung since boot, all devices.
pub(super) fn notifications() -> u64 {
    transport::notifications()
}

/// Remembers where devices may be.
pub(super) fn init(cmdline: &Cmdline) {
    let mmio = cmdline.all(param::VIRTIO_MMIO).filter_map(Place::parse);
    PLACES.set(Places {
        mmio: mmio.take(MAX_PLACES).collect(),
        pci: crate::drivers::pci::bus(),
    });
}

/// Number `nth` of the devices of a type, in the order of the command line, then of PCI.
fn find(device_type: DeviceType, nth: usize) -> Option<Handle> {
    let places = PLACES.get()?;
    let of_type = |slot: &usize| {
        let found = SLOTS[*slot].found.get_or_make(|| places.probe(*slot));
        let found = found.as_ref();
        found.is_some_and(|found| found.device_type == device_type as u32)
    };
    let slot = places.slots().filter(of_type).nth(nth)?;
    Some(Handle { slot })
}

/// A device that was found.
#[derive(Clone, Copy)]
struct Handle {
    slot: usize,
}

/// Queues of a device that have numbers of their own among the arguments of interrupts.
const MAX_QUEUES: usize = 256;

impl Handle {
    /// Starts the device with its first `QUEUES` queues, those of `features` that it has, and room
    /// for so many requests under way on each queue.
    fn start<const QUEUES: usize>(
        self,
        features: u64,
        max_slots: u16,
    ) -> Result<&'static Device, Broken> {
        self.start_with(features, max_slots, |_, _| Ok(vec![0; QUEUES]))
    }

    /// As [`Self::start`], with as many queues as `cpus` gives processors for their interrupts; it
    /// is told of the features agreed on.
    fn start_with(
        self,
        features: u64,
        max_slots: u16,
        cpus: impl FnOnce(&Transport, u64) -> Result<Vec<u32>, Broken>,
    ) -> Result<&'static Device, Broken> {
        let device = Device::set_up(self.transport()?, self, features, max_slots, cpus)?;
        let device = self.keep(device)?;
        device.transport.start();
        Ok(device)
    }

    /// The way to the device.
    fn transport(self) -> Result<Transport, Broken> {
        let slot = SLOTS.get(self.slot).ok_or(Broken)?;
        let found = slot.found.get().and_then(Option::as_ref).ok_or(Broken)?;
        Ok(match &found.kind {
            Kind::Mmio(registers) => Transport::new(registers.clone()),
            Kind::Pci(function) => Transport::new(PciRegisters::find(function, found.device_type)?),
        })
    }

    /// Keeps a device for ever, and tells it of its interrupts from now on.
    fn keep<D: Interrupted + 'static>(self, device: D) -> Result<&'static D, Broken> {
        let slot = SLOTS.get(self.slot).ok_or(Broken)?;
        let device: &'static D = Box::leak(Box::new(device));
        slot.started.set(device);
        Ok(device)
    }

    fn started(self) -> Option<&'static dyn Interrupted> {
        SLOTS.get(self.slot)?.started.get().copied()
    }

    /// Interrupt of the device in a slot.
    fn interrupted(slot: usize) {
        if let Some(device) = (Self { slot }).started() {
            device.interrupted();
        }
    }

    /// What [`Handle::queue_interrupted`] is told of a queue's interrupt.
    fn queue_argument(self, queue: u16) -> usize {
        self.slot * MAX_QUEUES + usize::from(queue)
    }

    /// Interrupt of one queue.
    fn queue_interrupted(argument: usize) {
        let (slot, queue) = (argument / MAX_QUEUES, argument % MAX_QUEUES);
        if let Some(device) = (Self { slot }).started() {
            device.queue_interrupted(queue);
        }
    }
}
