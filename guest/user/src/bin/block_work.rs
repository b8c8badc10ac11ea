//! Work of `hostel compare`: reads and writes of a disk for so long, by so many threads.
//!
//! Arguments: number of the measurement, disk, `interrupt` or `poll`, `read` or `write` (in order)
//! or `random` or `mixed` (at random; of the latter, every fourth a write), bytes of an operation,
//! threads, milliseconds. Each page of the disk holds its mark, which is looked at in what is read.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use user::abi::image::{WORK_BYTES, page_mark};
use user::abi::syscall::{IoMode, Phase};
use user::alloc::vec::Vec;
use user::alloc::{format, vec};
use user::check::{Check, Context as _, Failure, Verdict};
use user::file::File;
use user::sync::Turn;
use user::thread::{self, JoinHandle};
use user::time::{MS, now_ns};
use user::{ensure, sys};

user::check!(run);

const PAGE: u64 = 4096;
/// Of mixed operations, one of so many writes.
const MIX: u64 = 4;

/// Threads wait until all of them are there.
static TURN: Turn = Turn::new();
const GO: u32 = 1;
static END_NS: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy)]
enum Pattern {
    Read,
    Write,
    Random,
    Mixed,
}

#[derive(Clone, Copy)]
struct Work {
    disk: &'static str,
    mode: IoMode,
    pattern: Pattern,
    bytes: u64,
    threads: u64,
    ms: u64,
}

impl Work {
    fn from_args(check: &Check) -> Option<Self> {
        let number = |index| check.arg(index)?.parse().ok();
        let work = Self {
            disk: check.arg(1)?,
            mode: match check.arg(2)? {
                "interrupt" => IoMode::Interrupt,
                "poll" => IoMode::Poll,
                _ => return None,
            },
            pattern: match check.arg(3)? {
                "read" => Pattern::Read,
                "write" => Pattern::Write,
                "random" => Pattern::Random,
                "mixed" => Pattern::Mixed,
                _ => return None,
            },
            bytes: number(4)?,
            threads: number(5)?,
            ms: number(6)?,
        };
        let fits = work.bytes.is_multiple_of(PAGE) && WORK_BYTES.is_multiple_of(work.bytes);
        (fits && work.bytes > 0 && work.threads > 0).then_some(work)
    }
}

/// One thread's part.
struct Worker {
    work: Work,
    disk: File,
    buffer: Vec<u8>,
    state: u64,
    operations: u64,
}

impl Worker {
    fn new(work: Work, index: u64) -> Result<Self, Failure> {
        let path = format!("/dev/{}", work.disk);
        let disk = File::open(&path).context(&path)?;
        disk.set_io_mode(work.mode).context("setting the IO mode")?;
        Ok(Self {
            work,
            disk,
            buffer: vec![0; work.bytes as usize],
            state: index + 1,
            operations: 0,
        })
    }

    /// Where the next operation is, in bytes.
    fn next_offset(&mut self) -> u64 {
        let places = WORK_BYTES / self.work.bytes;
        let place = match self.work.pattern {
            Pattern::Read | Pattern::Write => self.operations % places,
            Pattern::Random | Pattern::Mixed => {
                // Knuth's MMIX generator.
                self.state = self
                    .state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (self.state >> 33) % places
            }
        };
        place * self.work.bytes
    }

    fn operate(&mut self) -> Verdict {
        let offset = self.next_offset();
        let is_write = match self.work.pattern {
            Pattern::Write => true,
            Pattern::Mixed => self.operations.is_multiple_of(MIX),
            Pattern::Read | Pattern::Random => false,
        };
        self.disk.seek(offset).context("seek")?;
        let pages = (offset / PAGE..).zip(self.buffer.chunks_exact_mut(PAGE as usize));
        if is_write {
            for (page, bytes) in pages {
                bytes[..8].copy_from_slice(&page_mark(page).to_le_bytes());
            }
            self.disk.write_all(&self.buffer).context("write")?;
        } else {
            self.disk.read_exact(&mut self.buffer).context("read")?;
            let pages = (offset / PAGE..).zip(self.buffer.chunks_exact(PAGE as usize));
            for (page, bytes) in pages {
                ensure!(
                    bytes[..8] == page_mark(page).to_le_bytes(),
                    "page {page} of the disk came back with other bytes"
                );
            }
        }
        self.operations += 1;
        Ok(())
    }

    fn operate_until(mut self, end_ns: u64) -> Result<u64, Failure> {
        let before = self.operations;
        while now_ns() < end_ns {
            self.operate()?;
        }
        if matches!(self.work.pattern, Pattern::Write) {
            self.disk.flush().context("flush")?;
        }
        Ok(self.operations - before)
    }
}

fn run(check: &mut Check) -> Verdict {
    let number = check.arg(0).and_then(|text| text.parse().ok());
    let (Some(number), Some(work)) = (number, Work::from_args(check)) else {
        return Err("arguments that are no work".into());
    };
    let mut workers = Vec::new();
    for index in 0..work.threads {
        let mut worker = Worker::new(work, index)?;
        // Brings up what is brought up at first use.
        worker.operate()?;
        workers.push(worker);
    }
    let last = workers.pop();
    let mut others: Vec<JoinHandle<Result<u64, Failure>>> = Vec::new();
    for worker in workers {
        let body = move || {
            TURN.wait_for(GO);
            worker.operate_until(END_NS.load(Ordering::Relaxed))
        };
        others.push(thread::spawn(body).context("a thread")?);
    }
    let before = sys::stats().context("stats")?;
    sys::measure(Phase::Begin, number).context("measure")?;
    let start = now_ns();
    let end = start + work.ms * MS;
    END_NS.store(end, Ordering::Relaxed);
    TURN.set(GO);
    let mut operations = last.map_or(Ok(0), |worker| worker.operate_until(end))?;
    for thread in others {
        operations += thread.join().context("join")??;
    }
    let elapsed_ns = now_ns() - start;
    sys::measure(Phase::End, number).context("measure")?;
    let after = sys::stats().context("stats")?;
    check.metric("operations", operations);
    check.metric("operation_bytes", work.bytes);
    check.metric("elapsed_ns", elapsed_ns);
    check.metric(
        "interrupts",
        after.device_interrupts - before.device_interrupts,
    );
    check.metric("notifications", after.notifications - before.notifications);
    check.metric("requests", after.block_requests - before.block_requests);
    ensure!(operations > 0, "nothing was done in {} ms", work.ms);
    Ok(())
}
