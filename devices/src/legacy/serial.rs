//! [`SerialPort`]: a 16550 UART with a 64-byte receive FIFO, on `vm_superio`'s register model.
//!
//! Output goes to the sink byte by byte, and the sink is never flushed: one that batches knows
//! itself when to send. Input is flow-controlled: [`SerialPort::enqueue`] takes what fits and says
//! how much that was; when it took less than it was given, [`SerialPort::room_evt`] becomes readable
//! once the guest has emptied the FIFO.

use crate::bus::{PioDevice, Width};
use crate::irq::IrqLine;
use std::cell::Cell;
use std::io::{self, Write};
use vm_superio::Serial;
pub use vm_superio::SerialState;
use vm_superio::serial::{Error, SerialEvents};
use vmm_sys_util::eventfd::EventFd;

/// Number of ports of a UART.
pub const PORTS: u64 = 8;
/// Register that has the loopback bit.
const MODEM_CONTROL: u8 = 4;
/// Bytes that the receive FIFO holds.
const FIFO_BYTES: usize = 64;

type Sink = Box<dyn Write + Send>;

/// A serial port.
pub struct SerialPort {
    uart: Serial<IrqLine, Feeder, Unflushed>,
    lost_bytes: u64,
}

/// A sink without `vm_superio`'s flush after each byte, which is a system call each.
struct Unflushed(Sink);

impl Write for Unflushed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells who feeds the FIFO that there is room again, if they have been refused.
struct Feeder {
    refused: Cell<bool>,
    room_evt: EventFd,
}

impl SerialEvents for Feeder {
    fn buffer_read(&self) {}
    fn out_byte(&self) {}
    fn tx_lost_byte(&self) {}

    fn in_buffer_empty(&self) {
        if self.refused.replace(false)
            && let Err(error) = self.room_evt.write(1)
        {
            log::error!("serial room event: {error}");
        }
    }
}

/// Why a saved state could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum SerialStateError {
    /// It holds more input than the FIFO does.
    #[error("serial state with {0} bytes of input, the FIFO has {FIFO_BYTES}")]
    TooMuchInput(usize),
    /// An event could not be made or signalled.
    #[error("serial port events")]
    Event(#[from] io::Error),
}

impl SerialPort {
    /// A port that interrupts by `line` and sends to `sink`.
    pub fn new(line: IrqLine, sink: Sink) -> io::Result<Self> {
        let feeder = Feeder {
            refused: Cell::new(false),
            room_evt: EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?,
        };
        Ok(Self {
            uart: Serial::with_events(line, feeder, Unflushed(sink)),
            lost_bytes: 0,
        })
    }

    /// Gives input to the guest; returns how many of `bytes` fitted. Those after are the caller's
    /// to give again when [`Self::room_evt`] is readable.
    pub fn enqueue(&mut self, bytes: &[u8]) -> usize {
        let room = self.room();
        let accepted = match self.uart.enqueue_raw_bytes(bytes) {
            Ok(accepted) => accepted,
            Err(Error::FullFifo) => 0,
            // The bytes are in the FIFO: only the interrupt has failed.
            Err(error) => {
                log::error!("serial input: {error}");
                bytes.len().min(room)
            }
        };
        self.uart.events().refused.set(accepted < bytes.len());
        accepted
    }

    /// Bytes that [`Self::enqueue`] would accept now.
    pub fn room(&self) -> usize {
        self.uart.fifo_capacity()
    }

    /// Becomes readable when the guest has emptied the FIFO after input was refused.
    pub fn room_evt(&self) -> &EventFd {
        &self.uart.events().room_evt
    }

    /// Bytes that the sink did not take.
    pub fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }

    /// Registers and unread input.
    pub fn save(&self) -> SerialState {
        self.uart.state()
    }

    /// Puts a saved state in place of the present one; the sink and the interrupt stay.
    pub fn restore(&mut self, state: &SerialState) -> Result<(), SerialStateError> {
        if state.in_buffer.len() > FIFO_BYTES {
            return Err(SerialStateError::TooMuchInput(state.in_buffer.len()));
        }
        let feeder = Feeder {
            refused: Cell::new(true),
            room_evt: self.room_evt().try_clone()?,
        };
        let line = self.uart.interrupt_evt().clone();
        let sink = std::mem::replace(self.uart.writer_mut(), Unflushed(Box::new(io::sink())));
        self.uart = Serial::from_state(state, line, feeder, sink).map_err(|error| match error {
            Error::Trigger(error) | Error::IOError(error) => SerialStateError::Event(error),
            Error::FullFifo => SerialStateError::TooMuchInput(state.in_buffer.len()),
        })?;
        Ok(())
    }
}

impl PioDevice for SerialPort {
    fn pio_read(&mut self, offset: u16, _width: Width) -> u32 {
        u8::try_from(offset)
            .map_or(0xff, |register| self.uart.read(register))
            .into()
    }

    fn pio_write(&mut self, offset: u16, _width: Width, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        let Ok(register) = u8::try_from(offset) else {
            return;
        };
        match self.uart.write(register, byte) {
            Ok(()) => {}
            Err(Error::IOError(_) | Error::FullFifo) => self.lost_bytes += 1,
            Err(Error::Trigger(error)) => log::error!("serial interrupt: {error}"),
        }
        // In loopback mode input is refused while the FIFO is empty: its end makes room.
        if register == MODEM_CONTROL {
            self.uart.events().in_buffer_empty();
        }
    }
}
