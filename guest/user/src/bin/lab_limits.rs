//! Laboratory: a program that takes too much is ended, and nobody else.
//!
//! `what=` is what it takes: `memory` (more than there is), `time` (it never ends, and its parent
//! waits for `limit_ms`), `pointer` (an address that it has not), `stack` (calls without an end).
//! A bystander, which has `held_pages` pages and sleeps, must be there afterwards with what it held.
#![no_std]
#![no_main]

use user::abi::syscall::{EndCause, Errno, ExitStatus, Protection};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::file::File;
use user::mapping::{Mapping, PAGE};
use user::process::{Child, cause};
use user::sys::{self, FOREVER};
use user::time::{MS, now_ns};
use user::{ensure, wild};

user::check!(run);

/// Pages that nobody has so many of.
const ENDLESS_PAGES: usize = 1 << 20;
/// An address that no program has.
const NOWHERE: usize = 8 * PAGE;

/// What takes too much, by its name, and how that is to end.
type Greed = (&'static str, fn() -> i32, EndCause);

const GREEDS: [Greed; 4] = [
    ("memory", take_memory, EndCause::OutOfMemory),
    ("time", take_time, EndCause::Killed),
    ("pointer", take_nowhere, EndCause::PageFault),
    ("stack", take_stack, EndCause::PageFault),
];

fn take_memory() -> i32 {
    let Ok(pages) = Mapping::new(ENDLESS_PAGES, Protection::ReadWrite) else {
        return 1;
    };
    (0..ENDLESS_PAGES).for_each(|page| pages.write(page, 0, 1));
    0
}

fn take_time() -> i32 {
    loop {
        core::hint::spin_loop();
    }
}

fn take_nowhere() -> i32 {
    wild::write(NOWHERE, 1);
    0
}

fn take_stack() -> i32 {
    wild::overflow_stack();
    0
}

fn run(check: &mut Check) -> Verdict {
    let what = check.text("what")?;
    let held_pages = check.value("held_pages")? as usize;
    let limit_ns = check.value("limit_ms")? * MS;
    let greed = GREEDS.iter().find(|(name, ..)| *name == what);
    let (_, greed, expected) = greed.ok_or_else(|| {
        Failure(format!(
            "what={what}: expected memory, time, pointer or stack"
        ))
    })?;
    let (asked, asking) = File::pipe().context("pipe")?;
    let (ready, filled) = File::pipe().context("pipe")?;
    let bystander = Child::fork(|| i32::from(stand_by(held_pages, &filled, &asked) != Ok(true)));
    let bystander = bystander.context("fork of a bystander")?;
    ready.read_exact(&mut [0]).context("the bystander")?;
    let before = sys::stats().context("stats")?.free_frames;
    let start = now_ns();
    let greedy = Child::fork(greed).context("fork")?;
    let status = ended(&greedy, limit_ns, *expected)?;
    check.metric("ended_after_ns", now_ns() - start);
    ensure!(
        cause(status) == Some(*expected),
        "it ended with {status:?}, not by {expected:?}"
    );
    let after = sys::stats().context("stats")?.free_frames;
    check.metric("frames", before);
    check.metric("frames_lost", before.saturating_sub(after));
    asking.write_all(&[0]).context("the bystander")?;
    let status = bystander.wait(FOREVER).context("wait for the bystander")?;
    let stood = (cause(status), status.code) == (Some(EndCause::Exited), 0);
    check.metric("bystanders_ended", u64::from(!stood));
    check.line(&format!(
        "ended by {expected:?}; the bystander {}",
        word(stood)
    ))
}

fn word(stood: bool) -> &'static str {
    if stood { "is unharmed" } else { "is harmed" }
}

/// The end of the greedy one: by itself, or by us when its time is over.
fn ended(greedy: &Child, limit_ns: u64, expected: EndCause) -> Result<ExitStatus, Failure> {
    let limit = if expected == EndCause::Killed {
        limit_ns
    } else {
        FOREVER
    };
    match greedy.wait(limit) {
        Err(Errno::TimedOut) => greedy.kill().context("kill"),
        status => status.context("wait"),
    }
}

/// Fills pages, says so, and waits until it is asked; whether they are as they were then.
fn stand_by(pages: usize, filled: &File, asked: &File) -> Result<bool, Errno> {
    let held = Mapping::new(pages, Protection::ReadWrite)?;
    (0..pages).for_each(|page| held.write(page, 0, page as u64));
    filled.write_all(&[0])?;
    asked.read_exact(&mut [0])?;
    Ok((0..pages).all(|page| held.read(page, 0) == page as u64))
}
