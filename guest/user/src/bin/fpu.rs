//! Check: threads keep what they have in SSE registers when others with other values preempt them.
#![no_std]
#![no_main]

use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Verdict};
use user::fpu::{self, DEFAULT_CONTROL, Registers};
use user::time::Stopwatch;
use user::{ensure, sys, thread};

user::check!(run);

const THREADS: u32 = 3;
/// Slices that each thread should get.
const TURNS: u64 = 3;
/// Turns of a loop during which values are in registers only.
const SPINS: u64 = 20_000;

/// What a thread has found.
struct Found {
    rounds: u64,
    spoilt: u64,
    control: u32,
}

fn values(thread: u32, round: u64) -> Registers {
    let seed = u128::from(thread + 1) << 64 | u128::from(round);
    let mut register = 0;
    Registers([0; 16].map(|_: u128| {
        register += 1;
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ register
    }))
}

/// Carries values through `run_ns` nanoseconds of being preempted.
fn carry(thread: u32, tsc_khz: u64, run_ns: u64) -> Found {
    fpu::set_rounding(thread);
    let watch = Stopwatch::start(tsc_khz);
    let (mut rounds, mut spoilt) = (0, 0);
    while watch.elapsed_ns() < run_ns {
        let values = values(thread, rounds);
        spoilt += u64::from(fpu::carry(&values, SPINS) != values);
        rounds += 1;
    }
    let control = fpu::control();
    fpu::set_rounding(0);
    Found {
        rounds,
        spoilt,
        control,
    }
}

fn run(check: &mut Check) -> Verdict {
    let info = sys::sys_info().context("system info")?;
    sys::set_affinity(1).context("affinity to processor 0")?;
    let before = sys::stats().context("stats")?;
    let run_ns = info.slice_ns * TURNS * u64::from(THREADS);
    let mut threads = Vec::new();
    for index in 0..THREADS {
        let body = move || {
            let bound = sys::set_affinity(1);
            bound.map(|()| carry(index, info.tsc_khz, run_ns))
        };
        threads.push(thread::spawn(body).context("a thread")?);
    }
    let mut rounds = 0;
    for (index, thread) in (0..THREADS).zip(threads) {
        let found = thread
            .join()
            .context("join")?
            .context("affinity of a thread")?;
        rounds += found.rounds;
        ensure!(
            found.spoilt == 0,
            "thread {index}: {} rounds spoilt",
            found.spoilt
        );
        let expected = DEFAULT_CONTROL | index << 13;
        // The low six bits are flags of exceptions that have happened.
        let control = found.control & !0x3f;
        ensure!(
            control == expected,
            "thread {index}: mxcsr is {control:#x}, not {expected:#x}"
        );
    }
    let after = sys::stats().context("stats")?;
    check.metric("rounds", rounds);
    check.metric("preemptions", after.preemptions - before.preemptions);
    check.metric("fpu_loads", after.fpu_loads - before.fpu_loads);
    ensure!(
        after.preemptions > before.preemptions,
        "nobody was preempted"
    );
    Ok(())
}
