//! [`Rng`]: virtio-rng, a source of random bytes (virtio 1.3 5.4).
//!
//! The host's generator fills the guest's buffers directly, at most [`MAX_REQUEST_BYTES`] of a
//! request; the driver asks again for more.

use super::ring::{Chain, Ring};
use super::worker::{Work, Worker};
use super::{ActivateError, Activation, F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1, VirtioDevice};
use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;
use vm_memory::Bytes;

/// Most bytes given for one request.
pub const MAX_REQUEST_BYTES: u32 = 64 << 10;

const QUEUE_SIZES: [u16; 1] = [64];
const REQUESTS: u32 = 0;

/// The device.
pub struct Rng {
    source: Arc<File>,
    worker: Option<Worker>,
}

impl Rng {
    /// A device that takes its bytes from the host's kernel.
    pub fn new() -> io::Result<Self> {
        let source = Arc::new(File::open("/dev/urandom")?);
        Ok(Self {
            source,
            worker: None,
        })
    }
}

impl VirtioDevice for Rng {
    fn device_type(&self) -> u32 {
        VIRTIO_ID_RNG
    }

    fn queue_max_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn avail_features(&self) -> u64 {
        F_VERSION_1 | F_EVENT_IDX | F_INDIRECT_DESC
    }

    fn read_config(&self, _offset: u64, data: &mut [u8]) {
        data.fill(0);
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let memory = Arc::new(activation.memory);
        let mut queues = activation.queues.into_iter();
        let queue = queues.next().ok_or(ActivateError::Queue(0))?;
        let work = RngWork {
            ring: Ring::new(queue, memory, activation.interrupt),
            source: Arc::clone(&self.source),
        };
        self.worker = Some(Worker::start("virtio-rng", work)?);
        Ok(())
    }

    fn reset(&mut self) {
        self.worker = None;
    }
}

struct RngWork {
    ring: Ring,
    source: Arc<File>,
}

impl RngWork {
    /// Fills the chain's writable buffers; returns how many bytes.
    fn fill(&self, chain: &Chain) -> u32 {
        if chain.defect.is_some() {
            return 0;
        }
        let mut filled = 0;
        for buffer in &chain.writable {
            let wanted = buffer.len.min(MAX_REQUEST_BYTES - filled);
            let memory = self.ring.memory();
            let read =
                memory.read_exact_volatile_from(buffer.gpa, &mut &*self.source, wanted as usize);
            if read.is_err() {
                break;
            }
            filled += wanted;
        }
        filled
    }
}

impl Work for RngWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        vec![(self.ring.doorbell_fd(), REQUESTS)]
    }

    fn on_ready(&mut self, _token: u32) {
        self.ring.begin();
        for _ in 0..self.ring.size() {
            let Some(chain) = self.ring.pop() else { break };
            let filled = self.fill(&chain);
            self.ring.push(chain.head, filled);
        }
        self.ring.signal();
        if self.ring.end() {
            self.ring.postpone();
        }
    }
}
