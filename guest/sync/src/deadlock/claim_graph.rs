//! Avoidance by the resource-allocation graph with claim edges: a request is granted if the graph, with
//! what tasks may still ask for, has no cycle then (Silberschatz, Galvin and Gagne, Operating System
//! Concepts, 8.6.2). For resources of one unit.

use super::table::covers;
use super::{Answer, Cycle, Policy, Table, Units, Why, if_free};

/// Claims are those in the table.
pub struct ClaimGraph;

impl Policy for ClaimGraph {
    fn answer(&self, table: &Table, task: usize, request: &Units) -> Answer {
        if !covers(&table.need(task), request) {
            return Answer::Refuse(Why::Claim);
        }
        if !table.is_free(request) {
            return if_free(table, request);
        }
        let mut then = table.clone();
        then.grant(task, request);
        let may_wait = |task: usize, resource: usize| then.need(task)[resource] > 0;
        match Cycle::find(&then, task, may_wait) {
            Some(_) => Answer::Wait(Why::Unsafe),
            None => Answer::Grant,
        }
    }
}
