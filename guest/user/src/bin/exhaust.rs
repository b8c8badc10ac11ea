//! Check: memory runs out without harm. A program that asks for more than there can be is
//! refused; one that uses up all frames and swap space that it may have is ended, and nobody
//! else: the rule is that whoever needs the page that cannot be made goes. The machine goes on,
//! and all frames come back.
#![no_std]
#![no_main]

use user::abi::image::SWAP_SECTORS;
use user::abi::syscall::{EndCause, Errno, Protection, Replacement};
use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::mapping::{Mapping, PAGE};
use user::process::{Child, cause};
use user::sys::{self, FOREVER};
use user::time::now_ns;

user::check!(run);

/// Pages that no address space has room for.
const IMPOSSIBLE: [usize; 3] = [usize::MAX / PAGE, 1 << 40, 1 << 35];
/// The swap area, in pages.
const SWAP_PAGES: usize = (SWAP_SECTORS * 512) as usize / PAGE;
const BUDGET: u64 = 32;
/// Frames that the kernel may keep for next time: page tables, stacks.
const KEPT: u64 = 64;

fn run(check: &mut Check) -> Verdict {
    for pages in IMPOSSIBLE {
        let refused = Mapping::new(pages, Protection::ReadWrite).map(|m| m.address());
        ensure!(
            refused == Err(Errno::NoMem),
            "mapping {pages:#x} pages gave {refused:?}"
        );
    }
    check.metric("mappings_refused", IMPOSSIBLE.len() as u64);
    run_out(check)?;
    works_still()
}

fn run_out(check: &mut Check) -> Verdict {
    let before = sys::stats().context("stats")?.free_frames;
    let start = now_ns();
    let bystander = Child::fork(|| {
        let slept = sys::sleep(FOREVER / 2);
        i32::from(slept.is_ok())
    });
    let bystander = bystander.context("fork of a bystander")?;
    let child = Child::fork(|| fill_swap().map_or(3, |()| 0)).context("fork")?;
    let status = child.wait(FOREVER).context("wait")?;
    check.metric("elapsed_ns", now_ns() - start);
    check.metric("swap_pages", SWAP_PAGES as u64);
    ensure!(
        cause(status) == Some(EndCause::OutOfMemory),
        "a program with more pages than frames and swap ended with {status:?}"
    );
    ensure!(
        bystander.wait(0) == Err(Errno::TimedOut),
        "another program ended, too"
    );
    bystander.kill().context("kill")?;
    let after = sys::stats().context("stats")?.free_frames;
    check.metric("frames_kept", before.saturating_sub(after));
    ensure!(
        after + KEPT >= before,
        "of {before} free frames {after} are left"
    );
    Ok(())
}

/// Dirties more pages than the budget and the swap area hold.
fn fill_swap() -> Result<(), Errno> {
    let count = SWAP_PAGES + 2 * BUDGET as usize;
    sys::set_frame_budget(BUDGET, Replacement::Fifo)?;
    let pages = Mapping::new(count, Protection::ReadWrite)?;
    for page in 0..count {
        pages.write(page, 0, page as u64);
    }
    Ok(())
}

/// Memory and swap can be used again.
fn works_still() -> Verdict {
    let pages = Mapping::new(16, Protection::ReadWrite).context("mmap afterwards")?;
    for page in 0..16 {
        pages.write(page, 0, page as u64);
    }
    let intact = (0..16).all(|page| pages.read(page, 0) == page as u64);
    ensure!(intact, "pages afterwards are not intact");
    Ok(())
}
