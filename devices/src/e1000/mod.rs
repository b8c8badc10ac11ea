//! [`E1000`]: Intel's 82540EM, a Gigabit Ethernet card on PCI that moves frames by DMA through two
//! rings of descriptors (SDM: see [`spec`]).
//!
//! ```text
//!  vCPU: BAR 0, BAR 1 --> Registers --wake--> worker --> Engine: Transmitter --> FramePort
//!                            |    ^                              Receiver   <--
//!                            v    +--- heads, causes, statistics ---+
//!                          INTA#
//! ```
//!
//! - What the driver sees is here and in [`registers`], with [`eeprom`], [`phy`], [`statistics`]
//!   and [`interrupt`] behind them. [`worker`] is the card's thread: [`transmit`] with [`offload`],
//!   [`receive`] with [`filter`] and [`inspect`], over [`ring`].
//! - A write that turns the card, a ring or bus mastering off returns when memory is not touched
//!   any more: it waits for the worker's turn, which is short.
//! - Not there: waking up, flow control, jumbo descriptors, writes to the EEPROM, loopback.

mod checksum;
mod eeprom;
mod filter;
mod inspect;
mod interrupt;
mod offload;
mod phy;
mod receive;
mod registers;
mod ring;
pub mod spec;
mod statistics;
#[cfg(any(test, feature = "fuzzing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod transmit;
mod worker;

pub use eeprom::Wires;
pub use offload::{Context, Sum};
pub use transmit::Contexts;

use crate::bus::{MmioDevice, PioDevice, Width};
use crate::irq::LevelLine;
use crate::net::frame_port::FramePort;
use crate::net::mac::MacAddress;
use crate::pci::PciFunction;
use crate::pci::config::{BarKind, ConfigSpace, ConfigState};
use crate::virtio::worker::Worker;
use crate::work::Working;
use eeprom::Eeprom;
use interrupt::Interrupts;
use phy::Link;
use registers::{Effect, Registers};
use spec::{CTRL, CTRL_RST, RCTL, RCTL_EN, TCTL, TCTL_EN};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;
use worker::{CardWork, Engine};

/// What the card connects to.
pub struct Wiring {
    /// The guest's memory.
    pub memory: GuestMemoryMmap,
    /// The network.
    pub port: FramePort,
    /// INTA#.
    pub intx: LevelLine,
    /// The IRQ that INTA# is connected to.
    pub irq: u8,
}

/// Registers and what is behind them, to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardState {
    /// Registers, as words from the first on.
    pub words: Vec<u32>,
    /// Statistics registers.
    pub statistics: Vec<u32>,
    /// ICR.
    pub causes: u32,
    /// IMS.
    pub mask: u32,
    /// The PHY's registers.
    pub phy: [u16; 32],
    /// The EEPROM's wires.
    pub wires: Wires,
}

/// State, to be saved. Delayed interrupts are causes in it; a packet of which not all descriptors
/// were there is not, nor one that waits for the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct E1000State {
    /// Configuration space.
    pub config: ConfigState,
    /// Registers.
    pub card: CardState,
    /// IOADDR.
    pub io_address: u32,
    /// Of packets to be sent.
    pub contexts: Contexts,
}

/// The card.
pub struct E1000 {
    /// Ends with the VM.
    worker: Option<Worker>,
    shared: Arc<Shared>,

    config: ConfigSpace,
    io_address: u32,
}

/// What the card and its worker have in common.
struct Shared {
    /// Locked while memory is accessed. Taken before `registers`.
    engine: Mutex<Engine>,
    /// Locked for moments.
    registers: Mutex<Registers>,
    /// There is something for the worker to do.
    wake_evt: EventFd,
}

/// What frames move between.
struct Medium<'a> {
    memory: &'a GuestMemoryMmap,
    port: &'a mut FramePort,
    registers: &'a Mutex<Registers>,
}

impl Medium<'_> {
    fn is_up(&self) -> bool {
        lock(self.registers).link == Link::Up
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn wake(&self) {
        if let Err(error) = self.wake_evt.write(1) {
            log::debug!("e1000: waking the worker: {error}");
        }
    }

    /// The link is down now; false if it was before.
    fn take_link_down(&self) -> bool {
        let mut registers = lock(&self.registers);
        let was = std::mem::replace(&mut registers.link, Link::Down);
        if was == Link::Up {
            registers.interrupts.set(spec::CAUSE_LSC);
        }
        was == Link::Up
    }
}

/// Register and bit of what touches memory.
const SWITCHES: [(u32, u32); 2] = [(RCTL, RCTL_EN), (TCTL, TCTL_EN)];

