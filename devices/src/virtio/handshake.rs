//! [`Handshake`]: what a driver and a device agree on before and while they work, whatever the
//! transport: status (virtio 1.3 2.1), features (2.2) and queues (2.7).
//!
//! ```text
//!   0 --ACKNOWLEDGE--> --DRIVER--> --FEATURES_OK--> --DRIVER_OK--> device active
//!   ^                                   |                |               |
//!   |                        refused: bit stays 0    rings not in     worker finds a
//!   |                                                  memory          broken queue
//!   +----------------- write 0 (reset) --------- NEEDS_RESET <-----------+
//! ```
//!
//! A setting that makes no sense, or comes at the wrong time, is refused: counted and ignored.

use super::queue_setup::{QueueAddress, QueueSetup};
use super::{ActivateError, Activation, ActiveQueue, F_VERSION_1};
use super::{Interrupt, VirtioDevice};
use std::io;
use std::sync::atomic::Ordering;
use virtio_bindings::virtio_config as config;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use vmm_sys_util::eventfd::EventFd;

/// Status bits (2.1). All fit: they are those of one byte.
const ACKNOWLEDGE: u8 = config::VIRTIO_CONFIG_S_ACKNOWLEDGE as u8;
const DRIVER: u8 = config::VIRTIO_CONFIG_S_DRIVER as u8;
const DRIVER_OK: u8 = config::VIRTIO_CONFIG_S_DRIVER_OK as u8;
const FEATURES_OK: u8 = config::VIRTIO_CONFIG_S_FEATURES_OK as u8;
const NEEDS_RESET: u8 = config::VIRTIO_CONFIG_S_NEEDS_RESET as u8;
const FAILED: u8 = config::VIRTIO_CONFIG_S_FAILED as u8;
const DRIVER_BITS: u8 = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED;

/// Status, features and queues of a device, to be saved.
#[derive(Clone, Debug, PartialEq)]
pub struct HandshakeState {
    /// Status bits that the driver has set.
    pub status: u8,
    /// Features that the driver accepts.
    pub acked_features: u64,
    /// Reasons of the interrupt that the driver has not acknowledged.
    pub interrupt_status: u32,
    /// Whether the device has given up until it is reset.
    pub needs_reset: bool,
    /// The queues in their order.
    pub queues: Vec<QueueSetup>,
}

