//! First come, first served: everyone in turn, until they wait.

use super::round_robin::RoundRobin;
use super::{Rules, Scheduler, Slice, Task, Why};

/// One queue, in the order of arrival.
pub(super) struct Fcfs<T> {
    queue: RoundRobin<T>,
}

impl<T> Fcfs<T> {
    /// An empty queue.
    pub(super) const fn new(slice: u64) -> Self {
        Self {
            queue: RoundRobin::new(slice),
        }
    }
}

impl<T: Task + Send> Scheduler<T> for Fcfs<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Whole,
            preempts: false,
        }
    }

    fn enqueue(&mut self, task: T, why: Why, now: u64) {
        self.queue.enqueue(task, why, now);
    }

    fn pick_next(&mut self, now: u64) -> Option<T> {
        self.queue.pick_next(now)
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.queue.steal(cpu)
    }
}
