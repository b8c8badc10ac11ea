//! Interrupts into the guest: [`Routes`] from global system interrupts to controllers' pins and
//! messages, [`Messages`] of a PCI function, [`Pin`]s that have a level (KVM api.rst 4.25, 4.52,
//! 4.75).
//!
//! A GSI below [`FIRST_MESSAGE`] is a pin of the IOAPIC and, below 16, of the PICs, as KVM routes it
//! by itself. Each one above is a message of one vector: an eventfd, routed when the guest unmasks
//! the vector. Until the first message KVM's own table stays, and start-up is not slowed.

use super::vm::{VmError, VmFds};
use devices::irq::LevelInput;
use devices::pci::msix::{MsiMessage, MsiSink};
use kvm_bindings::{
    KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER,
    KVM_IRQCHIP_PIC_SLAVE, KvmIrqRouting, kvm_irq_routing_entry,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use vmm_sys_util::eventfd::EventFd;

/// Pins of the IOAPIC; messages come after them.
pub(super) const FIRST_MESSAGE: u32 = 24;
const PIC_PINS: u32 = 8;

/// What KVM's routing table holds beyond the pins.
#[derive(Default)]
pub(super) struct Routes {
    messages: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_gsi: BTreeMap<u32, MsiMessage>,
    reserved: u32,
}

impl Routes {
    /// Sets aside GSIs for so many messages; returns the first.
    fn reserve(&self, count: u32) -> u32 {
        let mut table = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let first = FIRST_MESSAGE + table.reserved;
        table.reserved += count;
        first
    }

    /// From now on, `gsi` is that message. KVM takes the table as a whole; one that it does not take
    /// is not kept.
    fn set(&self, vm: &VmFds, gsi: u32, message: MsiMessage) -> Result<(), VmError> {
        let mut table = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_gsi = table.by_gsi.clone();
        by_gsi.insert(gsi, message);
        let messages = by_gsi.iter().map(|(gsi, message)| route(*gsi, *message));
        let entries: Vec<_> = pins().chain(messages).collect();
        let routing = KvmIrqRouting::from_entries(&entries).expect("far fewer than KVM's most");
        let set = vm.fd.set_gsi_routing(&routing);
        set.map_err(VmError::at("route an interrupt message"))?;
        table.by_gsi = by_gsi;
        Ok(())
    }
}

/// The pins as KVM connects them by itself.
fn pins() -> impl Iterator<Item = kvm_irq_routing_entry> {
    let pin = |gsi, chip, pin| {
        let mut entry = kvm_irq_routing_entry {
            gsi,
            type_: KVM_IRQ_ROUTING_IRQCHIP,
            ..Default::default()
        };
        (entry.u.irqchip.irqchip, entry.u.irqchip.pin) = (chip, pin);
        entry
    };
    let ioapic = (0..FIRST_MESSAGE).map(move |gsi| pin(gsi, KVM_IRQCHIP_IOAPIC, gsi));
    let master = (0..PIC_PINS).map(move |n| pin(n, KVM_IRQCHIP_PIC_MASTER, n));
    let slave = (0..PIC_PINS).map(move |n| pin(PIC_PINS + n, KVM_IRQCHIP_PIC_SLAVE, n));
    master.chain(slave).chain(ioapic)
}

fn route(gsi: u32, message: MsiMessage) -> kvm_irq_routing_entry {
    let mut entry = kvm_irq_routing_entry {
        gsi,
        type_: KVM_IRQ_ROUTING_MSI,
        ..Default::default()
    };
    entry.u.msi.address_lo = message.address as u32;
    entry.u.msi.address_hi = (message.address >> 32) as u32;
    entry.u.msi.data = message.data;
    entry
}

/// The messages of one PCI function.
pub(super) struct Messages {
    vm: Arc<VmFds>,
    first_gsi: u32,
    vectors: Vec<(EventFd, Connection)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Connection {
    None,
    Irqfd,
}

impl Messages {
    pub(super) fn new(vm: Arc<VmFds>, count: u16) -> io::Result<Self> {
        let evt = |_| EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
        let evts: Vec<EventFd> = (0..count).map(evt).collect::<io::Result<_>>()?;
        Ok(Self {
            first_gsi: vm.routes.reserve(count.into()),
            vm,
            vectors: evts
                .into_iter()
                .map(|evt| (evt, Connection::None))
                .collect(),
        })
    }
}

impl MsiSink for Messages {
    fn route(&mut self, vector: u16, message: MsiMessage) -> io::Result<()> {
        let gsi = self.first_gsi + u32::from(vector);
        self.vm
            .routes
            .set(&self.vm, gsi, message)
            .map_err(io::Error::other)?;
        let (evt, connection) = &mut self.vectors[usize::from(vector)];
        if *connection == Connection::None {
            self.vm.fd.register_irqfd(evt, gsi)?;
            *connection = Connection::Irqfd;
        }
        Ok(())
    }

    fn trigger(&self, vector: u16) -> io::Result<()> {
        self.vectors[usize::from(vector)].0.write(1)
    }
}

/// A pin that has a level.
pub(super) struct Pin {
    pub(super) vm: Arc<VmFds>,
    pub(super) gsi: u32,
}

impl LevelInput for Pin {
    fn set(&self, high: bool) {
        if let Err(error) = self.vm.fd.set_irq_line(self.gsi, high) {
            log::error!("interrupt line {}: {error}", self.gsi);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::kvm::{Chips, Kvm, Vm};
    use crate::memory::{self, MemorySize};
    use devices::pci::msix::MsiMessage;

    #[test]
    fn a_message_that_kvm_does_not_take_keeps_no_other_from_being_sent() {
        let Ok(kvm) = Kvm::open() else {
            return eprintln!("skipped: no KVM");
        };
        let memory = memory::create(MemorySize(1 << 20)).unwrap();
        let vm = Vm::new(&kvm, memory, Chips::InKernel).unwrap();
        let message = MsiMessage {
            address: 0xfee0_0000,
            data: 0x41,
        };
        let mut first = vm.messages(1).unwrap();
        // KVM has 4096 GSIs.
        (0..17).for_each(|_| drop(vm.messages(250).unwrap()));
        let mut beyond = vm.messages(1).unwrap();
        assert!(beyond.route(0, message).is_err());
        first.route(0, message).unwrap();
        first.trigger(0).unwrap();
    }
}
