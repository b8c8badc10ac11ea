//! Work of `hostel compare`: interrupts of all other processors, or of the one that there is, for
//! so long.
//!
//! Arguments: number of the measurement, the kernel's device that sends them, milliseconds. An
//! operation is from before the first is sent to the first instruction of the last handler.
#![no_std]
#![no_main]

use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::time::{MS, now_ns};
use user::work::{self, Done, Latencies, Work};

user::check!(run);

fn run(check: &mut Check) -> Verdict {
    let ms = check.arg(2).and_then(|text| text.parse::<u64>().ok());
    let (Some(name), Some(ms)) = (check.arg(1), ms) else {
        return Err("arguments that are no work".into());
    };
    let Some(device) = work::open(check, name)? else {
        return Ok(());
    };
    let mut bytes = [0; 16];
    device.read_exact(&mut bytes).context("read")?;

    let mut latencies = Latencies::new()?;
    let (mut operations, mut total_ns) = (0, 0);
    let work = Work::begin(check)?;
    let end = work.began_ns() + ms * MS;
    while now_ns() < end {
        device.read_exact(&mut bytes).context("read")?;
        let [sent, handled] = work::numbers(&bytes);
        ensure!(sent < handled, "sent at {sent}, handled at {handled}");
        let ns = latencies.ns(handled - sent);
        latencies.add_ns(ns, 1);
        operations += 1;
        total_ns += ns;
    }
    let done = Done {
        operations,
        operation_bytes: None,
        latencies,
    };
    work.end_after(check, &done, total_ns)
}
