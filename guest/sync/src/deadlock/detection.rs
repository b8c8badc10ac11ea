//! Detection: a request that closes a cycle of the wait-for graph is deadlock (Holt, 1972), and one of the
//! cycle's tasks is the victim. For resources of one unit.

use super::{Answer, Cycle, Policy, Table, Units, if_free};

/// The victim is, of a cycle, the task of the lowest number; or, `in_turn`, that of those that have been
/// victims least often, so that each loses what it has now and then, and none for ever.
pub struct Detection {
    /// Whether victims take turns.
    pub in_turn: bool,
}

impl Detection {
    /// The cycle that `task` is in.
    pub fn cycle(table: &Table, task: usize) -> Option<Cycle> {
        Cycle::find(table, task, |task, resource| {
            table.wanted(task)[resource] > 0
        })
    }
}

impl Policy for Detection {
    fn answer(&self, table: &Table, task: usize, request: &Units) -> Answer {
        let cycle = Self::cycle(table, task).filter(|_| !table.is_free(request));
        let losses = |task: &usize| match self.in_turn {
            true => table.losses(*task),
            false => 0,
        };
        let victim = cycle.and_then(|cycle| cycle.tasks().min_by_key(|task| (losses(task), *task)));
        victim.map_or_else(|| if_free(table, request), Answer::Victim)
    }
}
