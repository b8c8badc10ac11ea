//! Laboratory: threads take objects of one kind and give them back.
//!
//! `allocator=buddy|slab|first-fit cache=N rounds=N threads=N`: each round is 8 objects, all of which
//! are looked at. With `cache`, for slabs, each thread has free objects of its own, N at most.
#![no_std]
#![no_main]

use memory::slab::CpuCache;
use user::alloc::format;
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::confined::value_or;
use user::lab::objects::{Depot, Memory, NAMES, Source};
use user::sync::Mutex;
use user::time::now_ns;
use user::{ensure, sys, thread};

user::check!(run);

/// Pages of the allocator.
const PAGES: usize = 16;
/// Objects that a thread has at a time.
const AT_A_TIME: usize = 8;
const MOST_THREADS: u64 = 8;
const MOST_CACHED: u64 = 32;
const MOST_ROUNDS: u64 = 1 << 24;

struct Shared {
    depot: Mutex<Depot>,
    memory: Memory,
    cached: usize,
    rounds: u64,
}

/// What a thread does; how often it took the lock.
fn work(shared: &Shared) -> Result<u64, Failure> {
    let mut source = Source {
        depot: &shared.depot,
        memory: &shared.memory,
        cache: (shared.cached > 0).then(|| CpuCache::new(shared.cached)),
        locked: 0,
    };
    for _ in 0..shared.rounds {
        let mut objects = [0; AT_A_TIME];
        for object in &mut objects {
            *object = source.allocate().ok_or("no object is left")?;
        }
        for object in objects {
            ensure!(
                shared.memory.is_constructed(object),
                "the object at {object} is not constructed"
            );
            source.release(object);
        }
    }
    Ok(source.locked)
}

/// All threads; how often they took the lock.
fn in_threads(shared: &Arc<Shared>, threads: u64) -> Result<u64, Failure> {
    let cpus = sys::sys_info().context("system info")?.cpus;
    let mut at_work = Vec::new();
    for number in 0..threads {
        let shared = Arc::clone(shared);
        let thread = thread::spawn(move || {
            sys::set_affinity(1 << (number % cpus)).context("affinity")?;
            work(&shared)
        });
        at_work.push(thread.context("a thread")?);
    }
    let mut locked = 0;
    for thread in at_work {
        locked += thread.join().context("join")??;
    }
    Ok(locked)
}

fn run(check: &mut Check) -> Verdict {
    let name = check.text("allocator")?;
    let unknown = || Failure(format!("allocator={name} is none of {}", NAMES.join(", ")));
    let depot = Depot::named(name, PAGES).ok_or_else(unknown)?;
    let (rounds, threads) = (check.value("rounds")?, check.value("threads")?);
    let cached = value_or(check, "cache", 0)?;
    for (name, value, least, most) in [
        ("rounds", rounds, 1, MOST_ROUNDS),
        ("threads", threads, 1, MOST_THREADS),
        ("cache", cached, 0, MOST_CACHED),
    ] {
        let is_in = (least..=most).contains(&value);
        ensure!(is_in, "{name}={value} is not from {least} to {most}");
    }
    let shared = Arc::new(Shared {
        depot: Mutex::new(depot),
        memory: Memory::new(PAGES).context("memory")?,
        cached: cached as usize,
        rounds,
    });
    let start = now_ns();
    let locked = in_threads(&shared, threads)?;
    let elapsed_ns = now_ns() - start;
    check.metric("objects", rounds * threads * AT_A_TIME as u64);
    check.metric("constructed", shared.depot.lock().constructed());
    check.metric("locked", locked);
    check.metric("elapsed_ns", elapsed_ns);
    Ok(())
}
