//! Has jobs done, each by a thread, on processor 0 and under one policy.
//!
//! The threads are made one by one and sleep until their jobs come. All that come at the same moment
//! become ready in one interrupt, in the order in which they were given. Time 0 is when those that
//! come first are ready, and the processor is left to them.

use super::job::{Job, Outcome};
use super::processor::spend;
use super::scheduler::Scheduler;
use super::turns::Turns;
use crate::check::{Context as _, Failure};
use crate::sync::Turn;
use crate::time::now_ns;
use crate::{sys, thread};
use abi::syscall::{Errno, Inheritance, Stats};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What was seen of all jobs.
pub struct Report {
    /// What became of each.
    pub outcomes: Vec<Outcome>,
    /// Who ran when.
    pub turns: Turns,
    /// The kernel's counts at the start.
    pub before: Stats,
    /// Those at the end of the last job.
    pub after: Stats,
}

/// Number of the first job's thread; 1 is the program's own.
const FIRST_TID: u64 = 2;

/// From making ready to the start: so much, and so much more for each job.
const LEAD_NS: u64 = 30_000_000;
const JOB_LEAD_NS: u64 = 8_000_000;
/// Where a busy host was too slow for that: how often it is tried, each time with twice as much.
const ATTEMPTS: u32 = 5;

const OVER: u32 = 1;

/// Under what jobs are done.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Scheduling policy.
    pub policy: &'a str,
    /// Length of slices, or 0.
    pub slice_us: u64,
    /// What waiting for a lock does.
    pub inheritance: Inheritance,
}

struct Shared {
    inheritance: Inheritance,
    start_ns: u64,
    /// The start was missed, and nothing is to be done.
    is_missed: AtomicBool,
    left: AtomicUsize,
    over: Turn,
}

/// When a job began and ended, since boot; and the counts at its end, of the last one.
struct Done {
    began_ns: u64,
    ended_ns: u64,
    ran_ns: u64,
    stats: Option<Stats>,
}

impl Shared {
    /// What the thread of `job` does.
    fn run(&self, job: &Job) -> Result<Done, Errno> {
        job.declare(self.start_ns)?;
        sys::sleep_until(self.start_ns + job.arrival_ns)?;
        let began_ns = now_ns();
        let is_missed = self.is_missed.load(Ordering::Relaxed);
        if let Some(lock) = job.lock {
            sys::take_lock(lock, self.inheritance)?;
        }
        let ran_ns = spend(if is_missed { 0 } else { job.length_ns })?;
        if let Some(lock) = job.lock {
            sys::give_lock(lock)?;
        }
        let ended_ns = now_ns();
        let is_last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        let stats = is_last.then(sys::stats).transpose()?;
        if is_last {
            self.over.set(OVER);
        }
        Ok(Done {
            began_ns,
            ended_ns,
            ran_ns,
            stats,
        })
    }
}

/// Has the jobs done.
pub fn run(jobs: &[Job], terms: Terms<'_>) -> Result<Report, Failure> {
    sys::set_affinity(1).context("affinity to processor 0")?;
    let lead_ns = LEAD_NS + JOB_LEAD_NS * jobs.len() as u64;
    let mut first_tid = FIRST_TID;
    for attempt in 0..ATTEMPTS {
        let done = attempt_at(jobs, terms, now_ns() + (lead_ns << attempt), first_tid)?;
        if let Some(report) = done {
            return Ok(report);
        }
        first_tid += jobs.len() as u64;
    }
    Err("each time the jobs came before they could be waited for".into())
}

/// Has the jobs done from `start_ns` on; `None` if that was too soon.
fn attempt_at(
    jobs: &[Job],
    terms: Terms<'_>,
    start_ns: u64,
    first_tid: u64,
) -> Result<Option<Report>, Failure> {
    let shared = Arc::new(Shared {
        inheritance: terms.inheritance,
        start_ns,
        is_missed: AtomicBool::new(false),
        left: AtomicUsize::new(jobs.len()),
        over: Turn::new(),
    });
    let threads = assemble(jobs, &shared)?;
    let _scheduler = Scheduler::choose(terms.policy, terms.slice_us)?;
    let turns = Turns::begin()?;
    let before = sys::stats().context("stats")?;
    let is_missed = now_ns() >= start_ns;
    shared.is_missed.store(is_missed, Ordering::Relaxed);
    shared.over.wait_for(OVER);
    let turns = turns.end(first_tid)?;
    let (mut outcomes, mut after) = (Vec::new(), before);
    for thread in threads {
        let done = thread.join().context("join")?.context("a job")?;
        after = done.stats.unwrap_or(after);
        outcomes.push(Outcome {
            began_ns: done.began_ns.saturating_sub(turns.start_ns()),
            ended_ns: done.ended_ns.saturating_sub(turns.start_ns()),
            ran_ns: done.ran_ns,
        });
    }
    let report = Report {
        outcomes,
        turns,
        before,
        after,
    };
    Ok((!is_missed).then_some(report))
}

type JobThread = thread::JoinHandle<Result<Done, Errno>>;

/// Makes the threads, each of which runs until it waits before the next is made.
fn assemble(jobs: &[Job], shared: &Arc<Shared>) -> Result<Vec<JobThread>, Failure> {
    let _in_order = Scheduler::choose("fcfs", 0)?;
    let mut threads = Vec::new();
    for job in jobs {
        let (job, shared) = (job.clone(), Arc::clone(shared));
        threads.push(thread::spawn(move || shared.run(&job)).context("a thread")?);
        sys::yield_now();
    }
    Ok(threads)
}
