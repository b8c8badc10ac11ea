//! Completely fair: whoever has had least processor time for its weight, its virtual run time, runs
//! next. One that wakes is not paid for its sleep, but may take the processor from one that is ahead
//! (Molnar, Documentation/scheduler/sched-design-CFS.rst of Linux).

use super::{Note, Ordered, Rules, Scheduler, Slice, Task, USUAL_WEIGHT, Why};

/// Tasks by virtual run time.
pub(super) struct Cfs<T> {
    queue: Ordered<T>,
    /// Virtual run time of who was picked last, the least of all then.
    least: u64,
    /// By so much a task may be ahead before it has to give way.
    granularity: u64,
}

impl<T: Task> Cfs<T> {
    /// An empty queue.
    pub(super) const fn new(slice: u64) -> Self {
        Self {
            queue: Ordered::new(),
            least: 0,
            granularity: slice / 4,
        }
    }
}

/// Virtual run time of `task` by now: that in its note, and what it has run since, by its weight.
fn virtual_time<T: Task>(task: T) -> u64 {
    let note = task.note();
    let ran = task.ran().saturating_sub(note.ran);
    note.value
        .saturating_add(ran.saturating_mul(USUAL_WEIGHT) / task.weight().max(1))
}

impl<T: Task + Send> Scheduler<T> for Cfs<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Usual,
            preempts: true,
        }
    }

    fn enqueue(&mut self, task: T, why: Why, _now: u64) {
        let value = match why {
            Why::New => self.least,
            Why::Woken => virtual_time(task).max(self.least.saturating_sub(self.granularity)),
            Why::Yielded | Why::SliceEnded | Why::Preempted => virtual_time(task),
        };
        task.set_note(Note {
            value,
            ran: task.ran(),
        });
        self.queue.insert(value, task);
    }

    fn pick_next(&mut self, _now: u64) -> Option<T> {
        let (value, task) = self.queue.pop()?;
        self.least = self.least.max(value);
        Some(task)
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        self.queue.steal(cpu)
    }

    fn preempts(&self, running: T, _now: u64) -> bool {
        let least = self.queue.lowest();
        least.is_some_and(|least| least.saturating_add(self.granularity) < virtual_time(running))
    }
}
