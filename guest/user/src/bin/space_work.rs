//! Work of `hostel compare`: switches between two address spaces. Two processes take turns on one
//! processor; each reads a word of every 4 KiB of its own 2 MiB in its turn.
//!
//! Arguments: number of the measurement, `4k` or `2m`, milliseconds. An operation is a turn of each.
//! Both look whether their pages are still their own.
#![no_std]
#![no_main]

use user::abi::syscall::{EndCause, PageSize, Protection};
use user::check::{Check, Context as _, Verdict};
use user::mapping::{Mapping, PAGES_PER_LARGE};
use user::process::{Child, cause};
use user::work::{self, Done, page_size};
use user::{ensure, sys};

user::check!(run);

const PAGES: usize = PAGES_PER_LARGE;

/// A process's own memory, its number in every page.
struct WorkingSet {
    pages: Mapping,
    owner: u64,
}

impl WorkingSet {
    fn new(size: PageSize) -> Result<Self, user::abi::syscall::Errno> {
        sys::set_affinity(1)?;
        let owner = sys::get_pid()?.0;
        let pages = Mapping::of(size, PAGES, Protection::ReadWrite)?;
        (0..PAGES).for_each(|page| pages.write(page, 0, owner));
        Ok(Self { pages, owner })
    }

    /// Reads all of it and lets the other run; whether it is still its own.
    fn take_turn(&self) -> bool {
        let is_own = (0..PAGES).all(|page| self.pages.read(page, 0) == self.owner);
        sys::yield_now();
        is_own
    }
}

/// The other process: takes turns until it is killed.
fn partner(size: PageSize) -> i32 {
    match WorkingSet::new(size) {
        Ok(set) => {
            while set.take_turn() {}
            1
        }
        Err(_) => 2,
    }
}

fn run(check: &mut Check) -> Verdict {
    let (Some(size), Some(ms)) = (page_size(check, 1), check.number(2)) else {
        return Err("arguments that are no work".into());
    };
    let child = Child::fork(|| partner(size)).context("fork")?;
    let set = WorkingSet::new(size).context("a working set")?;
    // Until the other has its pages, it has more than a turn's work.
    ensure!((0..2).all(|_| set.take_turn()), "pages have changed");

    let before = sys::stats().context("stats")?.context_switches;
    let mut is_own = true;
    let done = work::run_for(check, ms, Done::none(None)?, |done| {
        is_own &= done.time(1, || set.take_turn());
        Ok(())
    })?;
    let switches = sys::stats().context("stats")?.context_switches - before;
    let status = child.kill().context("kill")?;
    ensure!(is_own, "this process's pages have changed");
    ensure!(
        cause(status) == Some(EndCause::Killed),
        "the other process has ended: {status:?}"
    );
    ensure!(
        switches >= 2 * done.operations,
        "{switches} switches in {} turns of each",
        done.operations
    );
    Ok(())
}
