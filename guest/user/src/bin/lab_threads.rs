//! Laboratory: user threads over kernel threads.
//!
//! `threads=N carriers=N rounds=N cpu_us=N block_us=N`: user threads carried by so many kernel threads,
//! or with `carriers=0` kernel threads of their own (one-to-one). Each computes and then makes a
//! blocking call, so many rounds; after that all only yield, to say what a switch among them takes.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use user::abi::syscall::Errno;
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::green::{Me, Runtime};
use user::lab::processor::spend;
use user::lab::scheduler::Scheduler;
use user::sync::Turn;
use user::time::now_ns;
use user::{ensure, sys, thread};

user::check!(run);

const MOST_THREADS: u64 = 32;
/// How often each yields.
const YIELDS: u64 = 100;
/// In which the threads come to the gate.
const LEAD_NS: u64 = 10_000_000;
const GO: u32 = 1;

/// What each thread does.
#[derive(Clone, Copy)]
struct Work {
    rounds: u64,
    cpu_ns: u64,
    block_ns: u64,
}

/// From when the first of them begins to when the last is done.
struct Span {
    gate: Turn,
    began_ns: AtomicU64,
    ended_ns: AtomicU64,
}

impl Work {
    /// Does it; after each round `yields` lets others run.
    fn work(&self, span: &Span, yields: impl Fn()) -> Result<(), Errno> {
        span.began_ns.fetch_min(now_ns(), Ordering::AcqRel);
        for _ in 0..self.rounds {
            if self.cpu_ns > 0 {
                spend(self.cpu_ns)?;
                sys::sleep(self.block_ns)?;
            }
            yields();
        }
        span.ended_ns.fetch_max(now_ns(), Ordering::AcqRel);
        Ok(())
    }
}

/// Has so many threads do it; the time that it takes.
fn time(threads: u64, carriers: u64, work: Work) -> Result<u64, Failure> {
    let span = Arc::new(Span {
        gate: Turn::new(),
        began_ns: AtomicU64::new(u64::MAX),
        ended_ns: AtomicU64::new(0),
    });
    let kernel_threads = match carriers {
        0 => one_to_one(threads, work, &span)?,
        _ => carried(threads, carriers, work, &span)?,
    };
    sys::sleep(LEAD_NS).context("sleep")?;
    span.gate.set(GO);
    for thread in kernel_threads {
        thread.join().context("join")?.context("a thread")?;
    }
    let ended_ns = span.ended_ns.load(Ordering::Acquire);
    Ok(ended_ns.saturating_sub(span.began_ns.load(Ordering::Acquire)))
}

type Kernel = thread::JoinHandle<Result<(), Errno>>;

fn one_to_one(threads: u64, work: Work, span: &Arc<Span>) -> Result<Vec<Kernel>, Failure> {
    let spawn = |_| {
        let span = Arc::clone(span);
        let body = move || {
            span.gate.wait_for(GO);
            work.work(&span, sys::yield_now)
        };
        thread::spawn(body).context("a thread")
    };
    (0..threads).map(spawn).collect()
}

fn carried(
    threads: u64,
    carriers: u64,
    work: Work,
    span: &Arc<Span>,
) -> Result<Vec<Kernel>, Failure> {
    let runtime = Arc::new(Runtime::new(carriers as usize));
    for _ in 0..threads {
        let span = Arc::clone(span);
        // What could fail are system calls that never do with these arguments.
        let body = move |me: &Me| {
            let _ = work.work(&span, || me.yield_now());
        };
        runtime.spawn(body).context("a user thread")?;
    }
    let spawn = |_| {
        let (runtime, span) = (Arc::clone(&runtime), Arc::clone(span));
        let carrier = move || {
            span.gate.wait_for(GO);
            runtime.carry();
            Ok(())
        };
        thread::spawn(carrier).context("a carrier")
    };
    (0..carriers).map(spawn).collect()
}

fn run(check: &mut Check) -> Verdict {
    let (threads, carriers) = (check.value("threads")?, check.value("carriers")?);
    ensure!(
        (1..=MOST_THREADS).contains(&threads) && carriers <= threads,
        "threads={threads} carriers={carriers}: 1 to {MOST_THREADS} threads, and no more carriers"
    );
    let work = Work {
        rounds: check.value("rounds")?,
        cpu_ns: check.value("cpu_us")? * 1000,
        block_ns: check.value("block_us")? * 1000,
    };
    sys::set_affinity(1).context("affinity to processor 0")?;
    let _scheduler = Scheduler::choose("round-robin", 1_000_000)?;
    let elapsed_ns = time(threads, carriers, work)?;
    let yields = Work {
        rounds: YIELDS,
        cpu_ns: 0,
        block_ns: 0,
    };
    let yields_ns = time(threads, carriers, yields)?;
    check.metric("threads", threads);
    check.metric("carriers", carriers);
    check.metric("elapsed_ns", elapsed_ns);
    check.metric("call_ns", elapsed_ns / (threads * work.rounds).max(1));
    check.metric("yield_ns", yields_ns / (threads * YIELDS));
    Ok(())
}
