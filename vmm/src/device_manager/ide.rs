//! The IDE controller: a function of PCI whose ports and interrupt are a PC's.

use super::cards::PciSlots;
use super::{DeviceManager, WiringError, descriptors};
use crate::kvm::Vm;
use devices::disk::DiskFile;
use devices::ide::channel::{CLAIMED, IRQ, RANGES};
use devices::ide::piix::{BAR, Piix};
use devices::irq::IrqLine;
use devices::pci::root::{BarTarget, BarWiring};
use std::sync::{Arc, Mutex};

impl DeviceManager {
    /// A controller with one or two disks, in the next slot of PCI, which there is.
    pub(super) fn add_ide(
        &mut self,
        vm: &Vm,
        slots: &PciSlots,
        disks: Vec<DiskFile>,
    ) -> Result<(), WiringError> {
        let name = "ide";
        let id = self.name(name.to_owned());
        let errors = disks
            .iter()
            .map(|disk| (name.to_owned(), disk.errors().clone()));
        self.disk_errors.extend(errors);
        let line = IrqLine::new().map_err(descriptors(name))?;
        vm.connect_irq(&line, IRQ.into())?;
        let piix = Piix::new(disks, line, vm.memory().clone()).map_err(descriptors(name))?;
        let wiring = BarWiring {
            index: BAR,
            target: BarTarget::Io(piix.bus_master_ports()),
            on_move: Box::new(|_| {}),
        };
        self.pio.insert_ranges(&RANGES, id, name, piix.channel())?;
        let piix = Arc::new(Mutex::new(piix));
        slots.add(self, (id, name), piix.clone(), vec![wiring]);
        // Firmware leaves it on.
        slots.settle();
        self.platform.pci_ports.extend(CLAIMED);
        self.working.push((name.to_owned(), piix));
        Ok(())
    }
}
