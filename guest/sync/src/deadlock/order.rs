//! Prevention: resources have an order, and each task takes them upwards (Havender, 1968), so that no cycle
//! can come to be.

use super::{Answer, Policy, Table, Units, Why, if_free};

/// The order is that of the numbers.
pub struct Order;

impl Policy for Order {
    fn answer(&self, table: &Table, task: usize, request: &Units) -> Answer {
        let lowest = request.iter().position(|units| *units > 0);
        let highest = table.held(task).iter().rposition(|units| *units > 0);
        match (lowest, highest) {
            (Some(lowest), Some(held)) if lowest <= held => Answer::Refuse(Why::Order { held }),
            _ => if_free(table, request),
        }
    }
}
