//! Check: under a budget of 64 frames dirty pages go to the swap area and come back intact.
//!
//! The argument is the replacement policy: `fifo` or `clock`. A hot page that is touched all the
//! time shows the difference: clock keeps it, FIFO does not know it from others.
#![no_std]
#![no_main]

use user::abi::syscall::{Protection, Replacement, Stats};
use user::check::{Check, Context as _, Failure, Verdict};
use user::mapping::{Mapping, WORDS_PER_PAGE};
use user::time::now_ns;
use user::{ensure, sys};

user::check!(run);

const BUDGET: u64 = 64;
const PAGES: usize = 84;
const PASSES: u64 = 1;
/// The page touched before every other.
const HOT: usize = 0;

fn pattern(page: usize, pass: u64, word: usize) -> u64 {
    let seed = (page as u64) << 32 | pass << 16 | word as u64;
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Words that are written and compared: both ends of a page and one that moves.
fn words(page: usize) -> [usize; 3] {
    [1, 2 + page % (WORDS_PER_PAGE - 3), WORDS_PER_PAGE - 1]
}

fn write_pass(pages: &Mapping, pass: u64) {
    for page in 1..PAGES {
        pages.write(HOT, 0, page as u64);
        for word in words(page) {
            pages.write(page, word, pattern(page, pass, word));
        }
    }
}

fn verify_pass(pages: &Mapping, pass: u64) -> Verdict {
    for page in 1..PAGES {
        ensure!(
            pages.read(HOT, 0) == PAGES as u64 - 1,
            "the hot page has changed"
        );
        for word in words(page) {
            let (found, expected) = (pages.read(page, word), pattern(page, pass, word));
            ensure!(
                found == expected,
                "page {page} word {word} came back as {found:#x}, not {expected:#x}"
            );
        }
    }
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let policy = match check.arg(0) {
        Some("fifo") => Replacement::Fifo,
        Some("clock") => Replacement::Clock,
        other => return Err(Failure(user::alloc::format!("no policy {other:?}"))),
    };
    sys::set_frame_budget(BUDGET, policy).context("frame budget")?;
    let pages = Mapping::new(PAGES, Protection::ReadWrite).context("mmap")?;
    let before = sys::stats().context("stats")?;
    let start = now_ns();
    for pass in 0..PASSES {
        write_pass(&pages, pass);
        verify_pass(&pages, pass)?;
    }
    let elapsed_ns = now_ns() - start;
    let after = sys::stats().context("stats")?;
    sys::set_frame_budget(0, Replacement::Default).context("lifting the budget")?;
    judge(check, &before, &after, elapsed_ns)
}

fn judge(check: &mut Check, before: &Stats, after: &Stats, elapsed_ns: u64) -> Verdict {
    let faults = after.page_faults - before.page_faults;
    let written = after.evictions_written - before.evictions_written;
    let clean = after.evictions_clean - before.evictions_clean;
    let swap_ins = after.swap_ins - before.swap_ins;
    check.metric("faults", faults);
    check.metric("evictions_written", written);
    check.metric("evictions_clean", clean);
    check.metric("swap_ins", swap_ins);
    check.metric("fault_ns", elapsed_ns / faults.max(1));
    check.metric("resident_pages", after.resident_pages);
    let over = PAGES as u64 - BUDGET;
    ensure!(
        after.resident_pages <= BUDGET,
        "{} pages resident",
        after.resident_pages
    );
    ensure!(
        written + clean >= over,
        "{written} + {clean} evictions for {over} pages too many"
    );
    ensure!(
        written >= over,
        "{written} dirty pages were written for {over} too many"
    );
    ensure!(
        swap_ins >= over,
        "{swap_ins} pages came back of {over} at least"
    );
    Ok(())
}
