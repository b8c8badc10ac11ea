//! Stride: a task's pass goes up by its stride, which is the shorter the more tickets it has, with
//! each slice, and whoever is behind goes next: shares as in a lottery, without chance
//! (Waldspurger and Weihl, MIT/LCS/TM-528, 1995).

use super::{Note, Ordered, Rules, Scheduler, Slice, Task, Why};

/// Stride of a task of one ticket.
const STRIDE: u64 = 1 << 20;

/// Tasks by their pass.
pub(super) struct Stride<T> {
    queue: Ordered<T>,
    /// The pass of who was picked last.
    pass: u64,
}

impl<T: Task> Stride<T> {
    /// An empty queue.
    pub(super) const fn new(_slice: u64) -> Self {
        Self {
            queue: Ordered::new(),
            pass: 0,
        }
    }
}

impl<T: Task + Send> Scheduler<T> for Stride<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Usual,
            preempts: false,
        }
    }

    fn enqueue(&mut self, task: T, why: Why, _now: u64) {
        let pass = match why {
            // No credit for the time in which it did not want to run.
            Why::New | Why::Woken => task.note().value.max(self.pass),
            Why::Yielded | Why::SliceEnded | Why::Preempted => task.note().value,
        };
        self.queue.insert(pass, task);
    }

    fn pick_next(&mut self, _now: u64) -> Option<T> {
        let (pass, task) = self.queue.pop()?;
        self.pass = pass;
        task.set_note(Note {
            value: pass.saturating_add(STRIDE / task.weight().max(1)),
            ran: task.ran(),
        });
        Some(task)
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.queue.steal(cpu)
    }
}
