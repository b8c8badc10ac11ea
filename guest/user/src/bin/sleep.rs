//! Check: sleepers wake never early, and not late but for what the host does to them.
#![no_std]
#![no_main]

use user::check::{Check, Context as _, Failure, Verdict};
use user::time::{MS, now_ns};
use user::{ensure, sys};

user::check!(run);

const SLEEPS_NS: [u64; 5] = [MS / 10, MS, 3 * MS, 7 * MS, 15 * MS];
/// A sleeper that woke later sleeps once more: it may have been the host's doing.
const LATE_NS: u64 = 50 * MS;
/// Later than that so many times in a row, it was not.
const TRIES: u32 = 100;

/// Sleeps; how late it woke.
fn late_ns(wanted_ns: u64) -> Result<u64, Failure> {
    let start = now_ns();
    sys::sleep(wanted_ns).context("sleep")?;
    let slept_ns = now_ns() - start;
    ensure!(
        slept_ns >= wanted_ns,
        "slept {slept_ns} ns instead of {wanted_ns}"
    );
    Ok(slept_ns - wanted_ns)
}

fn run(check: &mut Check) -> Verdict {
    let (mut most_late_ns, mut sum_late_ns, mut sleeps) = (0, 0, 0);
    for wanted_ns in SLEEPS_NS {
        let mut least_late_ns = u64::MAX;
        for _ in 0..TRIES {
            let late_ns = late_ns(wanted_ns)?;
            sum_late_ns += late_ns;
            sleeps += 1;
            least_late_ns = late_ns.min(least_late_ns);
            most_late_ns = late_ns.max(most_late_ns);
            if late_ns <= LATE_NS {
                break;
            }
        }
        ensure!(
            least_late_ns <= LATE_NS,
            "each of {TRIES} sleeps of {wanted_ns} ns was {least_late_ns} ns too long, or more"
        );
    }
    check.metric("mean_late_ns", sum_late_ns / sleeps);
    check.metric("most_late_ns", most_late_ns);
    Ok(())
}
