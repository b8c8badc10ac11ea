//! [`Channel`]: the cable with its drives: registers, interrupt, and transfers through the data
//! port.
//!
//! ```text
//!            command                    last word of the block
//!   Idle ------------> Pio (DRQ) <---------------------------+
//!    ^  ^                 |  +--- more blocks: the next one --+
//!    |  |                 v
//!    |  +------------ all moved, or the disk broke (ERR)
//!    |     command                 controller started
//!    | --------------> Dma, waits --------------------> Dma, runs (BSY, a thread's job)
//!    |                  ^  controller stopped, short list   |
//!    |                  +-----------------------------------+
//!    +--- interrupt ----------------------------------------+
//! ```
//! A reset leads to Idle from everywhere. Device 1 that is not there is answered for by device 0
//! (ATA/ATAPI-6 9.16.1).

mod commands;
mod transfers;

use super::ata::drive::{Drive, DriveState, Extent};
use super::ata::registers::TaskFile;
use super::ata::spec::{Direction, control, device, error, status};
use super::bus_master::BusMaster;
use super::dma::Dma;
use crate::bus::{BusRange, PioDevice, Width};
use crate::disk::DiskFile;
use crate::irq::IrqLine;
use std::sync::Arc;
use vm_superio::Trigger;

/// Ports of the first channel: command block, control block.
pub const RANGES: [BusRange; 2] = [
    BusRange {
        base: 0x1f0,
        len: 8,
    },
    BusRange {
        base: 0x3f6,
        len: 1,
    },
];
/// Ports that a controller in compatibility mode claims (PCI IDE Controller 1.0 2.1): those of both
/// channels, be they there or not; of a control block of four, drives have the third. (Linux takes
/// no window of one port for one.)
pub const CLAIMED: [BusRange; 4] = [
    RANGES[0],
    BusRange {
        base: 0x3f4,
        len: 4,
    },
    BusRange {
        base: 0x170,
        len: 8,
    },
    BusRange {
        base: 0x374,
        len: 4,
    },
];
/// Interrupt of the first channel, by edges.
pub const IRQ: u8 = 14;
/// Drives that a cable has room for.
pub const MAX_DRIVES: usize = 2;

const DATA: u16 = 0;
const FEATURES: u16 = 1;
const COUNT: u16 = 2;
const LBA_LOW: u16 = 3;
const LBA_HIGH: u16 = 5;
const DEVICE: u16 = 6;
const COMMAND: u16 = 7;
const CONTROL: u16 = 0x3f6 - 0x1f0;

/// What a drive is at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// Nothing.
    #[default]
    Idle,
    /// A block goes through the data port.
    Pio(Pio),
    /// Sectors go by the controller, or will when it is started.
    Dma(Direction, Extent),
}

/// A transfer through the data port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pio {
    /// Which way.
    pub direction: Direction,
    /// The block.
    pub block: Vec<u8>,
    /// Where in it the next word goes or comes from.
    pub at: usize,
    /// Sectors that the block is from or for; none for what is not on the disk.
    pub extent: Option<Extent>,
    /// Sectors after those.
    pub left: u32,
    /// Most sectors of a block.
    pub most: u32,
}

/// What is to be saved. A transfer by the controller begins anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelState {
    /// Of each drive.
    pub drives: Vec<DriveState>,
    /// Which drive is selected, there or not.
    pub selected: usize,
    /// Device control register.
    pub control: u8,
    /// What the drive that got the last command is at.
    pub activity: Activity,
    /// Which that is.
    pub active: usize,
    /// Registers of DMA.
    pub bus_master: BusMaster,
}

/// What the PCI function's configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// The ports are answered.
    pub ports: bool,
    /// Memory may be read and written.
    pub bus_master: bool,
}

