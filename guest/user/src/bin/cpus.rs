//! Check: threads run on every virtual processor, where their affinity says, and all at once, or
//! they wait for that until the suite ends them.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use user::abi::syscall::Errno;
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Verdict};
use user::{ensure, sys, thread};

user::check!(run);

/// Runs on processor `cpu` and waits there, without a system call, until all others do, too; where
/// it ran.
fn meet(cpu: u64, all: u64, here: &AtomicU64) -> Result<u64, Errno> {
    sys::set_affinity(1 << cpu)?;
    let found = sys::get_cpu()?;
    // The bit is that of where it should run: one that runs elsewhere keeps nobody waiting.
    here.fetch_or(1 << cpu, Ordering::AcqRel);
    while here.load(Ordering::Acquire) != all {
        core::hint::spin_loop();
    }
    Ok(found)
}

fn run(check: &mut Check) -> Verdict {
    let info = sys::sys_info().context("system info")?;
    ensure!(
        (1..64).contains(&info.cpus),
        "the kernel says it has {} processors",
        info.cpus
    );
    let all = (1u64 << info.cpus) - 1;
    let here = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    for cpu in 0..info.cpus {
        let here = Arc::clone(&here);
        let body = move || meet(cpu, all, &here);
        threads.push(thread::spawn(body).context("a thread")?);
    }
    let mut seen = 0u64;
    for (cpu, thread) in (0u64..).zip(threads) {
        let found = thread.join().context("join")?.context("in a thread")?;
        ensure!(
            found == cpu,
            "bound to processor {cpu}, a thread ran on {found}"
        );
        seen |= 1 << found;
    }
    check.metric("cpus", info.cpus);
    check.metric("cpus_seen", u64::from(seen.count_ones()));
    ensure!(seen == all, "processors seen: {seen:#b}, expected {all:#b}");
    let nowhere = sys::set_affinity(0);
    ensure!(
        nowhere == Err(Errno::Inval),
        "an affinity to no processor gave {nowhere:?}"
    );
    Ok(())
}
