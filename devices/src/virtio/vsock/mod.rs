//! [`Vsock`]: virtio-vsock, stream sockets between the guest and host programs (virtio 1.3 5.10).
//!
//! ```text
//!  guest socket -> CID 2, port P        host program listens on PATH_P
//!  guest listens on port P              host program connects to PATH, writes CONNECT P
//! ```
//! - What the driver sees is here; [`worker`] serves the queues, [`switch`] decides what a packet
//!   or a ready socket leads to.
//! - [`connection`] is one stream, [`credit`] its flow control, [`transfer`] moves its bytes,
//!   [`greeting`] reads the host program's first line; [`table`] finds connections.
//! - [`endpoint`] makes the socket at PATH; [`packet`] has the header.
//!
//! Connections end with a reset of the device. A driver that may not know (it was restored from a
//! snapshot) is told by an event (5.10.6.7).

mod connection;
mod credit;
mod endpoint;
mod greeting;
mod packet;
mod switch;
mod table;
#[cfg(test)]
mod tests;
mod transfer;
mod worker;

pub use endpoint::{Endpoint, EndpointError};

use super::ring::Ring;
use super::worker::Worker;
use super::{ActivateError, Activation, F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1, VirtioDevice};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use switch::Switch;
use virtio_bindings::virtio_ids::VIRTIO_ID_VSOCK;
use worker::{Rings, VsockWork};

/// Feature bit: stream sockets (5.10.3).
const F_STREAM: u64 = 1 << 0;

/// Queue for packets to the guest, for packets from it, and for events (5.10.2).
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const EVENT: u16 = 2;
const QUEUE_SIZES: [u16; 3] = [256, 256, 16];

/// Addresses that a guest may have; those outside are reserved (5.10.4).
pub const GUEST_CIDS: RangeInclusive<u32> = 3..=u32::MAX - 1;

/// The device.
pub struct Vsock {
    endpoint: Arc<Endpoint>,
    worker: Option<Worker>,
    /// The driver is to hear that its connections are gone. The worker sets and clears it.
    reset_due: Arc<AtomicBool>,

    guest_cid: u64,
}

/// What of the device a snapshot saves. Connections do not outlive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VsockState {
    /// The guest's address.
    pub guest_cid: u64,
}

impl Vsock {
    /// A device of a guest with that address, of [`GUEST_CIDS`], whose host side is `endpoint`.
    pub fn new(guest_cid: u32, endpoint: Endpoint) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
            worker: None,
            reset_due: Arc::default(),
            guest_cid: guest_cid.into(),
        }
    }

    /// The state.
    pub fn save(&self) -> VsockState {
        VsockState {
            guest_cid: self.guest_cid,
        }
    }

    /// Takes over a saved state, before the device is activated. The driver will hear that its
    /// connections are gone, and read its address again.
    pub fn restore(&mut self, state: &VsockState) {
        self.guest_cid = state.guest_cid;
        self.reset_due.store(true, Ordering::SeqCst);
    }
}

impl VirtioDevice for Vsock {
    fn device_type(&self) -> u32 {
        VIRTIO_ID_VSOCK
    }

    fn queue_max_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn avail_features(&self) -> u64 {
        F_VERSION_1 | F_EVENT_IDX | F_INDIRECT_DESC | F_STREAM
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        super::read_config_bytes(&self.guest_cid.to_le_bytes(), offset, data);
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let memory = Arc::new(activation.memory);
        let mut rings = [None, None, None];
        for queue in activation.queues {
            let slot = usize::from(queue.index.min(EVENT));
            let interrupt = activation.interrupt.clone();
            rings[slot] = Some(Ring::new(queue, Arc::clone(&memory), interrupt));
        }
        let [receive, transmit, event] = rings;
        let rings = Rings {
            receive: receive.ok_or(ActivateError::Queue(RECEIVE))?,
            transmit: transmit.ok_or(ActivateError::Queue(TRANSMIT))?,
            event,
        };
        let switch = Switch::new(self.guest_cid, Arc::clone(&self.endpoint))?;
        let reset_due = Arc::clone(&self.reset_due);
        let work = VsockWork::new(rings, activation.interrupt, switch, reset_due)?;
        self.worker = Some(Worker::start("virtio-vsock", work)?);
        Ok(())
    }

    fn reset(&mut self) {
        self.worker = None;
    }
}
