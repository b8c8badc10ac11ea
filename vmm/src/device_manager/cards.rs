//! [`PciSlots`]: places for functions of any kind on PCI's bus 0, by `Root::next_device`; and the
//! network cards there that are not virtio's.

use super::{DeviceManager, WiringError, descriptors};
use crate::boot::layout;
use crate::boot::platform::Platform;
use crate::kvm::Vm;
use crate::run::OpenNetwork;
use devices::bus::DeviceId;
use devices::irq::{LevelLine, SharedLine};
use devices::ne2000::{self, Ne2000};
use devices::net::frame_port::FramePort;
use devices::pci::PciFunction;
use devices::pci::root::{BarTarget, BarWiring, SharedRoot};
use std::sync::{Arc, Mutex};

/// Where the next function goes, and how it interrupts without messages.
pub(super) struct PciSlots {
    root: SharedRoot,
    /// In the order of `layout::PCI_GSIS`.
    intx: Vec<Arc<SharedLine>>,
}

/// INTA# of a function.
pub(super) struct Inta {
    /// Its part of the line.
    pub(super) line: LevelLine,
    /// Number of that line, for the configuration space.
    pub(super) irq: u8,
}

impl PciSlots {
    pub(super) fn new(vm: &Vm, root: SharedRoot) -> Self {
        let pins = layout::PCI_GSIS.iter().map(|gsi| vm.pin((*gsi).into()));
        let intx = pins.map(SharedLine::new).collect();
        Self { root, intx }
    }

    /// Number of the next function, which there is.
    fn next(&self) -> u8 {
        self.root.lock().next_device().expect("counted before")
    }

    /// INTA# of the next function.
    pub(super) fn inta(&self) -> Inta {
        let slot = self.next();
        Inta {
            line: self.intx[usize::from(slot) % self.intx.len()].join(),
            irq: Platform::pci_gsi(slot),
        }
    }

    /// Puts the next function on the bus, with its BARs.
    pub(super) fn add(
        &self,
        manager: &mut DeviceManager,
        (id, name): (DeviceId, &str),
        function: Arc<Mutex<dyn PciFunction>>,
        bars: Vec<BarWiring>,
    ) {
        manager.platform.pci_devices = self.next() + 1;
        self.root.lock().add(function, id, name, bars);
    }
    /// Puts an NE2000 on that network.
    pub(super) fn add_ne2000(
        &self,
        manager: &mut DeviceManager,
        name: &str,
        network: OpenNetwork,
    ) -> Result<(), WiringError> {
        let id = manager.name(name.to_owned());
        let inta = self.inta();
        let port = FramePort::new(network.backend).map_err(descriptors(name))?;
        let card = Ne2000::new(port, network.mac, inta.line, inta.irq);
        let card = card.map_err(descriptors(name))?;
        let ports = BarWiring {
            index: ne2000::BAR,
            target: BarTarget::Io(card.ports()),
            on_move: Box::new(|_| {}),
        };
        let card = Arc::new(Mutex::new(card));
        self.add(manager, (id, name), card.clone(), vec![ports]);
        manager.cards.push(card);
        Ok(())
    }
}
