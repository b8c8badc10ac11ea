//! How a program of `hostel compare` says what it has measured.
//!
//! Argument 0 of such a program is the number of the measurement. What is brought up at first use
//! is brought up before [`Work::begin`]; what was done goes with [`Work::end`].

use crate::check::{Check, Context as _, Failure, Verdict};
use crate::file::File;
use crate::sys;
use crate::time::{MS, now_ns, ticks_to_ns, tsc};
use abi::latency::{Buckets, PREFIX};
use abi::metric::{
    ABSENT, ELAPSED, INTERRUPTS, NOTIFICATIONS, OPERATION_BYTES, OPERATIONS, PARTIAL, REQUESTS,
};
use abi::syscall::{Errno, PageSize, Phase, Stats};
use alloc::boxed::Box;
use alloc::format;

/// Opens the device of that name, of which a question mark says that it may be absent; if it is,
/// that is what the check reports.
pub fn open(check: &mut Check, name: &str) -> Result<Option<File>, Failure> {
    let (name, may_be_absent) = match name.strip_suffix('?') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let path = format!("/dev/{name}");
    match File::open(&path) {
        Err(Errno::NoEnt) if may_be_absent => {
            check.metric(ABSENT, 1);
            Ok(None)
        }
        opened => opened.context(&path).map(Some),
    }
}

/// The numbers of 64 bits that a device has given.
pub fn numbers<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    numbers
}

/// The size of pages that argument `index` names: `4k` or `2m`.
pub fn page_size(check: &Check, index: usize) -> Option<PageSize> {
    match check.arg(index)? {
        "4k" => Some(PageSize::Small),
        "2m" => Some(PageSize::Large),
        _ => None,
    }
}

fn number(check: &Check) -> Result<u64, Failure> {
    let number = check.number(0);
    number.ok_or_else(|| "argument 0 is no number of a measurement".into())
}

/// Has the host look how much of its memory this machine has just now. That takes it a while, so
/// it is for before or after what is measured.
pub fn look(check: &Check) -> Verdict {
    sys::measure(Phase::Look, number(check)?).context("measure")
}

/// A measurement under way.
pub struct Work {
    number: u64,
    before: Stats,
    began_ns: u64,
}

/// Has `operate` done again and again for `ms` milliseconds, and until there is something done; it
/// adds what it does to `done`, which is reported.
pub fn run_for(
    check: &mut Check,
    ms: u64,
    mut done: Done,
    mut operate: impl FnMut(&mut Done) -> Verdict,
) -> Result<Done, Failure> {
    let work = Work::begin(check)?;
    let end = work.began_ns + ms * MS;
    while done.operations == 0 || now_ns() < end {
        operate(&mut done)?;
    }
    work.end(check, &done)?;
    Ok(done)
}

/// What was done.
pub struct Done {
    /// How many operations.
    pub operations: u64,
    /// Bytes of each, where it has bytes.
    pub operation_bytes: Option<u64>,
    /// How long each took.
    pub latencies: Latencies,
    /// Of the time of all, so many nanoseconds count; all, if it does not say.
    pub counted_ns: Option<u64>,
}

impl Done {
    /// Nothing yet. Made before what is measured begins.
    pub fn none(operation_bytes: Option<u64>) -> Result<Self, Failure> {
        Ok(Self {
            operations: 0,
            operation_bytes,
            latencies: Latencies::new()?,
            counted_ns: None,
        })
    }

    /// Runs `body`, which is so many operations, and adds them.
    pub fn time<T>(&mut self, operations: u64, body: impl FnOnce() -> T) -> T {
        self.operations += operations;
        self.latencies.time_several(operations, body)
    }

    /// Adds `operations` that took so many ticks of the time-stamp counter together.
    pub fn count(&mut self, operations: u64, ticks: u64) {
        self.operations += operations;
        self.latencies.add(ticks, operations);
    }

    /// Adds an operation of so many nanoseconds, which count, as do others like it.
    pub fn count_ns(&mut self, ns: u64) {
        self.operations += 1;
        self.latencies.add_ns(ns, 1);
        *self.counted_ns.get_or_insert(0) += ns;
    }

