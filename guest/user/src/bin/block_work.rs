//! Work of `hostel compare`: reads and writes of a disk for so long, by so many threads.
//!
//! Arguments: number of the measurement, disk, after which `?` says that it may be absent,
//! `interrupt` or `poll`, `read` or `write` (in order) or `random` or `mixed` (at random; of
//! the latter, every fourth a write), bytes of an operation, threads, milliseconds. Each page
//! of the disk holds its mark, which is looked at in what is read.
#![no_std]
#![no_main]

use user::abi::image::{WORK_BYTES, page_mark};
use user::abi::syscall::IoMode;
use user::alloc::vec::Vec;
use user::alloc::{format, vec};
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::file::File;
use user::team::{self, Part};
use user::time::now_ns;
use user::work::{self, Done};

user::check!(run);

const PAGE: u64 = 4096;
/// Of mixed operations, one of so many writes.
const MIX: u64 = 4;

#[derive(Clone, Copy)]
enum Pattern {
    Read,
    Write,
    Random,
    Mixed,
}

#[derive(Clone, Copy)]
struct Task {
    disk: &'static str,
    mode: IoMode,
    pattern: Pattern,
    bytes: u64,
    threads: u64,
    ms: u64,
}

impl Task {
    fn from_args(check: &Check) -> Option<Self> {
        let number = |index| check.number(index);
        let task = Self {
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
        let fits = task.bytes.is_multiple_of(PAGE) && WORK_BYTES.is_multiple_of(task.bytes);
        (fits && task.bytes > 0 && task.threads > 0).then_some(task)
    }
}

/// One thread's part.
struct Worker {
    task: Task,
    disk: File,
    buffer: Vec<u8>,
    state: u64,
    operations: u64,
}

impl Worker {
    fn new(task: Task, index: u64) -> Result<Self, Failure> {
        let path = format!("/dev/{}", task.disk.trim_end_matches('?'));
        let disk = File::open(&path).context(&path)?;
        disk.set_io_mode(task.mode).context("setting the IO mode")?;
        Ok(Self {
            task,
            disk,
            buffer: vec![0; task.bytes as usize],
            state: index + 1,
            operations: 0,
        })
    }

    /// Where the next operation is, in bytes.
    fn next_offset(&mut self) -> u64 {
        let places = WORK_BYTES / self.task.bytes;
        let place = match self.task.pattern {
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
        place * self.task.bytes
    }

    fn operate(&mut self) -> Verdict {
        let offset = self.next_offset();
        let is_write = match self.task.pattern {
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
}

impl Part for Worker {
    fn prepare(&mut self) -> Result<Done, Failure> {
        self.operate()?;
        self.operations = 0;
        Done::none(Some(self.task.bytes))
    }

    fn work_until(&mut self, end_ns: u64, done: &mut Done) -> Verdict {
        while done.operations == 0 || now_ns() < end_ns {
            done.time(1, || self.operate())?;
        }
        if matches!(self.task.pattern, Pattern::Write) {
            self.disk.flush().context("flush")?;
        }
        Ok(())
    }
}

fn run(check: &mut Check) -> Verdict {
    let task = Task::from_args(check).ok_or("arguments that are no work")?;
    let Some(_disk) = work::open(check, task.disk)? else {
        return Ok(());
    };
    let workers = (0..task.threads).map(|index| Worker::new(task, index));
    let workers = workers.collect::<Result<_, _>>()?;
    let none = Done::none(Some(task.bytes))?;
    team::run(check, task.ms, workers, none)
}
