//! Classic problems of synchronisation. Each counts what it does twice, once under the lock and once
//! without, and watches what must never happen.

pub mod buffer;
pub mod philosophers;
pub mod readers;
pub mod wakeups;

use crate::check::{Check, Failure};
use crate::time::now_ns;

use super::Crew;

/// What is asked for.
pub struct Job {
    /// What the workers are.
    pub crew: Crew,
    /// How many.
    pub count: usize,
    /// Of each.
    pub operations: u64,
    /// The means.
    pub with: &'static str,
    /// Looks before a waiter sleeps.
    pub patience: u32,
}

/// Reports a total and how long an operation took.
fn report(check: &mut Check, operations: u64, start_ns: u64) {
    let elapsed = now_ns() - start_ns;
    check.metric("operations", operations);
    check.metric("elapsed_ns", elapsed);
}

fn unknown(job: &Job, allowed: &[&str]) -> Failure {
    let with = job.with;
    Failure(alloc::format!("with={with} is none of {allowed:?}"))
}
