//! The alarm, by which `hostel compare` measures interrupts.

use super::cards::PciSlots;
use super::{DeviceManager, WiringError, descriptors};
use crate::kvm::Vm;
use devices::alarm::{Alarm, BAR, VECTORS};
use devices::irq::IrqLine;
use devices::pci::root::{BarTarget, BarWiring};
use std::sync::{Arc, Mutex};

impl DeviceManager {
    /// An alarm in the next slot of PCI, which there is.
    pub(super) fn add_alarm(&mut self, vm: &Vm, slots: &PciSlots) -> Result<(), WiringError> {
        let name = "alarm";
        let id = self.name(name.to_owned());
        let line = IrqLine::new().map_err(descriptors(name))?;
        vm.connect_irq(&line, abi::alarm::LINE.into())?;
        let messages = vm.messages(VECTORS).map_err(descriptors(name))?;
        let alarm = Alarm::new(line, messages).map_err(descriptors(name))?;
        let alarm = Arc::new(Mutex::new(alarm));
        let wiring = BarWiring {
            index: BAR,
            target: BarTarget::Memory(alarm.clone()),
            on_move: Box::new(|_| {}),
        };
        slots.add(self, (id, name), alarm.clone(), vec![wiring]);
        self.pc.timers.push(alarm);
        Ok(())
    }
}