    /// Adds what another has done.
    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.latencies.merge(&other.latencies);
    }
}

impl Work {
    /// What is measured begins.
    pub fn begin(check: &Check) -> Result<Self, Failure> {
        let number = number(check)?;
        let before = sys::stats().context("stats")?;
        sys::measure(Phase::Begin, number).context("measure")?;
        Ok(Self {
            number,
            before,
            began_ns: now_ns(),
        })
    }

    /// When it began, in nanoseconds since boot.
    pub fn began_ns(&self) -> u64 {
        self.began_ns
    }

    /// It has ended.
    pub fn end(self, check: &mut Check, done: &Done) -> Verdict {
        self.end_now()?.report(check, done)
    }

    /// It has ended; what was done is put together afterwards.
    pub fn end_now(self) -> Result<Ended, Failure> {
        let elapsed_ns = now_ns() - self.began_ns;
        sys::measure(Phase::End, self.number).context("measure")?;
        Ok(Ended {
            before: self.before,
            after: sys::stats().context("stats")?,
            elapsed_ns,
        })
    }
}

/// A measurement that is over.
pub struct Ended {
    before: Stats,
    after: Stats,
    elapsed_ns: u64,
}

impl Ended {
    /// Says what was done.
    pub fn report(self, check: &mut Check, done: &Done) -> Verdict {
        let Self {
            before,
            after,
            elapsed_ns,
        } = self;
        check.metric(OPERATIONS, done.operations);
        if let Some(bytes) = done.operation_bytes {
            check.metric(OPERATION_BYTES, bytes);
        }
        check.metric(ELAPSED, done.counted_ns.unwrap_or(elapsed_ns));
        if done.counted_ns.is_some() {
            check.metric(PARTIAL, 1);
        }
        check.metric(
            INTERRUPTS,
            after.device_interrupts - before.device_interrupts,
        );
        check.metric(NOTIFICATIONS, after.notifications - before.notifications);
        check.metric(REQUESTS, after.block_requests - before.block_requests);
        done.latencies.report(check);
        if done.operations == 0 {
            return Err("nothing was done in time".into());
        }
        Ok(())
    }
}

/// How often operations took how long. Made before what is measured begins.
pub struct Latencies {
    tsc_khz: u64,
    counts: Box<[u64; Buckets::COUNT]>,
}

impl Latencies {
    /// None yet.
    pub fn new() -> Result<Self, Failure> {
        let info = sys::sys_info().context("sysinfo")?;
        Ok(Self {
            tsc_khz: info.tsc_khz.max(1),
            counts: Box::new([0; Buckets::COUNT]),
        })
    }

    /// Runs `operation` and counts how long it took.
    pub fn time<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        self.time_several(1, operation)
    }

    /// Runs `body`, which is so many operations, and counts how long each took on average.
    pub fn time_several<T>(&mut self, operations: u64, body: impl FnOnce() -> T) -> T {
        let start = tsc();
        let result = body();
        self.add(tsc().saturating_sub(start), operations);
        result
    }

    /// Counts `operations` that took so many ticks of the time-stamp counter together.
    pub fn add(&mut self, ticks: u64, operations: u64) {
        self.add_ns(self.ns(ticks) / operations.max(1), operations);
    }

    /// Counts `operations` that took so many nanoseconds each.
    pub fn add_ns(&mut self, ns: u64, operations: u64) {
        self.counts[Buckets::of(ns)] += operations;
    }

    /// Ticks of the time-stamp counter in nanoseconds.
    pub fn ns(&self, ticks: u64) -> u64 {
        ticks_to_ns(ticks, self.tsc_khz)
    }

    /// Counts another's, too.
    pub fn merge(&mut self, other: &Self) {
        let both = self.counts.iter_mut().zip(other.counts.iter());
        both.for_each(|(own, other)| *own += other);
    }

    fn report(&self, check: &mut Check) {
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            check.metric(format!("{PREFIX}{bucket}"), *count);
        }
    }
}
