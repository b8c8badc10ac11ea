//! The 16550 serial port of a PC (National Semiconductor PC16550D).
//!
//! Output goes out in bursts of what the transmitter takes, one `rep outsb` each; between them
//! the driver looks at the line status, and sleeps until an interrupt if that says "not yet" and
//! the caller does not want to poll. Interrupts are armed only while somebody sleeps and for one
//! shot, so that a port that is always ready, as most virtual ones, never interrupts. (The crate
//! `uart_16550` sends byte by byte, which costs two exits each, and knows no interrupts.)

use super::lazy::Lazy;
use super::{CharDevice, ConsoleDevice, Segment};
use crate::arch::port::{inb, outb, rep_outsb};
use crate::sched::WaitQueue;
use crate::{arch, irq, sched};
use abi::syscall::{Errno, IoMode};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

/// Register offsets from the base port.
mod reg {
    pub(super) const DATA: u16 = 0;
    pub(super) const INTERRUPT_ENABLE: u16 = 1;
    pub(super) const FIFO_CONTROL: u16 = 2;
    pub(super) const LINE_CONTROL: u16 = 3;
    pub(super) const MODEM_CONTROL: u16 = 4;
    pub(super) const LINE_STATUS: u16 = 5;
}

/// Interrupt enable bits.
const RECEIVED: u8 = 1;
const TRANSMITTER_EMPTY: u8 = 2;
/// Line status bits.
const DATA_READY: u8 = 1;
const TRANSMITTER_READY: u8 = 0x20;
/// Line status where no device answers.
const ABSENT: u8 = 0xff;
/// FIFOs on and cleared.
const FIFO_ON: u8 = 0x07;
const FIFO_OFF: u8 = 0;
/// 8 data bits, no parity, 1 stop bit.
const LINE_8N1: u8 = 0x03;
/// DTR, RTS, and OUT2, which lets interrupts through on a PC.
const MODEM_READY: u8 = 0x0b;

/// Bytes that a 16550's transmitter takes at once.
const FIFO_BYTES: usize = 16;
/// Most that a kernel parameter can make of that.
const MAX_BURST_BYTES: usize = 64 * 1024;
/// Looks at the status before a byte is given up as lost, without sleeping.
const MAX_POLLS: u32 = 1 << 20;
/// Tries of the kernel's own text to get its turn.
const MAX_TRIES: u32 = 1 << 14;

/// The first serial port of a PC.
pub(super) static COM1: Uart = Uart::new(0x3f8, 4, 0);
/// The second.
static COM2: Uart = Uart::new(0x2f8, 3, 1);
/// By the argument of their interrupts.
static PORTS: [&Uart; 2] = [&COM1, &COM2];

/// The port of that name, if the machine has it.
pub(super) fn device(name: &str) -> Option<&'static dyn CharDevice> {
    let port = match name {
        "ttyS0" => Some(&COM1).filter(|port| port.is_present()),
        "ttyS1" => second(Fifo::On),
        "ttyS1-byte" => second(Fifo::Off),
        _ => None,
    };
    port.map(|port| port as &dyn CharDevice)
}

/// The second port, set up anew, with FIFOs or without.
fn second(fifo: Fifo) -> Option<&'static Uart> {
    let (control, burst_bytes) = match fifo {
        Fifo::On => (FIFO_ON, FIFO_BYTES),
        Fifo::Off => (FIFO_OFF, 1),
    };
    if !COM2.is_present() {
        return None;
    }
    COM2.set_up(control, burst_bytes);
    Some(&COM2)
}

/// Whether a port has its FIFOs on; without, it takes a byte at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fifo {
    On,
    Off,
}

/// A serial port.
pub(super) struct Uart {
    base: u16,
    gsi: u32,
    /// Its place in [`PORTS`].
    index: usize,
    burst_bytes: AtomicUsize,
    /// Somebody is writing, whose bytes shall stay together.
    writing: AtomicBool,
    writers: WaitQueue,
    /// Interrupts that are armed.
    armed: AtomicU8,
    /// Whether the interrupt line could be had.
    line: Lazy<bool>,
    ready: WaitQueue,
}

impl Uart {
    const fn new(base: u16, gsi: u32, index: usize) -> Self {
        Self {
            base,
            gsi,
            index,
            burst_bytes: AtomicUsize::new(FIFO_BYTES),
            writing: AtomicBool::new(false),
            writers: WaitQueue::new(),
            armed: AtomicU8::new(0),
            line: Lazy::new(),
            ready: WaitQueue::new(),
        }
    }

    /// Sets the port up. `burst_bytes`: how much the transmitter takes at once, if known.
    pub(super) fn init(&self, burst_bytes: Option<usize>) {
        let burst_bytes = burst_bytes.unwrap_or(FIFO_BYTES).clamp(1, MAX_BURST_BYTES);
        self.set_up(FIFO_ON, burst_bytes);
    }

