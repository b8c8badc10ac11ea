//! [`Host`]: the driver's side of a controller on its buses, for tests and fuzzing.

use super::channel::{Channel, IRQ, RANGES};
use super::piix::{BAR, Piix};
use crate::bus::{DeviceId, MmioBus, PioBus};
use crate::disk::DiskFile;
use crate::irq::IrqLine;
use crate::pci::PciFunction;
use crate::pci::root::{BarTarget, BarWiring, Root};
use crate::pci::testing::{WINDOWS, connect};
use std::sync::{Arc, Mutex};
use vm_memory::{GuestAddress, GuestMemoryMmap};

/// Bytes of the guest's memory, from address 0.
pub const MEMORY_BYTES: u64 = 1 << 20;
/// Where the bus master's ports are placed.
pub const BUS_MASTER: u16 = WINDOWS.io.base as u16;

/// A machine with a controller as its only function, device 1.
pub struct Host {
    /// Its memory.
    pub memory: GuestMemoryMmap,
    /// Ports.
    pub pio: PioBus,
    /// Interrupt of the channel.
    pub line: IrqLine,
    /// The function.
    pub piix: Arc<Mutex<Piix>>,
    /// The channel.
    pub channel: Arc<Mutex<Channel>>,
}

impl Host {
    /// A machine with those disks.
    pub fn new(disks: Vec<DiskFile>) -> Self {
        let ranges = [(GuestAddress(0), MEMORY_BYTES as usize)];
        let memory = GuestMemoryMmap::from_ranges(&ranges).expect("1 MiB of memory");
        let line = IrqLine::new().expect("an event");
        let piix = Piix::new(disks, line.clone(), memory.clone()).expect("a thread");
        let (channel, bus_master) = (piix.channel(), piix.bus_master_ports());
        let piix = Arc::new(Mutex::new(piix));
        let (mut mmio, mut pio) = (MmioBus::default(), PioBus::default());
        let root = Root::new(mmio.moving(), pio.moving(), WINDOWS, DeviceId(1)).share();
        let wiring = BarWiring {
            index: BAR,
            target: BarTarget::Io(bus_master),
            on_move: Box::new(|_| {}),
        };
        let id = DeviceId(IRQ);
        let function: Arc<Mutex<dyn PciFunction>> = piix.clone();
        root.lock().add(function, id, "ide", vec![wiring]);
        root.lock().settle();
        connect(&mut mmio, &mut pio, &root);
        pio.insert_ranges(&RANGES, id, "ide", channel.clone())
            .expect("an empty bus");
        Self {
            memory,
            pio,
            line,
            piix,
            channel,
        }
    }
}
