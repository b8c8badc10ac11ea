//! Check: shared memory is the same for all that map it, parents, children and strangers, is gone
//! with the last of them, and cannot be had together with a budget of frames.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use user::abi::syscall::{EndCause, Errno, Protection, Replacement};
use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::file::File;
use user::ipc::Shared;
use user::mapping::PAGE;
use user::process::{Child, cause, exit_code};
use user::sys::{self, FOREVER};
use user::time::now_ns;

user::check!(run);

const NAME: &str = "shared memory check";
const PAGES: usize = 64;
const ROUNDS: u64 = 10_000;

fn run(check: &mut Check) -> Verdict {
    relatives(check)?;
    strangers()?;
    rights()?;
    bad_input()?;
    lifetime(check)
}

/// What parent and child write, both see; counting together, they lose nothing.
fn relatives(check: &mut Check) -> Verdict {
    let shared = Shared::new(PAGES * PAGE).context("shared memory")?;
    shared.write(8, 5);
    let count = || {
        for _ in 0..ROUNDS {
            shared.at::<AtomicU64>(0).fetch_add(1, Ordering::Relaxed);
        }
    };
    let child = Child::fork(|| {
        // A page that the parent has used, and one that nobody has.
        let seen = shared.read(8);
        shared.write(PAGE, seen + 1);
        count();
        0
    })
    .context("fork")?;
    let start = now_ns();
    count();
    let status = child.wait(FOREVER).context("wait")?;
    check.metric("counting_ns", now_ns() - start);
    let (total, left) = (shared.read(0), shared.read(PAGE));
    ensure!(exit_code(status) == Some(0), "the child: {status:?}");
    ensure!(left == 6, "the child left {left}, not 6");
    ensure!(total == 2 * ROUNDS, "{total} of {} counted", 2 * ROUNDS);
    Ok(())
}

/// By its name, at two addresses, one of them of a child that has mapped it itself.
fn strangers() -> Verdict {
    let missing = Shared::named(NAME, 0).map(drop);
    ensure!(missing == Err(Errno::NoEnt), "no such memory: {missing:?}");
    let first = Shared::named(NAME, 5000).context("shared memory")?;
    ensure!(first.bytes() == 2 * PAGE, "{} bytes", first.bytes());
    let second = Shared::named(NAME, 0).context("the same")?;
    ensure!(first.address() != second.address(), "one address for two");
    first.write(PAGE + 8, 77);
    let child = Child::fork(|| match Shared::named(NAME, 8192) {
        Ok(theirs) => {
            theirs.write(0, theirs.read(PAGE + 8) + 1);
            0
        }
        Err(_) => 1,
    });
    let status = child.context("fork")?.wait(FOREVER).context("wait")?;
    ensure!(exit_code(status) == Some(0), "the child: {status:?}");
    ensure!(second.read(0) == 78, "{} instead of 78", second.read(0));
    let other = Shared::named(NAME, 3 * PAGE).map(drop);
    ensure!(other == Err(Errno::Inval), "another size: {other:?}");
    drop((first, second));
    let gone = Shared::named(NAME, 0).map(drop);
    ensure!(gone == Err(Errno::NoEnt), "memory of nobody: {gone:?}");
    Ok(())
}

/// What may be read only, ends who writes to it; rights do not change.
fn rights() -> Verdict {
    let file = File::shared_memory("", 2 * PAGE).context("shared memory")?;
    let writable = Shared::map(&file, Protection::ReadWrite).context("map")?;
    let readable = Shared::map(&file, Protection::Read).context("map to read")?;
    writable.write(0, 9);
    ensure!(readable.read(0) == 9, "not the same memory");
    for protection in [Protection::None, Protection::ReadExecute] {
        let refused = Shared::map(&file, protection).map(drop);
        ensure!(refused == Err(Errno::Inval), "{protection:?}: {refused:?}");
    }
    let child = Child::fork(|| {
        readable.write(0, 1);
        0
    });
    let status = child.context("fork")?.wait(FOREVER).context("wait")?;
    ensure!(
        cause(status) == Some(EndCause::PageFault) && readable.read(0) == 9,
        "writing to what may be read: {status:?}"
    );
    ensure!(
        readable.make_writable() == Err(Errno::Inval),
        "rights to shared memory were changed"
    );
    let budget = sys::set_frame_budget(32, Replacement::Fifo);
    ensure!(
        budget == Err(Errno::Inval),
        "a budget beside it: {budget:?}"
    );
    Ok(())
}

fn bad_input() -> Verdict {
    for bytes in [64 * 1024 * 1024 + 1, usize::MAX / 2, usize::MAX] {
        let much = Shared::new(bytes).map(drop);
        ensure!(much == Err(Errno::Inval), "{bytes} bytes: {much:?}");
    }
    let none = Shared::new(0).map(drop);
    ensure!(none == Err(Errno::NoEnt), "no bytes, no name: {none:?}");
    let (reader, _writer) = File::pipe().context("pipe")?;
    let pipe = sys::ipc::shm_map(reader.fd(), Protection::Read);
    ensure!(pipe == Err(Errno::BadF), "a pipe as memory: {pipe:?}");
    Ok(())
}

/// Its frames come back with the last that has it, in whatever way that goes.
fn lifetime(check: &mut Check) -> Verdict {
    let free = || sys::stats().context("stats").map(|stats| stats.free_frames);
    // What the kernel needs for it the first time stays.
    used_by_a_child()?;
    let before = free()?;
    used_by_a_child()?;
    let after = free()?;
    check.metric("frames_lost", before.saturating_sub(after));
    ensure!(
        before.saturating_sub(after) < PAGES as u64 / 2,
        "{before} frames were free, then {after}"
    );
    Ok(())
}

fn used_by_a_child() -> Verdict {
    let file = File::shared_memory("", PAGES * PAGE).context("shared memory")?;
    let child = Child::fork(|| {
        let Ok(shared) = Shared::map(&file, Protection::ReadWrite) else {
            return 1;
        };
        for page in 0..PAGES {
            shared.write(page * PAGE, 1);
        }
        // Killed with it mapped.
        loop {
            shared.write(8, 2);
            if sys::sleep(FOREVER / 2).is_err() {
                return 2;
            }
        }
    })
    .context("fork")?;
    let shared = Shared::map(&file, Protection::Read).context("map")?;
    drop(file);
    while shared.read(8) != 2 {
        sys::yield_now();
    }
    child.kill().context("kill")?;
    let last = shared.read((PAGES - 1) * PAGE);
    ensure!(last == 1, "the killed child's last page says {last}");
    Ok(())
}
