//! Laboratory: memory runs out, and who is ended.
//!
//! Arguments: `hogs` processes take page after page; `what=swap`: within a budget of frames, until the
//! swap area is full; `frames`: until there is no frame left. The rule is that whoever needs the page
//! that cannot be made is ended, and nobody else.
#![no_std]
#![no_main]

use user::abi::image::SWAP_SECTORS;
use user::abi::syscall::{EndCause, Errno, Protection, Replacement};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::mapping::{Mapping, PAGE};
use user::process::{Child, cause};
use user::sys::FOREVER;
use user::{ensure, sys};

user::check!(run);

const BUDGET: u64 = 16;
/// The swap area, in pages.
const SWAP_PAGES: usize = (SWAP_SECTORS * 512) as usize / PAGE;

/// Takes `pages`, of all there are at most so many at a time in memory.
fn take(pages: usize, budget: u64) -> Result<(), Errno> {
    if budget > 0 {
        sys::set_frame_budget(budget, Replacement::Fifo)?;
    }
    let memory = Mapping::new(pages, Protection::ReadWrite)?;
    (0..pages).for_each(|page| memory.write(page, 0, page as u64));
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let hogs = check.value("hogs")?;
    ensure!((1..=4).contains(&hogs), "hogs={hogs}: 1 to 4");
    let before = sys::stats().context("stats")?.free_frames;
    let (pages, budget) = match check.text("what")? {
        "swap" => (SWAP_PAGES + 4 * BUDGET as usize, BUDGET),
        "frames" => (before as usize + 1, 0),
        other => return Err(Failure(format!("what={other}: swap or frames"))),
    };
    let bystander = Child::fork(|| i32::from(sys::sleep(FOREVER / 2).is_ok())).context("fork")?;
    let mut ended = 0;
    for hog in 1..=hogs {
        let child = Child::fork(|| take(pages, budget).map_or(3, |()| 0)).context("fork")?;
        let status = child.wait(FOREVER).context("wait")?;
        let cause = cause(status);
        ensure!(
            cause == Some(EndCause::OutOfMemory),
            "hog {hog} ended with {status:?}"
        );
        let address = status.detail;
        check.line(&format!(
            "hog {hog} was ended: out of memory at {address:#x}"
        ))?;
        ended += 1;
    }
    ensure!(
        bystander.wait(0) == Err(Errno::TimedOut),
        "the process that needed no page was ended, too"
    );
    check.line("the process that needed no page was not")?;
    bystander.kill().context("kill")?;
    let after = sys::stats().context("stats")?.free_frames;
    check.metric("hogs", hogs);
    check.metric("ended", ended);
    check.metric("frames_kept", before.saturating_sub(after));
    Ok(())
}
