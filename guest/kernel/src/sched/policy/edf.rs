//! Earliest deadline first: whoever has to be done first runs, and all are done in time as long as
//! that is possible at all (Liu and Layland, JACM 20, 1973). Who has no deadline runs when nobody
//! else wants to.

use super::{Ordered, Rules, Scheduler, Slice, Task, Why};

/// Tasks by their deadline.
pub(super) struct Edf<T> {
    queue: Ordered<T>,
}

impl<T: Task> Edf<T> {
    /// An empty queue.
    pub(super) const fn new(_slice: u64) -> Self {
        Self {
            queue: Ordered::new(),
        }
    }
}

fn deadline<T: Task>(task: T) -> u64 {
    task.deadline().unwrap_or(u64::MAX)
}

impl<T: Task + Send> Scheduler<T> for Edf<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Usual,
            preempts: true,
        }
    }

    fn enqueue(&mut self, task: T, _why: Why, _now: u64) {
        self.queue.insert(deadline(task), task);
    }

    fn pick_next(&mut self, _now: u64) -> Option<T> {
        self.queue.pop().map(|(_, task)| task)
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.queue.steal(cpu)
    }

    fn preempts(&self, running: T, _now: u64) -> bool {
        let earliest = self.queue.lowest();
        earliest.is_some_and(|earliest| earliest < deadline(running))
    }
}