    fn set_up(&self, fifo_control: u8, burst_bytes: usize) {
        self.burst_bytes.store(burst_bytes, Ordering::Relaxed);
        self.write_register(reg::INTERRUPT_ENABLE, 0);
        self.write_register(reg::LINE_CONTROL, LINE_8N1);
        self.write_register(reg::FIFO_CONTROL, fifo_control);
        self.write_register(reg::MODEM_CONTROL, MODEM_READY);
    }

    fn write_register(&self, register: u16, value: u8) {
        outb(self.base + register, value);
    }

    fn status(&self) -> u8 {
        inb(self.base + reg::LINE_STATUS)
    }

    /// Whether the port is there at all.
    pub(super) fn is_present(&self) -> bool {
        self.status() != ABSENT
    }

    fn is_ready(&self, status_bit: u8) -> bool {
        self.status() & status_bit != 0
    }

    fn try_begin(&self) -> bool {
        !self.writing.swap(true, Ordering::Acquire)
    }

    fn end(&self) {
        self.writing.swap(false, Ordering::SeqCst);
        self.writers.wake_all();
    }

    /// Looks until the status bit is set, or for so long that it never will be.
    fn poll(&self, status_bit: u8) {
        for _ in 0..MAX_POLLS {
            if self.is_ready(status_bit) {
                return;
            }
            arch::relax();
        }
    }

    /// Waits until the status bit is set, for which the interrupt stands.
    fn wait(&self, status_bit: u8, interrupt: u8, mode: IoMode) {
        if self.is_ready(status_bit) {
            return;
        }
        let register = || irq::register(self.gsi, interrupted, self.index);
        if mode == IoMode::Poll || !self.line.get_or_make(register) {
            return self.poll(status_bit);
        }
        // Who waits for input that never comes can be killed.
        let is_given_up = || status_bit == DATA_READY && sched::is_ending();
        self.ready.wait_until(|| {
            self.is_ready(status_bit) || is_given_up() || self.arm(status_bit, interrupt)
        });
    }

    /// Arms an interrupt; whether what it stands for has come to be meanwhile.
    fn arm(&self, status_bit: u8, interrupt: u8) -> bool {
        let armed = self.armed.fetch_or(interrupt, Ordering::AcqRel) | interrupt;
        self.write_register(reg::INTERRUPT_ENABLE, armed);
        self.is_ready(status_bit)
    }

    fn interrupted(&self) {
        self.armed.store(0, Ordering::Release);
        self.write_register(reg::INTERRUPT_ENABLE, 0);
        self.ready.wake_all();
    }

    fn send(&self, bytes: &[u8], mode: IoMode) {
        for burst in bytes.chunks(self.burst_bytes.load(Ordering::Relaxed)) {
            self.wait(TRANSMITTER_READY, TRANSMITTER_EMPTY, mode);
            rep_outsb(self.base + reg::DATA, burst);
        }
    }

    fn receive(&self, to: &mut [u8]) -> usize {
        let ready = to.iter_mut().take_while(|_| self.is_ready(DATA_READY));
        ready.map(|byte| *byte = inb(self.base + reg::DATA)).count()
    }
}

fn interrupted(index: usize) {
    if let Some(port) = PORTS.get(index) {
        port.interrupted();
    }
}

impl CharDevice for Uart {
    fn write(&self, from: &[Segment], mode: IoMode) -> Result<usize, Errno> {
        self.writers.wait_until(|| self.try_begin());
        let mut written = 0;
        for segment in from {
            segment.lend(|bytes| self.send(bytes, mode));
            written += segment.len();
        }
        self.end();
        Ok(written)
    }

    /// Waits for a byte, then takes what is there, up to what the first segment or the receiver's
    /// FIFO holds.
    fn read(&self, to: &[Segment], mode: IoMode) -> Result<usize, Errno> {
        if !self.is_present() {
            return Err(Errno::Io);
        }
        if mode == IoMode::Poll && !self.is_ready(DATA_READY) {
            return Err(Errno::Again);
        }
        self.wait(DATA_READY, RECEIVED, mode);
        let Some(segment) = to.first() else {
            return Ok(0);
        };
        let mut bytes = [0; FIFO_BYTES];
        let room = segment.len().min(FIFO_BYTES);
        let count = self.receive(&mut bytes[..room]);
        Ok(segment.fill(0, &bytes[..count]))
    }
}

impl ConsoleDevice for Uart {
    /// Waits for its turn, but not for ever: whoever is writing may be what has crashed.
    fn write_now(&self, bytes: &[u8]) {
        let mine = (0..MAX_TRIES).any(|_| {
            arch::relax();
            self.try_begin()
        });
        self.send(bytes, IoMode::Poll);
        if mine {
            self.end();
        }
    }
}
