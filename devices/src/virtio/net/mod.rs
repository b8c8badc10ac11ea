//! [`Net`]: virtio-net (virtio 1.3 5.1), an Ethernet card of one to eight queue pairs.
//!
//! ```text
//!  receiveq --- Receiver <---+                  +--- TAP, a descriptor a pair
//!                            +-- Port (Backend) +
//!  transmitq -- Transmitter -+                  +--- Unix stream socket (passt)
//!  controlq --- Control ---> NetState
//! ```
//!
//! - What the driver sees is here; [`worker`] is the thread of a queue pair, [`receive`] and
//!   [`transmit`] are its two directions, [`control`] carries out commands, [`mode`] is what they
//!   set, [`header`] checks what comes before each packet.
//! - A [`Backend`] is a network on the host's side; they are in [`crate::net`].
//! - A port that fails takes the link down: the status says so, frames sent are dropped, and the
//!   device works on otherwise.

mod control;
mod header;
mod mode;
mod receive;
pub mod spec;
#[cfg(test)]
mod tests;
mod transmit;
mod worker;

pub use header::Header;
pub use mode::{AddressTable, NetState};
pub use spec::MAX_PAIRS;

use super::ring::Ring;
use super::worker::Worker;
use super::{
    ActivateError, Activation, F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1, Interrupt, VirtioDevice,
};
use crate::net::backend::Backend;
use crate::net::mac::MacAddress;
use control::Control;
use receive::{Pieces, Receiver};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use transmit::Transmitter;
use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use vmm_sys_util::eventfd::EventFd;
use worker::PairWork;

/// A driver fills it with buffers of one usual frame each, of which the longest takes over forty:
/// so that more than a few of those fit.
const RECEIVE_QUEUE_SIZE: u16 = 1024;
const TRANSMIT_QUEUE_SIZE: u16 = 256;
const CONTROL_QUEUE_SIZE: u16 = 64;
const CONFIG_BYTES: usize = 10;

/// The device.
pub struct Net {
    shared: Arc<Shared>,
    /// The address after reset.
    mac: MacAddress,
    queue_sizes: Vec<u16>,
    workers: Vec<Worker>,
}

/// What the device and its workers have in common.
struct Shared {
    backend: Box<dyn Backend>,
    /// One for each worker: something has changed.
    wake_evts: Vec<EventFd>,
    link_down: AtomicBool,
    /// Counts changes of the configuration.
    generation: AtomicU32,
    /// Workers hold it while they move frames. Taken before a port's lock.
    state: RwLock<NetState>,
}

impl Net {
    /// A card of that address on the network `backend`.
    pub fn new(backend: Box<dyn Backend>, mac: MacAddress) -> io::Result<Self> {
        let pairs = backend.ports().len();
        let wake_evts = (0..pairs)
            .map(|_| EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC))
            .collect::<io::Result<_>>()?;
        let mut queue_sizes = [RECEIVE_QUEUE_SIZE, TRANSMIT_QUEUE_SIZE].repeat(pairs);
        queue_sizes.push(CONTROL_QUEUE_SIZE);
        let shared = Shared {
            backend,
            wake_evts,
            link_down: AtomicBool::new(false),
            generation: AtomicU32::new(0),
            state: RwLock::new(NetState::new(mac)),
        };
        Ok(Self {
            shared: Arc::new(shared),
            mac,
            queue_sizes,
            workers: Vec::new(),
        })
    }

    fn max_pairs(&self) -> u16 {
        // No more than MAX_PAIRS.
        u16::try_from(self.shared.wake_evts.len()).unwrap_or(MAX_PAIRS)
    }

    /// Configuration (5.1.4): address, status, number of queue pairs.
    fn config(&self) -> [u8; CONFIG_BYTES] {
        let mut config = [0; CONFIG_BYTES];
        let status = if self.shared.link_is_up() {
            spec::STATUS_LINK_UP
        } else {
            0
        };
        config[..6].copy_from_slice(&self.shared.state().mac.0);
        config[6..8].copy_from_slice(&status.to_le_bytes());
        config[8..].copy_from_slice(&self.max_pairs().to_le_bytes());
        config
    }

    /// What the driver has set by commands.
    pub fn save(&self) -> NetState {
        self.shared.state().clone()
    }

    /// Takes over a saved state, before the device is activated.
    pub fn restore(&mut self, state: &NetState) {
        let mut state = state.clone();
        state.pairs = state.pairs.clamp(1, self.max_pairs());
        let possible = self.shared.backend.offloads() & spec::GUEST_OFFLOADS;
        state.guest_offloads = state.guest_offloads.map(|offloads| offloads & possible);
        *self.shared.lock_state() = state;
    }

    /// Sorts the queues that the driver has set up into pairs, and makes the work of each.
    fn work(&self, activation: Activation) -> Result<Vec<PairWork>, ActivateError> {
        let features = activation.acked_features;
        let memory = Arc::new(activation.memory);
        let mut rings: Vec<Option<Ring>> = self.queue_sizes.iter().map(|_| None).collect();
        for queue in activation.queues {
            let index = usize::from(queue.index);
            let interrupt = activation.interrupt.clone();
            rings[index] = Some(Ring::new(queue, Arc::clone(&memory), interrupt));
        }
        // Without MQ the control queue comes after the first pair (5.1.2).
        let pairs_max = match features & spec::F_MQ {
            0 => 1,
            _ => self.max_pairs(),
        };
        let control = rings[2 * usize::from(pairs_max)].take();
        let mut rings = rings.into_iter();
        let mut pairs = Vec::new();
        for index in 0..pairs_max {
            match (rings.next().flatten(), rings.next().flatten()) {
                (Some(receive), Some(transmit)) => pairs.push((index, receive, transmit)),
                (None, _) if index == 0 => return Err(ActivateError::Queue(0)),
                _ if index == 0 => return Err(ActivateError::Queue(1)),
                _ => break,
            }
        }
        let pieces = match features & spec::F_MRG_RXBUF {
            0 => Pieces::One,
            _ => Pieces::Several,
        };
        let set_up = u16::try_from(pairs.len()).unwrap_or(MAX_PAIRS);
        let shared = || Arc::clone(&self.shared);
        let mut control = control
            .filter(|_| features & spec::F_CTRL_VQ != 0)
            .map(|ring| Control::new(ring, shared(), features, set_up));
        let work = pairs.into_iter().map(|(index, receive, transmit)| {
            let receiver = Receiver::new(receive, pieces);
            let transmitter = Transmitter::new(transmit, features);
            let interrupt: Interrupt = activation.interrupt.clone();
            let control = control.take();
            Ok(PairWork::new(
                index,
                receiver,
                transmitter,
                control,
                shared(),
                interrupt,
            )?)
        });
        work.collect()
    }

    /// Makes the backend do what the state says.
    fn set_backend(&self, features: u64) -> io::Result<()> {
        let mut state = self.shared.lock_state();
        let agreed = features & spec::GUEST_OFFLOADS;
        let offloads = *state.guest_offloads.get_or_insert(agreed);
        self.shared.backend.set_active_pairs(state.pairs)?;
        self.shared.backend.set_guest_offloads(offloads)
    }
}

