//! Cycles of tasks, each of which waits for a resource that the next one has.

use core::fmt;

use super::{MOST, Table};

/// A cycle: tasks, and what each waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    steps: [(usize, usize); MOST],
    len: usize,
}

/// What tasks and resources are called.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// Tasks by number.
    pub tasks: &'a [&'a str],
    /// Resources by number.
    pub resources: &'a [&'a str],
}

impl Cycle {
    /// A cycle through `start`; `waits(task, resource)` says whether it waits for what others have of it.
    pub fn find(
        table: &Table,
        start: usize,
        waits: impl Fn(usize, usize) -> bool + Copy,
    ) -> Option<Self> {
        let mut cycle = Self {
            steps: [(0, 0); MOST],
            len: 0,
        };
        let mut seen = [false; MOST];
        cycle
            .extend(table, start, start, &mut seen, waits)
            .then_some(cycle)
    }

    /// Goes on from `task`; whether that leads back to `start`. At most [`MOST`] calls deep.
    fn extend(
        &mut self,
        table: &Table,
        start: usize,
        task: usize,
        seen: &mut [bool; MOST],
        waits: impl Fn(usize, usize) -> bool + Copy,
    ) -> bool {
        seen[task] = true;
        for resource in (0..MOST).filter(|resource| waits(task, *resource)) {
            let holds = |other: &usize| *other != task && table.held(*other)[resource] > 0;
            for holder in table.tasks().filter(holds) {
                self.steps[self.len] = (task, resource);
                self.len += 1;
                if holder == start
                    || !seen[holder] && self.extend(table, start, holder, seen, waits)
                {
                    return true;
                }
                self.len -= 1;
            }
        }
        false
    }

    /// Its tasks, in their order.
    pub fn tasks(&self) -> impl Iterator<Item = usize> + '_ {
        self.steps[..self.len].iter().map(|step| step.0)
    }

    /// It in words.
    pub fn told<'a>(&'a self, names: Names<'a>) -> impl fmt::Display + 'a {
        Told { cycle: self, names }
    }
}

struct Told<'a> {
    cycle: &'a Cycle,
    names: Names<'a>,
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = &self.cycle.steps[..self.cycle.len];
        for (index, (task, resource)) in steps.iter().enumerate() {
            let next = steps[(index + 1) % steps.len()].0;
            let task = self.names.tasks.get(*task).unwrap_or(&"?");
            let resource = self.names.resources.get(*resource).unwrap_or(&"?");
            let holder = self.names.tasks.get(next).unwrap_or(&"?");
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{task} waits for {resource} held by {holder}")?;
        }
        Ok(())
    }
}
