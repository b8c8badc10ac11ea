//! Strict priority: nobody runs while someone of a higher level waits; round robin within one.

use super::round_robin::RoundRobin;
use super::{LEVELS, Rules, Scheduler, Slice, Task, Why};

/// One queue a level.
pub(super) struct Priority<T> {
    levels: [RoundRobin<T>; LEVELS],
}

impl<T> Priority<T> {
    /// Empty queues.
    pub(super) const fn new(_slice: u64) -> Self {
        Self {
            levels: [const { RoundRobin::new(0) }; LEVELS],
        }
    }
}

impl<T: Task + Send> Scheduler<T> for Priority<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Usual,
            preempts: true,
        }
    }

    fn enqueue(&mut self, task: T, why: Why, now: u64) {
        self.levels[task.priority()].enqueue(task, why, now);
    }

    fn pick_next(&mut self, now: u64) -> Option<T> {
        self.levels
            .iter_mut()
            .rev()
            .find(|level| !level.is_empty())?
            .pick_next(now)
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.levels
            .iter_mut()
            .rev()
            .find_map(|level| level.steal(cpu))
    }

    fn preempts(&self, running: T, _now: u64) -> bool {
        self.levels[running.priority() + 1..]
            .iter()
            .any(|level| !level.is_empty())
    }
}
