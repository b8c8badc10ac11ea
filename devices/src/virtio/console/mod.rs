//! [`Console`]: virtio-console with one port (virtio 1.3 5.3).
//!
//! - What the driver sees is here; [`worker`] moves the bytes.
//! - Output goes to a sink, many bytes at a time. A sink that blocks holds up the guest's
//!   output, not the guest; nothing is dropped. (Reset waits for it, too.)
//! - Input comes through a [`ConsoleInput`], which has the same shape as the serial port's: it
//!   takes what there is room for, and says when there is room again.

mod input;
#[cfg(test)]
mod tests;
mod worker;

pub use input::ConsoleInput;

use super::ring::Ring;
use super::worker::Worker;
use super::{ActivateError, Activation, F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1, VirtioDevice};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;
use worker::ConsoleWork;

/// Feature bit: the configuration has the size of the terminal (5.3.3).
const F_SIZE: u64 = 1 << 0;

const QUEUE_SIZES: [u16; 2] = [64, 64];
/// Queue for bytes to the guest.
const RECEIVE: u16 = 0;
/// Queue for bytes from the guest.
const TRANSMIT: u16 = 1;

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// Where the guest's output goes; the worker has it while it runs.
type SharedSink = Arc<Mutex<Box<dyn Write + Send>>>;

/// The device.
pub struct Console {
    sink: SharedSink,
    input: ConsoleInput,
    size: Option<TerminalSize>,
    worker: Option<Worker>,
}

impl Console {
    /// A console that sends to `sink`, on a terminal of that size if it is known.
    pub fn new(sink: Box<dyn Write + Send>, size: Option<TerminalSize>) -> io::Result<Self> {
        Ok(Self {
            sink: Arc::new(Mutex::new(sink)),
            input: ConsoleInput::new()?,
            size,
            worker: None,
        })
    }

    /// The handle through which input reaches the guest.
    pub fn input(&self) -> ConsoleInput {
        self.input.clone()
    }

    /// Configuration (5.3.4): columns, rows, and the number of ports, which is of another feature.
    fn config(&self) -> [u8; 4] {
        let (columns, rows) = self.size.map_or((0, 0), |size| (size.columns, size.rows));
        let ([a, b], [c, d]) = (columns.to_le_bytes(), rows.to_le_bytes());
        [a, b, c, d]
    }
}

impl VirtioDevice for Console {
    fn device_type(&self) -> u32 {
        VIRTIO_ID_CONSOLE
    }

    fn queue_max_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn avail_features(&self) -> u64 {
        let size = self.size.map_or(0, |_| F_SIZE);
        F_VERSION_1 | F_EVENT_IDX | F_INDIRECT_DESC | size
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        super::read_config_bytes(&self.config(), offset, data);
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let memory = Arc::new(activation.memory);
        let (mut receive, mut transmit) = (None, None);
        for queue in activation.queues {
            let slot = match queue.index {
                RECEIVE => &mut receive,
                _ => &mut transmit,
            };
            let interrupt = activation.interrupt.clone();
            *slot = Some(Ring::new(queue, Arc::clone(&memory), interrupt));
        }
        let work = ConsoleWork::new(
            receive.ok_or(ActivateError::Queue(RECEIVE))?,
            transmit.ok_or(ActivateError::Queue(TRANSMIT))?,
            Arc::clone(&self.sink),
            self.input.clone(),
        );
        self.worker = Some(Worker::start("virtio-console", work)?);
        Ok(())
    }

    fn reset(&mut self) {
        self.worker = None;
    }
}
