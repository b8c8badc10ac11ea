//! Check: pages are made when first touched, are zero then, and cost nothing before.
#![no_std]
#![no_main]

use user::abi::syscall::{Protection, Stats};
use user::check::{Check, Context as _, Verdict};
use user::mapping::{Mapping, WORDS_PER_PAGE};
use user::time::now_ns;
use user::{ensure, sys};

user::check!(run);

const PAGES: usize = 1024;
/// Every 16th page is touched, half of them only read.
const STRIDE: usize = 16;
const TOUCHED: u64 = (PAGES / STRIDE) as u64;

fn run(check: &mut Check) -> Verdict {
    let unmapped = sys::stats().context("stats")?;
    let pages = Mapping::new(PAGES, Protection::ReadWrite).context("mmap")?;
    let before = sys::stats().context("stats")?;
    let start = now_ns();
    for page in (0..PAGES).step_by(STRIDE) {
        let words = [0, page % WORDS_PER_PAGE, WORDS_PER_PAGE - 1];
        let zero = words.iter().all(|word| pages.read(page, *word) == 0);
        ensure!(zero, "page {page} was not zero");
        if page % (2 * STRIDE) == 0 {
            pages.write(page, 1, page as u64);
        }
    }
    let elapsed_ns = now_ns() - start;
    let after = sys::stats().context("stats")?;
    let kept = (0..PAGES)
        .step_by(2 * STRIDE)
        .all(|page| pages.read(page, 1) == page as u64);
    ensure!(kept, "a page lost what was written to it");
    check.metric("pages_mapped", PAGES as u64);
    check.metric("pages_touched", TOUCHED);
    check.metric("touch_ns", elapsed_ns / TOUCHED);
    judge(check, &unmapped, &before, &after)
}

fn judge(check: &mut Check, unmapped: &Stats, before: &Stats, after: &Stats) -> Verdict {
    let faults = after.page_faults - before.page_faults;
    let fills = after.zero_fills - before.zero_fills;
    check.metric("faults", faults);
    check.metric("zero_fills", fills);
    let mapped = before
        .resident_pages
        .saturating_sub(unmapped.resident_pages);
    ensure!(mapped <= 1, "mapping alone took {mapped} frames");
    ensure!(
        faults >= TOUCHED,
        "{faults} faults for {TOUCHED} pages touched"
    );
    // A page that is read first may fault again when it is written; the program's own pages
    // come on top.
    ensure!(
        faults <= 2 * TOUCHED,
        "{faults} faults for {TOUCHED} pages touched"
    );
    ensure!(
        (TOUCHED / 2..=TOUCHED + 8).contains(&fills),
        "{fills} pages filled with zeroes for {TOUCHED} touched"
    );
    Ok(())
}
