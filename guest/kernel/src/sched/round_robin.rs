//! Round robin: everyone in turn, for a slice each.

use alloc::collections::VecDeque;

use super::policy::{Scheduler, Task};

/// One queue.
pub(super) struct RoundRobin<T> {
    queue: VecDeque<T>,
}

impl<T> RoundRobin<T> {
    /// An empty queue.
    pub(super) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl<T: Task + Send> Scheduler<T> for RoundRobin<T> {
    fn enqueue(&mut self, task: T) {
        self.queue.push_back(task);
    }

    fn pick_next(&mut self) -> Option<T> {
        self.queue.pop_front()
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        let position = self.queue.iter().position(|task| task.may_run_on(cpu))?;
        self.queue.remove(position)
    }

    fn preempts(&self, _running: T) -> bool {
        false
    }
}
