//! Deadlock, with real threads and processes: a service that they ask for resources, and scenes in which
//! they would wait for each other for ever without it.

pub mod book;
pub mod philosophers;
mod service;
pub mod transfers;

use alloc::format;

use ::sync::deadlock::{NAMES, Policy, Units, Why, by_name};

pub use service::{Got, Service};

use super::Crew;
use crate::check::{Check, Failure};

/// What tasks and resources are called.
const TASKS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];
const FORKS: [&str; 8] = [
    "fork 1", "fork 2", "fork 3", "fork 4", "fork 5", "fork 6", "fork 7", "fork 8",
];

/// What is asked for.
pub struct Job {
    /// What the tasks are.
    pub crew: Crew,
    /// The policy, by name.
    pub policy: &'static str,
    /// How often.
    pub rounds: u64,
    /// Whether a victim ends, instead of trying again.
    pub victims_end: bool,
}

impl Job {
    /// By the arguments `workers`, `policy`, `rounds` and `victims=end|retry`.
    pub fn of(check: &Check) -> Result<Self, Failure> {
        let policy = check.text("policy")?;
        policy_of(policy)?;
        let victims_end = match check.text("victims")? {
            "end" => true,
            "retry" => false,
            other => return Err(Failure(format!("victims={other} is neither end nor retry"))),
        };
        Ok(Self {
            crew: Crew::of(check)?,
            policy,
            rounds: check.value("rounds")?,
            victims_end,
        })
    }
}

fn policy_of(name: &str) -> Result<&'static dyn Policy, Failure> {
    let unknown = || Failure(format!("policy={name} is none of {NAMES:?}"));
    by_name(name).ok_or_else(unknown)
}

/// The first three of the units, as the book writes them.
fn told(units: &Units) -> alloc::string::String {
    format!("({}, {}, {})", units[0], units[1], units[2])
}

/// A refusal in words.
fn refusal(task: usize, fork: usize, why: Why) -> alloc::string::String {
    let (task, fork) = (TASKS[task], FORKS[fork]);
    match why {
        Why::Order { held } => {
            format!(
                "{task} has {} and may not take {fork} after it",
                FORKS[held]
            )
        }
        Why::Claim => format!("{task} has not claimed {fork}"),
        Why::Taken | Why::Unsafe => format!("{task} has to wait for {fork}"),
    }
}