impl VirtioDevice for Net {
    fn device_type(&self) -> u32 {
        VIRTIO_ID_NET
    }

    fn queue_max_sizes(&self) -> &[u16] {
        &self.queue_sizes
    }

    fn avail_features(&self) -> u64 {
        let mut features = F_VERSION_1
            | F_EVENT_IDX
            | F_INDIRECT_DESC
            | spec::F_MAC
            | spec::F_STATUS
            | spec::F_MRG_RXBUF
            | spec::F_CTRL_VQ
            | spec::F_CTRL_RX
            | spec::F_CTRL_RX_EXTRA
            | spec::F_CTRL_MAC_ADDR
            | self.shared.backend.offloads();
        if features & spec::GUEST_OFFLOADS != 0 {
            features |= spec::F_CTRL_GUEST_OFFLOADS;
        }
        if self.max_pairs() > 1 {
            features |= spec::F_MQ;
        }
        features
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        super::read_config_bytes(&self.config(), offset, data);
    }

    fn config_generation(&self) -> u32 {
        self.shared.generation.load(Ordering::SeqCst)
    }

    fn activate(&mut self, activation: Activation) -> Result<(), ActivateError> {
        let features = activation.acked_features;
        let work = self.work(activation)?;
        self.set_backend(features)?;
        for (index, work) in work.into_iter().enumerate() {
            let started = Worker::start(&format!("virtio-net-{index}"), work);
            match started {
                Ok(worker) => self.workers.push(worker),
                Err(error) => {
                    self.workers.clear();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.pause();
        *self.shared.lock_state() = NetState::new(self.mac);
    }

    fn pause(&mut self) {
        self.workers.clear();
    }
}

impl Shared {
    fn state(&self) -> RwLockReadGuard<'_, NetState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_state(&self) -> RwLockWriteGuard<'_, NetState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn link_is_up(&self) -> bool {
        !self.link_down.load(Ordering::SeqCst)
    }

    /// The link is down now; false if it was before.
    fn take_link_down(&self) -> bool {
        let was_down = self.link_down.swap(true, Ordering::SeqCst);
        if !was_down {
            self.note_change();
        }
        !was_down
    }

    /// The configuration has changed.
    fn note_change(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Makes the worker of a pair look at everything.
    fn wake(&self, pair: u16) {
        if let Err(error) = self.wake_evts[usize::from(pair)].write(1) {
            log::debug!("waking a worker: {error}");
        }
    }

    fn wake_all(&self) {
        (0..)
            .zip(&self.wake_evts)
            .for_each(|(pair, _)| self.wake(pair));
    }

    fn acknowledge_wake(&self, pair: u16) {
        // Empty if it was woken for what it has just done.
        let _ = self.wake_evts[usize::from(pair)].read();
    }
}
