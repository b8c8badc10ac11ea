//! [`Piix`]: the PCI function (82371SB 2.3), an IDE controller in compatibility mode.
//!
//! | offset | register |
//! |---|---|
//! | 0x20 | BAR 4: ports of the bus master |
//! | 0x40, 0x42 | IDETIM, timing of each channel; bit 15 turns its ports on, the second's is 0 |
//! | 0x44 | SIDETIM, timing of the slaves |

use super::bus_master::{self, BusMasterPorts};
use super::channel::{Allowed, Channel};
use super::dma::{Dma, DmaWork};
use crate::bus::Width;
use crate::disk::DiskFile;
use crate::irq::IrqLine;
use crate::pci::PciFunction;
use crate::pci::config::{BarKind, ConfigSpace, ConfigState, Identity};
use crate::virtio::worker::Worker;
use crate::work::Working;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vm_memory::GuestMemoryMmap;

/// The BAR of the bus master's ports.
pub const BAR: usize = 4;

const IDENTITY: Identity = Identity {
    vendor: 0x8086,
    device: 0x7010,
    // IDE with a bus master, both channels in compatibility mode.
    class: [0x01, 0x01, 0x80],
    revision: 0,
    subsystem: (0x1af4, 0x1100),
};
const IDETIM: u16 = 0x40;
/// The channel's ports are on.
const IDETIM_DECODE: u16 = 1 << 15;
/// Timing; there is no second channel to turn on.
const TIMING_WRITABLE: [u8; 5] = [0xff, 0xff, 0xff, 0x7f, 0xff];

/// The function. It ends the thread of DMA when it goes.
pub struct Piix {
    config: ConfigSpace,
    channel: Arc<Mutex<Channel>>,
    worker: Option<Worker>,
}

impl Piix {
    /// A controller with one or two disks on its first channel, as firmware leaves it: with its
    /// ports on, and its bus master.
    pub fn new(disks: Vec<DiskFile>, line: IrqLine, memory: GuestMemoryMmap) -> io::Result<Self> {
        let mut config = ConfigSpace::new(IDENTITY);
        config.add_bar(BAR, BarKind::Io, bus_master::PORTS);
        config.add_registers(IDETIM, &[0, 0x80], &TIMING_WRITABLE);
        config.enable(BarKind::Io);
        let dma = Arc::new(Dma::new()?);
        let channel = Arc::new(Mutex::new(Channel::new(line, dma.clone(), disks)));
        let work = DmaWork {
            dma,
            channel: channel.clone(),
            memory: Arc::new(memory),
        };
        Ok(Self {
            config,
            channel,
            worker: Some(Worker::start("ide", work)?),
        })
    }

    /// What answers the first channel's ports, [`super::channel::RANGES`].
    pub fn channel(&self) -> Arc<Mutex<Channel>> {
        self.channel.clone()
    }

    /// What answers [`BAR`].
    pub fn bus_master_ports(&self) -> Arc<Mutex<BusMasterPorts>> {
        Arc::new(Mutex::new(BusMasterPorts::new(self.channel())))
    }

    /// The configuration; the channel has its own state.
    pub fn save(&self) -> ConfigState {
        self.config.save()
    }

    /// Takes over a saved configuration.
    pub fn restore(&mut self, state: &ConfigState) {
        self.config.restore(state);
        self.settle();
    }

    fn lock(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PciFunction for Piix {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    /// Tells the channel what it may.
    fn settle(&mut self) {
        let timing = self.config.read(IDETIM, Width::Word) as u16;
        self.lock().allow(Allowed {
            ports: self.config.is_enabled(BarKind::Io) && timing & IDETIM_DECODE != 0,
            bus_master: self.config.is_bus_master(),
        });
    }
}

impl Working for Piix {
    fn refused(&self) -> u64 {
        self.lock().refused()
    }

    fn finish(&mut self) {
        // A transfer under way is done to its end.
        self.worker = None;
        self.lock().cancel_job();
    }
}

impl Drop for Piix {
    fn drop(&mut self) {
        self.finish();
    }
}
