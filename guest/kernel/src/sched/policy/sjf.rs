//! Shortest job first: whoever needs the processor for the shortest time has it until it waits.
//!
//! The time is what the task has declared. Of one that has declared nothing it is predicted from
//! the times before, by the exponential average t' = (last + t) / 2 (Silberschatz, Operating System
//! Concepts, 5.3.2 with a half as the weight).

use super::{Note, Ordered, Rules, Scheduler, Slice, Task, Why};

/// Tasks by the time that they need.
pub(super) struct Sjf<T> {
    queue: Ordered<T>,
}

impl<T: Task> Sjf<T> {
    /// An empty queue.
    pub(super) const fn new(_slice: u64) -> Self {
        Self {
            queue: Ordered::new(),
        }
    }
}

/// What `task`, which waits for that reason, is predicted to need; its note has what was predicted
/// last, and how much the task had run then.
fn predict<T: Task>(task: T, why: Why) -> u64 {
    let (note, ran) = (task.note(), task.ran());
    if why != Why::Woken {
        return note.value;
    }
    let last = ran.saturating_sub(note.ran);
    let value = (last / 2).saturating_add(note.value / 2);
    task.set_note(Note { value, ran });
    value
}

impl<T: Task + Send> Scheduler<T> for Sjf<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Whole,
            preempts: false,
        }
    }

    fn enqueue(&mut self, task: T, why: Why, _now: u64) {
        let predicted = predict(task, why);
        let length = match why {
            // It has had the longest slice there is, and is no short one.
            Why::SliceEnded => u64::MAX,
            _ => task.declared().unwrap_or(predicted),
        };
        self.queue.insert(length, task);
    }

    fn pick_next(&mut self, _now: u64) -> Option<T> {
        self.queue.pop().map(|(_, task)| task)
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.queue.steal(cpu)
    }
}
