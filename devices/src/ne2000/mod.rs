//! [`Ne2000`]: an NE2000 as the Realtek RTL8029AS, a network card on PCI without bus mastering:
//! every word of a packet goes through its data port.
//!
//! ```text
//!  ports 0x00-0x0f --> Registers, in pages --+
//!  0x10-0x17 --remote DMA--> BufferMemory <--+-- Card --> FramePort
//!  0x18-0x1f --> reset                       +--> INTA#
//! ```
//!
//! - What is on PCI is here; [`card`] is what its ports do, with the network; [`worker`] is its
//!   thread.
//! - [`chip`] is the DP8390 alone: [`registers`], [`memory`], and what it does with them,
//!   [`remote`] DMA, [`receive`] and [`transmit`]. Numbers and bits are in [`spec`].
//! - The wire is perfect: no collisions, no errors, and no runts, which are filled up on their way.
//!   Counters of those stay zero.

mod card;
mod chip;
mod crc;
mod memory;
mod receive;
mod registers;
mod remote;
pub mod spec;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod transmit;
mod worker;

pub use card::{Card, PATIENCE};
pub use registers::{Arrival, Registers};

use crate::irq::LevelLine;
use crate::net::frame_port::FramePort;
use crate::net::mac::MacAddress;
use crate::pci::PciFunction;
use crate::pci::config::{BarKind, ConfigSpace, ConfigState, Identity};
use crate::virtio::worker::Worker;
use crate::work::Working;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use worker::CardWork;

/// Index of the BAR with the card's ports.
pub const BAR: usize = 0;

const IDENTITY: Identity = Identity {
    vendor: 0x10ec,
    device: 0x8029,
    class: [0x02, 0x00, 0x00],
    revision: 0,
    subsystem: (0x10ec, 0x8029),
};

/// All that a driver can find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ne2000State {
    /// Configuration space.
    pub config: ConfigState,
    /// Registers. A transmission that they say is under way is begun again.
    pub registers: Registers,
    /// Packet buffer, 16 KiB.
    pub ram: Vec<u8>,
}

/// The function on PCI.
pub struct Ne2000 {
    config: ConfigSpace,
    card: Arc<Mutex<Card>>,
    worker: Option<Worker>,
}

impl Ne2000 {
    /// A card of that address on the network `port`, which interrupts by `line`, connected to
    /// `irq`.
    pub fn new(port: FramePort, mac: MacAddress, line: LevelLine, irq: u8) -> io::Result<Self> {
        let mut config = ConfigSpace::new(IDENTITY);
        config.add_bar(BAR, BarKind::Io, spec::PORTS.into());
        config.add_interrupt(irq);
        let card = Arc::new(Mutex::new(Card::new(port, mac, line)?));
        let work = CardWork::new(Arc::clone(&card))?;
        Ok(Self {
            config,
            card,
            worker: Some(Worker::start("ne2000", work)?),
        })
    }

    /// What answers at BAR 0.
    pub fn ports(&self) -> Arc<Mutex<Card>> {
        Arc::clone(&self.card)
    }

    fn lock(&self) -> MutexGuard<'_, Card> {
        self.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers, memory and configuration. A packet on its way into the ring is lost, as packets
    /// may be.
    pub fn save(&self) -> Ne2000State {
        let card = self.lock();
        Ne2000State {
            config: self.config.save(),
            registers: card.chip.registers.clone(),
            ram: card.chip.memory.ram().to_vec(),
        }
    }

    /// Takes over a saved state.
    pub fn restore(&mut self, state: &Ne2000State) {
        self.config.restore(&state.config);
        let masked = self.config.intx_disabled();
        let mut card = self.lock();
        card.restore(&state.registers, &state.ram);
        card.set_masked(masked);
    }
}

impl PciFunction for Ne2000 {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    fn settle(&mut self) {
        let masked = self.config.intx_disabled();
        self.lock().set_masked(masked);
    }
}

impl Working for Ne2000 {
    /// What was accepted to be sent has gone out then, as far as the network takes it.
    fn finish(&mut self) {
        self.worker = None;
    }
}
