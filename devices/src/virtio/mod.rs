//! Virtio devices (virtio 1.3): what a device is to its transport, and the parts they share.
//!
//! ```text
//!  driver --registers--> MmioTransport --activate--> VirtioDevice --starts--> worker thread
//!     |                       | doorbell EventFd                                  |
//!     +--rings in memory------+---------------------------------------------------+--> Interrupt
//! ```
//!
//! A transport owns the registers, the status state machine (2.1) and the queues' layout; a
//! device gets them at `activate` and gives everything up at `reset`.

use crate::irq::IrqLine;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use virtio_queue::Queue;
use vm_memory::GuestMemoryMmap;
use vm_superio::Trigger;
use vmm_sys_util::eventfd::EventFd;

/// Interrupt status bit: a buffer was used (virtio 1.3 4.2.2).
pub const INTERRUPT_USED: u32 = 1;
/// Interrupt status bit: the configuration has changed.
pub const INTERRUPT_CONFIG: u32 = 2;

/// A virtio device, whatever its transport.
pub trait VirtioDevice: Send {
    /// Device type (virtio 1.3 5).
    fn device_type(&self) -> u32;
    /// Largest size of each queue; their number is the device's number of queues.
    fn queue_max_sizes(&self) -> &[u16];
    /// Feature bits offered, `VIRTIO_F_VERSION_1` among them.
    fn avail_features(&self) -> u64;
    /// Device configuration from `offset`; bytes past its end read as zero.
    fn read_config(&self, offset: u64, data: &mut [u8]);
    /// A write to the configuration. Most devices have nothing to write there.
    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}
    /// The driver has set DRIVER_OK: starts work on the queues.
    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError>;
    /// Stops work and waits until nothing touches guest memory any more. Also when inactive.
    fn reset(&mut self);
}

/// All that a device works with from `activate` to `reset`.
pub struct Activation {
    /// Guest memory.
    pub memory: GuestMemoryMmap,
    /// The queues that the driver made ready, each with its index and doorbell.
    pub queues: Vec<ActiveQueue>,
    /// To the driver.
    pub interrupt: Interrupt,
    /// Features that both sides agreed on.
    pub acked_features: u64,
}

/// A queue that the driver has set up.
pub struct ActiveQueue {
    /// Its index.
    pub index: u16,
    /// Rings, checked to be inside guest memory when activated.
    pub queue: Queue,
    /// Becomes readable when the driver notifies.
    pub doorbell: EventFd,
}

/// Interrupt to the driver with the status register that tells it why.
#[derive(Clone)]
pub struct Interrupt {
    line: IrqLine,
    status: Arc<AtomicU32>,
}

impl Interrupt {
    /// An interrupt over `line`, whose reasons are or-ed into `status`.
    pub fn new(line: IrqLine, status: Arc<AtomicU32>) -> Self {
        Self { line, status }
    }

    /// Tells the driver that buffers were used.
    pub fn signal_used(&self) -> io::Result<()> {
        self.signal(INTERRUPT_USED)
    }

    /// Tells the driver that the configuration has changed.
    pub fn signal_config(&self) -> io::Result<()> {
        self.signal(INTERRUPT_CONFIG)
    }

    fn signal(&self, reason: u32) -> io::Result<()> {
        self.status.fetch_or(reason, Ordering::SeqCst);
        self.line.trigger()
    }
}

/// Why a device could not start.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// A queue that the device cannot do without was not set up, or its rings are not in memory.
    #[error("queue {0} is not usable")]
    Queue(u16),
    /// The worker thread or something it needs could not be had.
    #[error("starting the worker")]
    Worker(#[from] io::Error),
}
