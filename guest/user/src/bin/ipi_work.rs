//! Work of `hostel compare`: interrupts of all other processors, or of the one that there is, for
//! so long.
//!
//! Arguments: number of the measurement, the kernel's device that sends them, milliseconds. An
//! operation is from before the first is sent to the first instruction of the last handler.
#![no_std]
#![no_main]

use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::work::{self, Done};

user::check!(run);

fn run(check: &mut Check) -> Verdict {
    let (Some(name), Some(ms)) = (check.arg(1), check.number(2)) else {
        return Err("arguments that are no work".into());
    };
    let Some(device) = work::open(check, name)? else {
        return Ok(());
    };
    let mut bytes = [0; 16];
    device.read_exact(&mut bytes).context("read")?;

    work::run_for(check, ms, Done::none(None)?, |done| {
        device.read_exact(&mut bytes).context("read")?;
        let [sent, handled] = work::numbers(&bytes);
        ensure!(sent < handled, "sent at {sent}, handled at {handled}");
        done.count_ns(done.latencies.ns(handled - sent));
        Ok(())
    })
    .map(drop)
}
