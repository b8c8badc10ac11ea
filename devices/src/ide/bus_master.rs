//! [`BusMaster`]: the registers of DMA (82371SB 2.6), and [`BusMasterPorts`], the way to them.
//!
//! | offset | register |
//! |---|---|
//! | 0 | command: start, direction |
//! | 2 | status: active, error, interrupt, drives that can |
//! | 4 to 7 | address of the list of regions |
//! | 8 to 15 | the same of the other channel, which is not there |

use super::ata::spec::Direction;
use super::channel::Channel;
use crate::bus::{PioDevice, Width};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ports of both channels.
pub const PORTS: u32 = 16;

const COMMAND: u16 = 0;
const STATUS: u16 = 2;
const LIST: u16 = 4;
const LIST_END: u16 = 8;

const COMMAND_START: u8 = 1 << 0;
/// Into memory.
const COMMAND_READ: u8 = 1 << 3;
const STATUS_ACTIVE: u8 = 1 << 0;
const STATUS_ERROR: u8 = 1 << 1;
const STATUS_INTERRUPT: u8 = 1 << 2;
/// Kept for drivers, one bit a drive.
const STATUS_DRIVES: u8 = 0b11 << 5;

/// The registers, to be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusMaster {
    /// Command.
    pub command: u8,
    /// Status.
    pub status: u8,
    /// Address of the list.
    pub list: u32,
}

impl BusMaster {
    /// As firmware leaves them, with so many drives.
    pub fn new(drives: usize) -> Self {
        Self {
            status: STATUS_DRIVES & ((1 << drives) - 1) << 5,
            ..Self::default()
        }
    }

    /// Whether the driver has started it and it has not come to its end.
    pub fn is_active(&self) -> bool {
        self.status & STATUS_ACTIVE != 0
    }

    /// Which way data are to go.
    pub fn direction(&self) -> Direction {
        match self.command & COMMAND_READ {
            0 => Direction::Write,
            _ => Direction::Read,
        }
    }

    /// A drive asks for an interrupt.
    pub fn interrupted(&mut self) {
        self.status |= STATUS_INTERRUPT;
    }

    /// The list is used up, or cannot be followed.
    pub fn ended(&mut self) {
        self.status &= !STATUS_ACTIVE;
    }

    /// There is no memory where the list is or points to.
    pub fn failed(&mut self) {
        self.ended();
        self.status |= STATUS_ERROR;
    }

    fn read(&self, offset: u16) -> u8 {
        match offset {
            COMMAND => self.command,
            STATUS => self.status,
            LIST..LIST_END => self.list.to_le_bytes()[usize::from(offset - LIST)],
            _ => 0,
        }
    }

    /// A write; says whether it has started or stopped the controller.
    fn write(&mut self, offset: u16, value: u8) -> Option<Switched> {
        match offset {
            COMMAND => {
                let before = self.command & COMMAND_START;
                self.command = value & (COMMAND_START | COMMAND_READ);
                return match (before, value & COMMAND_START) {
                    (0, COMMAND_START) => {
                        self.status |= STATUS_ACTIVE;
                        Some(Switched::On)
                    }
                    (COMMAND_START, 0) => {
                        self.ended();
                        Some(Switched::Off)
                    }
                    _ => None,
                };
            }
            STATUS => {
                self.status &= !(value & (STATUS_ERROR | STATUS_INTERRUPT));
                self.status = self.status & !STATUS_DRIVES | value & STATUS_DRIVES;
            }
            LIST..LIST_END => {
                let mut bytes = self.list.to_le_bytes();
                bytes[usize::from(offset - LIST)] = value;
                self.list = u32::from_le_bytes(bytes) & !3;
            }
            _ => {}
        }
        None
    }
}

/// What a write to the command register has done.
enum Switched {
    On,
    Off,
}

/// The ports of BAR 4.
pub struct BusMasterPorts(Arc<Mutex<Channel>>);

impl BusMasterPorts {
    /// Those of that channel.
    pub fn new(channel: Arc<Mutex<Channel>>) -> Self {
        Self(channel)
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PioDevice for BusMasterPorts {
    fn pio_read(&mut self, offset: u16, _width: Width) -> u32 {
        self.channel().bus_master().read(offset).into()
    }

    fn pio_write(&mut self, offset: u16, _width: Width, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        let mut channel = self.channel();
        match channel.bus_master().write(offset, byte) {
            Some(Switched::On) => channel.start_dma(),
            Some(Switched::Off) => channel.stop_dma(),
            None => {}
        }
    }
}
