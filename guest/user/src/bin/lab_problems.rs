//! Laboratory: the classic problems, by workers that are threads or processes, millions of times, with
//! every operation accounted for.
//!
//! `problem=producers|readers|philosophers|wakeups workers=threads|processes count=N operations=N with=NAME
//! patience=N`: `operations` of each worker; `with` is `semaphores` or `monitor`; for readers and
//! writers a preference; for wake-ups `signal` or `broadcast`.
#![no_std]
#![no_main]

use user::alloc::format;
use user::check::{Check, Failure, Verdict};
use user::ensure;
use user::lab::Crew;
use user::lab::problems::{Job, buffer, philosophers, readers, wakeups};

user::check!(run);

/// A problem: its name, and what does it.
type Problem = (&'static str, fn(&mut Check, &Job) -> Verdict);

const PROBLEMS: [Problem; 4] = [
    ("producers", buffer::run),
    ("readers", readers::run),
    ("philosophers", philosophers::run),
    ("wakeups", wakeups::run),
];

/// Most workers.
const MOST: usize = 16;

fn run(check: &mut Check) -> Verdict {
    let job = Job {
        crew: Crew::of(check)?,
        count: check.value("count")? as usize,
        operations: check.value("operations")?,
        with: check.text("with")?,
        patience: check.value("patience")? as u32,
    };
    ensure!(
        (2..=MOST).contains(&job.count),
        "count={} is not from 2 to {MOST}",
        job.count
    );
    let name = check.text("problem")?;
    let problem = PROBLEMS.iter().find(|problem| problem.0 == name);
    let names = PROBLEMS.map(|problem| problem.0);
    let unknown = || Failure(format!("problem={name} is none of {names:?}"));
    problem.ok_or_else(unknown)?.1(check, &job)
}
