//! Check: what a switch from one thread to another costs.
//!
//! Two threads on processor 0 hand a number to and fro through futexes; each round is two
//! switches at least. Time inside the switch and waiting for the processor are the kernel's own
//! figures.
#![no_std]
#![no_main]

use user::alloc::sync::Arc;
use user::check::{Check, Context as _, Verdict};
use user::sync::Turn;
use user::time::now_ns;
use user::{ensure, sys, thread};

user::check!(run);

const ROUNDS: u32 = 50;

fn run(check: &mut Check) -> Verdict {
    sys::set_affinity(1).context("affinity to processor 0")?;
    let turn = Arc::new(Turn::new());
    let theirs = Arc::clone(&turn);
    let partner = thread::spawn(move || {
        let bound = sys::set_affinity(1);
        for round in 0..ROUNDS {
            theirs.wait_for(2 * round + 1);
            theirs.set(2 * round + 2);
        }
        bound
    })
    .context("a thread")?;

    let before = sys::stats().context("stats")?;
    let start = now_ns();
    for round in 0..ROUNDS {
        turn.set(2 * round + 1);
        turn.wait_for(2 * round + 2);
    }
    let elapsed_ns = now_ns() - start;
    let after = sys::stats().context("stats")?;
    partner
        .join()
        .context("join")?
        .context("affinity of the partner")?;

    let switches = after.context_switches - before.context_switches;
    check.metric("round_trip_ns", elapsed_ns / u64::from(ROUNDS));
    check.metric("switches", switches);
    check.metric(
        "switch_ns",
        (after.switch_ns - before.switch_ns) / switches.max(1),
    );
    check.metric(
        "wait_ns",
        (after.wait_ns - before.wait_ns) / switches.max(1),
    );
    check.metric("max_wait_ns", after.max_wait_ns);
    let least = u64::from(2 * ROUNDS);
    ensure!(
        switches >= least,
        "{switches} switches counted in {ROUNDS} rounds"
    );
    ensure!(
        after.switch_ns > before.switch_ns,
        "no time spent in switches"
    );
    Ok(())
}
