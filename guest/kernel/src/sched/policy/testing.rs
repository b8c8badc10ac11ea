//! A task for tests of policies on the host.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::{Note, Scheduler, Task, USUAL_WEIGHT};
use crate::sched::checked::Queued;

/// Length of a slice, in ticks.
pub(crate) const SLICE: u64 = 1000;

/// A task whose attributes are set as a test likes.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u32,
    pub(crate) priority: usize,
    pub(crate) cpus: u64,
    pub(crate) weight: u64,
    pub(crate) length: Option<u64>,
    pub(crate) deadline: Option<u64>,
    pub(crate) ran: AtomicU64,
    pub(crate) note: [AtomicU64; 2],
    pub(crate) queue: AtomicUsize,
}

impl Job {
    /// One that may run anywhere and has said nothing.
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            priority: 3,
            cpus: u64::MAX,
            weight: USUAL_WEIGHT,
            length: None,
            deadline: None,
            ran: AtomicU64::new(0),
            note: Default::default(),
            queue: AtomicUsize::new(usize::MAX),
        }
    }

    /// For the rest of the test.
    pub(crate) fn leak(self) -> &'static Self {
        Box::leak(Box::new(self))
    }

    /// It has the processor for so many ticks.
    pub(crate) fn run(&self, ticks: u64) {
        self.ran.fetch_add(ticks, Relaxed);
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Task for &'static Job {
    fn priority(&self) -> usize {
        self.priority
    }

    fn may_run_on(&self, cpu: usize) -> bool {
        self.cpus & 1 << cpu != 0
    }

    fn weight(&self) -> u64 {
        self.weight
    }

    fn declared(&self) -> Option<u64> {
        self.length
    }

    fn remaining(&self) -> Option<u64> {
        let ran = self.ran.load(Relaxed);
        self.length.map(|length| length.saturating_sub(ran))
    }

    fn deadline(&self) -> Option<u64> {
        self.deadline
    }

    fn ran(&self) -> u64 {
        self.ran.load(Relaxed)
    }

    fn note(&self) -> Note {
        let [value, ran] = &self.note;
        Note {
            value: value.load(Relaxed),
            ran: ran.load(Relaxed),
        }
    }

    fn set_note(&self, note: Note) {
        self.note[0].store(note.value, Relaxed);
        self.note[1].store(note.ran, Relaxed);
    }
}

impl Queued for &'static Job {
    fn queue(&self) -> Option<usize> {
        Some(self.queue.load(Relaxed)).filter(|queue| *queue != usize::MAX)
    }

    fn set_queue(&self, cpu: Option<usize>) {
        self.queue.store(cpu.unwrap_or(usize::MAX), Relaxed);
    }
}

/// The numbers of all that are left, in the order in which they are picked.
pub(crate) fn drain(queue: &mut dyn Scheduler<&'static Job>) -> Vec<u32> {
    std::iter::from_fn(|| queue.pick_next(0))
        .map(|job| job.id)
        .collect()
}
