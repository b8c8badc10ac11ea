//! Laboratory: what a switch costs, and what it costs afterwards.
//!
//! `kib=N rounds=N`: two threads on one processor yield to each other. Before and after each yield a
//! thread goes through a working set of its own of N KiB; what that takes after the other's turn,
//! and when it has just been gone through, differ by what the switch has done to the caches.
#![no_std]
#![no_main]

use core::hint::black_box;
use user::abi::syscall::Errno;
use user::alloc::sync::Arc;
use user::alloc::vec;
use user::check::{Check, Context as _, Verdict};
use user::lab::scheduler::Scheduler;
use user::sync::Turn;
use user::time::{ticks_to_ns, tsc};
use user::{ensure, sys, thread};

user::check!(run);

const LINE_BYTES: usize = 64;
const MOST_KIB: u64 = 16 * 1024;
const GO: u32 = 1;

/// Ticks of the rounds of one thread, the quickest of each kind.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    warm: u64,
    cold: u64,
}

/// Goes through the working set and changes it; the ticks that it took.
fn go_through(set: &mut [u8]) -> u64 {
    let start = tsc();
    for byte in set.iter_mut().step_by(LINE_BYTES) {
        *byte = byte.wrapping_add(1);
    }
    black_box(set);
    tsc().saturating_sub(start)
}

fn rounds(bytes: usize, rounds: u64) -> Ticks {
    let mut set = vec![0u8; bytes];
    go_through(&mut set);
    let mut ticks = Ticks {
        warm: u64::MAX,
        cold: u64::MAX,
    };
    for _ in 0..rounds {
        ticks.warm = ticks.warm.min(go_through(&mut set));
        sys::yield_now();
        ticks.cold = ticks.cold.min(go_through(&mut set));
    }
    ticks
}

fn run(check: &mut Check) -> Verdict {
    let kib = check.value("kib")?;
    let count = check.value("rounds")?;
    ensure!(
        (1..=MOST_KIB).contains(&kib) && count > 0,
        "kib={kib} rounds={count}: 1 to {MOST_KIB} KiB and 1 round or more"
    );
    sys::set_affinity(1).context("affinity to processor 0")?;
    let tsc_khz = sys::sys_info().context("system info")?.tsc_khz.max(1);
    let _scheduler = Scheduler::choose("round-robin", 1_000_000)?;
    let bytes = kib as usize * 1024;
    let gate = Arc::new(Turn::new());
    let mut threads = vec![];
    for _ in 0..2 {
        let gate = Arc::clone(&gate);
        let body = move || -> Result<Ticks, Errno> {
            gate.wait_for(GO);
            Ok(rounds(bytes, count))
        };
        threads.push(thread::spawn(body).context("a thread")?);
    }
    let before = sys::stats().context("stats")?;
    gate.set(GO);
    let (mut warm, mut cold) = (u64::MAX, u64::MAX);
    for thread in threads {
        let ticks = thread.join().context("join")?.context("rounds")?;
        (warm, cold) = (warm.min(ticks.warm), cold.min(ticks.cold));
    }
    let after = sys::stats().context("stats")?;
    let switches = after.context_switches - before.context_switches;
    check.metric("bytes", bytes as u64);
    check.metric("switches", switches);
    check.metric(
        "switch_ns",
        (after.switch_ns - before.switch_ns) / switches.max(1),
    );
    check.metric("warm_ns", ticks_to_ns(warm, tsc_khz));
    check.metric("cold_ns", ticks_to_ns(cold, tsc_khz));
    check.metric("cache_ns", ticks_to_ns(cold.saturating_sub(warm), tsc_khz));
    Ok(())
}
