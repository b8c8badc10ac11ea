//! Multi-level feedback queue: a task that uses up its slice falls to the next level, where slices
//! are longer and who waits above goes first; one that gave the processor up before rises again.
//! So what computes sinks, and what waits for devices or people stays on top, though nobody says
//! which is which (Corbató et al., An Experimental Time-Sharing System, 1962).

use super::round_robin::RoundRobin;
use super::{Note, Rules, Scheduler, Slice, Task, Why};

const QUEUES: usize = 3;

/// The queues, the highest first.
pub(super) struct Mlfq<T> {
    queues: [RoundRobin<T>; QUEUES],
}

impl<T> Mlfq<T> {
    /// Empty queues.
    pub(super) const fn new(_slice: u64) -> Self {
        Self {
            queues: [const { RoundRobin::new(0) }; QUEUES],
        }
    }
}

/// The queue that `task` is in: the number in its note.
fn queue_of<T: Task>(task: T) -> usize {
    (task.note().value as usize).min(QUEUES - 1)
}

impl<T: Task + Send> Scheduler<T> for Mlfq<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Several,
            preempts: true,
        }
    }

    fn enqueue(&mut self, task: T, why: Why, now: u64) {
        let queue = match (why, queue_of(task)) {
            (Why::New, _) => 0,
            (Why::SliceEnded, queue) => (queue + 1).min(QUEUES - 1),
            (Why::Woken, queue) => queue.saturating_sub(1),
            (Why::Yielded | Why::Preempted, queue) => queue,
        };
        task.set_note(Note {
            value: queue as u64,
            ran: task.ran(),
        });
        self.queues[queue].enqueue(task, why, now);
    }

    fn pick_next(&mut self, now: u64) -> Option<T> {
        let mut queues = self.queues.iter_mut();
        queues.find_map(|queue| queue.pick_next(now))
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.queues.iter_mut().find_map(|queue| queue.steal(cpu))
    }

    fn preempts(&self, running: T, _now: u64) -> bool {
        let above = &self.queues[..queue_of(running)];
        above.iter().any(|queue| !queue.is_empty())
    }

    fn slices(&self, task: T) -> u64 {
        1 << queue_of(task)
    }
}
