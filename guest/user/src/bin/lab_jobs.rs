//! Laboratory: jobs under a scheduling policy.
//!
//! `policy=NAME [slice_us=N] [inherit=0 or 1] unit_us=N NAME=ARRIVAL:LENGTH[:WORD]...`, a job each ([`Job`]). Says of
//! each and of all how long it took from arrival to end (completion), how much of that it waited,
//! and when it ran first (response).
#![no_std]
#![no_main]

use user::abi::syscall::Inheritance;
use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Failure, Verdict};
use user::ensure;
use user::lab::job::{Job, Outcome};
use user::lab::jobs::{self, Report, Terms};

user::check!(run);

/// Arguments that are no jobs.
const OWN: [&str; 4] = ["policy", "slice_us", "inherit", "unit_us"];

fn run(check: &mut Check) -> Verdict {
    let terms = Terms {
        policy: check.text("policy")?,
        slice_us: check.value_or("slice_us", 0)?,
        inheritance: match check.value_or("inherit", 0)? {
            0 => Inheritance::None,
            1 => Inheritance::Priority,
            other => return Err(Failure(format!("inherit={other} is not 0 or 1"))),
        },
    };
    let unit_ns = check.value("unit_us")? * 1000;
    ensure!(unit_ns > 0, "unit_us=0: a unit of time is 1 us or more");
    let jobs = check
        .named_all()
        .filter(|(name, _)| !OWN.contains(name))
        .map(|(name, text)| Job::parse(name, text, unit_ns))
        .collect::<Result<Vec<_>, Failure>>()?;
    ensure!(!jobs.is_empty(), "there is no job NAME=ARRIVAL:LENGTH");
    let report = jobs::run(&jobs, terms)?;
    say(check, &jobs, &report);
    let names: Vec<&str> = jobs.iter().map(|job| job.name).collect();
    report.turns.report(check, &names)
}

/// A time of a job.
type Of = fn(&Job, &Outcome) -> u64;

fn say(check: &mut Check, jobs: &[Job], report: &Report) {
    let each = || jobs.iter().zip(&report.outcomes);
    for (job, outcome) in each() {
        let name = job.name;
        check.metric(format!("{name}_completion_ns"), job.completion_ns(outcome));
        check.metric(format!("{name}_wait_ns"), job.wait_ns(outcome));
        check.metric(format!("{name}_response_ns"), job.response_ns(outcome));
    }
    let kinds: [(&str, Of); 3] = [
        ("completion", Job::completion_ns),
        ("wait", Job::wait_ns),
        ("response", Job::response_ns),
    ];
    for (kind, of) in kinds {
        let values = each().map(|(job, outcome)| of(job, outcome));
        let sum: u64 = values.clone().sum();
        check.metric(format!("mean_{kind}_ns"), sum / jobs.len() as u64);
        check.metric(format!("worst_{kind}_ns"), values.max().unwrap_or(0));
    }
    let late = each().filter(|(job, outcome)| job.is_late(outcome)).count();
    let ended = report.outcomes.iter().map(|outcome| outcome.ended_ns);
    check.metric("jobs", jobs.len() as u64);
    check.metric("late", late as u64);
    check.metric("elapsed_ns", ended.max().unwrap_or(0));
    let ran = report.outcomes.iter().map(|outcome| outcome.ran_ns);
    check.metric("busy_ns", ran.sum());
    let (before, after) = (report.before, report.after);
    let switches = after.context_switches - before.context_switches;
    check.metric("switches", switches);
    check.metric(
        "switch_ns",
        (after.switch_ns - before.switch_ns) / switches.max(1),
    );
    check.metric("preemptions", after.preemptions - before.preemptions);
}