impl E1000 {
    /// A card with that address; its thread runs from now on.
    pub fn new(wiring: Wiring, mac: MacAddress) -> io::Result<Self> {
        let mut config = ConfigSpace::new(spec::IDENTITY);
        config.add_bar(spec::MEMORY_BAR, BarKind::Memory, spec::BAR_BYTES);
        config.add_bar(spec::IO_BAR, BarKind::Io, spec::IO_PORTS);
        config.add_interrupt(wiring.irq);
        let interrupts = Interrupts::new(wiring.intx)?;
        let shared = Arc::new(Shared {
            engine: Mutex::new(Engine::new(wiring.memory, wiring.port)),
            registers: Mutex::new(Registers::new(Eeprom::new(mac), interrupts)),
            wake_evt: EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?,
        });
        let worker = Worker::start("e1000", CardWork::new(Arc::clone(&shared))?)?;
        Ok(Self {
            worker: Some(worker),
            shared,
            config,
            io_address: 0,
        })
    }

    fn registers(&self) -> MutexGuard<'_, Registers> {
        lock(&self.shared.registers)
    }

    fn read(&self, offset: u32) -> u32 {
        self.registers().read(offset)
    }

    fn write(&mut self, offset: u32, value: u32) {
        let stops = |switch: &(u32, u32)| {
            offset == CTRL && value & CTRL_RST != 0 || offset == switch.0 && value & switch.1 == 0
        };
        let effect = if SWITCHES.iter().any(stops) {
            // Waits until memory is not touched.
            let mut engine = lock(&self.shared.engine);
            if stops(&SWITCHES[0]) {
                engine.receiver.stop();
            }
            if stops(&SWITCHES[1]) {
                engine.transmitter.stop();
            }
            self.registers().write(offset, value)
        } else {
            self.registers().write(offset, value)
        };
        if effect == Effect::Wake {
            self.shared.wake();
        }
    }

    /// The state. Call it with the vCPUs stopped.
    pub fn save(&self) -> E1000State {
        // No turn is half done.
        let engine = lock(&self.shared.engine);
        E1000State {
            config: self.config.save(),
            card: self.registers().save(),
            io_address: self.io_address,
            contexts: engine.transmitter.contexts,
        }
    }

    /// Takes over a saved state, whose guest memory must be in place.
    pub fn restore(&mut self, state: &E1000State) {
        self.config.restore(&state.config);
        self.io_address = state.io_address;
        let mut engine = lock(&self.shared.engine);
        engine.receiver.stop();
        engine.transmitter.stop();
        engine.transmitter.contexts = state.contexts;
        self.registers().restore(&state.card);
        drop(engine);
        self.settle();
        self.shared.wake();
    }
}

impl PciFunction for E1000 {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    fn asks_for_line(&self) -> bool {
        self.registers().interrupts.pending()
    }

    fn settle(&mut self) {
        let (bus_master, disabled) = (self.config.is_bus_master(), self.config.intx_disabled());
        let was = self.registers().bus_master;
        if was && !bus_master {
            let _engine = lock(&self.shared.engine);
            self.registers().bus_master = false;
        }
        let mut registers = self.registers();
        registers.bus_master = bus_master;
        registers.interrupts.disable(disabled);
        drop(registers);
        if bus_master && !was {
            self.shared.wake();
        }
    }
}

impl Working for E1000 {
    fn finish(&mut self) {
        self.worker = None;
    }
}

/// Registers are accessed whole (SDM 13.3).
fn is_whole(offset: u64, width: Width) -> bool {
    width == Width::Dword && offset.is_multiple_of(4)
}

impl MmioDevice for E1000 {
    fn mmio_read(&mut self, offset: u64, width: Width) -> u64 {
        if is_whole(offset, width) {
            self.read(offset as u32).into()
        } else {
            0
        }
    }

    fn mmio_write(&mut self, offset: u64, width: Width, value: u64) {
        if is_whole(offset, width) {
            self.write(offset as u32, value as u32);
        }
    }
}

impl PioDevice for E1000 {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        match offset {
            _ if width != Width::Dword => 0,
            spec::IOADDR => self.io_address,
            spec::IODATA if self.io_address.is_multiple_of(4) => self.read(self.io_address),
            _ => 0,
        }
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        match offset {
            _ if width != Width::Dword => {}
            spec::IOADDR => self.io_address = value & (spec::BAR_BYTES - 1),
            spec::IODATA if self.io_address.is_multiple_of(4) => {
                self.write(self.io_address, value);
            }
            _ => {}
        }
    }
}
