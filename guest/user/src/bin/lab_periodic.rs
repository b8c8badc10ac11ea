//! Laboratory: work that comes again and again, and has to be done before it comes anew.
//!
//! `policy=NAME unit_us=N units=N NAME=PERIOD:LENGTH:PRIORITY...`, a thread each; says how many jobs each
//! had, how many of them were done too late, and how long the slowest took.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use user::abi::syscall::{Errno, TaskAttribute};
use user::alloc::format;
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::processor::spend;
use user::lab::scheduler::Scheduler;
use user::sync::Turn;
use user::time::now_ns;
use user::{ensure, sys, thread};

user::check!(run);

/// Arguments that are no threads.
const OWN: [&str; 3] = ["policy", "unit_us", "units"];
/// From the making of the threads to the first jobs.
const LEAD_NS: u64 = 60_000_000;
const HIGHEST_PRIORITY: u64 = 7;
const GO: u32 = 1;

/// Work that comes each period.
#[derive(Clone, Copy)]
struct Task {
    name: &'static str,
    period_ns: u64,
    length_ns: u64,
    priority: u64,
}

/// What became of it.
#[derive(Clone, Copy, Default)]
struct Deeds {
    jobs: u64,
    late: u64,
    worst_ns: u64,
    ran_ns: u64,
}

impl Task {
    fn parse(name: &'static str, text: &'static str, unit_ns: u64) -> Result<Self, Failure> {
        let mut numbers = text.split(':').map(|word| word.parse::<u64>().ok());
        let mut next = || numbers.next().flatten();
        match (next(), next(), next()) {
            (Some(period), Some(length), Some(priority)) if period > 0 && length <= period => {
                Ok(Self {
                    name,
                    period_ns: period * unit_ns,
                    length_ns: length * unit_ns,
                    priority,
                })
            }
            _ => Err(Failure(format!(
                "{name}={text}: a task is PERIOD:LENGTH:PRIORITY, the first two in units"
            ))),
        }
    }

    /// Does the jobs that come from `start_ns` on and before `end_ns`.
    fn work(&self, start_ns: u64, end_ns: u64) -> Result<Deeds, Errno> {
        let mut deeds = Deeds::default();
        let mut comes_ns = start_ns;
        while comes_ns < end_ns {
            let deadline_ns = comes_ns + self.period_ns;
            sys::set_task(TaskAttribute::Deadline, deadline_ns)?;
            sys::sleep_until(comes_ns)?;
            deeds.ran_ns += spend(self.length_ns)?;
            let done_ns = now_ns();
            deeds.jobs += 1;
            deeds.late += u64::from(done_ns > deadline_ns);
            deeds.worst_ns = deeds.worst_ns.max(done_ns - comes_ns);
            comes_ns = deadline_ns;
        }
        Ok(deeds)
    }
}

fn run(check: &mut Check) -> Verdict {
    let policy = check.text("policy")?;
    let unit_ns = check.value("unit_us")? * 1000;
    let length_ns = check.value("units")? * unit_ns;
    let tasks = check
        .named_all()
        .filter(|(name, _)| !OWN.contains(name))
        .map(|(name, text)| Task::parse(name, text, unit_ns))
        .collect::<Result<Vec<_>, Failure>>()?;
    ensure!(
        !tasks.is_empty(),
        "there is no task NAME=PERIOD:LENGTH:PRIORITY"
    );
    sys::set_affinity(1).context("affinity")?;
    let deeds = work(&tasks, policy, length_ns)?;
    say(check, &tasks, &deeds, length_ns);
    Ok(())
}

fn work(tasks: &[Task], policy: &str, length_ns: u64) -> Result<Vec<Deeds>, Failure> {
    let times = Arc::new((AtomicU64::new(0), Turn::new()));
    let _scheduler = Scheduler::choose(policy, 0)?;
    sys::set_priority(HIGHEST_PRIORITY).context("priority")?;
    let mut threads = Vec::new();
    for task in tasks.iter().copied() {
        let times = Arc::clone(&times);
        let body = move || {
            let (start_ns, gate) = &*times;
            sys::set_priority(task.priority)?;
            gate.wait_for(GO);
            let start_ns = start_ns.load(Ordering::Acquire);
            task.work(start_ns, start_ns + length_ns)
        };
        threads.push(thread::spawn(body).context("a thread")?);
    }
    times.0.store(now_ns() + LEAD_NS, Ordering::Release);
    times.1.set(GO);
    threads
        .into_iter()
        .map(|thread| thread.join().context("join")?.context("a task"))
        .collect()
}

fn say(check: &mut Check, tasks: &[Task], deeds: &[Deeds], length_ns: u64) {
    for (task, deeds) in tasks.iter().zip(deeds) {
        let name = task.name;
        check.metric(format!("{name}_jobs"), deeds.jobs);
        check.metric(format!("{name}_late"), deeds.late);
        check.metric(format!("{name}_worst_ns"), deeds.worst_ns);
    }
    let sum = |of: fn(&Deeds) -> u64| deeds.iter().map(of).sum::<u64>();
    check.metric("jobs", sum(|deeds| deeds.jobs));
    check.metric("late", sum(|deeds| deeds.late));
    check.metric("busy_ns", sum(|deeds| deeds.ran_ns));
    check.metric("length_ns", length_ns);
}
