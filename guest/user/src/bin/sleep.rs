//! Check: sleepers wake never early and not much late, and leave the processor to others.
#![no_std]
#![no_main]

use user::check::{Check, Context as _, Verdict};
use user::time::{MS, now_ns};
use user::{ensure, sys};

user::check!(run);

const SLEEPS_NS: [u64; 5] = [MS / 10, MS, 3 * MS, 7 * MS, 15 * MS];
/// More than that is not the guest's timer but a host that is busy for long.
const MAX_LATE_NS: u64 = 100 * MS;

fn run(check: &mut Check) -> Verdict {
    let (mut most_late_ns, mut sum_late_ns) = (0, 0);
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
        most_late_ns = most_late_ns.max(late_ns);
    }
    check.metric("mean_late_ns", sum_late_ns / SLEEPS_NS.len() as u64);
    check.metric("most_late_ns", most_late_ns);
    ensure!(
        most_late_ns <= MAX_LATE_NS,
        "a sleeper woke {most_late_ns} ns late"
    );
    Ok(())
}
