//! A job: when it comes, what it needs, and what becomes of it.

use crate::check::Failure;
use crate::sys;
use abi::syscall::{Errno, TaskAttribute};
use alloc::format;

/// A job as it stands among a program's arguments: `NAME=ARRIVAL:LENGTH[:WORD]...`, both in units of
/// time; the words are `pN` for priority N, `wN` for weight N, `dN` for a deadline at N units, `u` for a
/// length that is not declared, and `lN` for one that needs lock N from beginning to end.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: &'static str,
    /// When it comes, from the start.
    pub arrival_ns: u64,
    /// Processor time that it needs.
    pub length_ns: u64,
    is_declared: bool,
    priority: Option<u64>,
    weight: Option<u64>,
    deadline_ns: Option<u64>,
    /// The lock that it needs.
    pub lock: Option<u64>,
}

/// When what happened to a job, in nanoseconds from the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// When it ran first.
    pub began_ns: u64,
    /// When it was done.
    pub ended_ns: u64,
    /// Processor time that it had.
    pub ran_ns: u64,
}

impl Job {
    /// Reads one; `unit_ns` is the unit of time.
    pub fn parse(name: &'static str, text: &'static str, unit_ns: u64) -> Result<Self, Failure> {
        let wrong = |what: &str| {
            Failure(format!(
                "{name}={text}: {what}; a job is ARRIVAL:LENGTH in units, and then any of :pN \
                 (priority 0 to 7), :wN (weight 1 to 10000), :dN (deadline in units), :u (length not \
                 declared), :lN (needs lock N)"
            ))
        };
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| wrong("a number is missing"))
        };
        let units = |text: &str| number(text).map(|units| units.saturating_mul(unit_ns));
        let mut words = text.split(':');
        let (arrival, length) = words
            .next()
            .zip(words.next())
            .ok_or_else(|| wrong("no length"))?;
        let mut job = Self {
            name,
            arrival_ns: units(arrival)?,
            length_ns: units(length)?,
            is_declared: true,
            priority: None,
            weight: None,
            deadline_ns: None,
            lock: None,
        };
        for word in words {
            let (kind, value) = word
                .split_at_checked(1)
                .ok_or_else(|| wrong("an empty word"))?;
            match kind {
                "u" if value.is_empty() => job.is_declared = false,
                "p" => job.priority = Some(number(value)?),
                "w" => job.weight = Some(number(value)?),
                "l" => job.lock = Some(number(value)?),
                "d" => job.deadline_ns = Some(units(value)?),
                _ => return Err(wrong("an unknown word")),
            }
        }
        Ok(job)
    }

    /// Tells the scheduler what the job has to say; it begins at `start_ns`.
    pub fn declare(&self, start_ns: u64) -> Result<(), Errno> {
        if let Some(level) = self.priority {
            sys::set_priority(level)?;
        }
        if let Some(weight) = self.weight {
            sys::set_task(TaskAttribute::Weight, weight)?;
        }
        if let Some(deadline_ns) = self.deadline_ns {
            sys::set_task(TaskAttribute::Deadline, start_ns + deadline_ns)?;
        }
        if self.is_declared {
            sys::set_task(TaskAttribute::Length, self.length_ns)?;
        }
        Ok(())
    }

    /// Time from its arrival to its end.
    pub fn completion_ns(&self, outcome: &Outcome) -> u64 {
        outcome.ended_ns.saturating_sub(self.arrival_ns)
    }

    /// How much of that it did not run.
    pub fn wait_ns(&self, outcome: &Outcome) -> u64 {
        self.completion_ns(outcome).saturating_sub(outcome.ran_ns)
    }

    /// Time from its arrival to its first instruction.
    pub fn response_ns(&self, outcome: &Outcome) -> u64 {
        outcome.began_ns.saturating_sub(self.arrival_ns)
    }

    /// Whether it was done too late.
    pub fn is_late(&self, outcome: &Outcome) -> bool {
        self.deadline_ns
            .is_some_and(|deadline_ns| outcome.ended_ns > deadline_ns)
    }
}
