//! Who has what, wants what, and may come to want what.

use super::{MOST, Units};

/// The state of all resources.
#[derive(Clone, Debug)]
pub struct Table {
    tasks: usize,
    total: Units,
    available: Units,
    held: [Units; MOST],
    wanted: [Units; MOST],
    claimed: [Units; MOST],
    losses: [u32; MOST],
}

impl Table {
    /// `tasks` tasks, up to [`MOST`], that have nothing; so many units are there.
    pub fn new(tasks: usize, total: Units) -> Self {
        Self {
            tasks: tasks.min(MOST),
            total,
            available: total,
            held: [[0; MOST]; MOST],
            wanted: [[0; MOST]; MOST],
            claimed: [[0; MOST]; MOST],
            losses: [0; MOST],
        }
    }

    /// Numbers of the tasks.
    pub fn tasks(&self) -> core::ops::Range<usize> {
        0..self.tasks
    }

    /// Notes the most that `task` will ever have.
    pub fn claim(&mut self, task: usize, most: Units) {
        self.claimed[task] = most;
    }

    /// Units that nobody has.
    pub fn available(&self) -> &Units {
        &self.available
    }

    /// Units that there are.
    pub fn total(&self) -> &Units {
        &self.total
    }

    /// Units that `task` has.
    pub fn held(&self, task: usize) -> &Units {
        &self.held[task]
    }

    /// Units that `task` waits for.
    pub fn wanted(&self, task: usize) -> &Units {
        &self.wanted[task]
    }

    /// Units that `task` may still ask for.
    pub fn need(&self, task: usize) -> Units {
        core::array::from_fn(|r| self.claimed[task][r].saturating_sub(self.held[task][r]))
    }

    /// How often `task` has lost what it had.
    pub fn losses(&self, task: usize) -> u32 {
        self.losses[task]
    }

    /// Whether `request` could be granted at once.
    pub fn is_free(&self, request: &Units) -> bool {
        covers(&self.available, request)
    }

    pub(super) fn want(&mut self, task: usize, request: &Units) {
        self.wanted[task] = *request;
    }

    /// `task` has `request`, which must be free.
    pub fn grant(&mut self, task: usize, request: &Units) {
        for (r, units) in request.iter().enumerate() {
            self.available[r] -= units;
            self.held[task][r] += units;
        }
        self.wanted[task] = [0; MOST];
    }

    /// `task` gives `units` back; false if it has not so many.
    pub fn release(&mut self, task: usize, units: &Units) -> bool {
        let has = covers(&self.held[task], units);
        if has {
            for (r, units) in units.iter().enumerate() {
                self.available[r] += units;
                self.held[task][r] -= units;
            }
        }
        has
    }

    /// Takes all from `task`, and counts that.
    pub(super) fn lose(&mut self, task: usize) {
        let held = self.held[task];
        self.release(task, &held);
        self.wanted[task] = [0; MOST];
        self.losses[task] += 1;
    }
}

/// Whether `have` is as much as `need` of everything.
pub(super) fn covers(have: &Units, need: &Units) -> bool {
    have.iter().zip(need).all(|(have, need)| have >= need)
}
