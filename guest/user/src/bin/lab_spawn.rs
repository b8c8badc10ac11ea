//! Laboratory: what it costs to start another program.
//!
//! Arguments: `kind=on-write` or `copy`: by a fork, whose pages are copied on write or at once; or
//! `lend`: by a child that has this program's memory until then (vfork). `pages` of this program are
//! written to before; it is done `times` times.
#![no_std]
#![no_main]

use user::abi::syscall::{Errno, Protection};
use user::alloc::format;
use user::check::{self, Check, Context as _, Failure, Verdict};
use user::mapping::Mapping;
use user::process::{Child, EXEC_FAILED, exit_code};
use user::start::Args;
use user::sys::FOREVER;
use user::time::now_ns;
use user::{ensure, sys, thread};

user::program!(main);

/// The program that is started: this one, which does nothing then.
const PROGRAM: &str = "bin/lab_spawn";
const NOTHING: &str = "nothing";

fn main(args: Args) -> i32 {
    match args.get(1) {
        Some(NOTHING) => 0,
        _ => check::run(args, run),
    }
}

/// A child that cannot run its program has ended with that, and nothing else is different; nobody
/// has a part of a program with several threads.
fn lends_with_care(memory: &Mapping) -> Verdict {
    let child = Child::spawn("bin/none", "").context("a program that is not there")?;
    let status = child.wait(FOREVER).context("wait")?;
    ensure!(
        exit_code(status) == Some(EXEC_FAILED),
        "it ended with {status:?}"
    );
    ensure!(memory.read(0, 0) == 1, "memory is different");
    let other = thread::spawn(|| sys::sleep(20_000_000)).context("a thread")?;
    let refused = Child::spawn(PROGRAM, NOTHING).map(|child| child.pid());
    ensure!(
        refused == Err(Errno::Again),
        "with two threads: {refused:?}"
    );
    let slept = other.join().context("join")?;
    ensure!(slept.is_ok(), "the other thread: {slept:?}");
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let spawn = match check.text("kind")? {
        "on-write" => Child::exec,
        "copy" => Child::exec_copied,
        "lend" => Child::spawn,
        other => return Err(Failure(format!("kind={other}: on-write, copy or lend"))),
    };
    let (pages, times) = (check.value("pages")? as usize, check.value("times")?);
    ensure!((1..=512).contains(&pages), "pages={pages}: 1 to 512");
    ensure!((1..=100).contains(&times), "times={times}: 1 to 100");
    let memory = Mapping::new(pages, Protection::ReadWrite).context("mmap")?;
    (0..pages).for_each(|page| memory.write(page, 0, 1));
    lends_with_care(&memory)?;
    let copies = sys::stats().context("stats")?.cow_copies;
    let (mut started_ns, mut all_ns) = (u64::MAX, u64::MAX);
    for _ in 0..times {
        let start = now_ns();
        let child = spawn(PROGRAM, NOTHING).context("a program")?;
        let started = now_ns() - start;
        let status = child.wait(FOREVER).context("wait")?;
        ensure!(exit_code(status) == Some(0), "the program: {status:?}");
        (0..pages).for_each(|page| memory.write(page, 0, 2));
        started_ns = started_ns.min(started);
        all_ns = all_ns.min(now_ns() - start);
    }
    let copies = sys::stats().context("stats")?.cow_copies - copies;
    check.metric("started_ns", started_ns);
    check.metric("all_ns", all_ns);
    check.metric("copies", copies);
    Ok(())
}
