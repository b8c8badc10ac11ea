//! How long from sending a signal until its handler runs.

use abi::signal::{MaskChange, USER_1, bit};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::check::{Check, Context as _, Verdict};
use crate::lab::Histogram;
use crate::sys::{self, Pid, Tid};
use crate::time::{ticks_to_ns, tsc};
use crate::{signal, thread};

static CAME: AtomicU64 = AtomicU64::new(0);

extern "C" fn stamp(_: u64, _: u64) {
    CAME.store(tsc(), SeqCst);
}

/// Time of `times` signals to `thread`.
fn measure(thread: Option<Tid>, times: u64) -> Result<Histogram, crate::check::Failure> {
    let tsc_khz = sys::sys_info().context("system info")?.tsc_khz;
    let latencies = Histogram::new();
    for _ in 0..times {
        CAME.store(0, SeqCst);
        let start = tsc();
        sys::signal_send(Pid(0), thread, USER_1, 0).context("send")?;
        while CAME.load(SeqCst) == 0 {
            core::hint::spin_loop();
        }
        latencies.add(ticks_to_ns(
            CAME.load(SeqCst).saturating_sub(start),
            tsc_khz,
        ));
    }
    Ok(latencies)
}

/// To the sender itself, and to a thread that computes on another processor.
pub fn latency(check: &mut Check) -> Verdict {
    let times = check.value("times")?;
    signal::handle(USER_1, 0, stamp).context("a handler")?;
    sys::set_affinity(1).context("affinity")?;
    let own = measure(None, times)?;
    let is_over = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&is_over);
    let worker = thread::spawn(move || {
        let _ = sys::set_affinity(2);
        while !theirs.load(SeqCst) {
            core::hint::spin_loop();
        }
    })
    .context("a thread")?;
    sys::signal_mask(MaskChange::Block, bit(USER_1)).context("mask")?;
    let other = measure(Some(worker.tid()), times);
    is_over.store(true, SeqCst);
    worker.join().context("join")?;
    let other = other?;
    sys::signal_mask(MaskChange::Set, 0).context("mask")?;
    check.metric("to_itself_ns", own.percentile_ns(50));
    check.metric("to_another_ns", other.percentile_ns(50));
    check.metric("signals", own.count() + other.count());
    own.report(check, "to_itself", "latency_ns")?;
    other.report(check, "to_another", "latency_ns")
}
