//! [`Blk`]: virtio-blk (virtio 1.3 5.2) on a raw file or block device.
//!
//! - What the driver sees is here; [`worker`] serves the queue.
//! - [`request`] reads a request out of a chain of buffers and checks it.
//! - [`engine`] moves the data: straight between the file and guest memory, without a copy.
//! - [`crate::disk`] opens, checks and locks the file.

pub mod engine;
mod request;
#[cfg(test)]
mod tests;
mod worker;

use super::ring::Ring;
use super::worker::Worker;
use super::{ActivateError, Activation, F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1, VirtioDevice};
use crate::disk::{DiskAccess, DiskFile};
use engine::{Durability, EngineChoice};
use request::Limits;
use std::sync::Arc;
use virtio_bindings::virtio_blk as bindings;
use virtio_bindings::virtio_ids::VIRTIO_ID_BLOCK;
use worker::BlkWork;

const F_SEG_MAX: u64 = 1 << bindings::VIRTIO_BLK_F_SEG_MAX;
const F_RO: u64 = 1 << bindings::VIRTIO_BLK_F_RO;
const F_BLK_SIZE: u64 = 1 << bindings::VIRTIO_BLK_F_BLK_SIZE;
const F_FLUSH: u64 = 1 << bindings::VIRTIO_BLK_F_FLUSH;
const F_DISCARD: u64 = 1 << bindings::VIRTIO_BLK_F_DISCARD;
const F_WRITE_ZEROES: u64 = 1 << bindings::VIRTIO_BLK_F_WRITE_ZEROES;

const QUEUE_SIZES: [u16; 1] = [256];
/// Buffers of data that a request may have: a queue's descriptors less header and status.
const SEG_MAX: u32 = 254;
/// Ranges that one discard or write-zeroes request may name.
const RANGES_MAX: u32 = 16;
/// Longest range to discard, in sectors: 1 GiB, which takes a file system no time.
const DISCARD_SECTORS_MAX: u32 = 1 << 21;
/// Longest range to zero, in sectors: 16 MiB, as it may have to be written out.
const ZERO_SECTORS_MAX: u32 = 1 << 15;

const CONFIG_BYTES: usize = 60;

/// The device.
pub struct Blk {
    disk: Arc<DiskFile>,
    engine: EngineChoice,
    worker: Option<Worker>,
}

impl Blk {
    /// A device with the contents of `disk`.
    pub fn new(disk: DiskFile, engine: EngineChoice) -> Self {
        Self {
            disk: Arc::new(disk),
            engine,
            worker: None,
        }
    }

    /// Configuration (5.2.4), as far as the features offered give it a meaning.
    fn config(&self) -> [u8; CONFIG_BYTES] {
        let mut config = [0; CONFIG_BYTES];
        let fields: [(usize, &[u8]); 9] = [
            (0, &self.disk.sectors().to_le_bytes()),
            (12, &SEG_MAX.to_le_bytes()),
            (20, &512_u32.to_le_bytes()),
            (36, &DISCARD_SECTORS_MAX.to_le_bytes()),
            (40, &RANGES_MAX.to_le_bytes()),
            // Alignment of discarded ranges that gains most: a page of the file.
            (44, &8_u32.to_le_bytes()),
            (48, &ZERO_SECTORS_MAX.to_le_bytes()),
            (52, &RANGES_MAX.to_le_bytes()),
            // Zeroed ranges may be given back to the file system.
            (56, &[1]),
        ];
        for (at, bytes) in fields {
            config[at..at + bytes.len()].copy_from_slice(bytes);
        }
        config
    }

    fn limits(&self, acked_features: u64) -> Limits {
        Limits {
            sectors: self.disk.sectors(),
            access: self.disk.access(),
            // A driver that cannot flush takes a finished write for one that lasts (5.2.6.2).
            durability: if acked_features & F_FLUSH == 0 {
                Durability::Through
            } else {
                Durability::Cached
            },
            discard: acked_features & F_DISCARD != 0,
            write_zeroes: acked_features & F_WRITE_ZEROES != 0,
        }
    }
}

impl VirtioDevice for Blk {
    fn device_type(&self) -> u32 {
        VIRTIO_ID_BLOCK
    }

    fn queue_max_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn avail_features(&self) -> u64 {
        let common = F_VERSION_1 | F_EVENT_IDX | F_INDIRECT_DESC | F_SEG_MAX | F_BLK_SIZE | F_FLUSH;
        match self.disk.access() {
            DiskAccess::ReadOnly => common | F_RO,
            DiskAccess::ReadWrite => common | F_DISCARD | F_WRITE_ZEROES,
        }
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        super::read_config_bytes(&self.config(), offset, data);
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let memory = Arc::new(activation.memory);
        let mut queues = activation.queues.into_iter();
        let queue = queues.next().ok_or(ActivateError::Queue(0))?;
        let ring = Ring::new(queue, memory, activation.interrupt);
        let engine = engine::open(self.disk.file().try_clone()?, self.engine)?;
        let limits = self.limits(activation.acked_features);
        let work = BlkWork::new(ring, Arc::clone(&self.disk), engine, limits);
        self.worker = Some(Worker::start("virtio-blk", work)?);
        Ok(())
    }

    fn reset(&mut self) {
        self.worker = None;
    }
}
