//! [`PciSignal`]: which interrupt a queue's or the configuration's event is, by MSI-X or INTx.

use super::spec::NO_VECTOR;
use crate::irq::LevelLine;
use crate::pci::msix::Msix;
use crate::virtio::{Reasons, Signal};
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

    /// The table. A leaf among locks; the line is set with it locked, so that it follows.
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

    /// The command register says whether INTx must not be used.
    pub(super) fn disable_intx(&self, disabled: bool) {
        self.intx_disabled.store(disabled, Ordering::SeqCst);
    }

    /// The line is high while there is a reason, and nothing that keeps the function from using it.
    pub(super) fn settle_intx(&self, reasons: &Reasons) {
        self.follow(&self.msix(), reasons);
    }

    fn follow(&self, msix: &Msix, reasons: &Reasons) {
        let enabled = !self.intx_disabled.load(Ordering::SeqCst) && !msix.is_enabled();
        let wanted = reasons.load(Ordering::SeqCst) != 0;
        self.intx.set(enabled && wanted);
    }

    /// The reasons, which the driver has taken by this.
    pub(super) fn take(&self, reasons: &Reasons) -> u32 {
        let msix = self.msix();
        let taken = reasons.swap(0, Ordering::SeqCst);
        self.follow(&msix, reasons);
        taken
    }

    fn send(&self, queue: Option<u16>, reasons: &Reasons) -> io::Result<()> {
        let mut msix = self.msix();
        if !msix.is_enabled() {
            self.follow(&msix, reasons);
            return Ok(());
        }
        match self.get_vector(queue) {
            NO_VECTOR => Ok(()),
            vector => msix.trigger(vector),
        }
    }
}

impl Signal for PciSignal {
    fn used(&self, queue: u16, reasons: &Reasons) -> io::Result<()> {
        self.send(Some(queue), reasons)
    }

    fn config(&self, reasons: &Reasons) -> io::Result<()> {
        self.send(None, reasons)
    }

    /// Messages have been sent, or are among the saved pending ones.
    fn restored(&self, reasons: &Reasons) -> io::Result<()> {
        self.settle_intx(reasons);
        Ok(())
    }
}