/// The channel.
pub struct Channel {
    // Wiring.
    line: IrqLine,
    dma: Arc<Dma>,
    // Book-keeping.
    allowed: Allowed,
    /// Number of the last job of DMA, and whether it runs.
    job: u64,
    job_runs: bool,
    /// Level of the interrupt line.
    line_is_high: bool,
    refused: u64,
    // State.
    drives: Vec<Drive>,
    selected: usize,
    control: u8,
    activity: Activity,
    active: usize,
    bus_master: BusMaster,
}

impl Channel {
    /// A channel with at most [`MAX_DRIVES`] drives, at least one.
    pub(super) fn new(line: IrqLine, dma: Arc<Dma>, disks: Vec<DiskFile>) -> Self {
        let drives = disks.into_iter().take(MAX_DRIVES);
        let drives: Vec<Drive> = drives.map(|disk| Drive::new(Arc::new(disk))).collect();
        Self {
            line,
            dma,
            allowed: Allowed {
                ports: true,
                bus_master: true,
            },
            job: 0,
            job_runs: false,
            line_is_high: false,
            refused: 0,
            selected: 0,
            control: 0,
            activity: Activity::Idle,
            active: 0,
            bus_master: BusMaster::new(drives.len()),
            drives,
        }
    }

    /// What there is.
    pub fn save(&self) -> ChannelState {
        ChannelState {
            drives: self
                .drives
                .iter()
                .map(|drive| drive.state.clone())
                .collect(),
            selected: self.selected,
            control: self.control,
            activity: self.activity.clone(),
            active: self.active,
            bus_master: self.bus_master,
        }
    }

    /// Takes over what was saved, of as many drives; a transfer by the controller begins anew.
    pub fn restore(&mut self, state: &ChannelState) {
        self.cancel_job();
        for (drive, state) in self.drives.iter_mut().zip(&state.drives) {
            drive.state = state.clone();
        }
        self.selected = state.selected.min(MAX_DRIVES - 1);
        self.control = state.control;
        self.activity = state.activity.clone();
        self.active = state.active.min(self.drives.len() - 1);
        self.bus_master = state.bus_master;
        self.line_is_high = self.wants_interrupt();
        self.start_dma();
    }

