//! Laboratory: jobs on several processors, each with a run queue of its own.
//!
//! `jobs=N length_us=N [slice_us=N] stealing=0 or 1 pinned=0 or 1`: all jobs are made on processor 0. Those that are
//! not pinned may run anywhere; a processor without work takes jobs from another's queue if it may.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use user::abi::syscall::Errno;
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Verdict};
use user::lab::processor::spend;
use user::lab::scheduler::Scheduler;
use user::lab::turns::Turns;
use user::sync::Turn;
use user::time::now_ns;
use user::{ensure, sys, thread};

user::check!(run);

const MOST_JOBS: u64 = 32;
/// Number of the first job's thread.
const FIRST_TID: u64 = 2;
const GO: u32 = 1;
/// In which the threads come to the gate.
const LEAD_NS: u64 = 20_000_000;

struct Shared {
    gate: Turn,
    left: AtomicU64,
    over: Turn,
}

impl Shared {
    /// What a job does; the processor on which it ended, and when.
    fn run(&self, length_ns: u64, is_pinned: bool) -> Result<(u64, u64), Errno> {
        self.gate.wait_for(GO);
        if !is_pinned {
            sys::set_affinity(u64::MAX)?;
        }
        spend(length_ns)?;
        let end = (sys::get_cpu()?, now_ns());
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.over.set(GO);
        }
        Ok(end)
    }
}

fn run(check: &mut Check) -> Verdict {
    let (jobs, length_ns) = (check.value("jobs")?, check.value("length_us")? * 1000);
    let is_pinned = check.value_or("pinned", 0)? != 0;
    ensure!(
        (1..=MOST_JOBS).contains(&jobs),
        "jobs={jobs} is not 1 to {MOST_JOBS}"
    );
    let cpus = sys::sys_info().context("system info")?.cpus;
    sys::set_affinity(1).context("affinity to processor 0")?;
    let _scheduler = Scheduler::choose("round-robin", check.value_or("slice_us", 0)?)?;
    sys::set_stealing(check.value_or("stealing", 1)?).context("stealing=0 or 1")?;
    let shared = Arc::new(Shared {
        gate: Turn::new(),
        left: AtomicU64::new(jobs),
        over: Turn::new(),
    });
    let mut threads = Vec::new();
    for _ in 0..jobs {
        let shared = Arc::clone(&shared);
        threads.push(thread::spawn(move || shared.run(length_ns, is_pinned)).context("a thread")?);
    }
    sys::sleep(LEAD_NS).context("sleep")?;
    let turns = Turns::begin()?;
    let start_ns = now_ns();
    shared.gate.set(GO);
    shared.over.wait_for(GO);
    let turns = turns.end(FIRST_TID)?;
    let mut ends = Vec::new();
    for thread in threads {
        ends.push(thread.join().context("join")?.context("a job")?);
    }
    let elsewhere = ends.iter().filter(|(cpu, _)| *cpu != 0).count();
    let last_ns = ends.iter().map(|(_, end_ns)| *end_ns).max();
    check.metric("cpus", cpus);
    check.metric("jobs", jobs);
    check.metric("ended_elsewhere", elsewhere as u64);
    check.metric("elapsed_ns", last_ns.unwrap_or(start_ns) - start_ns);
    check.metric("migrations", turns.migrations());
    let names = ["1", "2", "3", "4", "5", "6", "7", "8"];
    turns.report(check, &names[..names.len().min(jobs as usize)])
}
