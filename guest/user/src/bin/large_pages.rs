//! Check: pages of 2 MiB are made at first touch by one fault each, are zero then, and go back
//! whole; what cannot be done with them is refused.
#![no_std]
#![no_main]

use user::abi::syscall::{EndCause, Errno, PageSize, Protection};
use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::file::STDOUT;
use user::mapping::{Mapping, PAGE, PAGES_PER_LARGE, WORDS_PER_PAGE};
use user::process::{Child, cause};
use user::sys::{self, FOREVER};

user::check!(run);

const LARGE: usize = 3;
const PAGES: usize = LARGE * PAGES_PER_LARGE;

fn run(check: &mut Check) -> Verdict {
    let unmapped = sys::stats().context("stats")?;
    let pages = Mapping::of(PageSize::Large, PAGES, Protection::ReadWrite).context("mmap")?;
    ensure!(
        pages.address().is_multiple_of(PAGES_PER_LARGE * PAGE),
        "a large page at {:#x}",
        pages.address()
    );
    touched(check, &pages)?;
    refused(&pages)?;
    let child = Child::fork(|| pages.read(0, 0) as i32).context("fork")?;
    let status = child.wait(FOREVER).context("wait")?;
    ensure!(
        cause(status) == Some(EndCause::PageFault),
        "a child has its parent's large pages: {status:?}"
    );

    let before = sys::stats().context("stats")?;
    pages.unmap(0, PAGES_PER_LARGE).context("munmap")?;
    let after = sys::stats().context("stats")?;
    let freed = after.free_frames.saturating_sub(before.free_frames);
    check.metric("frames_freed", freed);
    ensure!(
        freed == PAGES_PER_LARGE as u64,
        "unmapping a large page freed {freed} frames"
    );
    ensure!(
        pages.read(PAGES_PER_LARGE, 0) == 2,
        "a page lost its contents when another was unmapped"
    );
    drop(pages);
    let left = sys::stats().context("stats")?.free_frames;
    // Page tables above them stay.
    ensure!(
        left + 8 >= unmapped.free_frames,
        "{left} frames free of {}",
        unmapped.free_frames
    );
    Ok(())
}

fn touched(check: &mut Check, pages: &Mapping) -> Verdict {
    let before = sys::stats().context("stats")?;
    for page in 0..PAGES {
        let zero = [0, WORDS_PER_PAGE - 1].map(|word| pages.read(page, word));
        ensure!(zero == [0, 0], "page {page} was not zero");
        pages.write(page, 0, 1 + page as u64 / PAGES_PER_LARGE as u64);
    }
    let faults = sys::stats().context("stats")?.page_faults - before.page_faults;
    check.metric("faults", faults);
    // The program's own pages come on top.
    ensure!(
        (LARGE as u64..LARGE as u64 + 8).contains(&faults),
        "{faults} faults for {LARGE} large pages"
    );
    Ok(())
}

fn refused(pages: &Mapping) -> Verdict {
    let partly = [(0, 1), (1, PAGES_PER_LARGE), (PAGES_PER_LARGE - 1, 2)];
    for (first, count) in partly {
        let outcome = pages.unmap(first, count);
        ensure!(
            outcome == Err(Errno::Inval),
            "munmap of {count} pages from {first}: {outcome:?}"
        );
    }
    let outcome = pages.protect(0, PAGES_PER_LARGE, Protection::Read);
    ensure!(outcome == Err(Errno::Inval), "mprotect: {outcome:?}");
    let outcome = sys::write_wild(STDOUT.fd(), pages.address() as u64, 1);
    ensure!(outcome == Err(Errno::Fault), "write from it: {outcome:?}");
    // Pages of 1 GiB, if the processor has them, are for writing, too.
    let bad = [
        (PAGE as u64, 3),
        (PAGE as u64, 2),
        (0, 1),
        (1 << 47, 1),
        (u64::MAX, 1),
    ];
    for (bytes, size) in bad {
        let outcome = sys::mmap_wild(bytes, Protection::Read, size);
        ensure!(
            matches!(outcome, Err(Errno::Inval | Errno::NoMem | Errno::NoSys)),
            "mmap of {bytes} bytes in pages of size {size}: {outcome:?}"
        );
    }
    Ok(())
}
