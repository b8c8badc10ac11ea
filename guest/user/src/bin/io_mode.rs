//! Check: requests to a disk (`vda`, or its argument) work by interrupt and by polling alike; what
//! each costs.
#![no_std]
#![no_main]

use user::abi::image::SCRATCH_FIRST_SECTOR;
use user::abi::syscall::{IoMode, Stats};
use user::alloc::{format, vec};
use user::check::{Check, Context as _, Failure, Verdict};
use user::file::File;
use user::time::{MS, now_ns};
use user::{ensure, sys};

user::check!(run);

const REQUESTS: u64 = 12;
const BYTES: usize = 4096;
/// Longer than an interrupt is under way.
const SETTLE_NS: u64 = 5 * MS;
const OFFSET: u64 = SCRATCH_FIRST_SECTOR * 512;

/// What one way of waiting cost.
struct Cost {
    request_ns: u64,
    interrupts: u64,
    notifications: u64,
}

fn mark(request: u64) -> [u8; 8] {
    (0xb10c_0000_0000_0000 | request).to_le_bytes()
}

/// Writes and reads back `REQUESTS` pages.
fn measure(disk: &File, mode: IoMode) -> Result<Cost, Failure> {
    disk.set_io_mode(mode).context("setting the IO mode")?;
    let mut page = vec![0; BYTES];
    let before = sys::stats().context("stats")?;
    let start = now_ns();
    disk.seek(OFFSET).context("seek")?;
    for request in 0..REQUESTS {
        page[..8].copy_from_slice(&mark(request + mode as u64));
        disk.write_all(&page).context("write")?;
    }
    disk.seek(OFFSET).context("seek")?;
    for request in 0..REQUESTS {
        disk.read_exact(&mut page).context("read")?;
        ensure!(
            page[..8] == mark(request + mode as u64),
            "{mode:?}: request {request} came back with other bytes"
        );
    }
    let elapsed_ns = now_ns() - start;
    let after = sys::stats().context("stats")?;
    Ok(cost(elapsed_ns, &before, &after))
}

fn cost(elapsed_ns: u64, before: &Stats, after: &Stats) -> Cost {
    Cost {
        request_ns: elapsed_ns / (2 * REQUESTS),
        interrupts: after.device_interrupts - before.device_interrupts,
        notifications: after.notifications - before.notifications,
    }
}

fn run(check: &mut Check) -> Verdict {
    let path = format!("/dev/{}", check.arg(0).unwrap_or("vda"));
    let disk = File::open(&path).context(&path)?;
    let interrupt = measure(&disk, IoMode::Interrupt)?;
    // What the host still has to deliver is not the second half's.
    sys::sleep(SETTLE_NS).context("sleep")?;
    let poll = measure(&disk, IoMode::Poll)?;
    check.metric("interrupt_request_ns", interrupt.request_ns);
    check.metric("poll_request_ns", poll.request_ns);
    check.metric("interrupts", interrupt.interrupts);
    check.metric("interrupts_polling", poll.interrupts);
    check.metric(
        "notifications",
        interrupt.notifications + poll.notifications,
    );
    ensure!(interrupt.interrupts > 0, "no interrupt came");
    // A busy host may be later still, and join those of the first half.
    ensure!(
        poll.interrupts < REQUESTS,
        "polling {} requests took {} interrupts",
        2 * REQUESTS,
        poll.interrupts
    );
    Ok(())
}
