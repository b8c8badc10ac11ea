//! Check: `mprotect` and `munmap` take effect at once, on all processors, and frames come back.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};
use user::abi::syscall::{EndCause, Errno, Protection};
use user::alloc::sync::Arc;
use user::check::{Check, Context as _, Verdict};
use user::mapping::{Mapping, PAGE};
use user::process::{Child, cause};
use user::sys::{self, FOREVER};
use user::time::{MS, now_ns};
use user::{ensure, thread};

user::check!(run);

const PAGES: usize = 32;

/// Forks a child that does `body`; whether it died of a page fault at `address`.
fn faults(address: usize, body: impl FnOnce()) -> Result<bool, user::check::Failure> {
    let child = Child::fork(|| {
        body();
        0
    })
    .context("fork")?;
    let status = child.wait(FOREVER).context("wait")?;
    Ok(cause(status) == Some(EndCause::PageFault) && status.detail == address as u64)
}

fn run(check: &mut Check) -> Verdict {
    let pages = Mapping::new(PAGES, Protection::ReadWrite).context("mmap")?;
    for page in 0..PAGES {
        pages.write(page, 0, page as u64);
    }
    protections(check, &pages)?;
    unmapping(check, &pages)?;
    other_processor(check)
}

fn protections(check: &mut Check, pages: &Mapping) -> Verdict {
    let start = now_ns();
    pages
        .protect(1, 2, Protection::Read)
        .context("mprotect to read")?;
    check.metric("mprotect_ns", now_ns() - start);
    pages
        .protect(3, 1, Protection::None)
        .context("mprotect to nothing")?;
    let second = pages.address() + PAGE;
    let fourth = pages.address() + 3 * PAGE;
    ensure!(
        pages.read(1, 0) == 1,
        "a page lost its contents when protected"
    );
    ensure!(
        faults(second, || pages.write(1, 0, 9))?,
        "a page for reading could be written"
    );
    ensure!(
        faults(fourth, || _ = pages.read(3, 0))?,
        "a page for nothing could be read"
    );
    pages.write(0, 0, 10);
    pages.write(4, 0, 10);
    pages
        .protect(1, 3, Protection::ReadWrite)
        .context("mprotect to write")?;
    pages.write(1, 0, 11);
    ensure!(
        pages.read(1, 0) == 11 && pages.read(3, 0) == 3,
        "contents after mprotect"
    );
    Ok(())
}

fn unmapping(check: &mut Check, pages: &Mapping) -> Verdict {
    let before = sys::stats().context("stats")?;
    pages.unmap(8, 16).context("munmap")?;
    let after = sys::stats().context("stats")?;
    let freed = before.resident_pages.saturating_sub(after.resident_pages);
    check.metric("frames_freed", freed);
    ensure!(freed == 16, "unmapping 16 pages freed {freed} frames");
    let hole = pages.address() + 8 * PAGE;
    ensure!(
        faults(hole, || _ = pages.read(8, 0))?,
        "an unmapped page could be read"
    );
    ensure!(
        pages.read(7, 0) == 7 && pages.read(24, 0) == 24,
        "pages beside the hole"
    );
    Ok(())
}

/// A page is written on one processor while another takes the right to: its TLB must not keep
/// the old right, so the writer, which would go on for ever, dies.
fn other_processor(check: &mut Check) -> Verdict {
    const ENOUGH_NS: u64 = 8_000 * MS;
    let cpus = sys::sys_info().context("system info")?.cpus;
    let start = now_ns();
    let child = Child::fork(|| write_against_protection(cpus).map_or(2, |()| 0)).context("fork")?;
    let status = match child.wait(ENOUGH_NS) {
        Err(Errno::TimedOut) => {
            child.kill().context("kill")?;
            return Err("a writer on another processor went on after mprotect".into());
        }
        status => status.context("wait")?,
    };
    check.metric("revoke_ns", now_ns() - start);
    ensure!(
        cause(status) == Some(EndCause::PageFault),
        "writing after mprotect on another processor ended with {status:?}"
    );
    Ok(())
}

fn write_against_protection(cpus: u64) -> Result<(), Errno> {
    let page = Arc::new(Mapping::new(1, Protection::ReadWrite)?);
    let written = Arc::new(AtomicU32::new(0));
    let (their_page, their_count) = (Arc::clone(&page), Arc::clone(&written));
    let writer = thread::spawn(move || -> Result<(), Errno> {
        sys::set_affinity(1 << (cpus - 1))?;
        loop {
            their_page.write(0, 0, 1);
            their_count.store(1, Ordering::Release);
        }
    })?;
    sys::set_affinity(1)?;
    while written.load(Ordering::Acquire) == 0 {
        sys::yield_now();
    }
    page.protect(0, 1, Protection::Read)?;
    writer.join()?
}