/// Why a device that ran could not be started again.
#[derive(Debug, thiserror::Error)]
#[error("restarting a virtio device")]
pub struct StartError(#[from] ActivateError);

/// Why a saved state could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The state is that of another kind of device.
    #[error("state has {state} queues, the device {device}")]
    Queues {
        /// Number of queues in the state.
        state: usize,
        /// Number of queues of the device.
        device: usize,
    },
    /// Features were agreed on that this device does not have.
    #[error("state has features {0:#x} that the device does not offer")]
    Features(u64),
    /// The device could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A device and how far its driver has come with it.
pub struct Handshake {
    device: Box<dyn VirtioDevice>,
    memory: GuestMemoryMmap,
    interrupt: Interrupt,
    doorbells: Vec<EventFd>,

    /// Whether the device works on the queues.
    active: bool,
    refused: u64,

    status: u8,
    acked_features: u64,
    queues: Vec<QueueSetup>,
}

impl Handshake {
    /// A device after power-on.
    pub fn new(
        device: Box<dyn VirtioDevice>,
        memory: GuestMemoryMmap,
        interrupt: Interrupt,
    ) -> io::Result<Self> {
        let sizes = device.queue_max_sizes();
        let doorbells = sizes
            .iter()
            .map(|_| EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC))
            .collect::<io::Result<_>>()?;
        let queues = sizes.iter().map(|size| QueueSetup::new(*size)).collect();
        Ok(Self {
            device,
            memory,
            interrupt,
            doorbells,
            active: false,
            refused: 0,
            status: 0,
            acked_features: 0,
            queues,
        })
    }

    /// The device.
    pub fn device(&self) -> &dyn VirtioDevice {
        &*self.device
    }

    /// Its interrupt.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// One for each queue.
    pub fn doorbells(&self) -> &[EventFd] {
        &self.doorbells
    }

    /// What the driver did that was refused, so far, malformed chains among it.
    pub fn refused(&self) -> u64 {
        self.refused.saturating_add(self.interrupt.defects())
    }

    /// Counts something that the driver must not do.
    pub fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Status register.
    pub fn status(&self) -> u8 {
        let needs_reset = self.interrupt.needs_reset();
        self.status | if needs_reset { NEEDS_RESET } else { 0 }
    }

    /// The driver writes the status: 0 resets, anything else may only add bits.
    pub fn write_status(&mut self, value: u32) {
        let Ok(value) = u8::try_from(value) else {
            return self.refuse();
        };
        if value == 0 {
            return self.reset();
        }
        let value = value & DRIVER_BITS;
        if value & self.status != self.status {
            return self.refuse();
        }
        let mut added = value & !self.status;
        if added & FEATURES_OK != 0 && !self.features_acceptable() {
            self.refuse();
            added &= !FEATURES_OK;
        }
        if added & DRIVER_OK != 0 && (self.status | added) & FEATURES_OK == 0 {
            self.refuse();
            added &= !DRIVER_OK;
        }
        self.status |= added;
        if added & DRIVER_OK != 0
            && let Err(error) = self.start()
        {
            log::debug!("virtio device {}: {error}", self.device.device_type());
            self.refuse();
            self.interrupt.signal_needs_reset();
        }
    }

    /// Features offered, 32 of them: `page` 0 is bits 0 to 31.
    pub fn avail_features(&self, page: u32) -> u32 {
        match page {
            0 | 1 => low_half(self.device.avail_features() >> (32 * page)),
            _ => 0,
        }
    }

    /// The driver accepts those features of `page`.
    pub fn accept_features(&mut self, page: u32, features: u32) {
        let settable = self.status & FEATURES_OK == 0;
        match page {
            0 | 1 if settable => {
                let shift = 32 * page;
                let others = self.acked_features & !(u64::from(u32::MAX) << shift);
                self.acked_features = others | u64::from(features) << shift;
            }
            // A driver may clear all pages, known or not.
            _ if settable && features == 0 => {}
            _ => self.refuse(),
        }
    }

    /// Features accepted so far, 32 of them.
    pub fn acked_features(&self, page: u32) -> u32 {
        match page {
            0 | 1 => low_half(self.acked_features >> (32 * page)),
            _ => 0,
        }
    }

    fn features_acceptable(&self) -> bool {
        let unknown = self.acked_features & !self.device.avail_features();
        unknown == 0 && self.acked_features & F_VERSION_1 != 0
    }

    /// Largest size of queue `index`; 0 when there is none.
    pub fn queue_max_size(&self, index: u32) -> u16 {
        let max_size = self.device.queue_max_sizes().get(index as usize);
        max_size.copied().unwrap_or(0)
    }

    /// Queue `index` as it is set up, if there is one.
    pub fn queue(&self, index: u32) -> Option<&QueueSetup> {
        self.queues.get(index as usize)
    }

    /// Whether queue `index` is ready.
    pub fn queue_ready(&self, index: u32) -> bool {
        self.queue(index).is_some_and(|queue| queue.ready)
    }

    /// Calls `set` with queue `index`, if it is there and may be changed now.
    fn change_queue(&mut self, index: u32, set: impl FnOnce(&mut QueueSetup)) {
        let queue = self.queues.get_mut(index as usize);
        match queue.filter(|queue| !self.active && !queue.ready) {
            Some(queue) => set(queue),
            None => self.refuse(),
        }
    }

    /// The driver chooses a size: a power of two up to the largest.
    pub fn set_queue_size(&mut self, index: u32, size: u32) {
        let max_size = self.queue_max_size(index);
        match u16::try_from(size) {
            Ok(size) if size.is_power_of_two() && size <= max_size => {
                self.change_queue(index, |queue| queue.size = size);
            }
            _ => self.refuse(),
        }
    }

    /// The driver says whether a queue may be used. A queue of a device at work is taken back by
    /// reset only.
    pub fn set_queue_ready(&mut self, index: u32, ready: u32) {
        match (ready, self.queues.get_mut(index as usize)) {
            (1, Some(_)) => self.change_queue(index, |queue| queue.ready = true),
            (0, Some(queue)) if !self.active => queue.ready = false,
            _ => self.refuse(),
        }
    }

    /// Lower half of an address of queue `index`.
    pub fn set_low(&mut self, index: u32, which: QueueAddress, low: u32) {
        self.change_queue(index, |queue| {
            let address = queue.address_mut(which);
            *address = *address >> 32 << 32 | u64::from(low);
        });
    }

    /// Upper half of an address of queue `index`.
    pub fn set_high(&mut self, index: u32, which: QueueAddress, high: u32) {
        self.change_queue(index, |queue| {
            let address = queue.address_mut(which);
            *address = u64::from(low_half(*address)) | u64::from(high) << 32;
        });
    }

    /// The driver notifies queue `index`.
    pub fn notify(&mut self, index: u32) {
        let rung = self.doorbells.get(index as usize).map(|evt| evt.write(1));
        if !matches!(rung, Some(Ok(()))) {
            self.refuse();
        }
    }

    /// The driver writes the device's configuration.
    pub fn write_config(&mut self, offset: u64, data: &[u8]) {
        self.device.write_config(offset, data);
    }

    /// Stops the device and forgets all that the driver has set.
    pub fn reset(&mut self) {
        self.stop();
        self.forget();
    }

    fn forget(&mut self) {
        self.status = 0;
        self.acked_features = 0;
        for (queue, max_size) in self.queues.iter_mut().zip(self.device.queue_max_sizes()) {
            *queue = QueueSetup::new(*max_size);
        }
        for doorbell in &self.doorbells {
            // Empty already, mostly: what matters is that it is afterwards.
            let _ = doorbell.read();
        }
        self.interrupt.clear();
    }

    /// The VM has ended: the device completes what is in flight and works no more.
    pub fn finish(&mut self) {
        if self.active {
            self.pause();
        }
    }

    fn stop(&mut self) {
        self.device.reset();
        self.active = false;
    }

    fn pause(&mut self) {
        self.device.pause();
        self.active = false;
    }

    fn start(&mut self) -> Result<(), ActivateError> {
        let queues = self.active_queues()?;
        self.device.activate(Activation {
            memory: self.memory.clone(),
            queues,
            interrupt: self.interrupt.clone(),
            acked_features: self.acked_features,
        })?;
        self.active = true;
        Ok(())
    }

    fn active_queues(&self) -> Result<Vec<ActiveQueue>, ActivateError> {
        let max_sizes = self.device.queue_max_sizes();
        (0..)
            .zip(&self.queues)
            .zip(max_sizes.iter().zip(&self.doorbells))
            .filter(|((_, setup), _)| setup.ready)
            .map(|((index, setup), (max_size, doorbell))| {
                let queue = setup
                    .build(*max_size, &self.memory, self.acked_features)
                    .ok_or(ActivateError::Queue(index))?;
                let doorbell = doorbell.try_clone()?;
                Ok(ActiveQueue {
                    index,
                    queue,
                    doorbell,
                })
            })
            .collect()
    }

    /// The state. A device at work is stopped for it, which completes what is in flight, and
    /// started again.
    pub fn save(&mut self) -> Result<HandshakeState, StartError> {
        let was_active = self.active;
        if was_active {
            self.pause();
            self.note_positions();
        }
        let state = HandshakeState {
            status: self.status,
            acked_features: self.acked_features,
            interrupt_status: self.interrupt.status(),
            needs_reset: self.interrupt.needs_reset(),
            queues: self.queues.clone(),
        };
        // One that has given up stays so: its queue is no better than it was.
        if was_active && !state.needs_reset {
            self.restart()?;
        }
        Ok(state)
    }

    /// Takes over a saved state. A device that was at work is started.
    pub fn restore(&mut self, state: &HandshakeState) -> Result<(), RestoreError> {
        let unknown = state.acked_features & !self.device.avail_features();
        // Until FEATURES_OK the driver may have written anything.
        if unknown != 0 && state.status & FEATURES_OK != 0 {
            return Err(RestoreError::Features(unknown));
        }
        if state.queues.len() != self.queues.len() {
            return Err(RestoreError::Queues {
                state: state.queues.len(),
                device: self.queues.len(),
            });
        }
        self.pause();
        self.forget();
        self.status = state.status & DRIVER_BITS;
        self.acked_features = state.acked_features;
        self.queues.clone_from(&state.queues);
        self.interrupt
            .restore(state.interrupt_status, state.needs_reset);
        if self.status & DRIVER_OK != 0 && !state.needs_reset {
            self.restart()?;
        }
        Ok(())
    }

    /// Starts work where it stopped; buffers may have come in between.
    fn restart(&mut self) -> Result<(), StartError> {
        self.start()?;
        for index in 0..self.doorbells.len() {
            self.notify(u32::try_from(index).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// With nothing in flight, the used ring's index says where each queue stands.
    fn note_positions(&mut self) {
        for queue in self.queues.iter_mut().filter(|queue| queue.ready) {
            let index = GuestAddress(queue.used_ring.wrapping_add(2));
            let load = self.memory.load(index, Ordering::Acquire);
            queue.next = load.map(u16::from_le).unwrap_or(queue.next);
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Bits 0 to 31.
fn low_half(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
