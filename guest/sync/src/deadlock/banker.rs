//! The banker's algorithm (Dijkstra, 1965): a request is granted if all tasks can end afterwards, one after
//! the other, even if each asks for all that it has claimed.

use super::table::covers;
use super::{Answer, MOST, Policy, Table, Units, Why};

/// Claims are those in the table.
pub struct Banker;

/// An order in which all tasks can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safety {
    order: [usize; MOST],
    len: usize,
}

impl Safety {
    /// The safe sequence of a state, if there is one: from the last task found on, the next that can end.
    pub fn of(table: &Table) -> Option<Self> {
        let mut safety = Self {
            order: [0; MOST],
            len: 0,
        };
        let (mut work, mut has_ended) = (*table.available(), [false; MOST]);
        let count = table.tasks().len();
        let mut from = 0;
        while safety.len < count {
            let in_turn = (0..count).map(|step| (from + step) % count);
            let can_end = |task: &usize| !has_ended[*task] && covers(&work, &table.need(*task));
            let task = in_turn.into_iter().find(can_end)?;
            for (free, held) in work.iter_mut().zip(table.held(task)) {
                *free += held;
            }
            has_ended[task] = true;
            safety.order[safety.len] = task;
            safety.len += 1;
            from = task + 1;
        }
        Some(safety)
    }

    /// The tasks, in the order in which they can end.
    pub fn order(&self) -> &[usize] {
        &self.order[..self.len]
    }
}

impl Policy for Banker {
    fn answer(&self, table: &Table, task: usize, request: &Units) -> Answer {
        if !covers(&table.need(task), request) {
            return Answer::Refuse(Why::Claim);
        }
        if !table.is_free(request) {
            return Answer::Wait(Why::Taken);
        }
        let mut then = table.clone();
        then.grant(task, request);
        match Safety::of(&then) {
            Some(_) => Answer::Grant,
            None => Answer::Wait(Why::Unsafe),
        }
    }
}
