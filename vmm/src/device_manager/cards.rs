//! [`PciSlots`]: places for functions of any kind on PCI's bus 0, by `Root::next_device`; and the
//! functions that are not virtio: emulated network cards ([`add`]).

use super::{DeviceManager, WiringError, descriptors};
use crate::boot::layout;
use crate::boot::platform::Platform;
use crate::kvm::Vm;
use crate::run::{Card, OpenNetwork};
use devices::bus::DeviceId;
use devices::e1000::{self, E1000};
use devices::irq::{LevelLine, SharedLine};
use devices::ne2000::{self, Ne2000};
use devices::net::frame_port::FramePort;
use devices::net::mac::MacAddress;
use devices::pci::PciFunction;
use devices::pci::root::{BarTarget, BarWiring, SharedRoot};
use devices::work::Working;
use std::io;
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

    /// Lets BARs answer that functions come with turned on.
    pub(super) fn settle(&self) {
        self.root.lock().settle();
    }
}

/// Name of a network's card, which is the `index`th of the VM's.
pub(super) fn name(card: Card, index: usize) -> String {
    match card {
        Card::Virtio => format!("virtio-net{index}"),
        card => format!("{}-{index}", card.name()),
    }
}

/// Puts the emulated card of a network on the bus.
pub(super) fn add(
    slots: &PciSlots,
    manager: &mut DeviceManager,
    vm: &Vm,
    name: &str,
    network: OpenNetwork,
) -> Result<(), WiringError> {
    let id = manager.name(name.to_owned());
    let (inta, mac) = (slots.inta(), network.mac);
    let port = FramePort::new(network.backend).map_err(descriptors(name))?;
    let made = match network.card {
        Card::Virtio => unreachable!("it is put into a slot for virtio"),
        Card::E1000 => e1000(vm, port, mac, inta),
        Card::Ne2000 => ne2000(port, mac, inta),
    };
    let made = made.map_err(descriptors(name))?;
    let bars = made.bars.into_iter().map(|(index, target)| BarWiring {
        index,
        target,
        on_move: Box::new(|_| {}),
    });
    slots.add(manager, (id, name), made.function, bars.collect());
    manager.working.push((name.to_owned(), made.working));
    Ok(())
}

/// A card, as the bus and the machine's end see it, and who answers its BARs.
struct Made {
    function: Arc<Mutex<dyn PciFunction>>,
    working: Arc<Mutex<dyn Working>>,
    bars: Vec<(usize, BarTarget)>,
}

impl Made {
    fn new(
        card: Arc<Mutex<impl PciFunction + Working + 'static>>,
        bars: Vec<(usize, BarTarget)>,
    ) -> Self {
        Self {
            function: card.clone(),
            working: card,
            bars,
        }
    }
}

fn e1000(vm: &Vm, port: FramePort, mac: MacAddress, inta: Inta) -> io::Result<Made> {
    let wiring = e1000::Wiring {
        memory: vm.memory().clone(),
        port,
        intx: inta.line,
        irq: inta.irq,
    };
    let card = Arc::new(Mutex::new(E1000::new(wiring, mac)?));
    let memory = BarTarget::Memory(card.clone());
    let ports = BarTarget::Io(card.clone());
    let bars = [
        (e1000::spec::MEMORY_BAR, memory),
        (e1000::spec::IO_BAR, ports),
    ];
    Ok(Made::new(card, bars.into()))
}

fn ne2000(port: FramePort, mac: MacAddress, inta: Inta) -> io::Result<Made> {
    let card = Ne2000::new(port, mac, inta.line, inta.irq)?;
    let ports = BarTarget::Io(card.ports());
    let card = Arc::new(Mutex::new(card));
    Ok(Made::new(card, vec![(ne2000::BAR, ports)]))
}
