//! Round robin: everyone in turn, for a slice each.

use alloc::collections::VecDeque;

use super::{Rules, Scheduler, Slice, Task, Why};

/// One queue.
pub(super) struct RoundRobin<T> {
    queue: VecDeque<T>,
}

impl<T> RoundRobin<T> {
    /// An empty queue.
    pub(super) const fn new(_slice: u64) -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl<T: Task + Send> Scheduler<T> for RoundRobin<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Usual,
            preempts: false,
        }
    }

    fn enqueue(&mut self, task: T, _why: Why, _now: u64) {
        self.queue.push_back(task);
    }

    fn pick_next(&mut self, _now: u64) -> Option<T> {
        self.queue.pop_front()
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        let position = self.queue.iter().position(|task| task.may_run_on(cpu))?;
        self.queue.remove(position)
    }
}
