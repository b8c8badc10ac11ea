//! Laboratory: pages made on demand, and before.
//!
//! Arguments: `work=touch`: `pages` are written to in their order, each for the first time;
//! `prepage=N`: a fault makes N; `willneed=1`: all are made before, by one call; `used=1`: of frames
//! that were used before, so that they have to be cleared; `zeroes=1`: which the kernel has done before. `work=lock`: `locked` pages of `pages` are used after
//! each of the others, in `frames` frames; with `pinned=1` they are locked.
#![no_std]
#![no_main]

use user::abi::syscall::{Advice, PageSize, Protection};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::confined::{self, Confined, Setup, value_or};
use user::mapping::{Mapping, PAGES_PER_LARGE};
use user::time::now_ns;
use user::{ensure, sys};

user::check!(run);

/// Frees all frames that nobody has used since the machine was started, after use, so that zeroes
/// have to be made from now on.
fn use_up_fresh_frames() -> Verdict {
    const SPARED: u64 = 1536;
    let fresh = sys::stats().context("stats")?.fresh_frames;
    let pages = fresh.saturating_sub(SPARED) as usize / PAGES_PER_LARGE * PAGES_PER_LARGE;
    if pages > 0 {
        let large = Mapping::of(PageSize::Large, pages, Protection::ReadWrite).context("mmap")?;
        (0..pages)
            .step_by(PAGES_PER_LARGE)
            .for_each(|page| large.write(page, 0, 1));
    }
    let rest = sys::stats().context("stats")?.fresh_frames as usize;
    if rest > 0 {
        let small = Mapping::new(rest, Protection::ReadWrite).context("mmap")?;
        (0..rest).for_each(|page| small.write(page, 0, 1));
    }
    Ok(())
}

fn touch(check: &mut Check) -> Verdict {
    let pages = check.value("pages")? as usize;
    ensure!((1..=512).contains(&pages), "pages={pages}: 1 to 512");
    let prepage = value_or(check, "prepage", 1)?;
    ensure!((1..=64).contains(&prepage), "prepage={prepage}: 1 to 64");
    let memory = Mapping::new(pages, Protection::ReadWrite).context("mmap")?;
    if value_or(check, "used", 0)? > 0 {
        use_up_fresh_frames()?;
    }
    let zeroes = match value_or(check, "zeroes", 0)? {
        0 => 0,
        // Some for the program itself.
        _ => sys::fill_zeroes(pages as u64 + 16).context("clearing frames")?,
    };
    if prepage > 1 {
        memory
            .advise(0, pages, Advice::Sequential, prepage)
            .context("advice")?;
    }
    // The page that tells the time is made at its first use, too.
    now_ns();
    let before = sys::stats().context("stats")?;
    let start = now_ns();
    let made = match value_or(check, "willneed", 0)? {
        0 => 0,
        _ => memory
            .advise(0, pages, Advice::WillNeed, 0)
            .context("advice")?,
    };
    for page in 0..pages {
        ensure!(memory.read(page, 7) == 0, "page {page} is not of zeroes");
        memory.write(page, 7, page as u64);
    }
    let elapsed_ns = now_ns() - start;
    let after = sys::stats().context("stats")?;
    sys::fill_zeroes(0).context("emptying the pool")?;
    let figures = [
        ("pages", pages as u64),
        ("faults", after.page_faults - before.page_faults),
        ("made_before", made),
        ("cleared_before", zeroes),
        ("elapsed_ns", elapsed_ns),
        ("page_ns", elapsed_ns / pages as u64),
    ];
    for (name, value) in figures {
        check.metric(name, value);
    }
    Ok(())
}

fn lock(check: &mut Check) -> Verdict {
    let pages = check.value("pages")? as usize;
    let locked = check.value("locked")? as usize;
    ensure!(
        locked > 0 && locked < pages && pages <= 512,
        "locked={locked} of pages={pages}: 1 or more, and less than all"
    );
    let mut setup = Setup::of(check)?;
    setup.how.traced = 0;
    let area = Confined::new(pages, &setup, &[])?;
    if value_or(check, "pinned", 0)? > 0 {
        let made = area
            .pages
            .advise(0, locked, Advice::Lock, 0)
            .context("lock")?;
        ensure!(made == locked as u64, "{made} pages were locked");
        let all = area.pages.advise(0, pages, Advice::Lock, 0);
        ensure!(all.is_err(), "more pages were locked than there are frames");
    }
    let start = now_ns();
    for (round, page) in (locked..pages).enumerate() {
        area.pages.write(page, 0, page as u64);
        for held in 0..locked {
            let found = area.pages.read(held, 1);
            ensure!(found == round as u64, "page {held} holds {found}");
            area.pages.write(held, 1, found + 1);
        }
    }
    let elapsed_ns = now_ns() - start;
    let counts = area.counts()?;
    confined::report(check, &counts);
    check.metric("elapsed_ns", elapsed_ns);
    confined::judge(&counts, setup.how.frames)
}

fn run(check: &mut Check) -> Verdict {
    match check.text("work")? {
        "touch" => touch(check),
        "lock" => lock(check),
        other => Err(Failure(format!("work={other}: touch or lock"))),
    }
}
