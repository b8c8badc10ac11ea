//! Work of `hostel compare`: interrupts of an alarm, for so long, and how late they are.
//!
//! Arguments: number of the measurement, the kernel's device of the alarm, `handler` or `program`,
//! milliseconds. An operation is from the moment at which the device interrupts to the handler's
//! first instruction, or to the program that waits for it. The alarm is set in the guest and its
//! delay measured in the host: what the setting's exit takes until the host looks at its clock is
//! in each figure.
#![no_std]
#![no_main]

use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::file::File;
use user::sys;
use user::time::{MS, tsc};
use user::work::{self, Done};

user::check!(run);

/// An alarm that rings later than that says nothing of a machine: the host had other things to do,
/// and its clock and the guest's drift apart meanwhile.
const LATE_NS: u64 = 100 * MS;
/// The processor that devices interrupt.
const FIRST_PROCESSOR: u64 = 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Handler,
    Program,
}

/// What is known of an alarm, in ticks of the time-stamp counter.
struct Rung {
    /// From its setting to the handler, and to the program.
    ticks: [u64; 2],
    /// How long the one before it was to wait.
    delay_before_ns: u64,
}

fn ring(alarm: &File) -> Result<Rung, Failure> {
    let mut bytes = [0; 24];
    alarm.read_exact(&mut bytes).context("read")?;
    let woken = tsc();
    let [set, handled, delay_before_ns] = work::numbers(&bytes);
    ensure!(
        set < handled && handled < woken,
        "set at {set}, handled at {handled}, woken at {woken}"
    );
    Ok(Rung {
        ticks: [handled - set, woken - set],
        delay_before_ns,
    })
}

fn run(check: &mut Check) -> Verdict {
    let to = match check.arg(2) {
        Some("handler") => Some(To::Handler),
        Some("program") => Some(To::Program),
        _ => None,
    };
    let (Some(name), Some(to), Some(ms)) = (check.arg(1), to, check.number(3)) else {
        return Err("arguments that are no work".into());
    };
    sys::set_affinity(FIRST_PROCESSOR).context("going to the first processor")?;
    let Some(alarm) = work::open(check, name)? else {
        return Ok(());
    };
    ring(&alarm)?;

    let mut last = ring(&alarm)?;
    work::run_for(check, ms, Done::none(None)?, |done| {
        let next = ring(&alarm)?;
        if next.delay_before_ns > LATE_NS {
            last = next;
            return Ok(());
        }
        let ticks = last.ticks[usize::from(to == To::Program)];
        let ns = done.latencies.ns(ticks).checked_sub(next.delay_before_ns);
        let ns =
            ns.ok_or("an interrupt came before it was raised, by guest's and host's clocks")?;
        ensure!(next.delay_before_ns > 0, "an alarm that never rang");
        done.count_ns(ns);
        last = next;
        Ok(())
    })?;
    alarm.write_all(&[0]).context("closing the alarm")
}
