//! Virtio devices (virtio 1.3): what a device is to its transport, and the parts they share.
//!
//! ```text
//!  driver --registers--> MmioTransport --activate--> VirtioDevice --starts--> worker thread
//!     |                       | doorbell EventFd                                  |
//!     +--rings in memory------+---------------------------------------------------+--> Interrupt
//! ```
//!
//! [`mmio`] has the registers; [`handshake`], which all transports share, the status state machine
//! (2.1), features and the queues' layout. A device gets the queues at `activate` and gives
//! everything up at `reset`.

use crate::irq::IrqLine;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use virtio_bindings::virtio_config::VIRTIO_F_VERSION_1;
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};
use virtio_queue::Queue;
use vm_memory::GuestMemoryMmap;
use vm_superio::Trigger;
use vmm_sys_util::eventfd::EventFd;

pub mod balloon;
pub mod blk;
pub mod coalesce;
pub mod console;
pub mod handshake;
pub mod io_buffers;
pub mod mmio;
pub mod net;
pub mod pci;
pub mod queue_setup;
pub mod ring;
pub mod rng;
#[cfg(any(test, feature = "fuzzing"))]
pub mod testing;
pub mod vigil;
pub mod vsock;
pub mod worker;

/// Feature bit that every driver must accept (virtio 1.3 6).
pub const F_VERSION_1: u64 = 1 << VIRTIO_F_VERSION_1;
/// Feature bit: a descriptor may refer to a table of descriptors (2.7.5.3).
pub const F_INDIRECT_DESC: u64 = 1 << VIRTIO_RING_F_INDIRECT_DESC;
/// Feature bit: each side says from which index on it wants to be told (2.7.10).
pub const F_EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;

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
    /// Changes whenever the configuration does.
    fn config_generation(&self) -> u32 {
        0
    }
    /// The driver has set DRIVER_OK: starts work on the queues.
    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError>;
    /// Stops work and waits until nothing touches guest memory any more. Also when inactive.
    fn reset(&mut self);
    /// Stops work as [`Self::reset`] does, but goes on from where it was when it is activated
    /// again: what the driver has set by means of a queue stays.
    fn pause(&mut self) {
        self.reset();
    }
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

/// Interrupt to the driver, with the reasons that the transport shows it.
#[derive(Clone)]
pub struct Interrupt {
    signal: Arc<dyn Signal>,
    shared: Arc<InterruptShared>,
}

/// Reasons of an interrupt: [`INTERRUPT_USED`] and [`INTERRUPT_CONFIG`], until acknowledged.
pub type Reasons = AtomicU32;

/// How a transport's interrupts reach the driver. The reasons may be acknowledged at any time: a
/// line that has a level looks at them when it is set.
pub trait Signal: Send + Sync {
    /// Buffers of that queue were used.
    fn used(&self, queue: u16, reasons: &Reasons) -> io::Result<()>;
    /// The configuration has changed, or the device needs a reset.
    fn config(&self, reasons: &Reasons) -> io::Result<()>;
    /// The reasons are those of a saved state.
    fn restored(&self, reasons: &Reasons) -> io::Result<()>;
}

impl Signal for IrqLine {
    fn used(&self, _queue: u16, _reasons: &Reasons) -> io::Result<()> {
        self.trigger()
    }

    fn config(&self, _reasons: &Reasons) -> io::Result<()> {
        self.trigger()
    }

    /// An edge that the driver has not acknowledged may have been lost.
    fn restored(&self, reasons: &Reasons) -> io::Result<()> {
        match reasons.load(Ordering::SeqCst) {
            0 => Ok(()),
            _ => self.trigger(),
        }
    }
}

#[derive(Default)]
struct InterruptShared {
    reasons: Reasons,
    needs_reset: AtomicBool,
    defects: AtomicU64,
}

impl Interrupt {
    /// An interrupt by `signal` with no reason pending.
    pub fn new(signal: Arc<dyn Signal>) -> Self {
        Self {
            signal,
            shared: Arc::default(),
        }
    }

    /// Tells the driver that buffers of that queue were used.
    pub fn signal_used(&self, queue: u16) {
        self.note(INTERRUPT_USED);
        log_failure(self.signal.used(queue, self.reasons()));
    }

    /// Tells the driver that the configuration has changed.
    pub fn signal_config(&self) {
        self.note(INTERRUPT_CONFIG);
        log_failure(self.signal.config(self.reasons()));
    }

    /// Tells the driver that the device works no more until it is reset (virtio 1.3 2.1.2): it
    /// has found a queue in a state that no driver leaves it in.
    pub fn signal_needs_reset(&self) {
        self.shared.needs_reset.store(true, Ordering::SeqCst);
        self.signal_config();
    }

    /// Reasons not acknowledged yet.
    pub fn status(&self) -> u32 {
        self.reasons().load(Ordering::SeqCst)
    }

    /// The same, as they change.
    pub(crate) fn reasons(&self) -> &Reasons {
        &self.shared.reasons
    }

    /// The driver has seen these reasons.
    pub fn acknowledge(&self, reasons: u32) {
        self.reasons().fetch_and(!reasons, Ordering::SeqCst);
    }

    /// Whether [`Self::signal_needs_reset`] was called since the last [`Self::clear`].
    pub fn needs_reset(&self) -> bool {
        self.shared.needs_reset.load(Ordering::SeqCst)
    }

    /// Counts a malformed chain of buffers.
    pub(crate) fn count_defect(&self) {
        self.shared.defects.fetch_add(1, Ordering::Relaxed);
    }

    /// Malformed chains so far.
    pub fn defects(&self) -> u64 {
        self.shared.defects.load(Ordering::Relaxed)
    }

    /// As after a reset of the device.
    pub fn clear(&self) {
        self.acknowledge(u32::MAX);
        self.shared.needs_reset.store(false, Ordering::SeqCst);
    }

    /// Takes over saved reasons.
    pub(crate) fn restore(&self, status: u32, needs_reset: bool) {
        self.shared.needs_reset.store(needs_reset, Ordering::SeqCst);
        self.note(status);
        log_failure(self.signal.restored(self.reasons()));
    }

    fn note(&self, reason: u32) {
        self.reasons().fetch_or(reason, Ordering::SeqCst);
    }
}

fn log_failure(signalled: io::Result<()>) {
    if let Err(error) = signalled {
        // Only when nobody has taken 2^64 - 2 interrupts.
        log::debug!("virtio interrupt: {error}");
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

/// Reads a device's configuration `config` from `offset`; bytes past its end read as zero.
fn read_config_bytes(config: &[u8], offset: u64, data: &mut [u8]) {
    data.fill(0);
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| config.get(offset..));
    for (to, from) in data.iter_mut().zip(rest.unwrap_or_default()) {
        *to = *from;
    }
}
