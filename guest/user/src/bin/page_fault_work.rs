//! Work of `hostel compare`: a storm of page faults. Fresh memory is mapped, a word of each 4 KiB
//! of it written, and all of it unmapped, again and again for so long.
//!
//! Arguments: number of the measurement, `4k` or `2m`, milliseconds. What was unmapped comes back
//! as zeroes, which is looked at. Frames that nobody has used since the machine was started need
//! no clearing and may not even be there on the host; they are used up before.
#![no_std]
#![no_main]

use user::abi::syscall::{PageSize, Protection};
use user::check::{Check, Context as _, Failure, Verdict};
use user::mapping::{Mapping, PAGES_PER_LARGE, WORDS_PER_PAGE};
use user::work::{self, Done, page_size};
use user::{ensure, sys};

user::check!(run);

const PAGE_BYTES: u64 = 4096;
/// Pages of an operation.
const PAGES: usize = PAGES_PER_LARGE;
/// Fresh frames that make no difference.
const FEW: u64 = 64;
/// Frames that may not be part of a free large page.
const APART: u64 = 4096;

fn zeroes(size: PageSize, pages: usize) -> Result<Mapping, Failure> {
    Mapping::of(size, pages, Protection::ReadWrite).context("mmap")
}

/// Touches fresh frames until few are left: large pages as far as there surely are such pieces,
/// then small ones.
fn use_up_fresh_frames() -> Verdict {
    let parts = [
        (PageSize::Large, PAGES_PER_LARGE, APART),
        (PageSize::Small, 1, 0),
    ];
    for (size, step, spared) in parts {
        let fresh = sys::stats().context("stats")?.fresh_frames;
        let frames = usize::try_from(fresh.saturating_sub(spared)).unwrap_or(0);
        let pages = frames / step * step;
        if fresh > FEW && pages > 0 {
            let mapping = zeroes(size, pages)?;
            (0..pages)
                .step_by(step)
                .for_each(|page| mapping.write(page, 0, 0));
        }
    }
    Ok(())
}

/// The storm's operation number `nth`, which leaves a word in each page that the next looks at.
fn operate(size: PageSize, nth: usize) -> Verdict {
    let pages = zeroes(size, PAGES)?;
    let (last, this) = (nth % WORDS_PER_PAGE, (nth + 1) % WORDS_PER_PAGE);
    for page in 0..PAGES {
        pages.write(page, this, 1);
        ensure!(pages.read(page, last) == 0, "page {page} is not of zeroes");
    }
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let (Some(size), Some(ms)) = (page_size(check, 1), check.number(2)) else {
        return Err("arguments that are no work".into());
    };
    use_up_fresh_frames()?;
    operate(size, 0)?;

    let mut rounds = 0;
    let none = Done::none(Some(PAGES as u64 * PAGE_BYTES))?;
    let before = sys::stats().context("stats")?.page_faults;
    work::run_for(check, ms, none, |done| {
        rounds += 1;
        done.time(1, || operate(size, rounds))
    })?;
    let faults = sys::stats().context("stats")?.page_faults - before;
    check.metric("page_faults", faults);
    Ok(())
}
