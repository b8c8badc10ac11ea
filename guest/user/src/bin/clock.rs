//! Check: the page by which programs tell the time agrees with the kernel, on all processors, and
//! no program can spoil it for another.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use user::abi::clock::ADDRESS;
use user::abi::syscall::{EndCause, Errno, Protection};
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Verdict};
use user::file::File;
use user::mapping::PAGE;
use user::process::{Child, cause, exit_code};
use user::sys::FOREVER;
use user::time::{MS, kvm_ns, now_ns};
use user::{ensure, sys, thread, wild};

user::check!(run);

const PAGE_AT: usize = ADDRESS as usize;
/// Readings of the page between two of the kernel.
const ROUNDS: usize = 20;
/// How long processors watch each other's time.
const WATCH_NS: u64 = 5 * MS;

fn run(check: &mut Check) -> Verdict {
    agrees("the kernel's clock", now_ns, sys::clock_ns)?;
    if kvm_ns().is_some() {
        let device = File::open("/dev/clock-kvm").context("/dev/clock-kvm")?;
        let by_kernel = || {
            let mut bytes = [0; 8];
            device.read_exact(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        };
        agrees("KVM's clock", || kvm_ns().unwrap_or(0), by_kernel)?;
    }
    check.metric("kvm_stated", u64::from(kvm_ns().is_some()));
    never_backwards(now_ns)?;
    never_backwards(|| kvm_ns().unwrap_or(0))?;
    refused(check)?;
    changed_in_vain()
}

/// What a program reads lies between what the kernel says before and after.
fn agrees(
    name: &str,
    by_page: impl Fn() -> u64,
    by_kernel: impl Fn() -> Result<u64, Errno>,
) -> Verdict {
    for _ in 0..ROUNDS {
        let before = by_kernel().context(name)?;
        let now = by_page();
        let after = by_kernel().context(name)?;
        ensure!(
            (before..=after).contains(&now),
            "{name}: {now} by the page between {before} and {after} by the kernel"
        );
    }
    Ok(())
}

/// Each processor finds its time no earlier than what another has found before.
fn never_backwards(clock: fn() -> u64) -> Verdict {
    let cpus = sys::sys_info().context("system info")?.cpus;
    let latest = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    for cpu in 0..cpus {
        let latest = Arc::clone(&latest);
        let body = move || watch(cpu, clock, &latest);
        threads.push(thread::spawn(body).context("a thread")?);
    }
    for thread in threads {
        let back_ns = thread.join().context("join")?.context("in a thread")?;
        ensure!(
            back_ns == 0,
            "another processor's time was {back_ns} ns ahead"
        );
    }
    Ok(())
}

/// Most that `latest` was ahead of this processor.
fn watch(cpu: u64, clock: fn() -> u64, latest: &AtomicU64) -> Result<u64, Errno> {
    sys::set_affinity(1 << cpu)?;
    let end = now_ns() + WATCH_NS;
    let mut most_back_ns = 0;
    while now_ns() < end {
        let seen = latest.load(Ordering::Acquire);
        let now = clock();
        most_back_ns = most_back_ns.max(seen.saturating_sub(now));
        latest.fetch_max(now, Ordering::AcqRel);
    }
    Ok(most_back_ns)
}

/// Neither a program nor the kernel on its behalf writes the page, nor is it code.
fn refused(check: &mut Check) -> Verdict {
    let attempts: [(&str, fn()); 2] = [
        ("written", || wild::write(PAGE_AT, 0)),
        ("executed", || wild::call(PAGE_AT)),
    ];
    for (what, attempt) in attempts {
        let child = Child::fork(|| {
            attempt();
            0
        });
        let status = child.context("fork")?.wait(FOREVER).context("wait")?;
        ensure!(
            cause(status) == Some(EndCause::PageFault) && status.detail == ADDRESS,
            "the clock's page could be {what}: {status:?}"
        );
    }
    let by_kernel = sys::stats_wild(ADDRESS);
    ensure!(
        by_kernel == Err(Errno::Fault),
        "the kernel wrote to the clock's page for a program: {by_kernel:?}"
    );
    check.metric("attempts_refused", 3);
    Ok(())
}

/// A program that gives itself the right to write, writes a copy of its own; one that has no use
/// for the page may do without.
fn changed_in_vain() -> Verdict {
    let attempts: [fn() -> Result<(), Errno>; 2] = [overwrite, || wild::unmap(PAGE_AT, PAGE)];
    for attempt in attempts {
        let child = Child::fork(|| attempt().map_or(1, |()| 0)).context("fork")?;
        let status = child.wait(FOREVER).context("wait")?;
        ensure!(
            exit_code(status) == Some(0),
            "a program's own copy of the clock's page: {status:?}"
        );
        agrees("the kernel's clock, after", now_ns, sys::clock_ns)?;
    }
    Ok(())
}

fn overwrite() -> Result<(), Errno> {
    wild::protect(PAGE_AT, PAGE, Protection::ReadWrite)?;
    (0..PAGE).for_each(|at| wild::write(PAGE_AT + at, 0xff));
    Ok(())
}
