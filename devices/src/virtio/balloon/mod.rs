//! [`Balloon`]: virtio-balloon, memory that the guest gives back (virtio 1.3 5.5).
//!
//! - The driver fills the balloon up to a target with pages that it does without, until the
//!   target falls or it runs out of memory; [`pages`] checks and joins them, and [`Discard`] gives
//!   them back to the host.
//! - Free page reporting (5.5.6.7): it names pages that it does not use just now, without a target.
//! - Statistics (5.5.6.3): asked for every few seconds; [`statistics`] names them.
//! - What the driver sees is here; [`worker`] serves the queues; [`BalloonHandle`] is for whoever
//!   sets the target and reads what came of it.

mod handle;
mod pages;
mod statistics;
#[cfg(test)]
mod tests;
mod worker;

pub use handle::{BalloonHandle, BalloonStatus};

use super::ring::Ring;
use super::worker::Worker;
use super::{ActivateError, Activation, ActiveQueue};
use super::{F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1, VirtioDevice};
use std::io;
use std::sync::Arc;
use virtio_bindings::virtio_ids::VIRTIO_ID_BALLOON;
use vm_memory::GuestAddress;
use worker::{BalloonWork, Rings};

/// Unit of the balloon in bytes, whatever the guest's pages are (5.5.6).
pub const PAGE_BYTES: u64 = 4096;

/// Feature bits (5.5.3).
const F_STATS_VQ: u64 = 1 << 1;
const F_DEFLATE_ON_OOM: u64 = 1 << 2;
const F_REPORTING: u64 = 1 << 5;

/// Inflate, deflate, and as many as there can be after them.
const QUEUE_SIZES: [u16; 5] = [128; 5];
const INFLATE: u16 = 0;
const DEFLATE: u16 = 1;

/// Where the driver writes how many pages the balloon has (5.5.4).
const ACTUAL_OFFSET: usize = 4;

/// Gives pieces of guest memory back to the host; what is read there afterwards is zero.
pub trait Discard: Send + Sync {
    /// Gives back `len` bytes from `gpa` on, whole pages in guest memory.
    fn discard(&self, gpa: GuestAddress, len: u64) -> io::Result<()>;
}

/// The device.
pub struct Balloon {
    discard: Arc<dyn Discard>,
    worker: Option<Worker>,

    handle: BalloonHandle,
}

/// What of the device a snapshot saves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalloonState {
    /// Pages that the guest is asked to give back.
    pub target_pages: u32,
    /// Pages that it has given back.
    pub actual_pages: u32,
}

impl Balloon {
    /// A balloon that the guest is asked to fill with `target_bytes`, whole pages.
    pub fn new(target_bytes: u64, discard: Arc<dyn Discard>) -> Self {
        Self {
            discard,
            worker: None,
            handle: BalloonHandle::new(target_bytes),
        }
    }

    /// The handle by which the target is set and the results are read.
    pub fn handle(&self) -> BalloonHandle {
        self.handle.clone()
    }

    /// The state.
    pub fn save(&self) -> BalloonState {
        BalloonState {
            target_pages: self.handle.target_pages(),
            actual_pages: self.handle.actual_pages(),
        }
    }

    /// Takes over a saved state.
    pub fn restore(&mut self, state: &BalloonState) {
        self.handle.set_actual_pages(state.actual_pages);
        self.handle.set_target_pages(state.target_pages);
    }

    /// Configuration (5.5.4), as far as the features offered give it a meaning.
    fn config(&self) -> [u8; 8] {
        let [a, b, c, d] = self.handle.target_pages().to_le_bytes();
        let [e, f, g, h] = self.handle.actual_pages().to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

/// The rings of the queues. Those after the first two have no fixed numbers: drivers count only
/// those of the features agreed on.
fn rings(
    queues: Vec<ActiveQueue>,
    features: u64,
    mut ring: impl FnMut(ActiveQueue) -> Ring,
) -> Result<Rings, ActivateError> {
    let mut queues = queues.into_iter().peekable();
    let mut fixed = |index| {
        let queue = queues.next_if(|queue| queue.index == index);
        queue.map(&mut ring).ok_or(ActivateError::Queue(index))
    };
    let (inflate, deflate) = (fixed(INFLATE)?, fixed(DEFLATE)?);
    let mut of_feature = |feature| {
        let wanted = features & feature != 0;
        wanted.then(|| queues.next()).flatten().map(&mut ring)
    };
    Ok(Rings {
        inflate,
        deflate,
        statistics: of_feature(F_STATS_VQ),
        reporting: of_feature(F_REPORTING),
    })
}

impl VirtioDevice for Balloon {
    fn device_type(&self) -> u32 {
        VIRTIO_ID_BALLOON
    }

    fn queue_max_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn avail_features(&self) -> u64 {
        F_VERSION_1 | F_EVENT_IDX | F_INDIRECT_DESC | F_STATS_VQ | F_DEFLATE_ON_OOM | F_REPORTING
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        super::read_config_bytes(&self.config(), offset, data);
    }

    fn write_config(&mut self, offset: u64, data: &[u8]) {
        let mut actual = self.handle.actual_pages().to_le_bytes();
        for (at, byte) in (offset..).zip(data) {
            let at = usize::try_from(at).ok();
            let at = at.and_then(|at| at.checked_sub(ACTUAL_OFFSET));
            if let Some(place) = at.and_then(|at| actual.get_mut(at)) {
                *place = *byte;
            }
        }
        self.handle.set_actual_pages(u32::from_le_bytes(actual));
    }

    fn config_generation(&self) -> u32 {
        self.handle.generation()
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let memory = Arc::new(activation.memory);
        let interrupt = activation.interrupt;
        let rings = rings(activation.queues, activation.acked_features, |queue| {
            Ring::new(queue, Arc::clone(&memory), interrupt.clone())
        })?;
        self.handle.connect(interrupt.clone());
        let discard = Arc::clone(&self.discard);
        let work = BalloonWork::new(rings, interrupt, discard, self.handle.clone())?;
        self.worker = Some(Worker::start("virtio-balloon", work)?);
        Ok(())
    }

    fn reset(&mut self) {
        self.worker = None;
    }
}
