//! Check: a program that never yields does not keep others from running.
//!
//! `bin/spin` and this program share processor 0. Every yield gives the processor to the
//! spinner, and only the timer can take it back.
#![no_std]
#![no_main]

use user::abi::syscall::EndCause;
use user::check::{Check, Context as _, Verdict};
use user::process::{self, Child};
use user::time::now_ns;
use user::{ensure, sys};

user::check!(run);

const ROUNDS: u64 = 5;
/// A turn of the spinner takes this many slices at most, but for delays of the host: there are
/// more rounds until one has been so short.
const MAX_SLICES: u64 = 20;
const MAX_ROUNDS: u64 = 100;

fn run(check: &mut Check) -> Verdict {
    sys::set_affinity(1).context("affinity to processor 0")?;
    let slice_ns = sys::sys_info().context("system info")?.slice_ns;
    let spinner = Child::fork(|| match sys::set_affinity(1) {
        Ok(()) => {
            sys::exec("bin/spin", "");
            process::EXEC_FAILED
        }
        Err(_) => 1,
    })
    .context("starting bin/spin")?;
    let verdict = share(check, slice_ns);
    let status = spinner.kill().context("killing bin/spin")?;
    verdict?;
    let cause = process::cause(status);
    ensure!(
        cause == Some(EndCause::Killed),
        "bin/spin ended by itself: {status:?}"
    );
    Ok(())
}

fn share(check: &mut Check, slice_ns: u64) -> Verdict {
    // The first turns are those in which the spinner is started.
    sys::yield_now();
    let longest_allowed_ns = slice_ns.saturating_mul(MAX_SLICES);
    let before = sys::stats().context("stats")?;
    let (mut shortest_ns, mut longest_ns, mut start) = (u64::MAX, 0, now_ns());
    let mut rounds = 0;
    while rounds < ROUNDS || shortest_ns > longest_allowed_ns && rounds < MAX_ROUNDS {
        rounds += 1;
        sys::yield_now();
        let end = now_ns();
        shortest_ns = shortest_ns.min(end - start);
        longest_ns = longest_ns.max(end - start);
        start = end;
    }
    let preemptions = sys::stats().context("stats")?.preemptions - before.preemptions;
    check.metric("preemptions", preemptions);
    check.metric("slice_ns", slice_ns);
    check.metric("longest_turn_ns", longest_ns);
    ensure!(
        preemptions >= rounds,
        "the spinner was preempted {preemptions} times in {rounds} turns"
    );
    ensure!(
        shortest_ns <= longest_allowed_ns,
        "each turn of the spinner took {shortest_ns} ns or more, a slice is {slice_ns} ns"
    );
    Ok(())
}
