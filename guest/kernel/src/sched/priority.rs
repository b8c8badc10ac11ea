//! Strict priority: nobody runs while someone of a higher level waits; round robin within one.

use super::policy::{LEVELS, Scheduler, Task};
use super::round_robin::RoundRobin;

/// One queue a level.
pub(super) struct Priority<T> {
    levels: [RoundRobin<T>; LEVELS],
}

impl<T> Priority<T> {
    /// Empty queues.
    pub(super) const fn new() -> Self {
        Self {
            levels: [const { RoundRobin::new() }; LEVELS],
        }
    }
}

impl<T: Task + Send> Scheduler<T> for Priority<T> {
    fn enqueue(&mut self, task: T) {
        self.levels[task.priority()].enqueue(task);
    }

    fn pick_next(&mut self) -> Option<T> {
        self.levels
            .iter_mut()
            .rev()
            .find(|level| !level.is_empty())?
            .pick_next()
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.levels
            .iter_mut()
            .rev()
            .find_map(|level| level.steal(cpu))
    }

    fn preempts(&self, running: T) -> bool {
        self.levels[running.priority() + 1..]
            .iter()
            .any(|level| !level.is_empty())
    }
}