    /// What the driver did against the manuals.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn bus_master(&mut self) -> &mut BusMaster {
        &mut self.bus_master
    }

    /// The function's configuration has changed.
    pub(super) fn allow(&mut self, allowed: Allowed) {
        let lost = self.allowed.bus_master && !allowed.bus_master;
        let won = !self.allowed.bus_master && allowed.bus_master;
        self.allowed = allowed;
        if lost {
            self.cancel_job();
        }
        if won {
            self.start_dma();
        }
    }

    /// No job runs any more.
    pub(super) fn cancel_job(&mut self) {
        if std::mem::take(&mut self.job_runs) {
            self.dma.cancel();
        }
    }

    fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// The drive that answers: the selected one, or the first in its stead.
    fn answering(&self) -> usize {
        self.selected.min(self.drives.len() - 1)
    }

    fn selected_is_there(&self) -> bool {
        self.selected < self.drives.len()
    }

    fn is_busy(&self) -> bool {
        self.drives[self.answering()].state.status & status::BSY != 0
    }

    fn wants_interrupt(&self) -> bool {
        let drive = self.drives.get(self.selected);
        self.control & control::NIEN == 0 && drive.is_some_and(|drive| drive.state.interrupt)
    }

    /// Brings the line to where the selected drive wants it.
    fn update_line(&mut self) {
        let wanted = self.wants_interrupt();
        let before = std::mem::replace(&mut self.line_is_high, wanted);
        if before || !self.line_is_high {
            return;
        }
        self.bus_master.interrupted();
        if let Err(error) = self.line.trigger() {
            log::error!("IDE interrupt: {error}");
        }
    }

    /// The active drive asks for an interrupt.
    fn interrupt(&mut self) {
        self.drives[self.active].state.interrupt = true;
        self.update_line();
    }

    fn read_register(&mut self, offset: u16) -> u8 {
        let previous = self.control & control::HOB != 0;
        let (selected, is_there) = (self.selected, self.selected_is_there());
        let answering = self.answering();
        let state = &mut self.drives[answering].state;
        let registers = &state.registers;
        let twice = match offset {
            FEATURES => return state.error,
            COUNT => registers.count,
            LBA_LOW..=LBA_HIGH => registers.lba[usize::from(offset - LBA_LOW)],
            DEVICE => {
                let dev = if selected == 0 { 0 } else { device::DEV };
                return registers.device & !device::DEV | dev;
            }
            COMMAND | CONTROL if !is_there => return 0,
            COMMAND => {
                state.interrupt = false;
                let status = state.status;
                self.update_line();
                return status;
            }
            CONTROL => return state.status,
            _ => return 0xff,
        };
        if previous {
            twice.previous
        } else {
            twice.current
        }
    }

    fn write_register(&mut self, offset: u16, value: u8) {
        if offset == CONTROL {
            return self.write_control(value);
        }
        if self.is_busy() {
            return self.refuse();
        }
        self.control &= !control::HOB;
        for drive in &mut self.drives {
            write_task_file(&mut drive.state.registers, offset, value);
        }
        match offset {
            DEVICE => {
                self.selected = usize::from(value & device::DEV != 0);
                self.update_line();
            }
            COMMAND => self.command(value),
            _ => {}
        }
    }

    fn write_control(&mut self, value: u8) {
        let before = std::mem::replace(&mut self.control, value);
        match (before & control::SRST, value & control::SRST) {
            (0, control::SRST) => self.begin_reset(),
            (control::SRST, 0) => self.end_reset(),
            _ => {}
        }
        self.update_line();
    }

    /// Both drives drop what they are at and stay busy as long as the bit is set (9.2).
    fn begin_reset(&mut self) {
        self.cancel_job();
        self.activity = Activity::Idle;
        for drive in &mut self.drives {
            drive.state.interrupt = false;
            drive.state.status = status::BSY;
        }
    }

    fn end_reset(&mut self) {
        self.drives.iter_mut().for_each(Drive::reset);
        self.selected = 0;
    }
}

fn write_task_file(registers: &mut TaskFile, offset: u16, value: u8) {
    match offset {
        FEATURES => registers.features.push(value),
        COUNT => registers.count.push(value),
        LBA_LOW..=LBA_HIGH => registers.lba[usize::from(offset - LBA_LOW)].push(value),
        DEVICE => registers.device = value,
        _ => {}
    }
}

impl PioDevice for Channel {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        if !self.allowed.ports {
            return u32::MAX;
        }
        if offset == DATA {
            return self.read_data(width);
        }
        let offsets = offset..offset + width.bytes() as u16;
        let bytes = offsets.rev().map(|offset| self.read_register(offset));
        bytes.fold(0, |value, byte| value << 8 | u32::from(byte))
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        if !self.allowed.ports {
            return;
        }
        if offset == DATA {
            return self.write_data(width, value);
        }
        let bytes = value.to_le_bytes().into_iter().take(width.bytes());
        for (offset, byte) in (offset..).zip(bytes) {
            self.write_register(offset, byte);
        }
    }
}

impl Channel {
    /// The active drive is done with its command.
    fn done(&mut self) {
        self.activity = Activity::Idle;
        self.drives[self.active].state.status = status::IDLE;
        self.interrupt();
    }

    /// The active drive could not do its command.
    fn fail(&mut self, errors: u8) {
        self.activity = Activity::Idle;
        let state = &mut self.drives[self.active].state;
        (state.status, state.error) = (status::IDLE | status::ERR, errors);
        self.interrupt();
    }

    /// The disk broke at a sector.
    fn fail_at(&mut self, direction: Direction, extent: Extent, sector: u64) {
        self.drives[self.active].point_at(extent.addressing, sector);
        self.fail(match direction {
            Direction::Read => error::UNC,
            Direction::Write => error::ABRT,
        });
    }
}
