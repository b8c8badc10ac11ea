//! Check: sleepers wake never early and not much late, and leave the processor to others.
#![no_std]
#![no_main]

use user::check::{Check, Context as _, Verdict};
use user::time::{MS, now_ns};
use user::{ensure, sys};

user::check!(run);

const SLEEPS_NS: [u64; 5] = [MS / 10, MS, 3 * MS, 7 * MS, 15 * MS];
/// The most punctual wake-up may be so late: the rest may be the host's doing, this one not.
const MAX_LEAST_LATE_NS: u64 = 50 * MS;
/// More than that is a timer that was lost, however busy the host.
const MAX_LATE_NS: u64 = 1000 * MS;

fn run(check: &mut Check) -> Verdict {
    let (mut least_late_ns, mut most_late_ns, mut sum_late_ns) = (u64::MAX, 0, 0);
    for wanted_ns in SLEEPS_NS {
        let start = now_ns();
        sys::sleep(wanted_ns).context("sleep")?;
        let slept_ns = now_ns() - start;
        ensure!(
            slept_ns >= wanted_ns,
            "slept {slept_ns} ns instead of {wanted_ns}"
        );
        let late_ns = slept_ns - wanted_ns;
        sum_late_ns += late_ns;
        least_late_ns = late_ns.min(least_late_ns);
        most_late_ns = late_ns.max(most_late_ns);
    }
    check.metric("mean_late_ns", sum_late_ns / SLEEPS_NS.len() as u64);
    check.metric("most_late_ns", most_late_ns);
    ensure!(
        least_late_ns <= MAX_LEAST_LATE_NS && most_late_ns <= MAX_LATE_NS,
        "sleepers woke {least_late_ns} to {most_late_ns} ns late"
    );
    Ok(())
}
