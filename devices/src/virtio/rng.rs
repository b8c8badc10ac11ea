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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::mmio::spec::Register;
    use crate::virtio::testing::{BUFFERS, Guest, Piece, wait_for};
    use crate::work::Working;

    fn guest() -> Guest {
        let mut guest = Guest::new(Box::new(Rng::new().unwrap()));
        guest.start_simply();
        guest
    }

    #[test]
    fn all_buffers_are_filled_with_bytes_that_differ() {
        let mut guest = guest();
        let pieces = [
            Piece::writable(BUFFERS, 64),
            Piece::writable(BUFFERS + 0x100, 64),
        ];
        assert_eq!(guest.exchange(0, &pieces), 128);
        let (first, second) = (guest.peek(BUFFERS, 64), guest.peek(BUFFERS + 0x100, 64));
        assert!(first != second && first != [0; 64] && second != [0; 64]);
        assert_eq!(
            guest.peek(BUFFERS + 64, 64),
            [0; 64],
            "and no more than that"
        );
        wait_for("an interrupt", || guest.line.evt().read().is_ok());
        assert_eq!(guest.read(Register::InterruptStatus), 1);
    }

    #[test]
    fn a_request_is_bounded() {
        let mut guest = guest();
        let pieces = [Piece::writable(BUFFERS, 0x2_0000)];
        assert_eq!(guest.exchange(0, &pieces), MAX_REQUEST_BYTES);
    }

    #[test]
    fn a_request_that_makes_no_sense_comes_back_empty() {
        let mut guest = guest();
        for pieces in [
            [Piece::readable(BUFFERS, 64), Piece::writable(1 << 40, 64)],
            [Piece::writable(BUFFERS, 64), Piece::readable(BUFFERS, 64)],
            [
                Piece::writable(u64::MAX - 8, 64),
                Piece::writable(BUFFERS, 64),
            ],
        ] {
            assert_eq!(guest.exchange(0, &pieces), 0);
        }
        assert_eq!(guest.transport.lock().unwrap().refused(), 3, "counted");
        assert_eq!(
            guest.exchange(0, &[Piece::writable(BUFFERS, 8)]),
            8,
            "and goes on"
        );
    }

    #[test]
    fn an_index_that_jumps_or_a_head_that_is_not_there_needs_a_reset() {
        for (head, index) in [(0_u16, 17_u16), (16, 1), (u16::MAX, 1), (0, u16::MAX)] {
            let mut guest = guest();
            let [_, avail, _] = Guest::areas(0);
            guest.poke(avail + 4, &head.to_le_bytes());
            guest.poke(avail + 2, &index.to_le_bytes());
            guest.notify(0);
            wait_for("NEEDS_RESET", || guest.read(Register::Status) == 15 | 0x40);
            guest.write(Register::Status, 0);
            guest.start_simply();
            assert_eq!(guest.exchange(0, &[Piece::writable(BUFFERS, 8)]), 8);
        }
    }
}
