//! Has jobs done, each by a thread, on processor 0 and under one policy.
//!
//! The threads are made one by one and wait at a gate, those that come later for the time; then the
//! policy is chosen and the gate is opened. All that come at 0 are ready before the first of them
//! runs, in the order in which they were given.

use super::job::{Job, Outcome};
use super::processor::spend;
use super::scheduler::Scheduler;
use super::turns::Turns;
use crate::check::{Context as _, Failure};
use crate::sync::Turn;
use crate::time::now_ns;
use crate::{sys, thread};
use abi::syscall::{Errno, Stats};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What was seen of all jobs.
pub struct Report {
    /// What became of each.
    pub outcomes: Vec<Outcome>,
    /// Who ran when.
    pub turns: Turns,
    /// The kernel's counts from the start to the end of the last job.
    pub before: Stats,
    /// Those at the end.
    pub after: Stats,
}

/// From making ready to the start.
const LEAD_NS: u64 = 20_000_000;

const SHUT: u32 = 0;
const OPEN: u32 = 1;

struct Shared {
    start_ns: AtomicU64,
    left: AtomicUsize,
    gate: Turn,
    over: Turn,
}

impl Shared {
    /// What the thread of `job` does.
    fn run(&self, job: &Job) -> Result<(Outcome, Stats), Errno> {
        let start_ns = self.start_ns.load(Ordering::Acquire);
        job.declare(start_ns)?;
        if job.arrival_ns == 0 {
            self.gate.wait_for(OPEN);
        } else {
            sys::sleep((start_ns + job.arrival_ns).saturating_sub(now_ns()))?;
        }
        let began_ns = now_ns() - start_ns;
        let ran_ns = spend(job.length_ns)?;
        let ended_ns = now_ns() - start_ns;
        let stats = sys::stats()?;
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.over.set(OPEN);
        }
        let outcome = Outcome {
            began_ns,
            ended_ns,
            ran_ns,
        };
        Ok((outcome, stats))
    }
}

/// Has the jobs done.
pub fn run(jobs: &[Job], policy: &str, slice_us: u64) -> Result<Report, Failure> {
    sys::set_affinity(1).context("affinity to processor 0")?;
    let lead_ns = LEAD_NS * (1 + jobs.len() as u64 / 4);
    let shared = Arc::new(Shared {
        start_ns: AtomicU64::new(now_ns() + lead_ns),
        left: AtomicUsize::new(jobs.len()),
        gate: Turn::new(),
        over: Turn::new(),
    });
    let threads = assemble(jobs, &shared)?;
    let _scheduler = Scheduler::choose(policy, slice_us)?;
    let mut turns = Turns::begin()?;
    let start_ns = shared.start_ns.load(Ordering::Relaxed);
    while now_ns() < start_ns {
        core::hint::spin_loop();
    }
    let before = sys::stats().context("stats")?;
    shared.start_ns.store(now_ns(), Ordering::Release);
    shared.gate.set(OPEN);
    shared.over.wait_for(OPEN);
    turns.end(start_ns)?;
    let (mut outcomes, mut after) = (Vec::new(), before);
    for thread in threads {
        let (outcome, stats) = thread.join().context("join")?.context("a job")?;
        outcomes.push(outcome);
        if stats.context_switches > after.context_switches {
            after = stats;
        }
    }
    Ok(Report {
        outcomes,
        turns,
        before,
        after,
    })
}

type JobThread = thread::JoinHandle<Result<(Outcome, Stats), Errno>>;

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
