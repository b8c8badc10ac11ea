//! Priority with aging: who waits rises by a level each so many slices, and falls back to its own
//! level when it has had its turn. So nobody waits for ever.

use alloc::vec::Vec;

use super::{LEVELS, Rules, Scheduler, Slice, Task, Why};

/// Slices that a task waits for a level.
const SLICES_A_LEVEL: u64 = 4;

/// Tasks in the order of arrival, each with the moment of it.
pub(super) struct PriorityAging<T> {
    waiting: Vec<(u64, T)>,
    level_ticks: u64,
}

impl<T: Task> PriorityAging<T> {
    /// An empty queue.
    pub(super) fn new(slice: u64) -> Self {
        Self {
            waiting: Vec::new(),
            level_ticks: slice.saturating_mul(SLICES_A_LEVEL).max(1),
        }
    }

    /// The level that a task has come to.
    fn level(&self, (since, task): &(u64, T), now: u64) -> usize {
        let risen = now.saturating_sub(*since) / self.level_ticks;
        task.priority()
            .saturating_add(risen as usize)
            .min(LEVELS - 1)
    }

    /// The highest of those levels, and who was first to come to wait at it.
    fn highest(&self, now: u64) -> Option<(usize, usize)> {
        let levels = self.waiting.iter().map(|entry| self.level(entry, now));
        levels
            .enumerate()
            .rev()
            .max_by_key(|(_, level)| *level)
            .map(|(index, level)| (level, index))
    }
}

impl<T: Task + Send> Scheduler<T> for PriorityAging<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Usual,
            preempts: true,
        }
    }

    fn enqueue(&mut self, task: T, _why: Why, now: u64) {
        self.waiting.push((now, task));
    }

    fn pick_next(&mut self, now: u64) -> Option<T> {
        let (_, index) = self.highest(now)?;
        Some(self.waiting.remove(index).1)
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        let may_run = |(_, task): &(u64, T)| task.may_run_on(cpu);
        let index = self.waiting.iter().position(may_run)?;
        Some(self.waiting.remove(index).1)
    }

    fn preempts(&self, running: T, now: u64) -> bool {
        self.highest(now)
            .is_some_and(|(level, _)| level > running.priority())
    }
}
