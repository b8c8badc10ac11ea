//! Laboratory: a spin lock, taken by some workers again and again for some time.
//!
//! `lock=NAME workers=threads|processes count=N ms=N hold=N think=N patience=N`: a worker holds the lock
//! for `hold` rounds of a loop and leaves it alone for `think`; it gives its processor away after every
//! `patience` looks at a lock that it waits for.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sync::MAX_THREADS;
use sync::spin::{Locks, NAMES, SpinLock, Spinner, Traffic};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::{Common, Crew, Histogram};
use user::sync::Barrier;
use user::time::{MS, now_ns, ticks_to_ns, tsc};
use user::{ensure, sys};

user::check!(run);

/// Acquisitions of a free lock that are timed at once, and how often that is done.
const BATCH: u64 = 1000;
const BATCHES: u64 = 20;

/// What is asked for.
struct Plan {
    name: &'static str,
    hold: u64,
    think: u64,
    ns: u64,
    patience: u32,
    tsc_khz: u64,
}

struct Shared {
    plan: Plan,
    locks: Locks,
    all_there: Barrier,
    /// What the lock guards: an increment that two make at once is lost.
    counter: AtomicU64,
    /// Time-stamp counter at the last release.
    released: AtomicU64,
    acquisitions: AtomicU64,
    writes: AtomicU64,
    reads: AtomicU64,
    began_ns: AtomicU64,
    ended_ns: AtomicU64,
    delays: Histogram,
}

impl Shared {
    fn lock(&self) -> Result<&dyn SpinLock, Failure> {
        let name = self.plan.name;
        let unknown = || Failure(format!("lock={name} is none of {NAMES:?}"));
        self.locks.by_name(name).ok_or_else(unknown)
    }

    /// The part of the work that others are kept from.
    fn critical(&self, began: u64) {
        let now = tsc();
        let released = self.released.load(Relaxed);
        if began < released && released < now {
            // It was waited for: so long nobody had it.
            let ns = ticks_to_ns(now - released, self.plan.tsc_khz);
            self.delays.add(ns);
        }
        let seen = self.counter.load(Relaxed);
        pass(self.plan.hold);
        self.counter.store(seen + 1, Relaxed);
        self.released.store(tsc(), Relaxed);
    }

    fn add(&self, acquisitions: u64, traffic: Traffic) {
        self.acquisitions.fetch_add(acquisitions, Relaxed);
        self.writes.fetch_add(traffic.writes, Relaxed);
        self.reads.fetch_add(traffic.reads, Relaxed);
    }
}

/// Lets time pass.
fn pass(rounds: u64) {
    for round in 0..rounds {
        black_box(round);
    }
}

fn work(shared: &Shared, number: usize) -> Verdict {
    let lock = shared.lock()?;
    let mut me = Spinner::new(number, shared.plan.patience, sys::yield_now);
    shared.all_there.wait();
    let start = now_ns();
    shared.began_ns.fetch_min(start, Relaxed);
    let mut acquisitions = 0;
    while now_ns() - start < shared.plan.ns {
        let began = tsc();
        lock.lock(&mut me);
        shared.critical(began);
        lock.unlock(&mut me);
        acquisitions += 1;
        pass(shared.plan.think);
    }
    shared.ended_ns.fetch_max(now_ns(), Relaxed);
    shared.add(acquisitions, me.traffic);
    Ok(())
}

/// Time of [`BATCH`] acquisitions and releases of a lock that nobody else wants: the least of some.
fn uncontended_ns(lock: &dyn SpinLock, tsc_khz: u64) -> u64 {
    let mut me = Spinner::new(0, u32::MAX, sys::yield_now);
    let batch = |_| {
        let start = tsc();
        for _ in 0..BATCH {
            lock.lock(&mut me);
            lock.unlock(&mut me);
        }
        ticks_to_ns(tsc() - start, tsc_khz)
    };
    (0..BATCHES).map(batch).min().unwrap_or(0)
}

fn plan(check: &Check) -> Result<Plan, Failure> {
    Ok(Plan {
        name: check.text("lock")?,
        hold: check.value("hold")?,
        think: check.value("think")?,
        ns: check.value("ms")? * MS,
        patience: check.value("patience")? as u32,
        tsc_khz: sys::sys_info().context("system info")?.tsc_khz,
    })
}

fn run(check: &mut Check) -> Verdict {
    let crew = Crew::of(check)?;
    let count = check.value("count")? as usize;
    ensure!(
        (1..=MAX_THREADS).contains(&count),
        "count={count} is not from 1 to {MAX_THREADS}"
    );
    let shared = Common::new(Shared {
        plan: plan(check)?,
        locks: Locks::default(),
        all_there: Barrier::new(count as u32, 0),
        counter: AtomicU64::new(0),
        released: AtomicU64::new(0),
        acquisitions: AtomicU64::new(0),
        writes: AtomicU64::new(0),
        reads: AtomicU64::new(0),
        began_ns: AtomicU64::new(u64::MAX),
        ended_ns: AtomicU64::new(0),
        delays: Histogram::new(),
    })?;
    let batch_ns = uncontended_ns(shared.lock()?, shared.plan.tsc_khz);
    crew.run(count, shared, work)?;
    report(check, &shared, batch_ns)
}

fn report(check: &mut Check, shared: &Shared, batch_ns: u64) -> Verdict {
    let [acquisitions, counter] = [&shared.acquisitions, &shared.counter].map(|n| n.load(Relaxed));
    let elapsed = shared.ended_ns.load(Relaxed) - shared.began_ns.load(Relaxed);
    check.metric("acquisitions", acquisitions);
    check.metric("elapsed_ns", elapsed);
    check.metric("batch_ns", batch_ns);
    check.metric("batch", BATCH);
    check.metric("writes", shared.writes.load(Relaxed));
    check.metric("reads", shared.reads.load(Relaxed));
    check.metric("waited", shared.delays.count());
    // A waiter that has no processor at the release makes most delays long: of ten, the shortest.
    check.metric("delay_ns", shared.delays.percentile_ns(10));
    check.metric("lost", acquisitions.abs_diff(counter));
    shared.delays.report(check, "delays", "delay_ns")?;
    ensure!(
        acquisitions == counter,
        "{counter} increments are there of {acquisitions}"
    );
    Ok(())
}
