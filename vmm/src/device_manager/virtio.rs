//! [`Slots`]: places for virtio devices, by transport.
//!
//! | transport | where | interrupt |
//! |---|---|---|
//! | PCI | devices 1.. of bus 0, BAR where the guest puts it | MSI-X, or INTA# by `layout::PCI_GSIS` |
//! | MMIO | `layout::VIRTIO_MMIO`, a page each | `layout::VIRTIO_GSIS` |

use super::cards::PciSlots;
use super::{DeviceManager, WiringError, descriptors};
use crate::boot::layout;
use crate::kvm::{Doorbells, Vm};
use devices::bus::{BusRange, DeviceId};
use devices::irq::IrqLine;
use devices::pci::root::{BarTarget, BarWiring, OnMove, SharedRoot};
use devices::virtio::VirtioDevice;
use devices::virtio::mmio::{MmioTransport, NOTIFY_OFFSET};
use devices::virtio::pci::{Interrupts, PciTransport, notify_offset, spec, vector_count};
use std::io;
use std::sync::{Arc, Mutex};
use vmm_sys_util::eventfd::EventFd;

/// Where the next device goes.
pub(super) enum Slots {
    Pci(PciSlots),
    Mmio { next: usize },
}

impl Slots {
    pub(super) fn pci(vm: &Vm, root: SharedRoot) -> Self {
        Self::Pci(PciSlots::new(vm, root))
    }

    pub(super) fn mmio() -> Self {
        Self::Mmio { next: 0 }
    }

    /// Puts a device into the next slot, which there is.
    pub(super) fn add(
        &mut self,
        manager: &mut DeviceManager,
        vm: &Vm,
        name: &str,
        device: Box<dyn VirtioDevice>,
    ) -> Result<(), WiringError> {
        let id = manager.name(name.to_owned());
        match self {
            Self::Pci(slots) => add_pci(manager, vm, (id, name), device, slots),
            Self::Mmio { next } => {
                let slot = *next;
                *next += 1;
                add_mmio(manager, vm, (id, name), device, slot)
            }
        }
    }
}

fn add_pci(
    manager: &mut DeviceManager,
    vm: &Vm,
    (id, name): (DeviceId, &str),
    device: Box<dyn VirtioDevice>,
    slots: &PciSlots,
) -> Result<(), WiringError> {
    let inta = slots.inta();
    let vectors = vector_count(device.queue_max_sizes().len());
    let interrupts = Interrupts {
        messages: vm.messages(vectors).map_err(descriptors(name))?,
        intx: inta.line,
        irq: inta.irq,
    };
    let transport = PciTransport::new(device, vm.memory().clone(), interrupts);
    let transport = transport.map_err(descriptors(name))?;
    let evts = transport.doorbells().iter().map(EventFd::try_clone);
    let evts: Vec<EventFd> = evts.collect::<io::Result<_>>().map_err(descriptors(name))?;
    let transport = Arc::new(Mutex::new(transport));
    let wiring = BarWiring {
        index: spec::BAR,
        target: BarTarget::Memory(transport.clone()),
        on_move: move_doorbells(vm.doorbells(), evts),
    };
    slots.add(manager, (id, name), transport.clone(), vec![wiring]);
    manager.working.push((name.to_owned(), transport));
    Ok(())
}

/// Doorbells are where the BAR is. Without them, a notification exits to the transport.
fn move_doorbells(doorbells: Doorbells, evts: Vec<EventFd>) -> OnMove {
    let mut at: Option<u64> = None;
    Box::new(move |base| {
        for (queue, evt) in (0..).zip(&evts) {
            let offset = notify_offset(queue);
            let left = at.map_or(Ok(()), |base| doorbells.disconnect(evt, base + offset));
            let done = left.and_then(|()| match base {
                Some(base) => doorbells.connect(evt, base + offset),
                None => Ok(()),
            });
            if let Err(error) = done {
                log::warn!(
                    "{}: the queue's notifications are slow",
                    crate::chain(&error)
                );
            }
        }
        at = base;
    })
}

fn add_mmio(
    manager: &mut DeviceManager,
    vm: &Vm,
    (id, name): (DeviceId, &str),
    device: Box<dyn VirtioDevice>,
    slot: usize,
) -> Result<(), WiringError> {
    let base = layout::VIRTIO_MMIO + slot as u64 * layout::VIRTIO_MMIO_SIZE;
    let gsi = layout::VIRTIO_GSIS[slot];
    let line = IrqLine::new().map_err(descriptors(name))?;
    vm.connect_irq(&line, gsi)?;
    let transport = MmioTransport::new(device, vm.memory().clone(), line);
    let transport = transport.map_err(descriptors(name))?;
    for (queue, doorbell) in (0..).zip(transport.doorbells()) {
        vm.connect_doorbell(doorbell, base + NOTIFY_OFFSET, queue)?;
    }
    let range = BusRange {
        base,
        len: layout::VIRTIO_MMIO_SIZE,
    };
    let transport = Arc::new(Mutex::new(transport));
    manager.mmio.insert(range, id, name, transport.clone())?;
    manager.working.push((name.to_owned(), transport));
    manager.platform.virtio_mmio.push((base as u32, gsi));
    manager.parameters.push(format!(
        "{}={:#x}@{base:#x}:{gsi}",
        abi::image::param::VIRTIO_MMIO,
        layout::VIRTIO_MMIO_SIZE
    ));
    Ok(())
}
