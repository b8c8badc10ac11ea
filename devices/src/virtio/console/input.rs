//! [`ConsoleInput`]: bytes on their way to the guest, between the one who feeds them (the
//! terminal) and the worker.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vmm_sys_util::eventfd::EventFd;

/// Bytes that wait for a guest without buffers.
const CAPACITY_BYTES: usize = 4096;

/// Handle to a bounded buffer of input. Clones share it.
#[derive(Clone)]
pub struct ConsoleInput {
    shared: Arc<Shared>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// To the worker: there is input.
    input_evt: EventFd,
    /// To the feeder: there is room again.
    room_evt: EventFd,
}

#[derive(Default)]
struct Waiting {
    bytes: VecDeque<u8>,
    /// The feeder was refused some.
    refused: bool,
}

impl ConsoleInput {
    pub(super) fn new() -> io::Result<Self> {
        let flags = libc::EFD_NONBLOCK | libc::EFD_CLOEXEC;
        Ok(Self {
            shared: Arc::new(Shared {
                waiting: Mutex::default(),
                input_evt: EventFd::new(flags)?,
                room_evt: EventFd::new(flags)?,
            }),
        })
    }

    /// Gives input to the guest; returns how many of `bytes` there was room for. Those after are
    /// the caller's to give again when [`Self::room_evt`] is readable.
    pub fn enqueue(&self, bytes: &[u8]) -> usize {
        let mut waiting = self.lock();
        let accepted = bytes.len().min(CAPACITY_BYTES - waiting.bytes.len());
        waiting.bytes.extend(&bytes[..accepted]);
        waiting.refused = accepted < bytes.len();
        drop(waiting);
        if accepted > 0 {
            self.announce();
        }
        accepted
    }

    /// Bytes that [`Self::enqueue`] would accept now.
    pub fn room(&self) -> usize {
        CAPACITY_BYTES - self.lock().bytes.len()
    }

    /// Becomes readable when there is room again after input was refused.
    pub fn room_evt(&self) -> &EventFd {
        &self.shared.room_evt
    }

    /// Readable when the worker has something to take.
    pub(super) fn input_fd(&self) -> RawFd {
        self.shared.input_evt.as_raw_fd()
    }

    /// The worker has seen [`Self::input_fd`].
    pub(super) fn acknowledge(&self) {
        // Empty when the announcement was for bytes that have been taken already.
        let _ = self.shared.input_evt.read();
    }

    /// Makes [`Self::input_fd`] readable.
    pub(super) fn announce(&self) {
        if let Err(error) = self.shared.input_evt.write(1) {
            log::debug!("console input event: {error}");
        }
    }

    /// Whether there is input.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().bytes.is_empty()
    }

    /// Hands at most `most` bytes to `deliver`, which says how many of them it delivered: those
    /// are gone, the others stay.
    pub(super) fn take(&self, most: usize, deliver: impl FnOnce(&[u8]) -> usize) -> usize {
        let mut waiting = self.lock();
        let len = most.min(waiting.bytes.len());
        let delivered = deliver(&waiting.bytes.make_contiguous()[..len]).min(len);
        waiting.bytes.drain(..delivered);
        if delivered > 0
            && std::mem::take(&mut waiting.refused)
            && let Err(error) = self.shared.room_evt.write(1)
        {
            log::debug!("console room event: {error}");
        }
        delivered
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.shared
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
