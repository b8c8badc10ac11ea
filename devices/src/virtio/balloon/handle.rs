//! [`BalloonHandle`]: the host's side of a balloon: its target, and what came of it.

use super::PAGE_BYTES;
use super::statistics::Statistics;
use crate::virtio::Interrupt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Handle to a balloon. Clones share it.
#[derive(Clone)]
pub struct BalloonHandle {
    shared: Arc<Shared>,
}

struct Shared {
    target_pages: AtomicU32,
    actual_pages: AtomicU32,
    generation: AtomicU32,
    discarded_bytes: AtomicU64,
    statistics: Mutex<Statistics>,
    /// To the driver, once there is one.
    interrupt: Mutex<Option<Interrupt>>,
}

/// How a balloon stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalloonStatus {
    /// What the guest is asked to give back.
    pub target_bytes: u64,
    /// What it says it has in the balloon.
    pub actual_bytes: u64,
    /// What was given back to the host so far, reported pages among it, some of it again and
    /// again.
    pub discarded_bytes: u64,
    /// What the guest last said of its memory, by name.
    pub statistics: Vec<(&'static str, u64)>,
}

impl BalloonHandle {
    pub(super) fn new(target_bytes: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                target_pages: AtomicU32::new(pages(target_bytes)),
                actual_pages: AtomicU32::new(0),
                generation: AtomicU32::new(0),
                discarded_bytes: AtomicU64::new(0),
                statistics: Mutex::default(),
                interrupt: Mutex::default(),
            }),
        }
    }

    /// Asks the guest for so many bytes in all, whole pages; fewer than before let it have the
    /// others again.
    pub fn set_target(&self, bytes: u64) {
        self.set_target_pages(pages(bytes));
    }

    /// How it stands.
    pub fn status(&self) -> BalloonStatus {
        BalloonStatus {
            target_bytes: u64::from(self.target_pages()) * PAGE_BYTES,
            actual_bytes: u64::from(self.actual_pages()) * PAGE_BYTES,
            discarded_bytes: self.shared.discarded_bytes.load(Ordering::Relaxed),
            statistics: lock(&self.shared.statistics).named().collect(),
        }
    }

    pub(super) fn target_pages(&self) -> u32 {
        self.shared.target_pages.load(Ordering::SeqCst)
    }

    pub(super) fn set_target_pages(&self, pages: u32) {
        self.shared.target_pages.store(pages, Ordering::SeqCst);
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
        if let Some(interrupt) = &*lock(&self.shared.interrupt) {
            interrupt.signal_config();
        }
    }

    pub(super) fn actual_pages(&self) -> u32 {
        self.shared.actual_pages.load(Ordering::SeqCst)
    }

    pub(super) fn set_actual_pages(&self, pages: u32) {
        self.shared.actual_pages.store(pages, Ordering::SeqCst);
    }

    /// Changes with the target.
    pub(super) fn generation(&self) -> u32 {
        self.shared.generation.load(Ordering::SeqCst)
    }

    /// From now on, that is how the driver is told of a new target.
    pub(super) fn connect(&self, interrupt: Interrupt) {
        *lock(&self.shared.interrupt) = Some(interrupt);
    }

    pub(super) fn count_discarded(&self, bytes: u64) {
        self.shared
            .discarded_bytes
            .fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_statistics(&self, statistics: Statistics) {
        *lock(&self.shared.statistics) = statistics;
    }
}

/// The configuration has 32 bits for a number of pages: 16 TiB.
fn pages(bytes: u64) -> u32 {
    u32::try_from(bytes / PAGE_BYTES).unwrap_or(u32::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
