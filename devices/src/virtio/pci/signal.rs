//! [`PciSignal`]: which interrupt a queue's or the configuration's event is, by MSI-X or INTx.

use super::spec::NO_VECTOR;
use crate::irq::LevelLine;
use crate::pci::msix::Msix;
use crate::virtio::Signal;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shared by the transport and the device's workers.
pub(super) struct PciSignal {
    msix: Mutex<Msix>,
    intx: LevelLine,
    intx_disabled: AtomicBool,
    config_vector: AtomicU16,
    queue_vectors: Vec<AtomicU16>,
}

impl PciSignal {
    pub(super) fn new(msix: Msix, intx: LevelLine, queues: usize) -> Self {
        let vector = || AtomicU16::new(NO_VECTOR);
        Self {
            msix: Mutex::new(msix),
            intx,
            intx_disabled: AtomicBool::new(false),
            config_vector: vector(),
            queue_vectors: (0..queues).map(|_| vector()).collect(),
        }
    }

    /// The table. A leaf among locks.
    pub(super) fn msix(&self) -> MutexGuard<'_, Msix> {
        self.msix.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The vector of a queue, or that of the configuration.
    fn vector(&self, queue: Option<u16>) -> Option<&AtomicU16> {
        match queue {
            Some(queue) => self.queue_vectors.get(usize::from(queue)),
            None => Some(&self.config_vector),
        }
    }

    pub(super) fn get_vector(&self, queue: Option<u16>) -> u16 {
        self.vector(queue)
            .map_or(NO_VECTOR, |vector| vector.load(Ordering::SeqCst))
    }

    /// One that is not in the table becomes none, as the driver then reads (4.1.5.1.2.1).
    pub(super) fn set_vector(&self, queue: Option<u16>, number: u16) {
        let known = number < self.msix().count();
        if let Some(vector) = self.vector(queue) {
            vector.store(if known { number } else { NO_VECTOR }, Ordering::SeqCst);
        }
    }

    pub(super) fn clear_vectors(&self) {
        for vector in self.queue_vectors.iter().chain([&self.config_vector]) {
            vector.store(NO_VECTOR, Ordering::SeqCst);
        }
    }

    /// Follows the command register, MSI-X and the reasons that there are.
    pub(super) fn settle_intx(&self, disabled: bool, reasons: u32) {
        self.intx_disabled.store(disabled, Ordering::SeqCst);
        let enabled = !disabled && !self.msix().is_enabled();
        self.intx.set(enabled && reasons != 0);
    }

    /// The driver has taken the reasons.
    pub(super) fn lower(&self) {
        self.intx.set(false);
    }

    fn send(&self, queue: Option<u16>) -> io::Result<()> {
        let mut msix = self.msix();
        if msix.is_enabled() {
            return match self.get_vector(queue) {
                NO_VECTOR => Ok(()),
                vector => msix.trigger(vector),
            };
        }
        drop(msix);
        if !self.intx_disabled.load(Ordering::SeqCst) {
            self.intx.set(true);
        }
        Ok(())
    }
}

impl Signal for PciSignal {
    fn used(&self, queue: u16) -> io::Result<()> {
        self.send(Some(queue))
    }

    fn config(&self) -> io::Result<()> {
        self.send(None)
    }
}
