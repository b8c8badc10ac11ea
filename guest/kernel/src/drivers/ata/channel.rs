//! [`Channel`]: one command at a time, and how its end is awaited.

use super::dma::{BusMaster, Direction};
use super::registers::{
    ALTERNATE_STATUS, COMMAND, CONTROL, DEVICE, DEVICE_LBA, DEVICE_SECOND, GSI, LBA_HIGH, LBA_LOW,
    LBA_MID, SECTOR_COUNT, STATUS, control, status,
};
use crate::arch::port::{inb, outb};
use crate::drivers::lazy::Lazy;
use crate::drivers::{Segment, poll_for};
use crate::irq;
use crate::sched::WaitQueue;
use crate::sync::{Mutex, MutexGuard};
use crate::time::deadline;
use abi::syscall::{Errno, IoMode};
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// A drive that does not answer for so long is reset.
const ANSWER_TIMEOUT_NS: u64 = 10_000_000_000;
/// A reset lasts at least so long (ATA/ATAPI-6 9.2).
const RESET_NS: u64 = 5_000;

/// The primary channel.
pub(super) static CHANNEL: Channel = Channel {
    control: Mutex::new(None),
    line: Lazy::new(),
    master: Lazy::new(),
    has_interrupted: AtomicBool::new(false),
    last_status: AtomicU8::new(0),
    waiters: WaitQueue::new(),
};

pub(super) struct Channel {
    /// Device control register, as written last. Whoever has the lock has the channel.
    control: Mutex<Option<u8>>,
    /// Whether the interrupt line could be had.
    line: Lazy<bool>,
    master: Lazy<Option<BusMaster>>,
    has_interrupted: AtomicBool,
    /// What the interrupt handler has read.
    last_status: AtomicU8,
    waiters: WaitQueue,
}

/// A command and its parameters.
pub(super) struct Command {
    code: u8,
    drive: u8,
    extended: bool,
    sector: u64,
    count: u64,
}

impl Command {
    pub(super) fn new(code: u8, drive: u8, extended: bool) -> Self {
        Self {
            code,
            drive,
            extended,
            sector: 0,
            count: 0,
        }
    }

    pub(super) fn range(self, sector: u64, count: u64) -> Self {
        Self {
            sector,
            count,
            ..self
        }
    }
}

fn interrupted(_argument: usize) {
    CHANNEL.last_status.store(inb(STATUS), Ordering::Relaxed);
    CHANNEL.has_interrupted.store(true, Ordering::Release);
    CHANNEL.waiters.wake_all();
}

impl Channel {
    /// The channel's use, with interrupts on or off as `mode` has it.
    pub(super) fn begin(&self, mode: IoMode) -> Session<'_> {
        let has_line = *self.line.get_or_make(|| irq::register(GSI, interrupted, 0));
        let mode = if has_line { mode } else { IoMode::Poll };
        let mut control = self.control.lock();
        let wanted = match mode {
            IoMode::Interrupt => 0,
            IoMode::Poll => control::NO_INTERRUPT,
        };
        if *control != Some(wanted) {
            outb(CONTROL, wanted);
            *control = Some(wanted);
        }
        Session { control, mode }
    }
}

/// The use of the channel by one request.
pub(super) struct Session<'a> {
    control: MutexGuard<'a, Option<u8>>,
    mode: IoMode,
}

impl Session<'_> {
    /// Whether anything answers.
    pub(super) fn is_there(&self, drive: u8) -> bool {
        select(drive, 0);
        inb(ALTERNATE_STATUS) != status::ABSENT
    }

    /// Writes a command's parameters, then its code.
    pub(super) fn issue(&mut self, command: &Command) -> Result<(), Errno> {
        let free = || inb(ALTERNATE_STATUS) & (status::BUSY | status::DATA_REQUEST) == 0;
        let top = match command.extended {
            true => 0,
            false => (command.sector >> 24) as u8 & 0xf,
        };
        select(command.drive, top);
        if !poll_for(ANSWER_TIMEOUT_NS, free) {
            return Err(self.reset());
        }
        if command.extended {
            set_parameters(command.count >> 8, command.sector >> 24);
        }
        set_parameters(command.count, command.sector);
        self.expect_interrupt();
        outb(COMMAND, command.code);
        Ok(())
    }

    /// What the drive does from here on is awaited next.
    pub(super) fn expect_interrupt(&self) {
        CHANNEL.has_interrupted.store(false, Ordering::Relaxed);
    }

    /// Waits until the drive has done what it was told; its status, if that is no error.
    pub(super) fn wait(&mut self) -> Result<u8, Errno> {
        match self.mode {
            IoMode::Interrupt => {
                let done = || CHANNEL.has_interrupted.load(Ordering::Acquire);
                if !CHANNEL
                    .waiters
                    .wait_until_deadline(done, deadline(ANSWER_TIMEOUT_NS))
                {
                    return Err(self.reset());
                }
                checked(CHANNEL.last_status.load(Ordering::Relaxed))
            }
            IoMode::Poll => self.poll(),
        }
    }

    /// The same by looking, for what does not interrupt.
    pub(super) fn poll(&mut self) -> Result<u8, Errno> {
        let ready = || inb(ALTERNATE_STATUS) & status::BUSY == 0;
        if !poll_for(ANSWER_TIMEOUT_NS, ready) {
            return Err(self.reset());
        }
        checked(inb(STATUS))
    }

    /// A command that moves no data.
    pub(super) fn without_data(&mut self, command: &Command) -> Result<(), Errno> {
        self.issue(command)?;
        self.wait().map(|_| ())
    }

    /// Lists `segments` for the controller, which is returned; nothing if it has to be done in
    /// another way.
    pub(super) fn prepare_dma(
        &mut self,
        direction: Direction,
        segments: &[Segment],
    ) -> Option<&'static BusMaster> {
        let master = CHANNEL.master.get_or_make(BusMaster::find).as_ref()?;
        master.prepare(direction, segments).then_some(master)
    }

    /// A command whose data the controller moves as listed before.
    pub(super) fn dma(
        &mut self,
        master: &BusMaster,
        direction: Direction,
        command: &Command,
    ) -> Result<(), Errno> {
        self.issue(command)?;
        master.start(direction);
        let ended = self.wait();
        let moved = master.stop();
        ended.and(moved)
    }

    /// Ends what the drives do and forgets it.
    fn reset(&mut self) -> Errno {
        outb(CONTROL, control::RESET | control::NO_INTERRUPT);
        poll_for(RESET_NS, || false);
        outb(CONTROL, control::NO_INTERRUPT);
        *self.control = Some(control::NO_INTERRUPT);
        Errno::Io
    }
}

fn select(drive: u8, top: u8) {
    let second = if drive == 0 { 0 } else { DEVICE_SECOND };
    outb(DEVICE, DEVICE_LBA | second | top);
}

/// Writes the low bytes of count and sector; the registers remember one value before.
fn set_parameters(count: u64, sector: u64) {
    outb(SECTOR_COUNT, count as u8);
    outb(LBA_LOW, sector as u8);
    outb(LBA_MID, (sector >> 8) as u8);
    outb(LBA_HIGH, (sector >> 16) as u8);
}

fn checked(value: u8) -> Result<u8, Errno> {
    match value & (status::ERROR | status::FAULT) {
        0 => Ok(value),
        _ => Err(Errno::Io),
    }
}
