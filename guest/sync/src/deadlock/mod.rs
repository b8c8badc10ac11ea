//! Deadlock: tasks that want resources, of which each may have several units.
//!
//! A [`Manager`] notes who has and wants what in a [`Table`], asks a [`Policy`] for every request, checks
//! its answer and does it. The policies, after Coffman, Elphick and Shoshani (1971):
//!
//! | policy | way | a request that could lead to deadlock |
//! |---|---|---|
//! | [`Order`] | prevention | is refused if it is not upwards in the order of resources |
//! | [`ClaimGraph`] | avoidance, one unit a resource | waits, though the resource is free |
//! | [`Banker`] | avoidance, any number of units | the same |
//! | [`Detection`] | detection and recovery, one unit a resource | waits; a cycle is ended by a victim |

mod banker;
mod claim_graph;
#[cfg(test)]
mod conformance;
mod cycle;
mod detection;
mod manager;
mod order;
mod table;

pub use banker::{Banker, Safety};
pub use claim_graph::ClaimGraph;
pub use cycle::{Cycle, Names};
pub use detection::Detection;
pub use manager::{Broken, Manager};
pub use order::Order;
pub use table::Table;

/// Most tasks, and most kinds of resources.
pub const MOST: usize = 8;

/// Units of every resource.
pub type Units = [u32; MOST];

/// One unit of `resource`.
pub const fn one(resource: usize) -> Units {
    let mut units = [0; MOST];
    units[resource] = 1;
    units
}

/// Why a request is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Others have it.
    Taken,
    /// It is free, but to have it could lead to deadlock.
    Unsafe,
    /// The task has this resource, which comes later in the order, or is the same.
    Order {
        /// What it has.
        held: usize,
    },
    /// The task has not claimed so much.
    Claim,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The task has it now.
    Grant,
    /// It is asked again when something was given back.
    Wait(Why),
    /// It will never be granted.
    Refuse(Why),
    /// There is deadlock, and this task loses all that it has.
    Victim(usize),
}

/// Says what becomes of requests.
pub trait Policy: Sync {
    /// `task` wants `request` more than it has; the table has that as its wish already.
    fn answer(&self, table: &Table, task: usize, request: &Units) -> Answer;
}

/// Names of the policies.
pub const NAMES: [&str; 5] = [
    "order",
    "claim-graph",
    "banker",
    "detection",
    "detection-fixed",
];

/// The policy of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Policy> {
    let all: [&dyn Policy; 5] = [
        &Order,
        &ClaimGraph,
        &Banker,
        &Detection { in_turn: true },
        &Detection { in_turn: false },
    ];
    let index = NAMES.iter().position(|other| *other == name)?;
    Some(all[index])
}

/// What is left to a policy that only looks whether it is free.
fn if_free(table: &Table, request: &Units) -> Answer {
    match table.is_free(request) {
        true => Answer::Grant,
        false => Answer::Wait(Why::Taken),
    }
}
