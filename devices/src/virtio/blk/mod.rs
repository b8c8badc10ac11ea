//! [`Blk`]: virtio-blk (virtio 1.3 5.2) on a raw file or block device.
//!
//! - What the driver sees is here; [`worker`] serves a queue. With several queues each has a thread
//!   and an engine; the file is one, so that a flush by any of them is for what all have written.
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
use std::io;
use std::sync::Arc;
use virtio_bindings::virtio_blk as bindings;
use virtio_bindings::virtio_ids::VIRTIO_ID_BLOCK;
use worker::BlkWork;

const F_SEG_MAX: u64 = 1 << bindings::VIRTIO_BLK_F_SEG_MAX;
const F_RO: u64 = 1 << bindings::VIRTIO_BLK_F_RO;
const F_BLK_SIZE: u64 = 1 << bindings::VIRTIO_BLK_F_BLK_SIZE;
const F_FLUSH: u64 = 1 << bindings::VIRTIO_BLK_F_FLUSH;
const F_MQ: u64 = 1 << bindings::VIRTIO_BLK_F_MQ;
const F_DISCARD: u64 = 1 << bindings::VIRTIO_BLK_F_DISCARD;
const F_WRITE_ZEROES: u64 = 1 << bindings::VIRTIO_BLK_F_WRITE_ZEROES;

/// Most queues of a disk.
pub const MAX_QUEUES: u16 = 8;

const QUEUE_SIZE: u16 = 256;
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
    queue_sizes: Vec<u16>,
    /// One a queue, each with an engine of its own.
    workers: Vec<Worker>,
}

impl Blk {
    /// A device with the contents of `disk` and so many `queues`, at least one and at most
    /// [`MAX_QUEUES`].
    pub fn new(disk: DiskFile, engine: EngineChoice, queues: u16) -> Self {
        let queues = queues.clamp(1, MAX_QUEUES);
        Self {
            disk: Arc::new(disk),
            engine,
            queue_sizes: vec![QUEUE_SIZE; queues.into()],
            workers: Vec::new(),
        }
    }

    /// No more than [`MAX_QUEUES`].
    fn queues(&self) -> u16 {
        u16::try_from(self.queue_sizes.len()).unwrap_or(MAX_QUEUES)
    }

    /// Configuration (5.2.4), as far as the features offered give it a meaning.
    fn config(&self) -> [u8; CONFIG_BYTES] {
        let mut config = [0; CONFIG_BYTES];
        let fields: [(usize, &[u8]); 10] = [
            (0, &self.disk.sectors().to_le_bytes()),
            (12, &SEG_MAX.to_le_bytes()),
            (20, &512_u32.to_le_bytes()),
            (34, &self.queues().to_le_bytes()),
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
        &self.queue_sizes
    }

    fn avail_features(&self) -> u64 {
        let common = F_VERSION_1 | F_EVENT_IDX | F_INDIRECT_DESC | F_SEG_MAX | F_BLK_SIZE | F_FLUSH;
        let by_access = match self.disk.access() {
            DiskAccess::ReadOnly => F_RO,
            DiskAccess::ReadWrite => F_DISCARD | F_WRITE_ZEROES,
        };
        let by_queues = match self.queues() {
            1 => 0,
            _ => F_MQ,
        };
        common | by_access | by_queues
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        super::read_config_bytes(&self.config(), offset, data);
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let features = activation.acked_features;
        let memory = Arc::new(activation.memory);
        let mut queues = activation.queues;
        // A driver that knows of one queue alone has no business with the others (5.2.3).
        queues.retain(|queue| queue.index == 0 || features & F_MQ != 0);
        if queues.iter().all(|queue| queue.index != 0) {
            return Err(ActivateError::Queue(0));
        }
        let work = queues.into_iter().map(|queue| {
            let name = format!("virtio-blk-{}", queue.index);
            let ring = Ring::new(queue, Arc::clone(&memory), activation.interrupt.clone());
            let engine = engine::open(self.disk.file().try_clone()?, self.engine)?;
            let disk = Arc::clone(&self.disk);
            let work = BlkWork::new(ring, disk, engine, self.limits(features));
            Worker::start(&name, work)
        });
        // One that cannot be started ends the others with it.
        self.workers = work.collect::<io::Result<_>>()?;
        Ok(())
    }

    fn reset(&mut self) {
        self.workers.clear();
    }
}
