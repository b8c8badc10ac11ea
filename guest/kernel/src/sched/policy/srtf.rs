//! Shortest remaining time first: whoever is done soonest runs, and gives way to one that is done
//! sooner still. A task that has declared nothing is taken for one that is done at once.

use super::{Ordered, Rules, Scheduler, Slice, Task, Why};

/// Tasks by the time that they still need.
pub(super) struct Srtf<T> {
    queue: Ordered<T>,
}

impl<T: Task> Srtf<T> {
    /// An empty queue.
    pub(super) const fn new(_slice: u64) -> Self {
        Self {
            queue: Ordered::new(),
        }
    }
}

/// How long `task` still needs.
fn remaining<T: Task>(task: T) -> u64 {
    task.remaining().unwrap_or(0)
}

impl<T: Task + Send> Scheduler<T> for Srtf<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Whole,
            preempts: true,
        }
    }

    fn enqueue(&mut self, task: T, _why: Why, _now: u64) {
        self.queue.insert(remaining(task), task);
    }

    fn pick_next(&mut self, _now: u64) -> Option<T> {
        self.queue.pop().map(|(_, task)| task)
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.queue.steal(cpu)
    }

    fn preempts(&self, running: T, _now: u64) -> bool {
        let shortest = self.queue.lowest();
        shortest.is_some_and(|shortest| shortest < remaining(running))
    }
}
